"""One request in virtual time. Its way is the production's Course, as gateway/serving/ drives it with sockets.

Probe, decide, reserve, send or wait in line, go on after a refusal, observe.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from msgspec import structs

from benchmarks.simulator.asks import LOST, Answered, Ask
from benchmarks.simulator.engine import Job
from benchmarks.simulator.peer import PeerSpec, Serving, Turn
from benchmarks.simulator.world import World
from discovery.records import WHOLE, AdmissionState, PeerId
from gateway.beliefs.jobs import Outcome, Reservation
from gateway.beliefs.table import peer_of, queue_of
from gateway.capacity.line import LOOK_S
from gateway.capacity.rules import most_open
from gateway.peering.frames import SILENCE_S
from gateway.routing.choice import Candidate
from gateway.routing.course import Course, CourseConfig
from gateway.routing.policy import Plan
from gateway.routing.query import Query

COURSE = CourseConfig()  # the product's


def carry(world: World, asks: Sequence[Ask], *, vote: bool = False) -> list[Answered]:
    """Carry all asks through to their answers."""
    make = Vote if vote else Request
    return world.run([(ask.at, make(world, ask).begin) for ask in asks])


class Request:
    """Routed by the production Node, on the way that the production Course keeps."""

    def __init__(self, world: World, ask: Ask) -> None:
        self._world, self._ask = world, ask
        self._node, self._own = world.nodes[ask.entry], world.engines[ask.entry]
        self._plan: Plan
        self._course: Course
        self._reservation: Reservation
        self._seen: dict[int, tuple[int, int, AdmissionState, list[tuple[int, int]]]] = {}
        self._probed_at = self._began = 0.0
        self._turn: Turn | None = None  # while it waits at a door of its own peer
        self._waits_at = self._own[0]  # whose door that is

    def begin(self, now: float) -> None:
        """Plan, and probe whom the plan names."""
        self._world.read_mail(self._ask.entry, now)
        self._probe(self._ask.query, now)

    # --- deciding

    def _probe(self, query: Query, now: float) -> None:
        """Plan, and probe whom the plan names; `_decide` follows."""
        world, entry = self._world, self._ask.entry
        self._plan, self._seen = self._node.plan(query, now), {}
        peers = {world.index[self._plan.draft.view.roster.peer_ids[index]] for index in self._plan.probe}
        if not peers:
            self._decide(now)
            return
        self._probed_at = now
        slowest_s = 0.0
        for peer in sorted(peers):
            delay_s = world.delay_s(entry, peer)
            slowest_s = max(slowest_s, 2 * delay_s if world.serving[peer].is_up else np.inf)
            world.at(now + delay_s, partial(self._answer_probe, peer))
        world.at(now + min(slowest_s, world.setting.probe_budget_s), partial(self._probed, frozenset(peers)))

    def _answer_probe(self, peer: int, now: float) -> None:
        engines = self._world.engines[peer]
        if engines[0].is_up:
            loads = [(sum(engine.shown()), engine.spec.speed.slots) for engine in engines]
            admission = most_open(engine.admission for engine in engines)
            jobs, slots = (sum(column) for column in zip(*loads, strict=True))
            self._seen[peer] = (jobs, slots, admission, loads if len(loads) > 1 else [])

    def _probed(self, peers: frozenset[int], now: float) -> None:
        world, silent = self._world, set[PeerId]()
        for peer in sorted(peers):
            rtt_s = 2 * world.delay_s(self._ask.entry, peer)
            if peer in self._seen and self._probed_at + rtt_s <= now:
                jobs, slots, admission, each = self._seen[peer]
                self._node.observe_probe(world.ids[peer], jobs, slots, admission, rtt_s, self._probed_at + rtt_s, each)
            else:
                silent.add(world.ids[peer])
        self._decide(now, frozenset(silent))

    def _decide(self, now: float, silent: frozenset[PeerId] = frozenset()) -> None:
        query = self._plan.draft.query
        choice = self._node.decide(query, self._plan, now, silent).choice(COURSE.rows)
        if not query.is_held:
            self._course = Course(choice, COURSE, self._ask.at)
            self._next(now)
        elif self._turn is not None and self._course.leads_elsewhere(choice):
            self._waits_at.withdraw(self._turn, now)
            self._turn = None
            self._course.turn(choice)
            self._next(now)

    # --- asking

    def _next(self, now: float) -> None:
        """Ask whom the course names."""
        candidate = self._course.next(now)
        if candidate is None:
            self._close(LOST, now)
            return
        world, ask = self._world, self._ask
        peer = world.index[candidate.peer_id]
        serving = world.engines[peer][max(0, candidate.engine)]
        job = Job(ask.query.prompt_tokens, ask.output_tokens, partial(self._ended, peer), partial(self._failed, peer))
        self._began = now
        if candidate.local:
            self._waits_at = serving
            self._wait(candidate, job, now)
        else:
            self._reserve(candidate, now)
            sending_s = ask.query.body_bytes / world.setting.regions.bandwidth_bytes_per_s
            world.at(now + world.delay_s(ask.entry, peer) + sending_s, partial(self._arrive, peer, serving, job))

    def _reserve(self, candidate: Candidate, now: float) -> None:
        self._reservation = self._node.dispatch(candidate, now)

    # --- at our own door

    def _wait(self, candidate: Candidate, job: Job, now: float) -> None:
        """Take a place in line; where there is a slot, that is no waiting."""
        may_look = self._waits_at.rules is not None and self._course.may_look
        self._turn = Turn(
            self._ask.at, is_own=True, job=job, entered=partial(self._entered, candidate),
            look=self._look if may_look else None,
        )  # fmt: skip
        self._waits_at.join(self._turn, now)
        if self._turn is not None and may_look:
            self._world.at(now + LOOK_S, partial(self._look_again, self._turn))

    def _entered(self, candidate: Candidate, now: float) -> None:
        """Our own engine has a slot; what was waited counts as waiting for it."""
        self._turn = None
        self._reserve(candidate, now)

    def _look_again(self, turn: Turn, now: float) -> None:
        if self._turn is turn:
            if turn in self._waits_at.line.looking():
                self._look(now)
            self._world.at(now + LOOK_S, partial(self._look_again, turn))

    def _look(self, now: float) -> None:
        """Somebody may have room: decide again."""
        self._world.read_mail(self._ask.entry, now)
        number = self._own.index(self._waits_at)
        waits_at = queue_of(self._node.me, number if len(self._own) > 1 else WHOLE)
        self._probe(structs.replace(self._ask.query, is_held=True, waits_at=waits_at), now)

    # --- at the one who was asked

    def _arrive(self, peer: int, serving: Serving, job: Job, now: float) -> None:
        if not serving.is_up:
            self._world.at(now + SILENCE_S, partial(self._gave_up, peer, False))
        elif (turn := serving.offer(job, now)) is not None:
            self._watch(serving, turn)
        else:
            self._world.at(now + self._world.delay_s(self._ask.entry, peer), self._refused)

    def _watch(self, serving: Serving, turn: Turn) -> None:
        """Look elsewhere once it is late, as gateway/serving/late.py does."""
        after_s = self._course.late_after_s
        if after_s is not None and self._world.setting.door is not None:  # routers that we compare with do not
            self._world.at(self._began + after_s, partial(self._late, serving, turn, after_s))

    def _late(self, serving: Serving, turn: Turn, pause_s: float, now: float) -> None:
        """It is there, and has not begun: somebody else may be the better choice. Then it is left.

        Simplified: an engine that reads the prompt is not left. Without probes: news as old as it is.
        """
        if turn.is_inside or not serving.is_up:
            return
        self._node.observe_late(self._reservation, is_late=True)
        self._world.read_mail(self._ask.entry, now)
        query = structs.replace(self._ask.query, is_held=True)
        choice = self._node.decide(query, self._node.plan(query, now), now).choice(COURSE.rows)
        if not self._course.may_leave_for(choice):
            self._world.at(now + pause_s, partial(self._late, serving, turn, 2 * pause_s))
            return
        serving.withdraw(turn, now)
        self._observe("cancelled", None, 0, now)
        self._course.leave(choice)
        self._next(now)

    def _refused(self, now: float) -> None:
        self._observe("refused", None, 0, now)
        self._next(now)

    def _failed(self, peer: int, job: Job, now: float) -> None:
        """The engine died with the job: silence, until we give up. An answer that had begun cannot be asked again."""
        if self._turn is not None:
            self._turn.entered(now)
        has_begun = job.first_token_at is not None and job.first_token_at <= now
        self._world.at(now + SILENCE_S, partial(self._gave_up, peer, has_begun))

    def _gave_up(self, peer: int, has_begun: bool, now: float) -> None:
        world, entry = self._world, self._ask.entry
        self._observe("failed", None, 0, now)
        if peer != entry:
            world.carry_out(entry, self._node.gossip.suspect(world.ids[peer], now), now)
        if has_begun or not world.serving[entry].is_up:
            self._close(LOST, now)
        else:
            self._next(now)

    def _ended(self, peer: int, job: Job, now: float) -> None:
        delay_s = self._world.delay_s(self._ask.entry, peer)
        self._world.at(now + delay_s, partial(self._arrived, peer, job, delay_s))

    def _arrived(self, peer: int, job: Job, delay_s: float, now: float) -> None:
        world, entry = self._world, self._ask.entry
        assert job.first_token_at is not None, "a job that ended has begun"
        first_at = min(now, job.first_token_at + delay_s)
        self._observe("ok", first_at - self._began, job.output_tokens, now)
        if peer != entry and world.setting.ticks:
            world.carry_out(entry, self._node.gossip.answered(world.ids[peer], now), now)
        self._close(peer, now)

    def _observe(
        self, status: Literal["ok", "refused", "failed", "cancelled"], ttft_s: float | None, tokens: int, now: float
    ) -> None:
        peer = peer_of(self._reservation.queue)
        outcome = Outcome(peer, status, ttft_s, now - self._began, tokens)
        for reservation, verdict in self._course.ended(self._reservation, outcome):
            self._node.observe(reservation, verdict, now)
        if peer != self._node.me:
            for turn in [turn for own in self._own for turn in own.line.looking()]:
                if turn.look is not None:
                    turn.look(now)

    def _close(self, peer: int, now: float) -> None:
        ask = self._ask
        grade = 0.0 if peer == LOST else _grade(ask, self._world.serving[peer].spec)
        attempts, reason = len(self._course.asked), self._course.choice.reason
        self._world.answered.append(Answered(ask.at, ask.task, now - ask.at, grade, peer, attempts, reason))


class Vote:
    """Majority voting: every peer answers, and the last one to finish ends it.

    Outcomes record who was right, not what was said: right is when the grades of all models sum to more than half.
    """

    def __init__(self, world: World, ask: Ask) -> None:
        self._world, self._ask = world, ask
        self._left = len(world.serving)

    def begin(self, now: float) -> None:
        for peer, serving in enumerate(self._world.serving):
            delay_s = self._world.delay_s(self._ask.entry, peer)
            job = Job(self._ask.query.prompt_tokens, self._ask.output_tokens, partial(self._one, delay_s), _never)
            self._world.at(now + delay_s, partial(_offer, serving, job))

    def _one(self, delay_s: float, job: Job, now: float) -> None:
        self._left -= 1
        if not self._left:
            ask = self._ask
            right = float(ask.grades.mean() > 0.5)
            self._world.at(now + delay_s, lambda end: self._world.answered.append(
                Answered(ask.at, ask.task, end - ask.at, right, 0, len(self._world.serving), "vote")
            ))  # fmt: skip


def _offer(serving: Serving, job: Job, now: float) -> None:
    serving.offer(job, now)


def _never(job: Job, now: float) -> None:
    raise AssertionError("nobody crashes in a vote")


def _grade(ask: Ask, spec: PeerSpec) -> float:
    return 0.0 if spec.answers_wrong else float(ask.grades[spec.model])
