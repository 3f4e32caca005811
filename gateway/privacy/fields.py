"""What of a request may leave this machine: each body field travels, is dropped, or pins the request here.

A field is dropped only if it says who asks, such as `user`. A field that changes the answer travels unchanged or pins.
The table stands in docs/protocol.md, with one test a row. Pure: bytes in, bytes out.
"""

from dataclasses import dataclass, replace

import msgspec

from gateway.privacy.names import said
from gateway.wire.bodies import DELEGABLE
from gateway.wire.codec import UNREADABLE, Fields, Pieces, Value, raw, write_fields
from gateway.wire.errors import InvalidRequest, without_words
from gateway.wire.request import Request, read_request

TRAVELS = frozenset(
    {
        *("messages", "prompt", "input", "model", "stream", "stream_options"),
        *("tools", "tool_choice", "parallel_tool_calls"),
        *("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop"),
        *("logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "reasoning_effort"),
        *("encoding_format", "dimensions", "n"),
    }
)
DROPPED = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "models"})
TRUSTED_ONLY = frozenset({"response_format"})  # a schema can fill an engine's disk or stall it (CVE-2025-29770)


class Unacceptable(Exception):
    """A delegated body with something in it that a peer must not send; the message names it."""


@dataclass(frozen=True, slots=True)
class Travel:
    """Either what may be sent, or why the request stays here ("field:<name>", "endpoint:<name>")."""

    fields: Fields
    pinned_by: str | None


def may_travel(request: Request, *, trusted: bool) -> Travel:
    """What of a request may be delegated. `trusted`: every candidate was approved or knows the secret."""
    if request.endpoint not in DELEGABLE:
        return Travel({}, f"endpoint:{request.endpoint}")
    kept = {name: value for name, value in request.fields.items() if name not in DROPPED and not _is_null(value)}
    if problem := _problem(request, kept, trusted):
        return Travel({}, f"field:{problem}")
    return Travel({name: request.written.get(name, value) for name, value in kept.items()}, None)


def delegation(endpoint: str, agent: str, model: str, travel: Travel) -> Pieces:
    """The body of POST /peer/1/delegate."""
    head = msgspec.json.encode({"endpoint": endpoint, "agent": agent})[:-1] + b',"body":'
    return (head, *write_fields({**travel.fields, "model": raw(model)}), b"}")


class _Delegation(msgspec.Struct, forbid_unknown_fields=True):
    endpoint: str
    agent: str
    body: msgspec.Raw


def read_delegation(payload: bytes, *, trusted: bool) -> tuple[str, Request]:
    """(agent, what it is asked): its fields are those that may travel, each written anew. Raises Unacceptable."""
    try:
        asked = msgspec.json.decode(payload, type=_Delegation)
    except UNREADABLE as error:
        raise Unacceptable(f"not a delegation: {without_words(error)}") from error
    if asked.endpoint not in DELEGABLE:
        raise Unacceptable(f"only {', '.join(sorted(DELEGABLE))} are delegated")
    try:
        request = read_request(asked.endpoint, asked.body)
    except InvalidRequest as error:
        raise Unacceptable(error.message) from error
    kept = {name: value for name, value in request.fields.items() if not _is_null(value)}
    if problem := _problem(request, kept, trusted):
        raise Unacceptable(f"field `{problem}` may not travel")
    return asked.agent, replace(request, fields={**kept, **request.written}, body=None)


def _problem(request: Request, fields: Fields, trusted: bool) -> str | None:
    """What keeps these fields of a request from travelling; None where nothing does. No word of it is the request's."""
    for name in fields:
        if name not in TRAVELS and not (trusted and name in TRUSTED_ONLY):
            return said(name)
    return request.unknown or (None if trusted else request.forces)


def _is_null(value: Value) -> bool:
    return isinstance(value, msgspec.Raw) and len(memoryview(value)) == 4 and bytes(value) == b"null"
