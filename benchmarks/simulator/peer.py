"""The serving side of a simulated peer: the door, the engine behind it, and what the peer says of itself.

The door's rules are gateway/capacity/rules.py's; this replays in virtual time what gateway/capacity/door.py does with
sockets: our own programs enter at once, other peers' work waits until there is room, or is refused.
"""

from bisect import insort
from collections import deque
from dataclasses import dataclass, field, replace

from benchmarks.simulator.engine import At, Engine, EngineSpeed, Job
from discovery.records import AdmissionState, Agent, PeerId, Pulse
from gateway.capacity.rules import AdmissionConfig, EngineLoad, admission_state, may_start_local, may_start_remote
from gateway.routing import cost
from gateway.routing.cost import CostConfig


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """One peer of the network, as the experiment wants it."""

    speed: EngineSpeed
    agent: Agent
    model: int = 0  # column of the recorded outcomes
    region: int = 0
    says_idle: bool = False  # a load liar: its pulses and probe answers show an idle engine, its door takes everybody


@dataclass(slots=True, eq=False)
class Serving:
    """Jobs at one peer. `door` None: no admission, everybody queues in one line (systems that have no door)."""

    id: PeerId
    spec: PeerSpec
    door: AdmissionConfig | None
    at: At
    engine: Engine = field(init=False)
    is_up: bool = True
    arrivals: int = 0
    completions: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    _own: list[Job] = field(default_factory=list)
    _others: deque[Job] = field(default_factory=deque)
    _remote: set[Job] = field(default_factory=set)  # in the engine

    def __post_init__(self) -> None:
        self.engine = Engine(self.spec.speed, self.at, ended=self._ended)

    @property
    def load(self) -> EngineLoad:
        """What is inside and what waits."""
        waiting = len(self._own) + len(self._others)
        return EngineLoad(self.spec.speed.slots, self.engine.running, len(self._remote), waiting, len(self._own))

    @property
    def jobs(self) -> int:
        """Running and waiting, in truth."""
        return self.engine.running + len(self._own) + len(self._others)

    @property
    def is_full(self) -> bool:
        """Whether a job of the peer's own programs would wait."""
        return not may_start_local(replace(self.load, ours=self.engine.running))

    @property
    def admission(self) -> AdmissionState:
        return "open" if self.door is None or self.spec.says_idle else admission_state(self.load, self.door)

    def shown(self) -> tuple[int, int]:
        """(running, waiting) as it tells others."""
        return (0, 0) if self.spec.says_idle else (self.engine.running, self.jobs - self.engine.running)

    def enter(self, job: Job, now: float) -> None:
        """A job of the peer's own programs; where no slot is free it waits in the order of `since`."""
        insort(self._own, job, key=lambda one: one.since)
        self._taken(now)

    def hold(self, job: Job) -> None:
        """A job of the peer's own programs waits for a slot that is not free now; it may be withdrawn until then."""
        insort(self._own, job, key=lambda one: one.since)

    def let_in(self) -> None:
        """A held job has started."""
        self.arrivals += 1

    def withdraw(self, job: Job) -> None:
        """A held job goes elsewhere."""
        self._own.remove(job)

    def offer(self, job: Job, now: float) -> bool:
        """Another peer's job: whether it is taken."""
        if self.door is not None and self.admission == "closed":
            return False
        (self._others if self.door is not None else self._own).append(job)
        self._taken(now)
        return True

    def pulse(self, now: float) -> Pulse:
        """How it is doing; id, gen and seq are the publisher's."""
        self.engine.book(now)
        running, waiting = self.shown()
        return Pulse(
            id=self.id, gen=0, seq=0, running=running, waiting=waiting, slots=self.spec.speed.slots,
            arrivals=self.arrivals, completions=self.completions, busy_ms=round(1000 * self.engine.busy_s),
            t_ms=round(1000 * now), tokens_in=self.tokens_in, tokens_out=self.tokens_out, admission=self.admission,
        )  # fmt: skip

    def crash(self, now: float) -> None:
        """Everything inside and waiting is lost, without a word."""
        self.is_up = False
        lost = [*self.engine.crash(now), *self._own, *self._others]
        self._own.clear()
        self._others.clear()
        self._remote.clear()
        for job in lost:
            job.failed(job, now)

    def _taken(self, now: float) -> None:
        self.arrivals += 1
        self._admit(now)

    def _admit(self, now: float) -> None:
        while self._own and self.engine.running < self.spec.speed.slots:
            self.engine.start(self._own.pop(0), now)
        while self._others and self.door is not None and may_start_remote(self.load, self.door):
            job = self._others.popleft()
            self._remote.add(job)
            self.engine.start(job, now)

    def _ended(self, job: Job, now: float) -> None:
        self.completions += 1
        self.tokens_in += job.prompt_tokens
        self.tokens_out += job.output_tokens
        self._remote.discard(job)
        self._admit(now)
        job.ended(job, now)


def latency_s(serving: Serving, prompt_tokens: float, output_tokens: float) -> float:
    """What a job of this size would take here now, to who knows the queue and the speed but no answer's length."""
    speed, jobs = serving.spec.speed, serving.jobs
    ahead = max(0, jobs - speed.slots + 1)
    service_s = speed.job_s(prompt_tokens, output_tokens, min(jobs + 1, speed.slots))
    return service_s + ahead / speed.capacity(prompt_tokens, output_tokens)


def crowding_s(serving: Serving, output_tokens: float) -> float:
    """What such a job would cost those decoded beside it now, in truth."""
    speed, streams = serving.spec.speed, min(serving.jobs + 1, serving.spec.speed.slots)
    return cost.crowding(output_tokens, speed.stream_s, float(streams), CostConfig().crowding_weight)
