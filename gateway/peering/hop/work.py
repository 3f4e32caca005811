"""What a request of another peer is while our engine runs it: how it stands, what was sent of it, what ends its answer.

A request of the endpoints of chat is a Delegated (delegated.py), one beside chat a PassedOn (passing.py).
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

from discovery.envelopes import Sign
from gateway.capacity.doors import Doors
from gateway.peering.frames import (
    ENGINE_REFUSED,
    UNACCEPTABLE,
    Receipt,
    Refusal,
    encode_receipt,
    encode_refusal,
    refusal_of,
)
from gateway.peering.given import Given
from gateway.trust.tab import Sums
from gateway.upstream import Patience, Reply, UpstreamError
from gateway.wire.claims import wait_s
from gateway.wire.streams.pour import Pour, Put

EVENTS = b"content-type: text/event-stream\r\n"  # nothing between two peers could read along, and keep any of it


class Asker(Protocol):
    """Who asked, as far as frames are sent to it. An exchange is one (gateway/server/exchange.py)."""

    has_started: bool  # the answer

    def begin(self, status: int, lines: bytes, length: int | None) -> None: ...

    async def send(self, body: bytes, *, more: bool) -> None: ...

    def outlet(self, pour: Pour, /) -> Put | None: ...


class Work:
    """See the module. `run` it, then send `last`."""

    # What is so until something happens.
    status = "cancelled"
    first_at: float | None = None  # when some of the answer was sent, by the clock
    is_unacceptable = False  # it is nothing that a peer may send
    endpoint = agent = ""  # of the request, once it was read
    is_stream = False
    usage = 0, 0  # (prompt, completion) tokens once it is over, as Forwarder counts them
    sums: Sums | None = None  # what of it was answered, also where it was hung up on
    last = b""  # what ends it: an answer in one piece, if it is one, and its receipt, or why there is none

    def __init__(
        self,
        doors: Doors,
        given: Given,
        body_sha256: str,
        patience: Patience,
        sign: Sign,
        clock: Callable[[], float],
    ) -> None:
        """`given`: what the peer that asks may have of our agents."""
        self._doors, self._given, self._sha256 = doors, given, body_sha256
        self._patience, self._sign, self._clock = patience, sign, clock
        self._sent = hashlib.sha256()

    async def run(self, asker: Asker) -> None:
        """Have the answer sent, all but its end; then `last` holds that."""
        raise NotImplementedError

    @property
    def loading(self) -> float | None:
        """How much of the model is loaded, 0 to 1, that our engine loads for it; None where it loads none."""
        return None

    @property
    def is_in_vain(self) -> bool:
        """Whether it came to nothing through the asking peer's doing: a request it may not send, or hung up on."""
        return self.is_unacceptable or self.status == "cancelled"

    def stopped(self) -> bytes:
        """What ends it when we are being stopped."""
        return self._ending(refusal_of(503, "stopping", None))

    def begin(self, asker: Asker) -> None:
        """Its answer is one in several pieces: frames may be sent to who asked."""
        if not asker.has_started:
            asker.begin(200, EVENTS, None)

    def note_sent(self, frame: bytes) -> None:
        """So much more of the answer goes out."""
        if self.first_at is None:
            self.first_at = self._clock()
        self._sent.update(frame)

    def answered(self, receipt: Receipt, from_documents: bool | None = None) -> None:
        """It is complete. `from_documents`: what a personal agent says of its answer."""
        self.status = "ok"
        self.last += encode_receipt(receipt, self._sign, from_documents)

    def refused(self, why: str) -> None:
        """It is nothing that a peer may send."""
        self.status, self.is_unacceptable = "refused", True
        self.last = encode_refusal(Refusal(400, UNACCEPTABLE, why))

    def failed(self, error: UpstreamError) -> None:
        """It cannot be answered, or not to its end."""
        self.status = "refused" if self.first_at is None else "failed"
        self.last += self._ending(refusal_of(error.status, error.code, wait_s(error.retry_after_s)))

    def _ending(self, refusal: Refusal) -> bytes:
        return encode_refusal(refusal, "refused" if self.first_at is None else "broke")


def engine_refused(reply: Reply) -> UpstreamError:
    """What comes of an answer of our engine with which somebody else may do better (`RETRYABLE`): it is not shown."""
    status, wait = reply.status if reply.status in (429, 503) else 502, wait_s(reply.retry_after)
    return UpstreamError(f"its engine answered {reply.status}", status=status, code=ENGINE_REFUSED, retry_after_s=wait)
