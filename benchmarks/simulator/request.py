"""One request in virtual time, as gateway/serving/ carries it out with sockets:
probe, decide, reserve, send, fall through on refusal, observe.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.simulator.asks import LOST, Answered, Ask
from benchmarks.simulator.engine import Job
from benchmarks.simulator.peer import Serving
from benchmarks.simulator.world import World
from discovery.records import AdmissionState
from gateway.beliefs.belief import Outcome, Reservation
from gateway.capacity.door import LOOK_S, LOOKERS
from gateway.peering.frames import SILENCE_S
from gateway.routing.decision import Decision
from gateway.routing.policy import Plan
from gateway.routing.query import Query


def carry(world: World, asks: Sequence[Ask], *, vote: bool = False) -> list[Answered]:
    """Carry all asks through to their answers."""
    make = Vote if vote else Request
    return world.run([(ask.at, make(world, ask).begin) for ask in asks])


class Request:
    """Routed by the production Node."""

    def __init__(self, world: World, ask: Ask) -> None:
        self._world, self._ask = world, ask
        self._node = world.nodes[ask.entry]
        self._plan: Plan
        self._decision: Decision
        self._reservation: Reservation
        self._seen: dict[int, tuple[int, int, AdmissionState]] = {}
        self._sent_at = self._began = 0.0
        self._place, self._tries = -1, 0
        self._is_held = False
        self._job: Job

    @property
    def since(self) -> float:
        """When it was asked: its place in line."""
        return self._ask.at

    def begin(self, now: float) -> None:
        """Plan, and probe whom the plan names."""
        self._read(now, waiting=0)
        self._look_around(self._ask.query, now)

    def _look_around(self, query: Query, now: float) -> None:
        """Plan, and probe whom the plan names; `_decide` follows."""
        world, entry = self._world, self._ask.entry
        self._plan, self._seen = self._node.plan(query, now), {}
        peers = {world.index[self._plan.draft.view.roster.peer_ids[index]] for index in self._plan.probe}
        if not peers:
            self._decide(now)
            return
        self._sent_at = now
        slowest_s = 0.0
        for peer in sorted(peers):
            delay_s = world.delay_s(entry, peer)
            slowest_s = max(slowest_s, 2 * delay_s if world.serving[peer].is_up else np.inf)
            world.at(now + delay_s, partial(self._look, peer))
        world.at(now + min(slowest_s, world.setting.probe_budget_s), partial(self._probed, frozenset(peers)))

    def _read(self, now: float, waiting: int) -> None:
        """What has come by mail, and our own load less `waiting` jobs that are this request itself."""
        own = self._world.serving[self._ask.entry]
        self._world.read_mail(self._ask.entry, now)
        self._node.observe_own_load(own.jobs - waiting, own.spec.speed.slots, now, own.tokens_in + own.tokens_out)

    def _look(self, peer: int, now: float) -> None:
        serving = self._world.serving[peer]
        if serving.is_up:
            self._seen[peer] = (sum(serving.shown()), serving.spec.speed.slots, serving.admission)

    def _probed(self, peers: frozenset[int], now: float) -> None:
        world, silent = self._world, set()
        for peer in sorted(peers):
            rtt_s = 2 * world.delay_s(self._ask.entry, peer)
            if peer in self._seen and self._sent_at + rtt_s <= now:
                jobs, slots, admission = self._seen[peer]
                self._node.observe_probe(world.ids[peer], jobs, slots, admission, rtt_s, self._sent_at + rtt_s)
            else:
                silent.add(world.ids[peer])
        self._decide(now, frozenset(silent))

    def _decide(self, now: float, silent: frozenset[str] = frozenset()) -> None:
        query = self._plan.draft.query
        decision = self._node.decide(query, self._plan, now, silent)  # type: ignore[arg-type]
        if not query.is_held:
            self._decision = decision
            self._next(now)
        elif self._is_held and decision.target is not None and not decision.target.local:
            self._leave_line()
            self._decision, self._place = decision, -1
            self._next(now)

    def _next(self, now: float) -> None:
        """Ask the next in the decision's order."""
        self._place += 1
        if self._place >= len(self._decision.order):
            self._close(LOST, now)
            return
        world, ask, index = self._world, self._ask, self._decision.order[self._place]
        peer = world.index[self._decision.view.roster.peer_ids[index]]
        job = Job(ask.query.prompt_tokens, ask.output_tokens, partial(self._ended, peer), partial(self._failed, peer),
                  since=ask.at)  # fmt: skip
        self._began = now
        own = world.serving[ask.entry]
        if peer == ask.entry and own.door is not None and own.is_full and self._decision.may_go_elsewhere:
            self._wait(job, now)
            return
        self._tries += 1
        self._reservation = self._node.dispatch(self._decision.candidate(index), now)
        if peer == ask.entry:
            own.enter(job, now)
        else:
            sending_s = ask.query.body_bytes / world.setting.regions.bandwidth_bytes_per_s
            world.at(now + world.delay_s(ask.entry, peer) + sending_s, partial(self._arrive, peer, job))

    # --- at our own door, as gateway/serving/attempts.py and gateway/capacity/door.py have it

    def _wait(self, job: Job, now: float) -> None:
        job.started = self._let_in
        self._job, self._is_held = job, True
        insort(self._world.lines[self._ask.entry], self, key=lambda one: one.since)
        self._world.serving[self._ask.entry].hold(job)
        self._world.at(now + LOOK_S, partial(self._look_again, job))

    def _look_again(self, job: Job, now: float) -> None:
        if self._is_held and self._job is job:
            if self in self._world.lines[self._ask.entry][:LOOKERS]:
                self.look_elsewhere(now)
            self._world.at(now + LOOK_S, partial(self._look_again, job))

    def look_elsewhere(self, now: float) -> None:
        """Somebody may have room: decide again."""
        self._read(now, waiting=1)
        self._look_around(replace(self._ask.query, is_held=True), now)

    def _let_in(self, now: float) -> None:
        """Our own engine has a slot; what was waited counts as waiting for it."""
        self._leave_line(withdraw=False)
        self._tries += 1
        self._world.serving[self._ask.entry].let_in()
        self._reservation = self._node.dispatch(self._decision.candidate(self._decision.order[self._place]), now)

    def _leave_line(self, withdraw: bool = True) -> None:
        self._is_held = False
        self._world.lines[self._ask.entry].remove(self)
        if withdraw:
            self._world.serving[self._ask.entry].withdraw(self._job)

    # --- at the one who was asked

    def _arrive(self, peer: int, job: Job, now: float) -> None:
        serving = self._world.serving[peer]
        if not serving.is_up:
            self._world.at(now + SILENCE_S, partial(self._gave_up, peer, False))
        elif not serving.offer(job, now):
            self._world.at(now + self._world.delay_s(self._ask.entry, peer), self._refused)

    def _refused(self, now: float) -> None:
        self._observe("refused", None, 0, now)
        self._next(now)

    def _failed(self, peer: int, job: Job, now: float) -> None:
        """The engine died with the job: silence, until we give up. An answer that had begun cannot be asked again."""
        if self._is_held:
            self._leave_line(withdraw=False)
            self._reservation = self._node.dispatch(self._decision.candidate(self._decision.order[self._place]), now)
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

    def _observe(self, status: str, ttft_s: float | None, tokens: int, now: float) -> None:
        peer = self._reservation.peer_id
        outcome = Outcome(peer, status, ttft_s, now - self._began, tokens)  # type: ignore[arg-type]
        self._node.observe(self._reservation, outcome, now)
        if peer != self._node.me:
            for waiting in self._world.lines[self._ask.entry][:LOOKERS]:
                waiting.look_elsewhere(now)

    def _close(self, peer: int, now: float) -> None:
        ask = self._ask
        grade = 0.0 if peer == LOST else float(ask.grades[self._world.serving[peer].spec.model])
        self._world.answered.append(
            Answered(ask.at, ask.task, now - ask.at, grade, peer, self._tries, self._decision.reason)
        )


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
