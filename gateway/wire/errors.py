"""Errors as OpenAI's clients and engines write them (P): a request that cannot be served, and error bodies."""

import re

import msgspec

from gateway.wire.codec import UNREADABLE
from gateway.wire.text import visible

_BLANKS = b" \t\r\n"
EXCERPT_BYTES = 300  # of an error body that has no message
_QUOTED = re.compile(r"(unknown field|Invalid (?:enum )?value) .*?( - at `\$[^\s`]*`)?\Z", re.DOTALL)  # by msgspec


class InvalidRequest(Exception):
    """The client's body cannot be served; carries what OpenAI's error object says."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> bytes:
    """An error object as every OpenAI client parses it; the message may be a peer's, and clients print it."""
    return msgspec.json.encode({"error": {"message": visible(message), "type": kind, "param": param, "code": code}})


def named_error(message: str, code: str) -> bytes:
    """An `error` event's data for streams of named events: Anthropic's form, and OpenAI's for /v1/responses."""
    said = visible(message)
    error = {"type": "api_error", "message": said, "param": None, "code": code}
    return msgspec.json.encode({"type": "error", "error": error, "message": said, "code": code, "param": None})


def without_words(error: Exception) -> str:
    """What a decoder found wrong, without the words that it found: they may be a prompt's, in the wrong place.

    It names types and places; it quotes names that it does not know, and values that are none of a list.
    """
    return _QUOTED.sub(r"\1\2", str(error))


def is_error_body(body: bytes) -> bool:
    """Whether an engine's reply already is an OpenAI error object."""
    try:
        return bool(msgspec.json.decode(body, type=_ErrorReply).error.message)
    except UNREADABLE:
        return False


def is_no_answer(body: bytes) -> bool:
    """Whether the body of a 200 answers nothing: empty, a page for people, cut short, or an error object."""
    ends = body.strip(_BLANKS)
    if not (ends.startswith(b"{") and ends.endswith(b"}")):
        return True
    return b'"error"' in body and _has_only_error(body)


def message_in(body: bytes) -> str:
    """The message in an error body of any shape that engines use, else its first words."""
    try:
        fields = msgspec.json.decode(body)
    except UNREADABLE:
        fields = None
    if isinstance(fields, dict):
        error = fields.get("error", fields)
        parts = error if isinstance(error, dict) else {"message": error}
        for message in (parts.get(key) for key in ("message", "detail")):
            if isinstance(message, str) and message:
                return message
    return body[:EXCERPT_BYTES].decode("utf-8", "replace") or "the engine answered without a word"


def _has_only_error(body: bytes) -> bool:
    """Whether an object has an error, of whatever form, and no answer beside it."""
    try:
        said = msgspec.json.decode(body, type=_Said)
    except UNREADABLE:
        return True
    has_answer = said.choices or said.data or said.output or said.content
    return bool(said.error) and bytes(said.error) not in (b"null", b'""') and not has_answer


class _Said(msgspec.Struct):
    """What tells an answer of any endpoint from an error."""

    error: msgspec.Raw = msgspec.Raw()
    choices: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()
    content: msgspec.Raw = msgspec.Raw()


class _Error(msgspec.Struct):
    message: str


class _ErrorReply(msgspec.Struct):
    error: _Error
