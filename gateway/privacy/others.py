"""Requests of the endpoints beside chat (P): which model they ask for, the body that asks an engine, and what travels.

Their answers are passed on as they come. What travels is decoded into closed types and written anew, so that nothing
leaves that is not in a table of docs/protocol.md; the name of a file becomes `file`, with its ending.
"""

import re
from dataclasses import dataclass
from mmap import mmap
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.privacy.fields import Unacceptable
from gateway.privacy.forms import Part, boundary_of, read_form, write_form
from gateway.privacy.names import said
from gateway.wire.bodies import FORM, FORMS, OTHERS
from gateway.wire.codec import UNREADABLE, Pieces, raw, read_fields, write_fields
from gateway.wire.errors import InvalidRequest, without_words

JSON = "application/json"
TRAVELS_LIMIT_BYTES = 32 << 20  # OpenAI takes 25 MiB of audio
FIELD_LIMIT_BYTES = 1 << 16  # of one field of a form that is no file
DROPPED = frozenset({"user", "metadata", "request_id", "rid", "priority", "safety_identifier"})  # who asks, and when
_Text = Annotated[str, Meta(max_length=1 << 20)]
_Word = Annotated[str, Meta(max_length=256)]
_Number = Annotated[float, Meta(ge=-(1 << 20), le=1 << 20)]
_Count = Annotated[int, Meta(ge=0, le=1 << 20)]
_ENDING = re.compile(r"\.([A-Za-z0-9]{1,5})\Z")
_MEDIA = re.compile(r"(audio|video)/[a-z0-9.+-]{1,64}|application/octet-stream")


class _Closed(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    model: _Word | UnsetType | None = UNSET


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    text: _Text


class _Rerank(_Closed, kw_only=True):
    query: _Text
    documents: Annotated[list[_Text | _Document], Meta(max_length=2048)]
    top_n: _Count | UnsetType | None = UNSET
    return_documents: bool | UnsetType | None = UNSET
    truncate_prompt_tokens: Annotated[int, Meta(ge=-1, le=1 << 20)] | UnsetType | None = UNSET
    max_tokens_per_doc: _Count | UnsetType | None = UNSET


class _Speech(_Closed, kw_only=True):
    input: _Text
    voice: _Word | UnsetType | None = UNSET
    instructions: _Text | UnsetType | None = UNSET
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | UnsetType | None = UNSET
    speed: _Number | UnsetType | None = UNSET
    stream_format: Literal["audio", "sse"] | UnsetType | None = UNSET
    language: _Word | UnsetType | None = UNSET


class _Images(_Closed, kw_only=True):
    prompt: _Text
    n: Annotated[int, Meta(ge=1, le=10)] | UnsetType | None = UNSET
    size: _Word | UnsetType | None = UNSET
    quality: _Word | UnsetType | None = UNSET
    style: _Word | UnsetType | None = UNSET
    background: _Word | UnsetType | None = UNSET
    moderation: _Word | UnsetType | None = UNSET
    negative_prompt: _Text | UnsetType | None = UNSET
    # a `url` would lead to the other machine
    response_format: Literal["b64_json"] | UnsetType | None = UNSET
    output_format: Literal["png", "jpeg", "webp"] | UnsetType | None = UNSET
    output_compression: Annotated[int, Meta(ge=0, le=100)] | UnsetType | None = UNSET
    seed: int | UnsetType | None = UNSET
    steps: Annotated[int, Meta(ge=1, le=200)] | UnsetType | None = UNSET
    guidance_scale: _Number | UnsetType | None = UNSET
    cfg_scale: _Number | UnsetType | None = UNSET


class _Tokenize(_Closed, kw_only=True):
    prompt: _Text | UnsetType = UNSET
    content: _Text | UnsetType = UNSET  # llama.cpp's
    inputs: _Text | UnsetType = UNSET  # TGI's
    add_special: bool | UnsetType | None = UNSET
    add_special_tokens: bool | UnsetType | None = UNSET
    parse_special: bool | UnsetType | None = UNSET
    with_pieces: bool | UnsetType | None = UNSET
    return_token_strs: bool | UnsetType | None = UNSET


_TRAVELS: dict[str, Any] = {
    "rerank": _Rerank,
    "audio/speech": _Speech,
    "images/generations": _Images,
    "tokenize": _Tokenize,
}
_FORM_TRAVELS = re.compile(
    r"model|language|prompt|response_format|temperature|stream|"
    r"hotwords|vad_filter|timestamp_granularities(\[\])?|include(\[\])?"
)


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """One request as it came. `model` is None where it names none; `body` may be a file mapped into memory."""

    endpoint: str
    content_type: str
    body: bytes | mmap
    model: str | None
    fields: dict[str, msgspec.Raw] | None  # of a JSON body
    parts: tuple[Part, ...] = ()
    boundary: str = ""

    def asking(self, model: str) -> tuple[str, Pieces]:
        """(content type, body) that asks our own engine for `model`: nothing else is changed."""
        view = memoryview(self.body)
        if self.model == model:
            return self.content_type, (view,)
        if self.fields is not None:
            return JSON, write_fields({**self.fields, "model": raw(model)})
        part = next((part for part in self.parts if part.name == "model"), None)
        if part is not None:
            return self.content_type, (view[: part.begin], model.encode(), view[part.end :])
        added = write_form(self.boundary, [("model", model.encode())], None)[0]
        return self.content_type, (added, view)

    def travelling(self, model: str) -> tuple[str, Pieces]:
        """(content type, body) as it may be sent to a peer's agent. Raises Unacceptable, with the field's name."""
        if self.fields is None:
            return self._travelling_form(model)
        kept = {name: value for name, value in self.fields.items() if not _says_nothing(name, value)}
        try:
            asked = msgspec.json.decode(msgspec.json.encode(kept), type=_TRAVELS[self.endpoint])
        except UNREADABLE as error:
            raise Unacceptable(_named(error, kept, _TRAVELS[self.endpoint])) from error
        asked.model = model
        return JSON, (msgspec.json.encode(asked),)

    def _travelling_form(self, model: str) -> tuple[str, Pieces]:
        fields: list[tuple[str, bytes]] = [("model", model.encode())]
        files: list[tuple[str, str, memoryview]] = []
        for part in self.parts:
            if part.name == "file":
                files.append((_filename(part), _kind(part), memoryview(self.body)[part.begin : part.end]))
            elif part.name == "model" or part.name in DROPPED:
                continue
            elif part.filename is not None or not _FORM_TRAVELS.fullmatch(part.name):
                raise Unacceptable(said(part.name))
            else:
                fields.append((part.name, self.body[part.begin : part.end]))
        if len(files) != 1:
            raise Unacceptable("file")
        return f"{FORM}; boundary={self.boundary}", write_form(self.boundary, fields, files[0])


def read_other(endpoint: str, content_type: str, body: bytes | mmap) -> OtherRequest:
    """What a body asks of one of OTHERS. Raises InvalidRequest."""
    if endpoint in FORMS:
        boundary = boundary_of(content_type)
        if boundary is None:
            raise InvalidRequest(f"{OTHERS[endpoint]} wants a form ({FORM})", status=415, code="unsupported_media_type")
        parts = read_form(boundary, body)
        for part in parts:
            if part.filename is None and part.end - part.begin > FIELD_LIMIT_BYTES:
                raise InvalidRequest(f"the field `{said(part.name)}` is too long", param=said(part.name))
        if not any(part.name == "file" for part in parts):
            raise InvalidRequest("the form has no `file`", param="file")
        models = [body[part.begin : part.end] for part in parts if part.name == "model" and part.filename is None]
        model = _decoded(models[0]) if models else None
        return OtherRequest(endpoint, content_type, body, model or None, None, tuple(parts), boundary)
    try:
        fields = read_fields(cast(bytes, body))  # read by its buffer, whatever it is
        model = msgspec.json.decode(fields["model"], type=str | None) if "model" in fields else None
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"invalid request body: {without_words(error)}", param="model") from error
    except UNREADABLE as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}", code="invalid_json") from error
    return OtherRequest(endpoint, content_type or JSON, body, model or None, fields)


def _says_nothing(name: str, value: msgspec.Raw) -> bool:
    return name in DROPPED or bytes(memoryview(value)[:5]) == b"null"


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("the field `model` is not UTF-8", param="model") from error


def _named(error: Exception, fields: dict[str, msgspec.Raw], table: Any) -> str:
    """The field that does not travel, as far as it may be said."""
    words, known = str(error), {field.name for field in msgspec.structs.fields(table)}
    found = next((name for name in fields if f"`{name}`" in words or f"$.{name}" in words), "")
    return found if found in known else said(found)


def _filename(part: Part) -> str:
    """`file.mp3`: people name recordings by what is said in them, and engines go by the ending."""
    ending = _ENDING.search(part.filename or "")
    return f"file.{ending[1].lower()}" if ending else "file"


def _kind(part: Part) -> str:
    return part.content_type if _MEDIA.fullmatch(part.content_type) else "application/octet-stream"
