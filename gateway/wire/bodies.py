"""The bodies of the generating endpoints (P), as far as PPAI looks at them: its decoders, and what they refuse.

The page of the API is written by the same types (gateway/client/openapi.py).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from gateway.wire.codec import UNREADABLE, Pieces, read_fields, write_fields
from gateway.wire.errors import InvalidRequest, without_words

Models = Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=16)]  # names, the most wanted first


class Part(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    image_url: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # as it came: an inline image may be megabytes long


class Message(msgspec.Struct):
    role: str
    content: str | list[Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    """Fields common to every generating endpoint.

    Bounds are the engine's to judge: llama.cpp takes a temperature of 2.5, LM Studio's examples have `max_tokens: -1`.
    """

    model: str | None = None
    models: Models | None = None  # OpenRouter's field
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: float | None = None  # some languages write 100 as 100.0
    max_completion_tokens: float | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: float | None = None
    user: str | int | None = None
    tools: list[msgspec.Raw] | None = None
    prompt_cache_key: ClassVar = None


class ChatBody(_Body, kw_only=True):
    prompt: ClassVar = None

    messages: list[Message]

    @property
    def turns(self) -> list[Message]:
        return self.messages


class CompletionBody(_Body, kw_only=True):
    turns: ClassVar = None

    prompt: str | list[str | int | list[int]]


class EmbeddingBody(_Body, kw_only=True):
    turns: ClassVar = None

    input: str | list[str | int | list[int]]


class _AgentBody(msgspec.Struct):
    """An API of coding agents: read for routing, judged by the engine."""

    max_completion_tokens: ClassVar = None
    stream_options: ClassVar = None

    model: str | None = None
    models: Models | None = None
    stream: bool | None = None
    tools: Any = None


class ResponsesBody(_AgentBody, kw_only=True):
    input: Any = None
    instructions: Any = None
    max_tokens: float | None = msgspec.field(default=None, name="max_output_tokens")
    user: str | int | None = None
    prompt_cache_key: str | None = None


class AnthropicBody(_AgentBody, kw_only=True):
    user: ClassVar = None
    prompt_cache_key: ClassVar = None

    messages: list[Any]
    system: Any = None
    max_tokens: float | None = None


BODIES: dict[str, type[msgspec.Struct]] = {
    "chat/completions": ChatBody,
    "completions": CompletionBody,
    "embeddings": EmbeddingBody,
    "responses": ResponsesBody,
    "messages": AnthropicBody,
    "messages/count_tokens": AnthropicBody,
}
PERSONAL_ENDPOINTS = ("chat/completions",)  # that personal agents answer
ENDPOINTS = tuple(BODIES)
OTHERS = {  # endpoints whose answers are passed on as they come, and their paths
    "rerank": "/v1/rerank",
    "audio/transcriptions": "/v1/audio/transcriptions",
    "audio/speech": "/v1/audio/speech",
    "images/generations": "/v1/images/generations",
    "tokenize": "/tokenize",
}
FORM = "multipart/form-data"
FORMS = frozenset({"audio/transcriptions"})  # of OTHERS, those that take a form
ASSUMED = frozenset({"chat/completions", "completions", "embeddings"})  # every engine has them: only models differ
AGENT_ENDPOINTS = frozenset({"responses", "messages", "messages/count_tokens"})  # with events that have names
METERED = frozenset({"chat/completions", "completions"})  # streams of chunks; they know `stream_options`
TURNS = {"chat/completions": "messages", "messages": "messages", "responses": "input"}  # the field that holds them
COUNTING = frozenset({"messages/count_tokens"})  # answer with a number, and write nothing


def begun_turn(endpoint: str, text: str) -> dict[str, Any]:
    """What a model has said so far, as the last turn of a request for the rest; one of Responses says `incomplete`."""
    if endpoint != "responses":
        return {"role": "assistant", "content": text}
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_begun", "role": "assistant", "status": "incomplete", "content": [part]}


_PATHS = {"messages": "/v1/chat/completions or /v1/messages", "input": "/v1/responses", "prompt": "/v1/completions"}
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    endpoint: msgspec.json.Decoder(body) for endpoint, body in BODIES.items()
}


def decode_body(endpoint: str, body: bytes | msgspec.Raw) -> Any:
    """The body, as BODIES types it. Raises InvalidRequest naming the field."""
    try:
        asked = _DECODERS[endpoint].decode(memoryview(body))
    except msgspec.ValidationError as error:
        problem = without_words(error)
        if elsewhere := _meant_for(body, problem):
            problem += f"; a body with `{elsewhere}` is for {_PATHS[elsewhere]}"
        raise InvalidRequest(f"invalid request body: {problem}", param=_param_of(problem)) from error
    except UNREADABLE as error:
        said = str(error) if bytes(body).strip() else "it is empty; send an object"
        raise InvalidRequest(f"the body is not valid JSON: {said}", code="invalid_json") from error
    if isinstance(asked, ResponsesBody) and asked.input is None and "messages" in read_fields(body):
        hint = f"a body with `messages` is for {_PATHS['messages']}"
        raise InvalidRequest(f"/v1/responses wants `input`; {hint}", param="input")
    if isinstance(asked, ChatBody) and not asked.messages:
        raise InvalidRequest("`messages` is empty; send at least one message", param="messages")
    return asked


def _meant_for(body: bytes | msgspec.Raw, problem: str) -> str | None:
    """The field by which a body without the one that its path wants shows which API it is of."""
    if "missing required field" not in problem or "`$" in problem:
        return None
    fields = read_fields(body)
    return next((name for name in _PATHS if name in fields), None)


def _param_of(validation_error: str) -> str | None:
    """The field that msgspec names, e.g. "... - at `$.messages[0].role`" or "... missing required field `messages`"."""
    if "`$." in validation_error:
        return validation_error.rsplit("`$.", 1)[1].rstrip("`")
    return validation_error.rsplit("`", 2)[1] if "missing required field" in validation_error else None


# What a request says the same without, as far as its words go: how much is thought, what is told besides, who asks.
OPTIONAL: Mapping[str, frozenset[str]] = {
    "chat/completions": frozenset(
        {
            *("stream_options", "parallel_tool_calls", "reasoning_effort", "user", "metadata", "service_tier"),
            *("prompt_cache_key", "prompt_cache_retention", "safety_identifier"),
        }
    ),
    "completions": frozenset({"stream_options", "user"}),
    "responses": frozenset(
        {
            *("include", "reasoning", "truncation", "stream_options", "parallel_tool_calls", "client_metadata"),
            *("user", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"),
        }
    ),
    "messages": frozenset(
        {"thinking", "context_management", "output_config", "metadata", "service_tier", "cache_control"}
    ),
}
_KNOWS_NOT = re.compile(
    rb"un(?:known|recogni[sz]ed|supported|expected)|not (?:supported|permitted)|extra", re.IGNORECASE
)


def leaving_out(endpoint: str, body: Pieces, said: bytes) -> tuple[Pieces, frozenset[str]]:
    """A body without the optional fields that an engine's refusal names, and which they are.

    An `output_config` that holds the answer to a schema is none of them.
    """
    named = frozenset(name for name in OPTIONAL.get(endpoint, ()) if re.search(rb"\b%b\b" % name.encode(), said))
    return without(body, named)


def without(body: Pieces, names: frozenset[str]) -> tuple[Pieces, frozenset[str]]:
    """A body without these fields, and which of them it had; the same where it has none, or is too deep to be read."""
    try:
        fields = read_fields(b"".join(body)) if names else {}
    except UNREADABLE:
        return body, frozenset()
    had = frozenset(name for name in names if name in fields and not _holds_a_schema(name, fields[name]))
    if not had:
        return body, had
    return write_fields({name: value for name, value in fields.items() if name not in had}), had


def says_not_known(said: bytes) -> bool:
    """Whether a refusal is of a field that the engine never takes, and not of this value or this company of it."""
    return _KNOWS_NOT.search(said) is not None


def _holds_a_schema(name: str, value: msgspec.Raw) -> bool:
    return name == "output_config" and b'"format"' in bytes(value)
