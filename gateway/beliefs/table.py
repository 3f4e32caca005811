"""All our beliefs side by side: what to expect of N candidates now, as columns, for one decision.

Knows nothing of scores or policies. Few are read one by one, anew where something was heard; many cost the same few
array operations for 20 candidates and for 1,000.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from discovery.contacts import Way
from discovery.records import WHOLE, AdmissionState, PeerId, Pulse
from gateway.beliefs.belief import Belief
from gateway.beliefs.columns import Column, is_few
from gateway.beliefs.expected import BeliefConfig, Evidence, Expected, expected, side_by_side
from gateway.beliefs.jobs import Doing, Outcome, Reservation
from gateway.beliefs.speed import Speed
from gateway.beliefs.ways import Ways

ENGINE_MARK = "/"  # between a peer's id and the number of its engine; no id has one

LENGTH_JUMP = 10.0  # times the mean of its category: what one longer answer counts as, whoever says that it was longer


def queue_of(peer_id: PeerId, engine: int) -> PeerId:
    """The key of the belief about one engine of a peer; WHOLE: about the peer, all its engines together."""
    return peer_id if engine == WHOLE else PeerId(f"{peer_id}{ENGINE_MARK}{engine}")


def peer_of(queue: PeerId) -> PeerId:
    """Whose engine this is."""
    return PeerId(queue.partition(ENGINE_MARK)[0])


def _of_engine(pulse: Pulse, engine: int, last: Pulse | None, last_of_engine: Pulse | None) -> Pulse:
    """The pulse as if the peer had this engine alone. A pulse does not tell which engine read and wrote which tokens.

    Of the tokens since the last pulse it gets the share that it has of the jobs completed since: jobs are taken to be
    as long everywhere. Example: 3 of 4 jobs and 4,000 tokens make 3,000.
    """
    alone = pulse.of_engine(engine)
    if last is None or last_of_engine is None or last.gen != pulse.gen or last_of_engine.gen != pulse.gen:
        return alone
    jobs, jobs_here = pulse.completions - last.completions, alone.completions - last_of_engine.completions
    share = min(1.0, max(0, jobs_here) / jobs) if jobs > 0 else 0.0
    return replace(
        alone,
        tokens_in=last_of_engine.tokens_in + int(share * max(0, pulse.tokens_in - last.tokens_in)),
        tokens_out=last_of_engine.tokens_out + int(share * max(0, pulse.tokens_out - last.tokens_out)),
    )


class Beliefs:
    """Every peer's Belief, and columns over any selection of them. Rows are stable until `forget`.

    A peer with several engines has a belief for each that serves agents alone (`queue_of`), beside the one about all.
    """

    def __init__(self, config: BeliefConfig) -> None:
        self.config = config
        self._beliefs: dict[PeerId, Belief] = {}
        self._by_row: list[Belief] = []  # those of peers that were forgotten included, until their rows are taken
        self._row_of: dict[PeerId, int] = {}
        self._engines: dict[PeerId, set[int]] = {}  # of peers: those that have a belief of their own
        self._free: list[int] = []
        self._stale: set[PeerId] = set()
        self._table = np.zeros((0, len(Evidence._fields)))
        self._output_tokens: dict[str, float] = {}

    def __getitem__(self, peer_id: PeerId) -> Belief:
        """The belief about a peer that was added; to be read, and changed through `Beliefs` only."""
        return self._beliefs[peer_id]

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self._beliefs

    def get(self, peer_id: PeerId) -> Belief | None:
        """The same; None for a peer that was not added, or was forgotten."""
        return self._beliefs.get(peer_id)

    def add(self, peer_id: PeerId, slots: int, rtt_s: float | None = None) -> int:
        """Start at the prior, unless we know the peer; its row. Ourselves have an RTT of 0."""
        if peer_id not in self._beliefs:
            rtt_s, whole = self.config.prior_rtt_s if rtt_s is None else rtt_s, self._beliefs.get(peer_of(peer_id))
            ways = whole.ways if whole else Ways(rtt_s, self.config.prior_bandwidth_bytes_per_s)
            belief = Belief(self.config, Doing(slots=max(1, slots)), ways, speed=Speed(self.config.speed))
            self._beliefs[peer_id], self._row_of[peer_id] = belief, self._place(belief)
            self._stale.add(peer_id)
        return self._row_of[peer_id]

    def add_engine(self, peer_id: PeerId, engine: int, slots: int) -> PeerId:
        """A belief about one engine of a peer that was added, as far away as the peer is; its key."""
        queue = queue_of(peer_id, engine)
        if queue not in self._beliefs:
            self.add(queue, slots)
            self._engines.setdefault(peer_id, set()).add(engine)
        return queue

    def forget(self, peer_id: PeerId) -> None:
        """Drop everything about a peer that is gone for good, and about its engines."""
        for engine in self._engines.pop(peer_id, ()):
            self._drop(queue_of(peer_id, engine))
        self._drop(peer_id)

    def _drop(self, peer_id: PeerId) -> None:
        if self._beliefs.pop(peer_id, None) is not None:
            self._free.append(self._row_of.pop(peer_id))
            self._stale.discard(peer_id)

    def keep(self, peer_ids: Collection[PeerId]) -> None:
        """Forget everybody else: gossip remembers a bounded number of peers, and so do we."""
        for peer_id in {peer_of(queue) for queue in self._beliefs} - set(peer_ids):
            self.forget(peer_id)

    def rows(self, peer_ids: Iterable[PeerId]) -> NDArray[np.intp]:
        """(N,) rows for `expect`, one a candidate; a peer with several agents appears several times."""
        return np.array([self._row_of[peer_id] for peer_id in peer_ids], dtype=np.intp)

    def observe_pulse(self, pulse: Pulse, birth: float) -> None:
        """A verified pulse, born at `birth` on our clock."""
        last = self._beliefs[pulse.id].last if pulse.id in self._beliefs else None
        if (belief := self._touch(pulse.id)) is not None:
            belief.observe_pulse(pulse, birth)
        for engine in self._engines.get(pulse.id, ()):
            if (belief := self._touch(queue_of(pulse.id, engine))) is not None:
                is_there = engine < len(pulse.engines)
                belief.observe_pulse(_of_engine(pulse, engine, last, belief.last) if is_there else pulse, birth)
                belief.observe_done(pulse)  # at most: of all engines

    def observe_load(
        self,
        peer_id: PeerId,
        jobs: int,
        slots: int,
        admission: AdmissionState,
        birth: float,
        engines: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Fresh load: a probe's answer. `birth` is when it was read, our clock.

        `engines`: (jobs, slots) of each, where the peer has several.
        """
        if (belief := self._touch(peer_id)) is None:
            return
        belief.observe_load(jobs, slots, admission, birth)
        if engines:
            for engine in self._engines.get(peer_id, ()):
                if engine < len(engines):
                    self.observe_load(queue_of(peer_id, engine), *engines[engine], admission, birth)

    def count_by(self, queue: PeerId, doing: Doing) -> None:
        """An engine of ours that was added: `doing` says what it does, at any moment from now on."""
        self._beliefs[queue].count_by(doing)

    def observe_closed(self, peer_id: PeerId, birth: float) -> None:
        """A peer lets nobody in, by what it said at `birth`."""
        for queue in self._queues(peer_id):
            if (belief := self._touch(queue)) is not None:
                belief.observe_load(belief.doing.jobs, belief.doing.slots, "closed", birth)

    def observe_rtt(self, peer_id: PeerId, rtt_s: float, way: Way = "direct") -> None:
        """One measured round trip to a peer."""
        if (ways := self._ways(peer_id)) is not None:
            ways.observe_rtt(rtt_s, way)

    def observe_sent(self, peer_id: PeerId, size_bytes: int, took_s: float, way: Way) -> None:
        """A large body was at a peer `took_s` after it was begun."""
        if (ways := self._ways(peer_id)) is not None:
            ways.observe_sent(size_bytes, took_s, way)

    def _ways(self, peer_id: PeerId) -> Ways | None:
        """The ways to a peer, about which there is news."""
        for queue in self._queues(peer_id):
            self._touch(queue)
        return self._beliefs[peer_id].ways if peer_id in self._beliefs else None

    def reserve(self, reservation: Reservation) -> None:
        """See Belief.reserve."""
        if (belief := self._beliefs.get(reservation.queue)) is not None:
            self._stale.add(reservation.queue)
            belief.reserve(reservation)

    def observe_late(self, reservation: Reservation, is_late: bool) -> None:
        """A job of ours should have begun by now, and has not; or it has begun after all."""
        belief = self._touch(reservation.queue)
        if belief is not None and reservation in belief.reservations and is_late != (reservation in belief.late):
            (belief.late.append if is_late else belief.late.remove)(reservation)

    def observe_outcome(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """Learn from a job's end and give its slot back. A second outcome of one reservation changes nothing.

        Of more than a few answers within a moment the rest teach nothing (`Belief.ended`).
        """
        queue = reservation.queue
        belief = self._beliefs.get(queue)
        if belief is None or reservation not in belief.reservations:
            return
        self._stale.add(queue)
        if belief.ended(reservation, outcome, now) and outcome.status == "ok" and outcome.tokens > 0:
            self._observe_length(reservation.job.category, outcome.tokens)

    def output_tokens(self, category: str, max_tokens: int | None) -> float:
        """n̂_out: how long answers of this category have been, capped by `max_tokens`."""
        mean = self._output_tokens.get(category, self.config.prior_output_tokens)
        return mean if max_tokens is None or mean <= max_tokens else float(max_tokens)

    def expect(self, rows: NDArray[np.intp], now: float, own: int = 0) -> Expected[Column]:
        """What to expect of the peers at `rows`, (N,), at `now`; the first `own` of them are engines of ours."""
        if is_few(len(rows)):
            all_ = [self._by_row[row] for row in rows.tolist()]
            found = [belief.expected_here(now) for belief in all_[:own]]
            found += [belief.expected(now) for belief in all_[own:]]
            return side_by_side(found)
        self._restack()
        for row in rows[:own].tolist():
            self._table[row] = self._by_row[row].row_here(now)
        return expected(Evidence(*self._table[rows].T), self.config, now)

    def _observe_length(self, category: str, tokens: int) -> None:
        mean = self._output_tokens.get(category, self.config.prior_output_tokens)
        self._output_tokens[category] = mean + (min(tokens, LENGTH_JUMP * mean) - mean) / self.config.output_memory

    def _queues(self, peer_id: PeerId) -> list[PeerId]:
        """The keys of all beliefs about a peer: as a whole, and its engines."""
        return [peer_id, *(queue_of(peer_id, engine) for engine in self._engines.get(peer_id, ()))]

    def _touch(self, peer_id: PeerId) -> Belief | None:
        """The belief to change; None for a peer that was forgotten while its news was on the way."""
        belief = self._beliefs.get(peer_id)
        if belief is not None:
            self._stale.add(peer_id)
            belief.has_news = True
        return belief

    def _place(self, belief: Belief) -> int:
        """A row for a new belief."""
        if self._free:
            row = self._free.pop()
            self._by_row[row] = belief
        else:
            row = len(self._by_row)
            self._by_row.append(belief)
            if row >= len(self._table):
                self._table = np.concatenate([self._table, np.zeros((max(16, row), self._table.shape[1]))])
        return row

    def _restack(self) -> None:
        """Read anew, for arrays, what was heard of since."""
        for peer_id in self._stale:
            self._table[self._row_of[peer_id]] = self._beliefs[peer_id].row()
        self._stale.clear()
