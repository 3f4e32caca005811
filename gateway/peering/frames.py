"""How an answer rides from one peer to another: server-sent events with a few names of our own.

    : queued                     every second while nothing else is sent; 4 s of silence means the peer is gone
    event: refused               instead of an answer: {"status", "code", "message", "retry_after_s"}
    event: reply                 a whole JSON answer: {"status": 200, "body": {...}}
    data: {...}                  a streamed answer's events, byte for byte, up to data: [DONE]; in streams of named
    event: NAME                  events (Responses, Messages) up to the one that ends the answer
    event: head                  of an endpoint beside chat: {"status", "type"}
    event: part                  up to 48 KiB of such an answer, in base64
    event: broke                 the answer cannot be finished: as `refused`
    event: receipt               the last event; without it the answer was cut short

`refused` comes before the first event of an answer, `broke` after it.

Pure: bytes in, bytes out.
"""

import re
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from discovery.envelopes import UNREADABLE
from gateway.wire.events import CONTROL, EVENT_LIMIT_BYTES, Event, encode_event

QUEUED = b": queued\n\n"
FIRST_SIGN_S = 0.05  # until the first sign of life, unless the answer is there sooner
HEARTBEAT_S = 1.0  # between two signs of life
SILENCE_S = 4.0  # four missed: long enough for a stalled event loop, short against a waiting person
RECEIPT_DOMAIN = b"ppai/1/receipt\0"
ENGINE_REFUSED = "engine_refused"  # the code of a refusal with which the peer's engine answered this very request
NO_AGENT = "no_agent"  # the code of a refusal of a model that is not served there any more
NO_ENDPOINT = "endpoint_not_served"  # the code of a refusal of an endpoint that the engine there does not have
NOT_LOADED, NOT_GIVEN, LIMITED = "not_loaded", "not_given", "limited"  # codes of errors here, not of refusals
UNACCEPTABLE = "unacceptable"  # the code of a refusal of what the request holds
TYPE_CHARS = 200  # of a content type
_LOADED = re.compile(rb": queued loaded=(\d{1,3})%\n")
_REPLY, _RECEIPT = b"event: reply\ndata: ", b"\n\nevent: receipt\ndata: "  # how a whole answer begins, and goes on
_LINE_ENDS = 6  # of those, and at the receipt's end
_NAMES = {name: name.decode() for name in CONTROL}
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


TOLD = {  # what another peer is told of an error here, by its code
    NO_AGENT: "there is no such agent here",
    NOT_LOADED: "its model is not loaded, and its owner has none loaded because others ask",
    NOT_GIVEN: "its owner lets you have nothing of it",
    LIMITED: "you have as many requests there at once as its owner lets you",
    "busy": "this peer is busy",
    NO_ENDPOINT: "its engine has no such endpoint",
    "stopping": "this peer is being stopped",
    "no_engine": "its engine is not there",
    "engine_unreachable": "its engine does not answer",
    "engine_timeout": "its engine did not answer in time",
    ENGINE_REFUSED: "its engine answered with an error",
    "stream_cut_short": "its engine ended the answer too early",
    "reply_too_large": "its engine's answer is too large",
    "engine_failed": "its engine failed",
}
# The code of a refusal, where it is not that of the error: peers of 0.1.0 know few, and do by these what is meant.
_REFUSED_AS = {NOT_LOADED: NO_AGENT, NOT_GIVEN: NO_AGENT, LIMITED: "busy"}


class Refusal(msgspec.Struct, frozen=True):
    """Why a peer does not take a request (`refused`), or does not finish it (`broke`)."""

    status: int
    code: str
    message: str
    retry_after_s: float | None = None  # the peer's word: to be clipped (gateway/wire/claims.py)


class Receipt(msgspec.Struct, frozen=True):
    """What the answering peer says it did, signed: the two sides of a delegation can settle later who did what.

    Hashes are hexadecimal SHA-256: of the delegation's body, and of the answer's events as they were sent. Counts are
    the peer's own claim, believed as far as the asker sees (hop/reply.py: `credit`). What peers of a former version do
    not know is not signed: they pass over it, and the rest is what they expect. It is absent where there is nothing to
    say.
    """

    request_sha256: str
    reply_sha256: str
    model: str
    prompt_tokens: _Count
    tokens: _Count
    queued_ms: _Count
    served_ms: _Count
    signature: str = ""
    from_documents: bool | msgspec.UnsetType = msgspec.UNSET  # whether a personal agent's answer came from what it has


_JSON = msgspec.json.Decoder(msgspec.Raw)  # looks at all of it, and makes nothing of it


class WholeReply(msgspec.Struct, frozen=True):
    """An answer in one piece: the engine's, or its refusal of the request itself (4xx, 5xx)."""

    status: int
    body: msgspec.Raw


class Head(msgspec.Struct, frozen=True):
    """What an answer of an endpoint beside chat begins with."""

    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    type: Annotated[str, msgspec.Meta(max_length=TYPE_CHARS)]


def refusal_of(status: int, code: str, retry_after_s: float | None) -> Refusal:
    """What another peer is told of an error here: a code and the words for it.

    The error's own words are for the owner: they name the engine's address, and may quote what the engine said.
    """
    known = code if code in TOLD else "engine_failed"
    return Refusal(status, _REFUSED_AS.get(known, known), TOLD[known], retry_after_s)


def queued(loaded: float | None) -> bytes:
    """A sign of life; `loaded`: how much of the model is loaded, 0 to 1, where one is being loaded for the request."""
    return QUEUED if loaded is None else b": queued loaded=%d%%\n\n" % (100 * loaded)


def loaded_in(signs: bytes) -> float | None:
    """How much is loaded, 0 to 1, by the last of such signs; None where it says nothing of that."""
    said = _LOADED.match(signs, max(0, signs.rfind(QUEUED[:-2])))
    return None if said is None else min(int(said[1]), 100) / 100


def encode_refusal(refusal: Refusal, name: Literal["refused", "broke"] = "refused") -> bytes:
    return encode_event(msgspec.json.encode(refusal), name)


def encode_reply(status: int, body: bytes) -> bytes:
    """A whole answer, as it came where it is one line; a body that is no JSON travels as a string."""
    try:
        _JSON.decode(body)
        line = body if b"\n" not in body and b"\r" not in body else msgspec.json.format(body, indent=-1)
    except UNREADABLE:
        line = msgspec.json.encode(body.decode("utf-8", "replace"))
    return b'event: reply\ndata: {"status":%d,"body":%b}\n\n' % (status, line)


def whole_answer(came: bytes) -> tuple[Event, Event] | None:
    """The reply and its receipt, as they mostly come together; None: it is something else, or may be.

    They are those that an EventSplitter (gateway/wire/events.py) would find, which reads all else.
    """
    reply, ends, receipt = came.partition(_RECEIPT)
    is_whole = came.startswith(_REPLY) and came.count(b"\n") == _LINE_ENDS and came.endswith(b"\n\n")
    if not ends or not is_whole or b"\r" in came or len(came) > EVENT_LIMIT_BYTES:
        return None
    sealed = came[len(reply) + 2 :]
    return Event(reply + b"\n\n", reply[len(_REPLY) :], b"reply"), Event(sealed, receipt[:-2], b"receipt")


def encode_receipt(receipt: Receipt, sign: Callable[[bytes], bytes], from_documents: bool | None = None) -> bytes:
    """The receipt, which has neither signature nor `from_documents` yet, with both; None: nothing is said of that."""
    unsigned = msgspec.json.encode(receipt)
    beside = b"" if from_documents is None else b',"from_documents":%b' % (b"true" if from_documents else b"false")
    signature = sign(RECEIPT_DOMAIN + unsigned).hex().encode()
    return b'event: receipt\ndata: %b%b"%b}\n\n' % (unsigned[:-2], signature, beside)


def receipt_bytes(receipt: Receipt) -> bytes:
    """What is signed."""
    signed = msgspec.structs.replace(receipt, signature="", from_documents=msgspec.UNSET)
    return RECEIPT_DOMAIN + msgspec.json.encode(signed)


def name_of(event: Event) -> str:
    """What this event is between peers; empty for the answer's own, also where its API names it."""
    return _NAMES.get(event.name, "")
