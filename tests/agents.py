"""What an engine says on the APIs of coding agents: OpenAI's Responses and Anthropic's Messages, scripted.

A request that offers tools, and has no result yet, is answered with a call of the first.
"""

import json
from typing import Any

WORDS = ("one", " two", " three")
Asked = dict[str, Any]


def responses(body: Asked) -> dict[str, Any] | list[bytes]:
    """The answer of POST /v1/responses: whole, or the events of a stream."""
    usage = {"input_tokens": 7, "output_tokens": len(WORDS), "total_tokens": 7 + len(WORDS)}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    begun: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": body["model"], "status": "in_progress",
        "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": body.get("tools", []),
        "store": body.get("store", True),
    }  # fmt: skip
    item, deltas = _item(body)
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
        fields += [{**at, "text": "".join(WORDS), "logprobs": []}, {**at, "part": item["content"][0]}]
    kinds += ["response.output_item.done", "response.completed"]
    fields += [{"output_index": 0, "item": item}, {"response": done}]
    return [
        _event(kind, sequence_number=number, **said)
        for number, (kind, said) in enumerate(zip(kinds, fields, strict=True))
    ]


def messages(body: Asked) -> dict[str, Any] | list[bytes]:
    """The answer of POST /v1/messages: whole, or the events of a stream."""
    tool = body["tools"][0]["name"] if body.get("tools") and "tool_result" not in json.dumps(body["messages"]) else None
    call = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": {"path": "a.py"}}
    block = call if tool else {"type": "text", "text": "".join(WORDS)}
    stop, written = "tool_use" if tool else "end_turn", {"output_tokens": len(WORDS)}
    usage = {"input_tokens": 7, **written}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
    if not body.get("stream"):
        return {**head, "content": [block], "stop_reason": stop, "usage": usage}
    begun = {**head, "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}
    if tool:
        first = {**call, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ('{"path": ', '"a.py"}')]
    else:
        first = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": word} for word in WORDS]
    return [
        _event("message_start", message=begun),
        _event("content_block_start", index=0, content_block=first),
        _event("ping"),
        *(_event("content_block_delta", index=0, delta=delta) for delta in deltas),
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=written),
        _event("message_stop"),
    ]  # fmt: skip


def count_tokens(body: Asked) -> dict[str, Any]:
    return {"input_tokens": 7}


APIS = {"responses": responses, "messages": messages, "messages/count_tokens": count_tokens}
OPENAPI = {"/openapi.json": {"paths": {f"/v1/{name}": {} for name in ("chat/completions", *APIS)}}}


def _item(body: Asked) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What is answered, and its events: a call where tools are offered and nothing came back yet, else words."""
    has_result = isinstance(body["input"], list) and any("output" in item for item in body["input"])
    if body.get("tools") and not has_result:
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": body["tools"][0]["name"]}
        deltas = [("response.function_call_arguments.delta", part) for part in ('{"path": ', '"a.py"}')]
        return {**call, "arguments": '{"path": "a.py"}', "status": "completed"}, deltas
    content = [{"type": "output_text", "text": "".join(WORDS), "annotations": []}]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    return item, [("response.output_text.delta", word) for word in WORDS]


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "status": "in_progress", **({"content": []} if "content" in item else {"arguments": ""})}


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
