"""The serving side of a simulated peer: the production Line before a simulated engine, and what the peer tells others.

Who waits and who enters is gateway/capacity/line.py's to say, as in a real peer, where gateway/capacity/door.py drives
it with sockets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.simulator.engine import At, Engine, EngineSpeed, Job
from discovery.records import AdmissionState, Agent, PeerId, Pulse
from gateway.beliefs.queueing import jobs_ahead
from gateway.capacity.line import Line, Ticket
from gateway.capacity.rules import AdmissionConfig, EngineLoad, Room, admission_state, pulses_together
from gateway.routing import cost
from gateway.routing.cost import CostConfig


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """One peer of the network, as the experiment wants it."""

    speed: EngineSpeed
    agent: Agent
    model: int = 0  # column of the recorded outcomes
    region: int = 0
    answers_wrong: bool = False  # whatever it is asked
    says_idle: bool = False  # a load liar: its pulses and probe answers show an idle engine, its door takes everybody
    engines: int = 1  # alike, each with an agent of its own and a door of its own

    @property
    def agents(self) -> tuple[Agent, ...]:
        """One an engine."""
        if self.engines == 1:
            return (self.agent,)
        name = self.agent.name
        return tuple(replace(self.agent, name=f"{name}@{number}", engine=number) for number in range(self.engines))


class Turn(Ticket, eq=False, kw_only=True):
    """A job at the door. `entered` is called when it enters; `look` when it may look for another peer."""

    job: Job
    entered: Callable[[float], None] = lambda now: None
    look: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        self.may_look = self.look is not None


@dataclass(slots=True, eq=False)
class Serving:
    """Jobs at one engine of a peer. `rules` None: no door, everybody waits in one class."""

    id: PeerId
    spec: PeerSpec
    rules: AdmissionConfig | None
    at: At
    engine: Engine = field(init=False)
    line: Line[Turn] = field(init=False)
    is_up: bool = True
    completions: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    _turns: dict[Job, Turn] = field(default_factory=dict)  # of the jobs inside

    def __post_init__(self) -> None:
        self.engine = Engine(self.spec.speed, self.at, ended=self._ended)
        self.line = Line(self.rules or AdmissionConfig())
        self.line.settle(self._room)

    @property
    def load(self) -> EngineLoad:
        """What is inside and what waits."""
        return self.line.load(self._room)

    @property
    def jobs(self) -> int:
        """Running and waiting, in truth."""
        load = self.load
        return load.running + load.waiting

    @property
    def admission(self) -> AdmissionState:
        return "open" if self.rules is None or self.spec.says_idle else admission_state(self.load, self.rules)

    def shown(self) -> tuple[int, int]:
        """(running, waiting) as it tells others."""
        return (0, 0) if self.spec.says_idle else (self.engine.running, self.jobs - self.engine.running)

    def join(self, turn: Turn, now: float) -> None:
        """A job takes its place in line, and enters at once where there is room."""
        self.line.join(turn)
        self._admit(now)

    def withdraw(self, turn: Turn, now: float) -> None:
        """A job that waits goes elsewhere."""
        self.line.leave(turn)
        self._admit(now)

    def offer(self, job: Job, now: float) -> Turn | None:
        """Another peer's job: its turn; None where it is not taken."""
        if self.rules is not None and self.admission == "closed":
            return None
        turn = Turn(now, is_own=self.rules is None, job=job)
        self.join(turn, now)
        return turn

    def pulse(self, now: float) -> Pulse:
        """How it is doing; id, gen and seq are the publisher's."""
        self.engine.book(now)
        running, waiting = self.shown()
        return Pulse(
            id=self.id, gen=0, seq=0, running=running, waiting=waiting, slots=self.spec.speed.slots,
            arrivals=self.line.arrivals, completions=self.completions, busy_ms=round(1000 * self.engine.busy_s),
            t_ms=round(1000 * now), tokens_in=self.tokens_in, tokens_out=self.tokens_out, admission=self.admission,
        )  # fmt: skip

    def crash(self, now: float) -> None:
        """Everything inside and waiting is lost, without a word."""
        self.is_up = False
        lost = [*self.engine.crash(now), *(turn.job for turn in self.line)]
        doing, self.line = self.line.doing, Line(self.rules or AdmissionConfig())  # it sends no further pulse
        doing.jobs, self.line.doing = 0, doing
        self._turns.clear()
        for job in lost:
            job.failed(job, now)

    @property
    def _room(self) -> Room:
        return Room(self.spec.speed.slots)

    def _admit(self, now: float) -> None:
        for turn in self.line.admit(self._room):
            self._turns[turn.job] = turn
            turn.entered(now)
            self.engine.submit(turn.job, now)

    def _ended(self, job: Job, now: float) -> None:
        self.completions += 1
        self.tokens_in += job.prompt_tokens
        self.tokens_out += job.output_tokens
        self.line.doing.tokens += job.prompt_tokens + job.output_tokens
        self.line.leave(self._turns.pop(job))
        self._admit(now)
        job.ended(job, now)


def pulse_of(engines: Sequence[Serving], now: float) -> Pulse:
    """How a peer is doing, from its engines."""
    pulses = [engine.pulse(now) for engine in engines]
    return pulses_together(pulses, pulses)


def latency_s(serving: Serving, prompt_tokens: float, output_tokens: float) -> float:
    """What a job of this size would take here now, to who knows the queue and the speed but no answer's length."""
    speed, jobs = serving.spec.speed, serving.jobs
    ahead = jobs_ahead(float(jobs), float(speed.slots))
    service_s = speed.job_s(prompt_tokens, output_tokens, min(jobs + 1, speed.slots))
    return service_s + float(ahead) / speed.capacity(prompt_tokens, output_tokens)


def crowding_s(serving: Serving, output_tokens: float) -> float:
    """What such a job would cost those decoded beside it now, in truth."""
    speed, streams = serving.spec.speed, min(serving.jobs + 1, serving.spec.speed.slots)
    return cost.crowding(output_tokens, speed.stream_s, float(streams), CostConfig().crowding_weight)
