"""Errors as clients and engines write them (P): a request that cannot be served, and error bodies.

Here alone is known in which form an endpoint tells an error: OpenAI's, or Anthropic's for /v1/messages and below it.
Who answers a request calls `whole_error`, or `error_event` once its stream has begun.
"""

import re
from typing import Literal

import msgspec

from gateway.wire.codec import UNREADABLE
from gateway.wire.events import encode_event
from gateway.wire.text import visible

_BLANKS = b" \t\r\n"
EXCERPT_BYTES = 300  # of an error body that has no message
_QUOTED = re.compile(r"(unknown field|Invalid (?:enum )?value) .*?( - at `\$[^\s`]*`)?\Z", re.DOTALL)  # by msgspec
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
NO_PATH = (404, 405, 501)  # statuses of an engine that has no such endpoint
ENDPOINT_MISSING = "endpoint_not_served"  # the code of an error: another engine may have it
_BUSY = frozenset({"saturated", "busy", "peer_busy", "upstream_503"})  # codes of a 503 that says: later
_OVERLOADED = 529  # Anthropic's own status for that


class InvalidRequest(Exception):
    """The client's body cannot be served; carries what OpenAI's error object says."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code


def endpoint_of(path: str) -> str:
    """Whose errors a path wants: `messages` for all of Anthropic's, also where it is misspelt or none."""
    words = path.lower().strip("/").split("/")
    return "messages" if "messages" in words else path.removeprefix("/v1/")


def whole_error(
    endpoint: str,
    request_id: str,
    *,
    status: int,
    message: str,
    code: str | None = None,
    param: str | None = None,
    said: bytes | None = None,
) -> tuple[int, bytes]:
    """(HTTP status, body) of an answer that is an error. `said`: an engine's own, kept where it has the form."""
    if not _is_anthropic(endpoint):
        kept = said if said is not None and is_error_body(said) else None
        return status, kept or error_body(message, _openai_type(status), param, code)
    status = _OVERLOADED if status == 503 and code in _BUSY else status
    return status, _said_by_anthropic(said) or _anthropic_body(message, status, request_id)


def error_event(
    endpoint: str, request_id: str, sent: int, *, message: str, code: str, said: bytes | None = None
) -> bytes:
    """The event that ends a stream which has begun and cannot go on, after `sent` events."""
    if _is_anthropic(endpoint):
        return encode_event(_said_by_anthropic(said) or _anthropic_body(message, 500, request_id), "error")
    if endpoint == "responses":
        return encode_event(_responses_event(message, code, sent), "error")
    kept = said if said is not None and is_error_body(said) else None
    return encode_event(kept or error_body(message, "server_error", code=code))


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> bytes:
    """An error object as every OpenAI client parses it; the message may be a peer's, and clients print it."""
    return msgspec.json.encode({"error": {"message": visible(message), "type": kind, "param": param, "code": code}})


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


def says_model(body: bytes) -> bool:
    """Whether a 404 is about a model, and not about a path that the engine does not have."""
    return "model" in message_in(body).lower()


def _is_anthropic(endpoint: str) -> bool:
    return endpoint.partition("/")[0] == "messages"


def _openai_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    if status >= 500:
        return "server_error"
    return "not_found_error" if status == 404 else "invalid_request_error"


def _anthropic_body(message: str, status: int, request_id: str) -> bytes:
    kind = _ANTHROPIC_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    error = {"type": kind, "message": visible(message)}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def _responses_event(message: str, code: str, sent: int) -> bytes:
    """OpenAI's `error` event. Its reference has the words at the top; its SDKs raise for those in `error`."""
    words = {"message": visible(message), "code": code, "param": None}
    return msgspec.json.encode(
        {"type": "error", "sequence_number": sent, **words, "error": {"type": "server_error", **words}}
    )


def _said_by_anthropic(said: bytes | None) -> bytes | None:
    """An engine's own error, if it has Anthropic's form."""
    try:
        return said if said is not None and msgspec.json.decode(said, type=_AnthropicReply).error.message else None
    except UNREADABLE:
        return None


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


class _AnthropicError(msgspec.Struct):
    type: str
    message: str


class _AnthropicReply(msgspec.Struct):
    type: Literal["error"]
    error: _AnthropicError
