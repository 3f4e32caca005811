"""What of a request may leave this machine: each body field travels, is dropped, or pins the request here.

Nothing is clamped or dropped silently that changes an answer: the dropped fields identify, they do not ask.
The table stands in docs/protocol.md, with one test a row. Pure: bytes in, bytes out.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.openai_wire import ENDPOINTS

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
            return Travel({}, f"field:{problem}")
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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unacceptable(f"not a delegation: {error}") from error
    if asked.endpoint not in ENDPOINTS:
        raise Unacceptable(f"endpoint `{asked.endpoint[:40]}` is not delegated")
    for name, raw in asked.body.items():
        if problem := _problem(name, raw, trusted):
            raise Unacceptable(f"field `{problem[:40]}` may not travel")
        if name in ("max_tokens", "max_completion_tokens") and _number(raw) > MAX_TOKENS_LIMIT:
            raise Unacceptable(f"`{name}` is over {MAX_TOKENS_LIMIT}")
    return asked.endpoint, asked.agent, msgspec.json.encode(asked.body)


def _problem(name: str, raw: msgspec.Raw, trusted: bool) -> str | None:
    """The name of what keeps this field from travelling; None where nothing does."""
    if bytes(raw) == b"null":
        return None
    if name == "n":
        return None if bytes(raw).strip() == b"1" else "n"
    if name == "messages":
        return _remote_media(msgspec.json.decode(raw))
    if name in TRAVELS or (trusted and name in TRUSTED_ONLY):
        return None
    return name


def _remote_media(messages: Any) -> str | None:
    """A part that would make the other engine fetch something, or that we do not know."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text":
                continue
            url = (
                part["image_url"].get("url", "") if kind == "image_url" and isinstance(part["image_url"], dict) else ""
            )
            if not (isinstance(url, str) and url.startswith("data:")):
                return f"messages.{kind}"
    return None


def _number(raw: msgspec.Raw) -> float:
    try:
        return float(msgspec.json.decode(raw, type=float))
    except msgspec.DecodeError:
        return float("inf")
