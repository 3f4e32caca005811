"""The steps of an agent with tools: whose calls are run, whose go out, and when it ends."""

import asyncio
import json

import pytest

from gateway.agent.parts import Result
from gateway.agent.settings import LimitSettings
from gateway.upstream import UpstreamError
from tests.gateway.agent.scripted import USAGE, Engine, Toolset, ask, says

BOTH = pytest.mark.parametrize("stream", [False, True])
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
TWO = {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}


@BOTH
async def test_a_call_of_the_agents_own_is_run_inside_and_never_told(stream: bool) -> None:
    engine, tools = Engine([says("", ("sum", {"a": "1"})), says("It is three.")]), Toolset({"sum": "3"})

    answered = await ask(engine, tools, stream=stream)

    assert ("It is three.", [], "stop") == (answered.text, answered.calls, answered.finish)
    assert [("sum", {"a": "1"}, True)] == tools.called
    assert TWO == answered.body["usage"]
    assistant, result = engine.asked[1]["messages"][-2:]
    assert ("sum-0", "sum") == (assistant["tool_calls"][0]["id"], assistant["tool_calls"][0]["function"]["name"])
    assert {"role": "tool", "tool_call_id": "sum-0", "content": "3"} == result
    assert all(b"tool_calls" not in event.data for event in answered.events)


@BOTH
async def test_an_answer_without_a_call_passes_byte_for_byte(stream: bool) -> None:
    engine = Engine([says("Hello there.")])

    answered = await ask(engine, Toolset({"sum": "3"}), stream=stream)

    assert ("Hello there.", "stop") == (answered.text, answered.finish)
    assert (says("Hello there.") == answered.body) or stream
    assert USAGE == answered.body["usage"]


async def test_what_an_agent_without_tools_is_asked_is_left_alone() -> None:
    engine = Engine([says("Hello there.")])

    await ask(engine, Toolset(), temperature=0.5, tools=[WEATHER])

    assert {"model", "messages", "temperature", "tools"} == set(engine.asked[0])


@BOTH
async def test_a_call_of_the_clients_tool_goes_out_with_its_id(stream: bool) -> None:
    engine = Engine([says("", ("sum", {"a": "1"})), says("Let me see.", ("weather", {"city": "Oslo"}))])

    answered = await ask(engine, Toolset({"sum": "3"}), stream=stream, tools=[WEATHER])

    (call,) = answered.calls
    assert ("weather-0", "weather") == (call["id"], call["function"]["name"])
    assert {"city": "Oslo"} == json.loads(call["function"]["arguments"])
    assert ("tool_calls", "Let me see.") == (answered.finish, answered.text)
    assert not stream or call["index"] == 0
    assert ["weather", "sum"] == [tool["function"]["name"] for tool in engine.asked[0]["tools"]]


@BOTH
async def test_where_both_are_called_at_once_only_the_clients_goes_out_and_ours_is_not_run(stream: bool) -> None:
    engine, tools = Engine([says("", ("sum", {}), ("weather", {}))]), Toolset({"sum": "3"})

    answered = await ask(engine, tools, stream=stream, tools=[WEATHER])

    assert ["weather"] == [call["function"]["name"] for call in answered.calls]
    assert [] == tools.called


async def test_a_name_that_the_client_has_too_is_the_clients() -> None:
    tools = Toolset({"weather": "rain"})

    theirs = await ask(Engine([says("", ("weather", {}))]), tools, tools=[WEATHER])
    ours = await ask(Engine([says("", ("own__weather", {})), says("Rain.")]), tools, tools=[WEATHER])

    assert ["weather"] == [call["function"]["name"] for call in theirs.calls]
    assert ("Rain.", [("weather", {}, True)]) == (ours.text, tools.called)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_client_that_insists_on_its_own_tool_is_offered_no_other(choice: object) -> None:
    engine = Engine([says("", ("weather", {}))])

    await ask(engine, Toolset({"sum": "3"}), tools=[WEATHER], tool_choice=choice)

    assert [WEATHER] == engine.asked[0]["tools"] and choice == engine.asked[0]["tool_choice"]


async def test_a_client_that_wants_no_call_gets_none_of_its_own() -> None:
    engine = Engine([says("", ("weather", {})), says("Fine.")])

    answered = await ask(engine, Toolset({"sum": "3"}), tools=[WEATHER], tool_choice="none")

    assert ("Fine.", []) == (answered.text, answered.calls)
    assert ["sum"] == [tool["function"]["name"] for tool in engine.asked[0]["tools"]]


@BOTH
async def test_words_before_a_call_are_part_of_the_answer(stream: bool) -> None:
    engine = Engine([says("I look.", ("sum", {})), says("It is three.")])

    answered = await ask(engine, Toolset({"sum": "3"}), stream=stream)

    assert "I look.\n\nIt is three." == answered.text


@BOTH
async def test_the_same_call_twice_ends_the_loop(stream: bool) -> None:
    engine = Engine([says("", ("sum", '{"a": "1"}')), says("", ("sum", '{ "a" : "1" }')), says("Three.")])
    tools = Toolset({"sum": "3"})

    answered = await ask(engine, tools, stream=stream)

    assert ("Three.", 1, 3) == (answered.text, len(tools.called), len(engine.asked))
    assert "none" == engine.asked[2]["tool_choice"]


@BOTH
async def test_it_is_asked_at_most_so_many_times_and_then_says_so(stream: bool) -> None:
    """Also where the engine takes no notice of `tool_choice`."""
    engine = Engine([lambda body: says("", ("sum", {"a": str(len(body["messages"]))}))])
    tools = Toolset({"sum": "3"})

    answered = await ask(engine, tools, LimitSettings(steps=4), stream=stream)

    assert (4, 3) == (len(engine.asked), len(tools.called))
    assert ("stop", []) == (answered.finish, answered.calls) and "4 steps" in answered.text
    assert ["auto", "auto", "auto", "none"] == [body["tool_choice"] for body in engine.asked]


async def test_calls_run_four_at_once_and_no_more() -> None:
    calls = [("sum", {"a": str(n)}) for n in range(20)]
    engine, tools = Engine([says("", *calls), says("Done.")]), Toolset({"sum": "3"}, delay_s=0.01)

    answered = await ask(engine, tools)

    assert ("Done.", 4, 16) == (answered.text, tools.most_at_once, len(tools.called))
    told = [message for message in engine.asked[1]["messages"] if message["role"] == "tool"]
    assert 20 == len(told) and 4 == sum("Not run" in message["content"] for message in told)


async def test_what_is_no_call_of_a_tool_is_said_to_the_model() -> None:
    engine = Engine([says("", ("rm", {}), ("sum", "{oops"), ("sum", "[1]"), ids=False), says("Sorry.")])
    tools = Toolset({"sum": "3"})

    answered = await ask(engine, tools)

    told = engine.asked[1]["messages"][-3:]
    assert ("Sorry.", []) == (answered.text, tools.called)
    assert all(message["content"].startswith("Error: ") for message in told)
    assert 3 == len({message["tool_call_id"] for message in told})
    calls = engine.asked[1]["messages"][-4]["tool_calls"]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)


async def test_a_call_ends_after_its_time() -> None:
    engine, tools = Engine([says("", ("sum", {})), says("It took too long.")]), Toolset({"sum": "3"}, delay_s=30)

    answered = await ask(engine, tools, LimitSettings(call_s=0.05))

    assert "It took too long." == answered.text
    assert "Error: no result within 0.05 s" == engine.asked[1]["messages"][-1]["content"]


async def test_after_all_its_time_the_next_step_is_the_last() -> None:
    engine, tools = Engine([says("", ("sum", {})), says("Done.")]), Toolset({"sum": "3"}, delay_s=30)

    answered = await ask(engine, tools, LimitSettings(total_s=0.05))

    assert ("Done.", "none") == (answered.text, engine.asked[1]["tool_choice"])
    assert engine.patience[1].whole_s == 1.0


@BOTH
async def test_a_stream_has_signs_of_life_while_tools_run(stream: bool) -> None:
    answered = await ask(Engine([says("", ("sum", {})), says("Done.")]), Toolset({"sum": "3"}), stream=stream)

    assert ([b": sum\n\n"] if stream else []) == answered.comments


async def test_a_client_that_hangs_up_ends_the_calls_and_the_engines_work() -> None:
    engine, tools = Engine([says("", ("sum", {}))]), Toolset({"sum": "3"}, delay_s=30)
    task = asyncio.create_task(ask(engine, tools))
    while not tools.called:
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (0, 0) == (tools._now, engine.open_now)


async def test_nothing_is_sent_before_the_first_word_so_that_another_may_answer() -> None:
    """Until then the forwarder takes the next candidate where a later step fails."""
    answered = await ask(Engine([says("", ("sum", {})), says("Done.")]), Toolset({"sum": "3"}), stream=True)

    assert answered.events[0].is_comment and b'"role"' in answered.events[1].data
    assert b'"content":"Done."' in answered.events[2].data


@BOTH
async def test_an_engine_that_fails_in_a_later_step_fails_the_answer(stream: bool) -> None:
    error = b'{"error":{"message":"out of memory"}}'
    for status, told in ((500, 500), (400, 502), (429, 429)):
        engine = Engine([says("", ("sum", {})), (status, error)])

        with pytest.raises(UpstreamError, match="out of memory") as raised:
            await ask(engine, Toolset({"sum": "3"}), stream=stream)

        assert told == raised.value.status


@BOTH
async def test_an_error_at_the_first_step_is_the_engines_own(stream: bool) -> None:
    engine = Engine([(400, b'{"error":{"message":"the prompt is too long"}}')])

    answered = await ask(engine, Toolset({"sum": "3"}), stream=stream)

    assert (400, "the prompt is too long") == (answered.status, answered.body["error"]["message"])


@BOTH
async def test_a_form_is_asked_for_when_the_tools_have_done_their_work(stream: bool) -> None:
    """Many engines take no schema beside tools; and what is said before is not the answer yet."""
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    engine = Engine([says("", ("sum", {})), says("Three."), says('{"sum": 3}')])

    answered = await ask(engine, Toolset({"sum": "3"}), stream=stream, response_format=form)

    assert '{"sum": 3}' == answered.text
    assert [False, False, True] == ["response_format" in body for body in engine.asked]
    assert "tools" not in engine.asked[2]


@BOTH
async def test_the_clients_bound_holds_for_all_steps_together(stream: bool) -> None:
    engine = Engine([says("One two.", ("sum", {})), says("Three.")])

    await ask(engine, Toolset({"sum": "3"}), stream=stream, max_tokens=10)

    assert [10, 8] == [body["max_tokens"] for body in engine.asked]


async def test_an_engine_that_does_not_stream_is_streamed_all_the_same() -> None:
    engine = Engine([says("", ("sum", {})), says("Three.")], streams=False)

    assert "Three." == (await ask(engine, Toolset({"sum": "3"}), stream=True)).text


async def test_several_answers_at_once_are_asked_for_without_tools() -> None:
    engine = Engine([says("Hello.")])

    await ask(engine, Toolset({"sum": "3"}), n=2)

    assert "tools" not in engine.asked[0]


@BOTH
async def test_an_engine_that_lost_its_tools_is_asked_in_the_other_form_and_it_is_said(stream: bool) -> None:
    refusal = b'{"error":{"message":"m does not support tools"}}'
    choice = says(json.dumps({"tool": "sum", "arguments": {"a": "1"}}))
    engine, tools, lost = Engine([(400, refusal), choice, says("Three.")]), Toolset({"sum": "3"}), list[str]()

    answered = await ask(engine, tools, stream=stream, lost=lost)

    assert ("Three.", ["m does not support tools"]) == (answered.text, lost)
    assert [("sum", {"a": "1"}, True)] == tools.called


async def test_an_engine_without_tools_cannot_call_the_clients() -> None:
    answered = await ask(Engine([says("x")]), Toolset({"sum": "3"}), native=False, tools=[WEATHER])

    assert (400, "agent_without_tools") == (answered.status, answered.body["error"]["code"])


@BOTH
async def test_the_result_of_the_calculator_is_the_answer_where_a_model_calls_nothing(stream: bool) -> None:
    written = says('{"tool": "calculator", "arguments": {"expression": "12*7"}}')
    engine, tools = Engine([written]), Toolset({"calculator": "12*7 = 84"})

    answered = await ask(
        engine, tools, native=False, stream=stream, messages=[{"role": "user", "content": "What is 12 * 7?"}]
    )

    assert ("12*7 = 84", "stop", USAGE) == (answered.text, answered.finish, answered.body["usage"])
    assert 1 == len(engine.asked) and not engine.asked[0].get("stream")


@BOTH
async def test_without_a_number_in_it_a_question_is_answered_plainly(stream: bool) -> None:
    engine = Engine([says("Paris.")])

    answered = await ask(engine, Toolset({"calculator": ""}), native=False, stream=stream, temperature=0.3)

    assert ("Paris.", 0.3) == (answered.text, engine.asked[0]["temperature"])
    assert 1 == len(engine.asked) and "response_format" not in engine.asked[0]


@pytest.mark.parametrize(
    "failure", [(400, b'{"error":{"message":"no grammar"}}'), says("no JSON"), says('{"tool": "rm", "arguments": {}}')]
)
async def test_where_no_choice_comes_about_the_answer_is_the_plain_models(failure: object) -> None:
    engine, tools = Engine([failure, says("Plain.")]), Toolset({"sum": "3"})

    assert "Plain." == (await ask(engine, tools, native=False)).text
    assert [] == tools.called


async def test_a_failed_calculation_is_no_answer() -> None:
    written = says('{"tool": "calculator", "arguments": {"expression": "1/0"}}')
    engine = Engine([written, says("Plain.")])
    tools = Toolset({"calculator": Result("it divides by zero", is_error=True)})

    answered = await ask(engine, tools, native=False, messages=[{"role": "user", "content": "What is 1 / 0?"}])

    assert "Plain." == answered.text


async def test_unreadable_fields_are_the_clients_mistake() -> None:
    answered = await ask(Engine([says("x")]), Toolset({"sum": "3"}), tools={"no": "list"})

    assert 400 == answered.status
