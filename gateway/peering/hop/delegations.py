"""Other peers' requests while our engines run them: who may have one more, the frames of its answer, what it cost.

What runs is a Delegated (delegated.py) or a PassedOn (passing.py). Knows nothing of how a request is authenticated and
its body read: listener.py does both.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from mmap import mmap

import msgspec

from discovery.envelopes import Sign
from discovery.records import PeerId
from discovery.request_auth import Refused
from discovery.strangers import site_of
from gateway.capacity.allowance import Allowance, Spending
from gateway.capacity.doors import Doors
from gateway.peering.delegated import Delegated
from gateway.peering.frames import FIRST_SIGN_S, HEARTBEAT_S, queued
from gateway.peering.given import Given
from gateway.peering.hop.work import EVENTS, Work
from gateway.peering.passing import PassedOn
from gateway.peering.settling import Settling
from gateway.server.edge import has_left
from gateway.server.exchange import Exchange
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import Ended, ServedTrace, Tracing
from gateway.upstream import Patience

log = logging.getLogger(__name__)


class Call(msgspec.Struct, frozen=True):
    """One request of another peer: who made it, what signs its receipt, and what was asked, to be answered."""

    peer: PeerId
    sign: Sign
    asked: Exchange
    spending: Spending | None  # what its tokens count for


class Delegations:
    """Runs what other peers delegate to us."""

    def __init__(
        self,
        doors: Doors,
        given: Callable[[PeerId], Given],
        trusted: bool,
        patience: Patience,
        allowance: Allowance,
        settling: Settling,
        exposure_tokens: float,
        vouches: Callable[[PeerId], bool],
        telemetry: Telemetry,
        tracing: Tracing | None,
        clock: Callable[[], float],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """`given(peer)`: what of our agents this peer may have. `settling` keeps what each had.

        One that had `exposure_tokens` more than it gave is served while nobody waits (0: no limit). `trusted`: whoever
        asks was approved. `vouches(peer)`: whether somebody vouches for this one.
        """
        self._doors, self._given, self._trusted, self._patience = doors, given, trusted, patience
        self._allowance, self._settling, self._exposure_tokens = allowance, settling, exposure_tokens
        self._vouches, self._telemetry, self._tracing = vouches, telemetry, tracing
        self._clock, self._heartbeat_s = clock, heartbeat_s

    def admit(self, peer: PeerId, ip: str) -> Spending:
        """Count one more delegation. Raises Refused where this peer has had as much as it may for now."""
        now, allowance, most = self._clock(), self._allowance, self._exposure_tokens
        if not allowance.may_delegate(peer, now):
            raise Refused(429, "too_many_requests", "too many of your requests came to nothing: slow down")
        if most and self._settling.has_more(peer, most) and self._doors.admission != "open":
            raise Refused(429, "too_many_requests", "you had much more than you gave: ask while nobody waits here")
        spending = allowance.spends(peer, site_of(ip), now)
        if spending is None:
            raise Refused(429, "too_many_requests", "you asked for more than one peer may: slow down")
        return spending

    def answer(self, call: Call, body: bytes, sha256: str) -> Coroutine[None, None, None]:
        """Answer a request of the endpoints of chat."""
        given, trusted = self._given(call.peer), self._trusted
        work = Delegated(self._doors, given, body, sha256, trusted, self._patience, call.sign, self._clock)
        return self._run(work, call)

    def answer_other(self, call: Call, body: bytes | mmap, sha256: str) -> Coroutine[None, None, None]:
        """Answer a request beside chat."""
        given, query = self._given(call.peer), call.asked.query
        work = PassedOn(self._doors, given, query, body, sha256, self._patience, call.sign, self._clock)
        return self._run(work, call)

    async def _run(self, work: Work, call: Call) -> None:
        """Run another peer's request on our engine, in the hop's framing, until it hangs up; silence never lasts."""
        asked, began = call.asked, self._clock()
        trace: ServedTrace | None = None
        if self._tracing is not None:
            trace = self._tracing.served(asked.headers, is_known=self._vouches(call.peer))
        beat = _Beat(asked, self._heartbeat_s, work)
        asked.watch(True)
        try:
            try:
                await work.run(asked)
            except Exception:  # a bug: the stream ends without a receipt, and the asking peer asks another
                log.exception("bug=delegation peer=%s", call.peer[:10])
            finally:
                beat.stop()
                self._note(work, call, began, trace)
            await _end(asked, work.last)
        except asyncio.CancelledError:
            if not has_left(asked):  # we are being stopped
                log.warning("answer_ended_by_stop peer=%s", call.peer[:10])
                await _end(asked, work.stopped())
                raise
        finally:
            asked.watch(False)

    def _note(self, work: Work, call: Call, began: float, trace: ServedTrace | None) -> None:
        """What came of it."""
        peer, usage, now = call.peer, work.usage, self._clock()
        self._telemetry.observe_served(work.status, *usage)
        if trace is not None:
            ttft_s = work.first_at - began if work.is_stream and work.first_at is not None else None
            trace.ended(work.endpoint, work.agent, Ended(work.status, None, ttft_s, now - began, *usage))
        if work.sums is not None:
            if call.spending is not None:
                self._allowance.spent(call.spending, work.sums.work, now)
            self._settling.given(peer, work.sums)
        if work.is_in_vain:
            self._allowance.failed(peer, now)


async def _end(asked: Exchange, last: bytes) -> None:
    """The last of an answer, with its body's end, so that the connection is free at once; mostly it is all of it."""
    if asked.must_wait:
        await asked.drained()
    if asked.has_started:
        asked.write(last, more=False)
    else:
        asked.write_whole(200, b"%bcontent-length: %d\r\n" % (EVENTS, len(last)), last)


class _Beat:
    """A sign of life after every second in which nothing was sent, and nothing waits to be sent; the first sooner.

    An answer that is there by then goes with its head in one write.
    """

    def __init__(self, client: Exchange, interval_s: float, work: Work) -> None:
        self._client, self._interval_s, self._work, self._sent = client, interval_s, work, client.sent
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(min(FIRST_SIGN_S, interval_s), self._look)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._client.sent == self._sent and not self._client.must_wait:
            self._work.begin(self._client)
            self._client.write(queued(self._work.loading), more=True)
        self._sent = self._client.sent
        self._timer = self._loop.call_later(self._interval_s, self._look)
