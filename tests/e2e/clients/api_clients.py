"""What a Python client of Responses or Messages sees of two peers: `python api_clients.py CLIENT URLS`, JSON on stdout.

URLS are those of the peer that is asked, of its engine and of the other peer's. Runs in the client's own environment,
so it imports nothing of PPAI. A check returns what to show, or raises. `open-responses` is no client of others: its
cases are written anew, after the public description of the compliance tests of openresponses.org.
"""

import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

PLACES = {"your own engine": "mine", "another peer's": "theirs"}
HI, MANY, FOUND = "Say good morning.", "Say many words.", "print(1)"
PARAMETERS: Any = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
LEAVES_S = 1.0  # s in which an engine is hung up on, after its client left
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
Checks = dict[str, Callable[[str], str]]  # by what is asked of a model


def openai_sdk(url: str) -> Checks:
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)
    tools: Any = [{"type": "function", "name": "read_file", "parameters": PARAMETERS, "strict": False}]

    def ask(model: str, words: Any, stream: bool, **more: Any) -> Any:
        if not stream:
            return client.responses.create(model=model, input=words, **more)
        with client.responses.stream(model=model, input=words, **more) as events:
            for _ in events:
                pass
            return events.get_final_response()

    def uses_tool(model: str, stream: bool) -> str:
        (call,) = ask(model, HI, stream, tools=tools).output
        assert ("read_file", {"path": "a.py"}) == (call.name, json.loads(call.arguments)), call
        result = {"type": "function_call_output", "call_id": call.call_id, "output": FOUND}
        last = ask(model, [{"role": "user", "content": HI}, call.model_dump(), result], stream, tools=tools)
        return _words(last.output_text, last.usage.output_tokens)

    def leaves(model: str) -> None:
        with client.responses.create(model=model, input=MANY, stream=True) as events:
            _some(event for event in events if event.type == "response.output_text.delta")

    def unknown(model: str) -> str:
        return _refused(openai.NotFoundError, lambda: ask("nobody", HI, False))

    return {
        "words": lambda model: _words((said := ask(model, HI, False)).output_text, said.usage.output_tokens),
        "words, streamed": lambda model: _words((said := ask(model, HI, True)).output_text, said.usage.output_tokens),
        "a tool, and what it found": lambda model: uses_tool(model, False),
        "a tool, and what it found, streamed": lambda model: uses_tool(model, True),
        "who leaves is noticed within 1 s": lambda model: _noticed(lambda: leaves(model), model),
        "an unknown model": unknown,
    }


def anthropic_sdk(url: str) -> Checks:
    import anthropic

    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=60)
    tools: Any = [{"name": "read_file", "input_schema": PARAMETERS}]

    def ask(model: str, turns: Any, stream: bool, **more: Any) -> Any:
        turns = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
        asked: Any = {"model": model, "max_tokens": 300, "messages": turns, **more}
        if not stream:
            return client.messages.create(**asked)
        with client.messages.stream(**asked) as events:
            return events.get_final_message()

    def said(message: Any) -> str:
        return _words("".join(b.text for b in message.content if b.type == "text"), message.usage.output_tokens)

    def uses_tool(model: str, stream: bool) -> str:
        first = ask(model, HI, stream, tools=tools)
        (call,) = first.content
        assert ("tool_use", "read_file", {"path": "a.py"}) == (first.stop_reason, call.name, call.input), first
        result = {"type": "tool_result", "tool_use_id": call.id, "content": FOUND}
        turns = [
            {"role": "user", "content": HI},
            {"role": "assistant", "content": [call.model_dump()]},
            {"role": "user", "content": [result]},
        ]
        return said(ask(model, turns, stream, tools=tools))

    def counted(model: str) -> str:
        asked: Any = {"model": model, "messages": [{"role": "user", "content": HI}]}
        assert client.messages.count_tokens(**asked).input_tokens > 0
        return "ok"

    def leaves(model: str) -> None:
        with client.messages.stream(
            model=model, max_tokens=300, messages=[{"role": "user", "content": MANY}]
        ) as events:
            _some(iter(events.text_stream))

    return {
        "words": lambda model: said(ask(model, HI, False)),
        "words, streamed": lambda model: said(ask(model, HI, True)),
        "a tool, and what it found": lambda model: uses_tool(model, False),
        "a tool, and what it found, streamed": lambda model: uses_tool(model, True),
        "tokens are counted": counted,
        "who leaves is noticed within 1 s": lambda model: _noticed(lambda: leaves(model), model),
        "an unknown model": lambda model: _refused(anthropic.NotFoundError, lambda: ask("nobody", HI, False)),
    }


RESOURCE = frozenset(
    [
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "incomplete_details",
        "model",
        "previous_response_id",
        "instructions",
        "output",
        "error",
        "tools",
        "tool_choice",
        "truncation",
        "parallel_tool_calls",
        "text",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "top_logprobs",
        "temperature",
        "reasoning",
        "usage",
        "max_output_tokens",
        "max_tool_calls",
        "store",
        "background",
        "service_tier",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
    ]
)


def open_responses(url: str) -> Checks:
    """The cases of its compliance tests: what is asked, and that the answer is a whole response of its form."""

    def post(body: dict[str, Any]) -> bytes:
        asked = urllib.request.Request(
            f"{url}/v1/responses", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            wanted = "text/event-stream" if body.get("stream") else "application/json"
            assert answer.headers["content-type"].startswith(wanted), answer.headers["content-type"]
            return bytes(answer.read())

    def whole(model: str, words: Any, kind: str = "message", **more: Any) -> str:
        return _resource(json.loads(post({"model": model, "input": words, **more})), kind)

    def streamed(model: str) -> str:
        events = [json.loads(line[6:]) for line in post({"model": model, "input": USER, "stream": True}).split(b"\n")
                  if line.startswith(b"data: {")]  # fmt: skip
        assert [*range(len(events))] == [event["sequence_number"] for event in events], "numbered"
        kinds = [event["type"] for event in events]
        assert ["response.created", "response.in_progress", "response.output_item.added"] == kinds[:3], kinds
        assert "response.completed" == kinds[-1] and 1 == kinds.count("response.output_item.done"), kinds
        text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        assert text == events[-1]["response"]["output"][0]["content"][0]["text"]
        for event in events:
            if "response" in event and event is not events[-1]:
                assert RESOURCE <= event["response"].keys() and event["response"]["status"] == "in_progress"
        return _resource(events[-1]["response"], "message")

    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    looked = [{"role": "user", "content": [{"type": "input_text", "text": "What is this?"}, image]}]
    tool = {"type": "function", "name": "get_weather", "description": "Of a city.", "parameters": PARAMETERS}
    turns = [
        *USER,
        {"type": "message", "role": "assistant", "content": "Good morning, Ada."},
        {"type": "message", "role": "user", "content": "Who am I?"},
    ]
    system = [{"type": "message", "role": "system", "content": "Speak as a pirate does."}, *USER]
    return {
        "basic text": lambda model: whole(model, USER),
        "streamed": streamed,
        "system prompt": lambda model: whole(model, system),
        "tool call": lambda model: whole(model, USER, "function_call", tools=[tool]),
        "image": lambda model: whole(model, looked),
        "several turns": lambda model: whole(model, turns),
    }


USER = [{"type": "message", "role": "user", "content": HI}]


def _resource(response: Any, kind: str) -> str:
    missing = RESOURCE - response.keys()
    assert not missing, f"lacks {sorted(missing)}"
    assert ("response", "completed", None) == (response["object"], response["status"], response["error"])
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    (item,) = response["output"]
    assert (kind, "completed") == (item["type"], item["status"]), item
    if kind == "message":
        (part,) = item["content"]
        assert ("assistant", "output_text") == (item["role"], part["type"]) and part["text"], item
    else:
        assert item["call_id"] and isinstance(json.loads(item["arguments"]), dict), item
    return "ok"


def _words(text: str, tokens: int) -> str:
    assert text and tokens > 0, (text, tokens)
    return "ok"


def _some(pieces: Iterator[object]) -> None:
    for _ in range(5):
        next(pieces)


def _noticed(leave: Callable[[], None], model: str) -> str:
    """`leave` begins a long stream, reads some of it and leaves."""
    leave()
    began = time.monotonic()
    while _active(model) and time.monotonic() - began < 10:
        time.sleep(0.01)
    took_s = time.monotonic() - began
    assert took_s < LEAVES_S, f"its engine worked on for {took_s:.1f} s"
    return "ok"


def _active(model: str) -> int:
    """How many requests the model's engine works on."""
    url = ENGINES[model]
    asked = urllib.request.Request(f"{url}/active", b"{}", {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return int(json.load(answer)["active"])


def _refused(error: Any, call: Callable[[], object]) -> str:
    try:
        call()
    except error as caught:
        return f"{error.__name__} {caught.status_code}"
    raise AssertionError("it was answered")


SUITES = {"openai": openai_sdk, "anthropic": anthropic_sdk, "open-responses": open_responses}


def main(client: str, urls: str) -> None:
    peer, *engines = urls.split()
    ENGINES.update(zip(PLACES.values(), engines, strict=True))
    seen = {}
    for what, check in SUITES[client](peer).items():
        for place, model in PLACES.items():
            row = what if what == "an unknown model" else f"{what}, {place}"
            try:
                seen[row] = check(model)
            except Exception as error:
                seen[row] = f"failed: {type(error).__name__}: {error}"[:300]
    told = "its 6 cases, written anew" if client == "open-responses" else version(client)
    print(json.dumps({"version": told, "seen": seen}))


ENGINES: dict[str, str] = {}

if __name__ == "__main__":
    main(*sys.argv[1:])
