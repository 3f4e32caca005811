"""The part of the OpenAI API that PPAI looks at: the fields it routes on, and error bodies. All else passes untouched.

Knows nothing of sockets or peers. Bytes in, values out.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from discovery.envelopes import UNREADABLE

VIRTUAL_MODEL = "auto"  # the name that stands for "whoever answers best"
ROUTED_TEXT_CHARS = 500  # of a turn that the gate reads: half from its start, half from its end
ROUTED_TURNS = 6  # the newest of the user's

_Positive = Annotated[float, msgspec.Meta(ge=1)]  # some languages write 100 as 100.0
_Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
_Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class InvalidRequest(Exception):
    """The client's body cannot be served; carries what OpenAI's error object says."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code


@dataclass(frozen=True, slots=True)
class Request:
    """What one request asks for, as far as routing cares.

    `text` is what the gate reads, and `earlier` what the user said before, newest first;
    `prompt_tokens` is an estimate (4 characters a token, 1,000 an image);
    `max_tokens` None means the client set no bound; `needs` are modalities and abilities that a model must have.
    """

    endpoint: str
    model: str
    stream: bool
    text: str
    earlier: tuple[str, ...]
    prompt_tokens: int
    max_tokens: int | None
    session: str
    needs: frozenset[str]
    include_usage: bool


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    """Fields common to every generating endpoint; the bounds are those of OpenAI's reference."""

    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Positive | None = None
    max_completion_tokens: _Positive | None = None
    temperature: _Temperature | None = None
    top_p: _Probability | None = None
    n: _Positive | None = None
    user: str | None = None
    tools: list[msgspec.Raw] | None = None


class _ChatBody(_Body, kw_only=True):
    messages: list[_Message]


class _CompletionBody(_Body, kw_only=True):
    prompt: str | list[str | int | list[int]]


class _EmbeddingBody(_Body, kw_only=True):
    input: str | list[str | int | list[int]]


class _PassedBody(msgspec.Struct):
    """An API that only the local engine is asked for: read for routing, judged by the engine."""

    model: str | None = None
    stream: bool | None = None


class _ResponsesBody(_PassedBody, kw_only=True):
    input: Any = None
    instructions: Any = None
    max_output_tokens: float | None = None
    user: str | None = None


class _AnthropicBody(_PassedBody, kw_only=True):
    messages: list[Any]
    system: Any = None
    max_tokens: float | None = None


BODIES: dict[str, type[msgspec.Struct]] = {
    "chat/completions": _ChatBody,
    "completions": _CompletionBody,
    "embeddings": _EmbeddingBody,
    "responses": _ResponsesBody,
    "messages": _AnthropicBody,
    "messages/count_tokens": _AnthropicBody,
}
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    endpoint: msgspec.json.Decoder(body) for endpoint, body in BODIES.items()
}
ENDPOINTS = tuple(BODIES)
DELEGABLE = frozenset({"chat/completions", "completions", "embeddings"})  # the others are the local engine's alone


def read_request(endpoint: str, body: bytes, session: str | None = None) -> Request:
    """What `body` asks of `endpoint`; `session` is the client's own session header, if it sent one.

    Raises InvalidRequest naming the field.
    """
    fields = _decode(endpoint, body)
    if isinstance(fields, _PassedBody):
        return _passed_request(endpoint, fields, session)
    if isinstance(fields, _ChatBody):
        turns, opening, characters, needs = _read_messages(fields.messages)
    else:
        text = _plain_text(fields.prompt if isinstance(fields, _CompletionBody) else fields.input)
        turns, opening, characters, needs = [text], text[:200], len(text), set()
    needs.add("embeddings" if endpoint == "embeddings" else "text")
    if fields.tools:
        needs.add("tools")
    return Request(
        endpoint=endpoint,
        model=fields.model or VIRTUAL_MODEL,
        stream=bool(fields.stream),
        text=_cut(turns[-1]) if turns else "",
        earlier=tuple(_cut(turn) for turn in turns[-2 : -ROUTED_TURNS - 1 : -1]),
        prompt_tokens=characters // 4 + 1,
        max_tokens=_count(fields.max_completion_tokens or fields.max_tokens),
        session=session or fields.user or blake2b(opening.encode("utf-8", "replace"), digest_size=12).hexdigest(),
        needs=frozenset(needs),
        include_usage=bool(fields.stream_options and fields.stream_options.include_usage),
    )


def with_model(body: bytes, model: str) -> bytes:
    """`body` asking for `model`; every other field keeps its exact bytes."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.json.encode(fields | {"model": msgspec.Raw(msgspec.json.encode(model))})


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> bytes:
    """An error object as every OpenAI client parses it."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def is_error_body(body: bytes) -> bool:
    """Whether an engine's reply already is an OpenAI error object."""
    try:
        return bool(msgspec.json.decode(body, type=_ErrorReply).error.message)
    except UNREADABLE:
        return False


def named_error(message: str, code: str) -> bytes:
    """An `error` event's data for streams of named events: Anthropic's form, and OpenAI's for /v1/responses."""
    error = {"type": "api_error", "message": message, "param": None, "code": code}
    return msgspec.json.encode({"type": "error", "error": error, "message": message, "code": code, "param": None})


class _Error(msgspec.Struct):
    message: str


class _ErrorReply(msgspec.Struct):
    error: _Error


def _decode(endpoint: str, body: bytes) -> Any:
    try:
        fields = _DECODERS[endpoint].decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"invalid request body: {error}", param=_param_of(str(error))) from error
    except UNREADABLE as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}", code="invalid_json") from error
    if isinstance(fields, _ChatBody) and not fields.messages:
        raise InvalidRequest("`messages` is empty; send at least one message", param="messages")
    return fields


def _passed_request(endpoint: str, fields: Any, session: str | None) -> Request:
    """Responses and messages: their words count as prompt, and what opens the conversation identifies it."""
    if isinstance(fields, _ResponsesBody):
        words, limit, user = [fields.instructions, fields.input], fields.max_output_tokens, fields.user
    else:
        words, limit, user = [fields.system, *fields.messages], fields.max_tokens, None
    opening = repr(words[:2])[:4000]
    return Request(
        endpoint=endpoint,
        model=fields.model or VIRTUAL_MODEL,
        stream=bool(fields.stream),
        text="",
        earlier=(),
        prompt_tokens=_characters(words) // 4 + 1,
        max_tokens=_count(limit),
        session=session or user or blake2b(opening.encode("utf-8", "replace"), digest_size=12).hexdigest(),
        needs=frozenset(),
        include_usage=True,
    )


def _count(number: float | None) -> int | None:
    """A bound as a whole number, within what arrays hold."""
    return None if number is None else int(max(0, min(number, 2**31)))


def _characters(words: Any) -> int:
    """The text of nested messages, whatever their shape; inline images and files do not count as text."""
    if isinstance(words, str):
        return len(words)
    if isinstance(words, list):
        return sum(map(_characters, words))
    if isinstance(words, dict):
        return sum(_characters(words[key]) for key in ("text", "content", "output", "input") if key in words)
    return 0


def _param_of(validation_error: str) -> str | None:
    """The field that msgspec names, e.g. "... - at `$.messages[0].role`" or "... missing required field `messages`"."""
    if "`$." in validation_error:
        return validation_error.rsplit("`$.", 1)[1].rstrip("`")
    return validation_error.rsplit("`", 2)[1] if "missing required field" in validation_error else None


def _read_messages(messages: list[_Message]) -> tuple[list[str], str, int, set[str]]:
    """(what the user said, turn by turn, what identifies the conversation, characters in all, needs)."""
    asked: list[str] = []
    opening: list[str] = []
    characters, needs = 0, set[str]()
    for message in messages:
        if isinstance(message.content, list):
            words = "\n".join(part.text for part in message.content if part.text)
            for part in message.content:
                if part.type in ("image_url", "input_audio", "file"):
                    needs.add({"image_url": "image", "input_audio": "audio", "file": "file"}[part.type])
                    characters += 4000
        else:
            words = message.content or ""
        characters += len(words)
        if message.role == "user":
            asked.append(words)
        if message.role in ("system", "developer") or (message.role == "user" and len(asked) == 1):
            opening.append(words)
    return asked, "\n".join(opening), characters, needs


def _cut(text: str) -> str:
    """What of a turn is read: people put what they want before a long paste, or after it."""
    half = ROUTED_TEXT_CHARS // 2
    return text if len(text) <= 2 * half else f"{text[:half]}\n{text[-half:]}"


def _plain_text(prompt: str | list[str | int | list[int]]) -> str:
    """The words of a prompt; token ids have none that the gate could read."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(item for item in prompt if isinstance(item, str))
