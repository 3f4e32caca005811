"""What an engine says on the APIs of coding agents: OpenAI's Responses and chat, and Anthropic's Messages; scripted.

A request that offers tools, and has no result yet, is answered with a call of the first.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WORDS = ("one", " two", " three")
Asked = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool that is called: with arguments of JSON, or a `custom` one of Responses with a text."""

    name: str
    arguments: str
    number: int = 1
    is_custom: bool = False


Said = Sequence[str] | Call  # the pieces of a text, or a call


def responses(body: Asked, said: Said | None = None) -> dict[str, Any] | list[bytes]:
    """The answer of POST /v1/responses: whole, or the events of a stream."""
    if said is None:
        has_result = isinstance(body["input"], list) and any("output" in item for item in body["input"])
        said = _first_tool([tool["name"] for tool in body.get("tools") or ()], has_result)
    read, written = _read(body, "input"), len(WORDS if isinstance(said, Call) else said)
    usage: dict[str, Any] = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    begun: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": body["model"], "status": "in_progress",
        "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": body.get("tools", []),
        "store": body.get("store", True),
    }  # fmt: skip
    item, deltas = _item(said)
    done = {**begun, "status": "completed", "output": [item], "usage": usage}
    if not body.get("stream"):
        return done
    kinds = ["response.created", "response.in_progress", "response.output_item.added"]
    fields: list[dict[str, Any]] = [{"response": begun}, {"response": begun}, {"output_index": 0, "item": _empty(item)}]
    at = {"item_id": item["id"], "output_index": 0}
    if "content" in item:
        at["content_index"] = 0
        kinds.append("response.content_part.added")
        fields.append({**at, "part": {"type": "output_text", "text": "", "annotations": []}})
    for name, delta in deltas:
        kinds.append(name)
        fields.append({**at, "delta": delta, "logprobs": []})
    if "content" in item:
        kinds += ["response.output_text.done", "response.content_part.done"]
        text = item["content"][0]["text"]
        fields += [{**at, "text": text, "logprobs": []}, {**at, "part": item["content"][0]}]
    kinds += ["response.output_item.done", "response.completed"]
    fields += [{"output_index": 0, "item": item}, {"response": done}]
    if not said:  # as engines say what has nothing to add to an answer that was begun
        kinds, fields = [*kinds[:2], kinds[-1]], [*fields[:2], {"response": {**done, "output": []}}]
    numbered = enumerate(zip(kinds, fields, strict=True))
    return [_event(kind, sequence_number=number, **told) for number, (kind, told) in numbered]


def messages(body: Asked, said: Said | None = None) -> dict[str, Any] | list[bytes]:
    """The answer of POST /v1/messages: whole, or the events of a stream."""
    if said is None:
        has_result = "tool_result" in json.dumps(body["messages"])
        said = _first_tool([tool["name"] for tool in body.get("tools") or ()], has_result)
    is_call, first, block = isinstance(said, Call), dict[str, Any](), dict[str, Any]()
    if isinstance(said, Call):
        first = {"type": "tool_use", "id": f"toolu_{said.number}", "name": said.name, "input": {}}
        block = {**first, "input": json.loads(said.arguments)}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in _halves(said.arguments)]
    else:
        first, block = {"type": "text", "text": ""}, {"type": "text", "text": "".join(said)}
        deltas = [{"type": "text_delta", "text": word} for word in said]
    stop, written = "tool_use" if is_call else "end_turn", {"output_tokens": len(WORDS if is_call else said)}
    read = _read(body, "messages")
    usage = {"input_tokens": read, **written}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
    if not body.get("stream"):
        return {**head, "content": [block], "stop_reason": stop, "usage": usage}
    begun = {**head, "content": [], "stop_reason": None, "usage": {"input_tokens": read, "output_tokens": 1}}
    within = [
        _event("content_block_start", index=0, content_block=first),
        _event("ping"),
        *(_event("content_block_delta", index=0, delta=delta) for delta in deltas),
        _event("content_block_stop", index=0),
    ]
    return [
        _event("message_start", message=begun),
        *(within if said else ()),  # as engines say what has nothing to add to an answer that was begun
        _event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=written),
        _event("message_stop"),
    ]  # fmt: skip


def count_tokens(body: Asked) -> dict[str, Any]:
    return {"input_tokens": 7}


def chat(body: Asked, said: Said = WORDS) -> dict[str, Any] | list[bytes]:
    """The answer of POST /v1/chat/completions: whole, or the events of a stream."""
    read, written = _read(body, "messages"), len(WORDS if isinstance(said, Call) else said)
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    end = "tool_calls" if isinstance(said, Call) else "stop"
    if isinstance(said, Call):
        called = {"id": f"call_{said.number}", "type": "function"}
        whole = {"name": said.name, "arguments": said.arguments}
        message: dict[str, Any] = {"content": None, "tool_calls": [{**called, "function": whole}]}
        named = {"index": 0, **called, "function": {"name": said.name, "arguments": ""}}
        deltas: list[dict[str, Any]] = [{"tool_calls": [named]}]
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": half}}]} for half in _halves(said.arguments)]
    else:
        message, deltas = {"content": "".join(said)}, [{"content": word} for word in said]
    head = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": end}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    choices: list[dict[str, Any]] = [{"delta": {"role": "assistant"}}, *({"delta": delta} for delta in deltas)]
    choices.append({"delta": {}, "finish_reason": end})
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "finish_reason": None, **choice}]} for choice in choices]
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({"choices": [], "usage": usage})
    whole_chunks = ({**head, "object": "chat.completion.chunk", **chunk} for chunk in chunks)
    return [*(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in whole_chunks), b"data: [DONE]\n\n"]


APIS = {"responses": responses, "messages": messages, "messages/count_tokens": count_tokens}
OPENAPI = {"/openapi.json": {"paths": {f"/v1/{name}": {} for name in ("chat/completions", *APIS)}}}


def going_on(text: str) -> dict[str, Any]:
    """Behaviour of an engine that says `text` on these APIs, and goes on where a request ends with its beginning."""

    def said(body: Asked, held: str, bound: str) -> list[str]:
        rest = text.removeprefix(begun(body, held)).split(" ")
        words = [word if place == 0 and rest[0] else f" {word}" for place, word in enumerate(rest)]
        return [word for word in words if word.strip()][: body.get(bound)]

    return {
        "messages": lambda body: messages(body, said(body, "messages", "max_tokens")),
        "responses": lambda body: responses(body, said(body, "input", "max_output_tokens")),
        "chat/completions": lambda body: chat(body, said(body, "messages", "max_tokens")),
    }


def begun(body: Asked, held: str) -> str:
    """What an assistant has said so far, by the last turn."""
    last = body[held][-1] if isinstance(body[held], list) else {}
    if last.get("role") != "assistant":
        return ""
    content = last.get("content") or ""
    return content if isinstance(content, str) else content[0].get("text", "")


def heard(endpoint: str, stream: bytes) -> tuple[str, dict[str, int]]:
    """(text, usage) of a stream of Messages or Responses in which each event has its place; asserts that."""
    events = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: {")]
    names = [line[7:].decode() for line in stream.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in events]
    return _blocks(events) if endpoint == "messages" else _items(events)


def _blocks(events: list[dict[str, Any]]) -> tuple[str, dict[str, int]]:
    events = [event for event in events if event["type"] != "ping"]
    begins, *within, told, ends = events
    assert ("message_start", "message_delta", "message_stop") == (begins["type"], told["type"], ends["type"])
    assert told["delta"]["stop_reason"]
    text, is_open, blocks = "", False, 0
    for event in within:
        kind = event["type"].removeprefix("content_block_")
        assert (kind == "start") != is_open and event["index"] == blocks - (kind != "start")
        blocks, is_open = blocks + (kind == "start"), kind != "stop"
        text += event["delta"]["text"] if kind == "delta" else ""
    assert not is_open
    return text, {**begins["message"]["usage"], **told["usage"]}


def _items(events: list[dict[str, Any]]) -> tuple[str, dict[str, int]]:
    kinds = [event["type"].removeprefix("response.") for event in events]
    texts = "".join(event["delta"] for event in events if event["type"].endswith("output_text.delta"))
    ends = ["output_text.done", "content_part.done", "output_item.done"]
    order = ["created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", *ends]
    order = [kind for kind in order if kind in kinds or kind in ends]
    assert order == list(dict.fromkeys(kinds[:-1])) and kinds[-1] in ("completed", "incomplete")
    assert len(kinds) - 1 == len(order) + max(0, kinds.count("output_text.delta") - 1)
    if "sequence_number" in events[0]:
        assert [*range(len(events))] == [event["sequence_number"] for event in events]
    last = events[-1]["response"]
    (item,), done = last["output"], {event["type"]: event for event in events}
    (part,) = item["content"]
    repeated = {
        part["text"],
        done["response.output_text.done"]["text"],
        done["response.content_part.done"]["part"]["text"],
        done["response.output_item.done"]["item"]["content"][0]["text"],
    }
    assert {texts} == repeated
    ids = {event["item_id"] for event in events if "item_id" in event} | {item["id"]}
    assert {done["response.output_item.done"]["item"]["id"]} == ids
    assert 1 == len({event["response"]["id"] for event in events if "response" in event})
    return texts, last["usage"]


def _read(body: Asked, held: str) -> int:
    """Tokens of the prompt: a few, and the words that were answered so far."""
    return 7 + len(begun(body, held).split())


def _first_tool(tools: Sequence[str], has_result: bool) -> Said:
    """A call where tools are offered and nothing came back yet, else words."""
    return Call(tools[0], '{"path": "a.py"}') if tools and not has_result else WORDS


def _item(said: Said) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What is answered, and its events."""
    if isinstance(said, Call):
        kind, holds = ("custom_tool_call", "input") if said.is_custom else ("function_call", "arguments")
        call = {"type": kind, "id": f"fc_{said.number}", "call_id": f"call_{said.number}", "name": said.name}
        deltas = [(f"response.{kind}_{holds}.delta", part) for part in _halves(said.arguments)]
        return {**call, holds: said.arguments, "status": "completed"}, deltas
    content = [{"type": "output_text", "text": "".join(said), "annotations": []}]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    return item, [("response.output_text.delta", word) for word in said]


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    holds = next(name for name in ("content", "arguments", "input") if name in item)
    return {**item, "status": "in_progress", holds: type(item[holds])()}


def _halves(arguments: str) -> tuple[str, str]:
    return arguments[:9], arguments[9:]


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
