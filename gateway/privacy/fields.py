"""What of a request may leave this machine: each body field travels, is dropped, or pins the request here.

A field is dropped only if it changes no answer: it says who asks, such as `user`, or how to serve it, such as
`prompt_cache_retention`, or it says what holds without it, such as `best_of: 1`. All others travel unchanged or pin.
The table stands in docs/protocol.md, with one test a row. Pure: bytes in, bytes out.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.privacy.agent_fields import AGENTS_DROPPED, AGENTS_TRAVEL, STATELESS, keeps
from gateway.privacy.names import said
from gateway.wire.bodies import AGENT_ENDPOINTS, ENDPOINTS, TURNS
from gateway.wire.codec import UNREADABLE, Fields, Pieces, Value, raw, view_of, write_fields
from gateway.wire.errors import InvalidRequest, without_words
from gateway.wire.request import Request, read_request
from gateway.wire.sampling import SAMPLING

TRAVELS = frozenset(
    {
        *("messages", "prompt", "input", "model", "stream", "stream_options"),
        *("tools", "tool_choice", "parallel_tool_calls"),
        *("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop"),
        *("logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "reasoning_effort"),
        *("encoding_format", "dimensions", "n"),
    }
)
DROPPED = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "safety_identifier", "request_id", "rid", "priority", "models"),
        *("prompt_cache_key", "prompt_cache_retention", "cache_prompt", "id_slot", "keep_alive", "prediction"),
    }
)
DEFAULTS: Mapping[str, object] = {  # what a request without the field gets, of fields that some peer or each refuses
    "best_of": 1,
    "echo": False,
    "logit_bias": {},
    "modalities": ["text"],
    "use_beam_search": False,
    "background": False,
}
# A schema can fill an engine's disk or stall it (CVE-2025-29770), and fields of engines reach code that few have tried.
TRUSTED_ONLY = SAMPLING | {"response_format"}


class Unacceptable(Exception):
    """A delegated body with something in it that a peer must not send; the message names it."""


class Travel(msgspec.Struct, frozen=True):
    """Either what may be sent, or why the request stays here ("field:<name>", "endpoint:<name>").

    `guarded` names those of the fields that not every peer takes: one of 0.1.0, or of an open network, does not.
    `fields` are None where it is known that they may, and is to be worked out which of them once they are sent.
    """

    fields: Fields | None
    pinned_by: str | None
    guarded: frozenset[str] = frozenset()


FREE = Travel(None, None)  # of a request of which a look shows that nothing of it pins it, nor is guarded


def is_free(request: Request) -> bool:
    """Whether a look shows that a request may travel, whoever is trusted."""
    return request.content.is_plain(_FREE)


def free_travel(request: Request) -> Travel:
    """What may_travel tells of a request that is_free: all that stays is what says nothing, or is dropped."""
    return Travel(_kept(request), None)


def may_travel(request: Request, *, trusted: bool) -> Travel:
    """What of a request may be delegated. `trusted`: every candidate was approved or knows the secret."""
    travels, kept = _TABLES[request.endpoint][0], _kept(request)
    if request.endpoint == "responses":
        kept = {**STATELESS, **kept}
    if problem := _problem(request, kept, trusted):
        return Travel({}, f"field:{problem}")
    guarded = TRUSTED_ONLY.intersection(kept).difference(travels)
    if request.demands:
        guarded |= {request.demands}
    written = request.written
    if not written.keys() <= kept.keys():
        written = {name: value for name, value in written.items() if name in kept}
    return Travel({**kept, **written}, None, guarded)


def _kept(request: Request) -> Fields:
    """Those of its fields that say something, and are not dropped."""
    travels, dropped = _TABLES[request.endpoint]
    kept = _told(request.fields)
    if travels.issuperset(kept):
        return kept
    return {
        name: value
        for name, value in kept.items()
        if name in travels or not (name in dropped or _is_default(name, value))
    }


def who_takes(reason: str) -> str:
    """Who may be asked with what keeps a request here, in words; `reason` is a "field:<name>"."""
    name = reason.removeprefix("field:").partition(".")[0].partition("+")[0]
    if name in TRUSTED_ONLY or name in ("n", "tools", "tool_choice", "text", "output_config"):
        return "your own engine, or a peer of a newer version in a network that is not `open`, and within bounds"
    return "your own engine alone"


def delegation(endpoint: str, agent: str, model: str, travel: Travel, *, continues: bool = False) -> Pieces:
    """The body of POST /peer/1/delegate. `continues`: it ends with an unfinished answer, whose rest is asked for."""
    asked = {"endpoint": endpoint, "agent": agent, **({"continue": True} if continues else {})}
    head = msgspec.json.encode(asked)[:-1] + b',"body":'
    assert travel.fields is not None, "may_travel tells which of its fields are sent"
    return (head, *write_fields({**travel.fields, "model": raw(model)}), b"}")


class _Delegation(msgspec.Struct, forbid_unknown_fields=True):
    endpoint: str
    agent: str
    body: msgspec.Raw
    continues: bool = msgspec.field(default=False, name="continue")


class _Turn(msgspec.Struct):
    """A message or another item, as far as it tells whether an answer was begun."""

    role: str = ""
    content: Any = None
    status: str | None = None


_TURNS: msgspec.json.Decoder[list[_Turn]] = msgspec.json.Decoder(list[_Turn])


def read_delegation(payload: bytes, *, trusted: bool) -> tuple[str, Request]:
    """(agent, what it is asked): its fields are those that may travel, each as we write it. Raises Unacceptable."""
    try:
        asked = msgspec.json.decode(payload, type=_Delegation)
    except UNREADABLE as error:
        raise Unacceptable(f"not a delegation: {without_words(error)}") from error
    if asked.endpoint not in ENDPOINTS:
        raise Unacceptable(f"only {', '.join(ENDPOINTS)} are delegated")
    try:
        request = read_request(asked.endpoint, asked.body)
    except InvalidRequest as error:
        raise Unacceptable(error.message) from error
    if asked.continues and not _is_begun(request):
        raise Unacceptable("`continue` is for a stream whose last message is what an assistant has said so far")
    came = request.fields
    kept = _told(came)
    is_whole = kept is came and not asked.continues
    if is_whole and request.content.is_plain(_SENT):
        return asked.agent, request
    if problem := _problem(request, kept, trusted):
        raise Unacceptable(f"field `{problem}` may not travel")
    if is_whole and request.content.is_as_written:
        return asked.agent, request
    return asked.agent, request.changed({**kept, **request.written}, continues=asked.continues)


def _is_begun(request: Request) -> bool:
    """Whether a stream's request ends with an answer that was begun; of a completion, the prompt may be one."""
    if request.endpoint == "completions":
        return request.stream and bytes(view_of(request.fields["prompt"])[:1]) == b'"'
    if request.endpoint not in TURNS or not request.stream:
        return False
    try:
        last = _TURNS.decode(view_of(request.fields[TURNS[request.endpoint]]))[-1]
    except (*UNREADABLE, LookupError):
        return False
    if request.endpoint == "responses":
        return (last.role, last.status) == ("assistant", "incomplete") and bool(last.content)
    return last.role == "assistant" and isinstance(last.content, str) and bool(last.content)


def _problem(request: Request, fields: Fields, trusted: bool) -> str | None:
    """What keeps these fields of a request from travelling; None where nothing does. No word of it is the request's."""
    travels, _ = _TABLES[request.endpoint]
    if not travels.issuperset(fields):
        for name in fields:
            if name not in travels and not (trusted and name in TRUSTED_ONLY):
                return said(name)
    if request.endpoint == "responses" and keeps(fields):
        return "store"
    return request.unknown or (None if trusted else request.demands)


def _told(fields: Fields) -> Fields:
    """Those that say something."""
    return fields if _NULL not in fields.values() else {name: v for name, v in fields.items() if v != _NULL}


def _is_default(name: str, value: Value) -> bool:
    """Whether a field says what holds without it."""
    return name in DEFAULTS and msgspec.json.decode(view_of(value)) == DEFAULTS[name]


def _table(endpoint: str) -> tuple[frozenset[str], frozenset[str]]:
    """The fields of an endpoint's own API that travel, and those that are dropped."""
    travels = AGENTS_TRAVEL.get(endpoint, TRAVELS)
    return travels, (DROPPED | AGENTS_DROPPED if endpoint in AGENT_ENDPOINTS else DROPPED) - travels


_NULL = raw(None)
_SENT = TRAVELS - {"n"}  # of a chat; `n` may ask for several answers
_FREE = _SENT | DROPPED
_TABLES = {endpoint: _table(endpoint) for endpoint in ENDPOINTS}
