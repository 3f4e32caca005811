"""Who answers: how far the owner's rules let a request go, and what is told where nobody may be asked."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from discovery.records import Agent
from gateway.privacy.fields import FREE
from gateway.privacy.rules import Rule
from gateway.serving.headers import read_headers
from gateway.serving.leaving import Came
from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.elsewhere import Elsewhere, to_tell
from gateway.wire.request import read_request
from tests.fakes import ScriptedEngine
from tests.gateway.serving.desk import CHAT, PICTURE, Desk, desk, excluded
from tests.gateway.serving.forwarding import Recorder, Waiting

# --- how far the owner's rules let a request go ---


CARD = "my card is 4242 4242 4242 4242"
GOES_ON = Agent("scripted-1", "scripted-1", 4096, continues=("chat/completions",))  # with what another began
SECRETS = Rule("secrets", "my machines", patterns=("card",))


def told(desk: Desk, place: str) -> None:
    """Ben, who is in her roster, tells where his engine runs."""
    assert "ben" in desk.node.roster.peer_names
    desk.node.hear_details(desk.ben.id, [Agent("scripted-1", "scripted-1", 4096, place=place)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("to", "mine", "place", "may"),
    [
        ("this machine", True, "here", False),
        ("my machines", False, "here", False),
        ("my machines", True, "here", True),
        ("my machines", True, "other host", False),
        ("my machines", True, "", False),  # it does not say where: that is no place of mine
        ("approved", False, "here", True),
        ("approved", False, "other host", True),
        ("approved", True, "cloud", False),  # somebody else's, whoever may ask it
        ("approved", False, "", False),
        ("anyone", False, "", True),
    ],
)
async def test_a_rule_says_who_may_be_asked(
    tmp_path: Path, theirs: ScriptedEngine, to: str, mine: bool, place: str, may: bool
) -> None:
    """Ada has no engine: ben is asked, or nobody is, and her client is told which rule says so."""
    rule = replace(SECRETS, to=to)  # type: ignore[arg-type]
    async with desk(tmp_path, None, theirs, rules=(rule,)) as ada:
        ada.me.admission.approve(ada.ben.id, mine=mine)
        told(ada, place)
        kept = await ada.ask(messages=[{"role": "user", "content": CARD}])
        free = await ada.ask()

    assert (200, 1 + may) == (free.status, len(theirs.asked))
    if may:
        assert 200 == kept.status
    else:
        assert (422, "privacy_rule") == (kept.status, kept.error["code"])
        assert "privacy:secrets" in str(kept.error["message"]) and f"`{to}`" in str(kept.error["message"])
        assert "4242" not in kept.body.decode()


@pytest.mark.parametrize("to", ["this machine", "my machines", "approved"])
async def test_what_a_rule_keeps_from_others_is_answered_here(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, to: str
) -> None:
    """Whatever the client asks for, and when its engine fails, too."""
    rule = replace(SECRETS, to=to)  # type: ignore[arg-type]
    async with desk(tmp_path, mine, theirs, rules=(rule,)) as ada:
        said = {"messages": [{"role": "user", "content": CARD}]}
        answered = await ada.ask(**said)
        pinned = await ada.ask({"x-ppai-route": "ben"}, **said)
        mine.status = 500
        failed = await ada.ask(**said)

    assert (200, "ada", "privacy:secrets") == (
        answered.status, answered.headers["x-ppai-peer"], answered.headers["x-ppai-reason"],
    )  # fmt: skip
    assert [422, 500] == [pinned.status, failed.status]
    assert [] == theirs.asked


@pytest.mark.parametrize("place", ["other host", "cloud"])
@pytest.mark.parametrize("to", ["this machine", "my machines"])
async def test_an_engine_of_ours_elsewhere_is_no_machine_of_mine(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, place: str, to: str
) -> None:
    """Also where its context seems too short for the request, and it would be tried all the same."""
    rule = replace(SECRETS, to=to)  # type: ignore[arg-type]
    async with desk(tmp_path, mine, theirs, rules=(rule,)) as ada:
        own = [replace(agent, place=place, context_tokens=16) for agent in ada.node.own_agents]  # type: ignore[arg-type]
        ada.node.serve(own)
        client = await ada.ask(messages=[{"role": "user", "content": f"{CARD} {'and so on ' * 40}"}])

    assert 422 == client.status
    assert [] == mine.asked + theirs.asked


async def test_a_peer_that_comes_while_a_request_waits_at_home_is_not_asked(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Nothing was looked at while nobody else was there."""
    mine.delay_s = 0.3
    async with desk(tmp_path, mine, theirs, slots=1, rules=(Rule("all"),)) as ada:
        ada.me.admission.revoke(ada.ben.id)
        first = asyncio.create_task(ada.ask())
        await mine.until(lambda engine: engine.active == 1)
        second = asyncio.create_task(ada.ask())
        await asyncio.sleep(0)
        ada.me.admission.approve(ada.ben.id)
        ada.door.look_around()
        clients = await asyncio.gather(first, second)

    assert [200, 200] == [client.status for client in clients]
    assert (2, 0) == (len(mine.asked), len(theirs.asked))


# --- what of a body may leave ---


async def test_what_of_a_body_may_leave_is_looked_at_while_somebody_else_is_there(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    body = json.dumps({**CHAT, "best_of": 2}).encode()
    async with desk(tmp_path, mine, theirs, alone=True) as ada:
        decide = ada.dispatcher.decider.decide
        by_itself = await decide("chat/completions", body, {})
        explained = await decide("chat/completions", body, {}, everybody=True)
        await ada.meet()
        among_two = await decide("chat/completions", body, {})

    assert among_two.travel and "field:best_of" == among_two.choice.reason == among_two.travel.pinned_by
    assert (None, "this machine", "only_candidate") == (
        by_itself.travel, by_itself.query.reach, by_itself.choice.reason,
    )  # fmt: skip
    assert explained.travel == among_two.travel


async def test_of_a_chat_of_texts_what_travels_is_worked_out_once_it_does(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """And what it says of itself is said in no rule's name."""
    body = json.dumps({**CHAT, "user": "ann"}, separators=(",", ":")).encode()
    async with desk(tmp_path, mine, theirs, alone=True) as ada:
        await ada.meet()
        decider = ada.dispatcher.decider
        routed = await decider.decide("chat/completions", body, {})

    assert routed.travel is FREE
    assert (None, "anyone") == (routed.query.pinned_local, routed.query.reach)
    assert {"messages"} == set(decider.queries.travel(routed.request, routed.travel).fields or ())


async def test_what_a_worker_read_counts_as_long_as_all_of_it_stays_here(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Of what may leave all is read here: the worker tells nothing of that."""
    body = json.dumps(CHAT).encode()
    asks = structs.replace(to_tell(read_request("chat/completions", body)), prompt_tokens=77)
    came, wishes = Came(body, {}, read=Elsewhere(asks, 0.0)), read_headers({})
    async with desk(tmp_path, mine, theirs, alone=True) as ada:
        decide = ada.dispatcher.decider.decide_came
        by_itself = await decide("chat/completions", body, came, wishes)
        in_other_words = await decide("chat/completions", json.dumps(CHAT).encode(), came, wishes)
        await ada.meet()
        among_two = await decide("chat/completions", body, came, wishes)

    assert (77, "a secret question") == (by_itself.request.prompt_tokens, by_itself.request.text)
    assert 77 not in (in_other_words.request.prompt_tokens, among_two.request.prompt_tokens)
    assert among_two.travel is not None


@pytest.mark.parametrize(("field", "asked"), [({"user": "ann"}, 1), ({"best_of": 2}, 0)], ids=str)
async def test_a_peer_that_came_while_our_own_engine_failed_gets_what_may_leave_and_nothing_else(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, field: dict[str, object], asked: int
) -> None:
    mine.delay_s, mine.cut_after = 0.2, 0
    async with desk(tmp_path, mine, theirs, alone=True) as ada:
        client = asyncio.create_task(ada.ask(**field))
        await mine.until(lambda engine: engine.active == 1)
        await ada.meet()
        status = (await client).status

    assert (asked, asked) == (len(theirs.asked), status == 200)
    assert not any(field.keys() & body.keys() for body in theirs.asked)


@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize(
    ("rules", "field", "goes_on"),
    [((), {}, True), ((SECRETS,), {}, False), ((), {"unheard_of": 1}, False)],
    ids=["nothing keeps it", "a rule", "a field that nobody knows"],
)
async def test_an_answer_that_breaks_off_goes_on_where_its_request_may_go(
    tmp_path: Path,
    mine: ScriptedEngine,
    theirs: ScriptedEngine,
    rules: tuple[Rule, ...],
    field: dict[str, object],
    goes_on: bool,
    joins: bool,
) -> None:
    """Ben has the same model; what was said so far travels with the question, also where he `joins` in mid-stream."""
    mine.model, mine.cut_after = "scripted-1", 2
    async with desk(tmp_path, mine, theirs, rules=rules, alone=joins) as ada:
        engine: Any = ada.ben.door.engine
        (model,) = engine.state.models
        engine._engine.state = replace(engine.state, models=(replace(model, continues=GOES_ON.continues),))

        class Meeting(Waiting):
            async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
                if joins:
                    await ada.meet()
                assert "ben" in ada.node.roster.peer_names
                ada.node.hear_details(ada.ben.id, [GOES_ON])
                await super().start(status, content_type, headers)

        client, question = Meeting(), {"role": "user", "content": CARD}
        body = json.dumps({"stream": True, "messages": [question], **field}).encode()
        await ada.dispatcher.answer("chat/completions", body, {}, client, "r1")

    begun = [[question, {"role": "assistant", "content": "one"}]] if goes_on else []
    assert begun == [asked["messages"] for asked in theirs.asked]
    assert goes_on == (b'"error"' not in client.body)


async def test_the_api_key_of_a_program_is_a_condition(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    body = json.dumps({**CHAT, "model": "scripted-1"}).encode()
    async with desk(tmp_path, mine, theirs, rules=(Rule("phone", keys=("phone",)),)) as ada:
        clients = {key: Recorder() for key in ("phone", "laptop")}
        for key, client in clients.items():
            await ada.dispatcher.answer("chat/completions", body, {}, client, "r1", key)

    assert {"phone": 422, "laptop": 200} == {key: client.status for key, client in clients.items()}


# --- nobody to ask ---


async def test_without_an_engine_and_peers_the_problem_is_told(tmp_path: Path, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, None, theirs) as ada:
        ada.ben.gossip.leave(0.0)
        card = ada.ben.gossip.own_card()
        ada.me.gossip.learn([card], 0.0)
        client = await ada.ask()

    assert (503, "not_ready") == (client.status, client.error["code"])
    assert "127.0.0.1:9" in client.error["message"]
    assert "retry-after" in client.headers


async def test_without_an_engine_a_pin_to_it_tells_its_problem(tmp_path: Path, theirs: ScriptedEngine) -> None:
    """Though ben could answer: the client said `local`."""
    async with desk(tmp_path, None, theirs) as ada:
        client = await ada.ask({"x-ppai-route": "local"})

    assert (503, "not_ready") == (client.status, client.error["code"])
    assert "127.0.0.1:9" in client.error["message"]
    assert [] == theirs.asked


async def test_without_an_engine_a_peer_that_waits_to_be_approved_is_no_help(
    tmp_path: Path, theirs: ScriptedEngine
) -> None:
    """The engine's problem is what the user can do something about; of a pin, the approval is."""
    async with desk(tmp_path, None, theirs) as ada:
        ada.me.admission.revoke(ada.ben.id)
        plain, pinned = await ada.ask(), await ada.ask({"x-ppai-route": "ben"})

    assert (503, "not_ready") == (plain.status, plain.error["code"])
    assert "127.0.0.1:9" in plain.error["message"]
    assert f"ppai approve {ada.ben.id}" in pinned.error["message"]


async def test_what_nobody_serves_is_said_so(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    """Our engine says that its model takes text alone; ben's card does not say more."""
    mine.models = b'{"data":[{"id":"mine","architecture":{"input_modalities":["text"]}}]}'
    async with desk(tmp_path, mine, theirs) as ada:
        with pytest.raises(InvalidRequest, match="nobody here takes image") as caught:
            await ada.ask(messages=PICTURE)

    assert (422, "capability_missing") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("endpoint", ["chat/completions", "responses", "messages"])
async def test_tools_are_refused_by_every_api_of_an_engine_that_says_it_has_none(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, endpoint: str
) -> None:
    """It would ignore them."""
    tool = {"type": "function", "function": {"name": "f"}} if endpoint == "chat/completions" else {"name": "f"}
    body = json.dumps({**CHAT, "input": "hi", "max_tokens": 5, "tools": [tool]}).encode()
    async with desk(tmp_path, mine, theirs) as ada:
        ada.me.admission.revoke(ada.ben.id)
        ada.node.serve([replace(ada.node.own_agents[0], modalities=("text",))])
        with pytest.raises(InvalidRequest, match="takes tools") as caught:
            await ada.dispatcher.answer(endpoint, body, {}, Recorder(), "r1")

    assert (422, "capability_missing", []) == (caught.value.status, caught.value.code, mine.asked)


async def test_a_clients_retry_goes_to_another_peer_than_the_one_that_failed(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Cut off in mid-stream nobody else is asked, for the client has part of an answer: it tries again itself."""
    mine.cut_after = 2
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "ada"}, stream=True)
        body = json.dumps({**CHAT, "stream": True}).encode()
        first = await excluded(ada, body, {"x-stainless-retry-count": "0"})
        again = await excluded(ada, body, {"x-stainless-retry-count": "1"})
        answered = await ada.ask({"x-stainless-retry-count": "1"}, stream=True)

    assert (None, "retried") == (first["ada"], again["ada"])
    assert ("ben", "1") == (answered.headers["x-ppai-peer"], answered.headers["x-ppai-attempts"])
    assert answered.body.endswith(b"data: [DONE]\n\n")


async def test_a_model_whose_engine_died_is_not_ready_and_a_model_that_nobody_had_does_not_exist(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Ben is there all the while. An engine that comes back with another model has dropped the old one."""
    async with desk(tmp_path, mine, theirs) as ada:
        agents = ada.node.own_agents
        await ada.ask()
        ada.node.serve([])
        gone = await ada.ask(model="mine")
        with pytest.raises(InvalidRequest) as caught:
            await ada.ask(model="minr")
        ada.node.serve(agents)
        back = await ada.ask(model="mine")
        ada.node.serve([])
        ada.node.serve([replace(agents[0], name="next", model="next")])
        with pytest.raises(InvalidRequest, match="does not exist"):
            await ada.ask(model="mine")

    assert (503, "not_ready", "2") == (gone.status, gone.error["code"], gone.headers["retry-after"])
    assert "`mine`" in gone.error["message"] and "`ada` had it" in gone.error["message"]
    assert (404, "model_not_found") == (caught.value.status, caught.value.code)
    assert (200, []) == (back.status, theirs.asked)


async def test_a_model_of_a_peer_that_is_gone_names_the_peer(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """First it is silent, then it has left."""
    async with desk(tmp_path, mine, theirs) as ada:
        ada.me.transport.suspect(ada.ben.id, "test")
        silent = await ada.ask(model="scripted-1")
        ada.ben.gossip.leave(0.0)
        ada.me.gossip.learn([ada.ben.gossip.own_card()], 0.0)
        left = await ada.ask(model="scripted-1")

    for answer in (silent, left):
        assert (503, "not_ready", "2") == (answer.status, answer.error["code"], answer.headers["retry-after"])
        assert "`ben` had it" in answer.error["message"]


async def test_without_an_engine_of_our_own_others_answer(tmp_path: Path, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, None, theirs) as ada:
        client = await ada.ask()

    assert (200, "ben") == (client.status, client.headers["x-ppai-peer"])
