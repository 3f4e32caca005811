"""A whole answer as the stream that its client asked for, where an engine does not stream."""

from typing import Any

import msgspec

from gateway.wire.events import DONE, encode_event


def as_events(body: bytes, *, include_usage: bool) -> list[bytes]:
    """The events of an answer of chat or completions: its text, how it ended, its usage if asked, and the end.

    Raises msgspec.DecodeError where the body is no JSON object.
    """
    answer = msgspec.json.decode(body, type=dict[str, Any])
    choices = [choice for choice in answer.get("choices") or [] if isinstance(choice, dict)]
    kept: dict[str, Any] = {
        key: answer[key] for key in ("id", "created", "model", "system_fingerprint") if key in answer
    }
    is_chat = any("message" in choice for choice in choices)
    kept["object"] = "chat.completion.chunk" if is_chat else "text_completion"
    chunks = [{**kept, "choices": [_begun(choice, index)]} for index, choice in enumerate(choices)]
    chunks += [{**kept, "choices": [_ended(choice, index)]} for index, choice in enumerate(choices)]
    if include_usage and answer.get("usage"):
        chunks.append({**kept, "choices": [], "usage": answer["usage"]})
    return [*map(encode_event, map(msgspec.json.encode, chunks)), DONE]


def _begun(choice: dict[str, Any], index: int) -> dict[str, Any]:
    """What a choice says, in one chunk."""
    chunk: dict[str, Any] = {"index": choice.get("index", index), "finish_reason": None}
    if "message" not in choice:
        return {**chunk, "text": choice.get("text") or ""}
    delta = {key: value for key, value in (choice["message"] or {}).items() if value is not None}
    if isinstance(calls := delta.get("tool_calls"), list):  # a chunk tells each call's place
        delta["tool_calls"] = [{"index": place, **call} for place, call in enumerate(calls)]
    return {**chunk, "delta": delta}


def _ended(choice: dict[str, Any], index: int) -> dict[str, Any]:
    """How a choice ended."""
    chunk = {"index": choice.get("index", index), "finish_reason": choice.get("finish_reason") or "stop"}
    return {**chunk, "delta": {}} if "message" in choice else {**chunk, "text": ""}
