"""What of a request may leave this machine: each body field travels, is dropped, or pins the request here.

Nothing is clamped or dropped silently that changes an answer: the dropped fields identify, they do not ask.
The table stands in docs/protocol.md, with one test a row. Pure: bytes in, bytes out.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from discovery.envelopes import UNREADABLE
from gateway.wire.request import DELEGABLE

TRAVELS = frozenset(
    {
        *("messages", "prompt", "input", "model", "stream", "stream_options"),
        *("tools", "tool_choice", "parallel_tool_calls"),
        *("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop"),
        *("logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "reasoning_effort"),
        *("encoding_format", "dimensions"),
    }
)
DROPPED = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"})
TRUSTED_ONLY = frozenset({"response_format"})  # a schema can fill an engine's disk or stall it (CVE-2025-29770)
MAX_TOKENS_LIMIT = 32768  # what a peer lets another ask for; more than most local contexts hold
LENGTHS = frozenset({"max_tokens", "max_completion_tokens"})
NAME_CHARS = 40  # of a field that somebody invented: it goes into headers and the log


class Unacceptable(Exception):
    """A delegated body with something in it that a peer must not send; the message names it."""


@dataclass(frozen=True, slots=True)
class Travel:
    """Either what may be sent, or why the request stays here ("field:<name>")."""

    fields: dict[str, msgspec.Raw]
    pinned_by: str | None


def may_travel(body: bytes, *, trusted: bool) -> Travel:
    """What of a valid request may be delegated. `trusted`: every candidate was approved or knows the secret."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    kept: dict[str, msgspec.Raw] = {}
    for name, raw in fields.items():
        if name in DROPPED:
            continue
        if problem := _problem(name, raw, trusted):
            return Travel({}, f"field:{problem[:NAME_CHARS]}")
        if bytes(raw) != b"null":
            kept[name] = raw
    return Travel(kept, None)


def delegation(endpoint: str, agent: str, model: str, travel: Travel) -> bytes:
    """The body of POST /peer/1/delegate."""
    asked = {**travel.fields, "model": msgspec.Raw(msgspec.json.encode(model))}
    return msgspec.json.encode({"endpoint": endpoint, "agent": agent, "body": asked})


class _Delegation(msgspec.Struct, forbid_unknown_fields=True):
    endpoint: str
    agent: str
    body: dict[str, msgspec.Raw]


def read_delegation(payload: bytes, *, trusted: bool) -> tuple[str, str, bytes]:
    """(endpoint, agent, body for our engine), rebuilt field by field from what may travel. Raises Unacceptable."""
    try:
        asked = msgspec.json.decode(payload, type=_Delegation)
    except UNREADABLE as error:
        raise Unacceptable(f"not a delegation: {error}") from error
    if asked.endpoint not in DELEGABLE:
        raise Unacceptable(f"endpoint `{asked.endpoint[:40]}` is not delegated")
    for name, raw in asked.body.items():
        if problem := _problem(name, raw, trusted):
            raise Unacceptable(f"field `{problem[:NAME_CHARS]}` may not travel")
    return asked.endpoint, asked.agent, msgspec.json.encode(asked.body)


def _problem(name: str, raw: msgspec.Raw, trusted: bool) -> str | None:
    """The name of what keeps this field from travelling; None where nothing does."""
    if bytes(raw) == b"null":
        return None
    if name == "n":
        return None if bytes(raw).strip() == b"1" else "n"
    if name in LENGTHS:
        return None if _is_short(raw) else name
    if name == "messages":
        return _remote_media(raw)
    if name in TRAVELS or (trusted and name in TRUSTED_ONLY):
        return None
    return name


def _is_short(raw: msgspec.Raw) -> bool:
    try:
        return msgspec.json.decode(raw, type=float) <= MAX_TOKENS_LIMIT
    except UNREADABLE:
        return False


def _remote_media(raw: msgspec.Raw) -> str | None:
    """A part that would make the other engine fetch something, or that we do not know."""
    try:
        messages = msgspec.json.decode(raw)
    except UNREADABLE:
        return "messages"
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if not _is_inline(part):
                return f"messages.{part.get('type') if isinstance(part, dict) else part}"
    return None


def _is_inline(part: Any) -> bool:
    """Whether a part of a message is words, or an image that the body itself holds."""
    match part:
        case {"type": "text"}:
            return True
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return url.startswith("data:")
    return False
