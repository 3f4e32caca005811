"""What of a request may leave this machine: each body field travels, is dropped, or pins the request here.

A field is dropped only if it says who asks, such as `user`. A field that changes the answer travels unchanged or pins.
The table stands in docs/protocol.md, with one test a row. Pure: bytes in, bytes out.
"""

from dataclasses import dataclass

import msgspec

from gateway.privacy.names import said
from gateway.wire.bodies import DELEGABLE, Part
from gateway.wire.codec import UNREADABLE, Fields, Pieces, is_utf8, raw, write_fields
from gateway.wire.errors import InvalidRequest, without_words
from gateway.wire.request import Request, read_request

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
DATA_URL_BYTES = 64  # of an image's URL that are looked at: `data:` is 6 to 31 bytes, as it is escaped


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
    kept: dict[str, msgspec.Raw] = {}
    for name, value in request.fields.items():
        if name in DROPPED or _is_null(value):
            continue
        if problem := _problem(request, name, value, trusted):
            return Travel({}, f"field:{said(problem)}")
        kept[name] = value
    return Travel(kept, None)


def delegation(endpoint: str, agent: str, model: str, travel: Travel) -> Pieces:
    """The body of POST /peer/1/delegate."""
    head = msgspec.json.encode({"endpoint": endpoint, "agent": agent})[:-1] + b',"body":'
    return (head, *write_fields({**travel.fields, "model": raw(model)}), b"}")


class _Delegation(msgspec.Struct, forbid_unknown_fields=True):
    endpoint: str
    agent: str
    body: msgspec.Raw


def read_delegation(payload: bytes, *, trusted: bool) -> tuple[str, Request]:
    """(agent, what it is asked): its fields are those that may travel, and it is sent on field by field.

    Raises Unacceptable.
    """
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
    for name, value in request.fields.items():
        if not _is_null(value) and (problem := _problem(request, name, value, trusted)):
            raise Unacceptable(f"field `{said(problem)}` may not travel")
    return asked.agent, request


def _problem(request: Request, name: str, value: msgspec.Raw, trusted: bool) -> str | None:
    """The name of what keeps this field of a request from travelling; None where nothing does."""
    if name == "messages":
        return _problem_in_messages(request, value)
    if name == "n":
        return None if bytes(value).strip() == b"1" else "n"
    if name in LENGTHS:
        return None if _is_short(value) else name
    if name in TRAVELS or (trusted and name in TRUSTED_ONLY):
        return None
    return name


def _is_null(value: msgspec.Raw) -> bool:
    view = memoryview(value)
    return len(view) == 4 and view.tobytes() == b"null"


def _is_short(value: msgspec.Raw) -> bool:
    try:
        return msgspec.json.decode(value, type=float) <= MAX_TOKENS_LIMIT
    except UNREADABLE:
        return False


def _problem_in_messages(request: Request, messages: msgspec.Raw) -> str | None:
    """A part that would make the other engine fetch something, or that we do not know; or bytes that are no text."""
    if request.endpoint != "chat/completions" or not is_utf8(messages):  # beside a prompt nobody has read them
        return "messages"
    return next((f"messages.{part.type}" for part in request.media if not _is_inline(part)), None)


class _ImageUrl(msgspec.Struct):
    url: msgspec.Raw


def _is_inline(part: Part) -> bool:
    """Whether a part that is not text is an image that the body itself holds."""
    if part.type != "image_url" or part.image_url is msgspec.UNSET:
        return False
    try:
        url = msgspec.json.decode(part.image_url, type=_ImageUrl).url
        begin = bytes(memoryview(url)[:DATA_URL_BYTES])
        if b"\\" in begin:
            begin = b'"' + msgspec.json.decode(url, type=str)[:DATA_URL_BYTES].encode()
    except UNREADABLE:
        return False
    return begin.startswith(b'"data:')
