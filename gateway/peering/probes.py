"""Other peers, as serving uses them: ask some how busy they are, reach each as an upstream, tell gossip how they did.

Both sides of a probe stand here: how we ask, and what we answer. Whom to probe and whom to ask is decided in routing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Protocol

import msgspec

from discovery.answer import ConnectionBroken
from discovery.contacts import Way
from discovery.envelopes import UNREADABLE
from discovery.exchanges import PeerUnreachable
from discovery.records import ENGINES_LIMIT, JOBS_LIMIT, SLOTS_LIMIT, AdmissionState, PeerId
from discovery.request_auth import Refused
from discovery.transport import Transport
from gateway.capacity.rules import EngineLoad
from gateway.peering.allowance import Allowance
from gateway.peering.remote import PeerUpstream
from gateway.trust.tab import Sums
from gateway.wire.claims import whole

log = logging.getLogger(__name__)

PROBE_PATH = "/peer/1/probe"
PROBE_LIMIT_BYTES = 1024  # of our answer: peers of 0.1.0 read no more
PROBE_READ_LIMIT_BYTES = 16 << 10  # of another's: theirs names every model that is not loaded
COLD_LIMIT = 64  # agents a probe may name as not loaded; a card has 16
Load = tuple[int, int]  # jobs in an engine or waiting for it; slots
FRESH_S = 0.02  # s; news this young is as good as a probe, which takes a good part of that itself


class ProbeAnswer(msgspec.Struct, frozen=True):
    """How we are doing this moment. Power-of-two buckets, so that a peer cannot read our use off it job by job."""

    running: int
    waiting: int
    slots: int
    admission: AdmissionState
    cold: tuple[str, ...] = ()  # agents whose model would have to be loaded first
    engines: tuple[tuple[int, int, int], ...] = ()  # (running, waiting, slots) of each, where there are several
    kept: tuple[str, ...] = ()  # the others that are not loaded: they are not because you ask


class Observer(Protocol):
    """Who hears what a probe found: routing's Node. Times are seconds of the caller's clock."""

    def observe_probe(
        self,
        peer: PeerId,
        jobs: int,
        slots: int,
        admission: AdmissionState,
        rtt_s: float,
        now: float,
        engines: Sequence[tuple[int, int]] = (),
        way: Way = "direct",
    ) -> None: ...

    def observe_sent(self, peer: PeerId, size_bytes: int, took_s: float, way: Way) -> None: ...

    def observe_cold(
        self, peer: PeerId, agents: Collection[str], kept: Collection[str] = (), now: float = 0.0
    ) -> None: ...

    def observe_closed(self, peer: PeerId, now: float) -> None: ...


def encode_load(
    load: EngineLoad,
    admission: AdmissionState,
    cold: tuple[str, ...],
    engines: Sequence[EngineLoad] = (),
    kept: tuple[str, ...] = (),
) -> bytes:
    """Our answer to another peer's probe; as many of the `cold` and `kept` as fit into what that peer reads.

    `load` is of all `engines` together, which are named where there are several.
    """
    each = tuple((_bucket(one.running), _bucket(one.waiting), one.slots) for one in engines[:ENGINES_LIMIT])
    answer = ProbeAnswer(_bucket(load.running), _bucket(load.waiting), load.slots, admission, cold, each, kept)
    encoded = msgspec.json.encode(answer)
    while len(encoded) > PROBE_LIMIT_BYTES:
        cold, kept = answer.cold, answer.kept
        answer = msgspec.structs.replace(answer, cold=cold[: len(cold) // 2], kept=kept[: len(kept) // 2])
        encoded = msgspec.json.encode(answer)
    return encoded


def decode_load(body: bytes) -> tuple[Load, list[Load], ProbeAnswer]:
    """The load of a peer, of each of its engines where it has several, and its whole answer to our probe.

    The counts are clipped to what can be. Raises what UNREADABLE names.
    """
    answer = msgspec.json.decode(body, type=ProbeAnswer)
    each = [_clipped(*counts) for counts in answer.engines[:ENGINES_LIMIT]]
    return _clipped(answer.running, answer.waiting, answer.slots), each, answer


def _clipped(running: int, waiting: int, slots: int) -> Load:
    jobs = whole(whole(running, 0, JOBS_LIMIT) + whole(waiting, 0, JOBS_LIMIT), 0, JOBS_LIMIT)
    return jobs, whole(slots, 1, SLOTS_LIMIT - 1)


class Peers:
    """Probes, and the way to each peer."""

    def __init__(
        self,
        observer: Observer,
        transport: Transport,
        clock: Callable[[], float],
        probe_budget_s: float,
        got: Callable[[PeerId, Sums], None] = lambda peer, sums: None,
    ) -> None:
        """`got(peer, sums)` is called with what a peer's whole answer came to."""
        self._got = got
        self._observer, self._transport, self._clock, self._budget_s = observer, transport, clock, probe_budget_s
        self._under_way: dict[PeerId, asyncio.Task[bool]] = {}
        self._answered_at: dict[PeerId, float] = {}  # within FRESH_S, the oldest first

    async def probe(self, peers: Collection[PeerId]) -> set[PeerId]:
        """Ask them how busy they are, all at once; those that answered within the budget."""
        answered = await asyncio.gather(*(self._shared(peer) for peer in peers))
        return {peer for peer, has_answered in zip(peers, answered, strict=True) if has_answered}

    async def _shared(self, peer: PeerId) -> bool:
        """One probe serves all requests of one moment. What those requests add to the peer's load, we count ourselves.

        Many requests at once would else send so many probes that most answers miss the budget (docs/decisions.md).
        """
        if self._clock() - self._answered_at.get(peer, -inf) < FRESH_S:
            return True
        if peer not in self._under_way:
            task = self._under_way[peer] = asyncio.create_task(self._probe(peer))
            task.add_done_callback(lambda _: self._under_way.pop(peer))
        answered = await asyncio.shield(self._under_way[peer])
        if answered:
            self._note_answer(peer, self._clock())
        return answered

    def _note_answer(self, peer: PeerId, now: float) -> None:
        self._answered_at.pop(peer, None)
        self._answered_at[peer] = now
        for other, at in list(self._answered_at.items()):
            if now - at < FRESH_S:
                break
            del self._answered_at[other]

    async def close(self) -> None:
        """End the probes under way."""
        for task in (probes := [*self._under_way.values()]):
            task.cancel()
        await asyncio.gather(*probes, return_exceptions=True)

    def upstream(self, peer: PeerId, name: str, allowed: Allowance) -> PeerUpstream:
        """The peer as somebody who answers, with as much as is allowed."""
        return PeerUpstream(
            peer, name, self._transport.open_stream, self.failed, allowed, got=self._got, sent=self._sent
        )

    def failed(self, peer: PeerId, reason: str) -> None:
        """It did not answer us: suspected until it does."""
        self._transport.suspect(peer, reason)

    def served(self, peer: PeerId) -> None:
        """It answered a request: recent work outranks missed announcements."""
        self._transport.answered(peer)

    def _sent(self, peer: PeerId, size_bytes: int, took_s: float) -> None:
        self._observer.observe_sent(peer, size_bytes, took_s, self._transport.client.way_to(peer))

    async def _probe(self, peer: PeerId) -> bool:
        began = self._clock()
        try:
            async with asyncio.timeout(self._budget_s):
                asked = self._transport.open_stream(peer, PROBE_PATH, b"", answer_s=self._budget_s, session="kept")
                with await asked as said:
                    body = await said.read(PROBE_READ_LIMIT_BYTES, self._budget_s)
            if said.status != 200:
                self._observer.observe_closed(peer, self._clock())
                return True
            load, engines, answer = decode_load(body)
        except TimeoutError:
            return False
        except PeerUnreachable as error:
            self.failed(peer, error.reason)
            return False
        except (Refused, ConnectionBroken, OSError, *UNREADABLE) as error:
            log.info("probe_failed peer=%s reason=%r", peer[:10], str(error))
            return False
        now = self._clock()
        self._observer.observe_cold(peer, answer.cold[:COLD_LIMIT], answer.kept[:COLD_LIMIT], now)
        way = self._transport.client.way_to(peer)
        self._observer.observe_probe(peer, *load, answer.admission, now - began, now, engines, way)
        return True


def _bucket(jobs: int) -> int:
    """The largest power of two not above `jobs`; 0 for none."""
    return 1 << (jobs.bit_length() - 1) if jobs > 0 else 0
