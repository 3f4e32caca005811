"""An engine as the simulator knows it: c slots and a queue before them, first come, first served.

A prompt is read at a steady rate; tokens are written in steps of a + b·x seconds while x jobs are in the slots. Knows
nothing of peers, doors or decisions.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

At = Callable[[float, Callable[[float], None]], None]  # at(time, action): the heap's door


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """What `python -m benchmarks.simulator calibrate` measures of a real engine."""

    slots: int  # c, jobs at once
    prefill_s: float  # seconds a prompt token
    step_s: float  # a, seconds an output token
    stream_s: float  # b, more of them for each job in the slots

    def job_s(self, prompt_tokens: float, output_tokens: float, streams: float) -> float:
        """S: seconds in a slot with `streams` jobs in the slots, this one included."""
        return prompt_tokens * self.prefill_s + output_tokens * (self.step_s + self.stream_s * streams)

    def capacity(self, prompt_tokens: float, output_tokens: float) -> float:
        """Jobs a second with every slot taken: where ρ = 1."""
        return self.slots / self.job_s(prompt_tokens, output_tokens, self.slots)

    def slowed(self, factor: float) -> "EngineSpeed":
        """The same engine on hardware that takes `factor` times as long."""
        return EngineSpeed(self.slots, self.prefill_s * factor, self.step_s * factor, self.stream_s * factor)


@dataclass(slots=True, eq=False)
class Job:
    """One request's work for an engine. `ended` is called when it is done, `failed` when the engine dies."""

    prompt_tokens: int
    output_tokens: int
    ended: Callable[["Job", float], None]
    failed: Callable[["Job", float], None]
    first_token_at: float | None = None


@dataclass(slots=True, eq=False)
class Engine:
    """Progress V counts the tokens that any decoding job has written; a job ends when V has grown by its length.

    So a job that joins or leaves changes one rate, not every job's own remainder.
    """

    speed: EngineSpeed
    at: At
    running: int = 0
    busy_s: float = 0.0  # slot-seconds
    _progress: float = 0.0
    _as_of: float = 0.0
    _ends: list[tuple[float, int, Job]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _version: int = 0
    _inside: dict[Job, None] = field(default_factory=dict)  # in the order they came
    _queue: deque[Job] = field(default_factory=deque)
    ended: Callable[[Job, float], None] = lambda job, now: None

    def submit(self, job: Job, now: float) -> None:
        """Take a job: into a free slot, else into the queue."""
        if self.running >= self.speed.slots:
            self._queue.append(job)
            return
        self.book(now)
        self.running += 1
        self._inside[job] = None
        if job.prompt_tokens and self.speed.prefill_s:
            self._plan(now)
            self.at(now + job.prompt_tokens * self.speed.prefill_s, partial(self._decode, job))
        else:
            self._decode(job, now)

    def book(self, now: float) -> None:
        """Carry progress and slot-seconds on to `now`."""
        elapsed_s = now - self._as_of
        self._progress += elapsed_s / self._token_s()
        self.busy_s += elapsed_s * self.running
        self._as_of = now

    def crash(self, now: float) -> list[Job]:
        """Stop; the jobs that it had."""
        self.book(now)
        lost = [*self._inside, *self._queue]
        self._inside.clear()
        self._queue.clear()
        self._ends.clear()
        self.running = 0
        self._version += 1
        return lost

    def _token_s(self) -> float:
        return self.speed.step_s + self.speed.stream_s * max(1, self.running)

    def _decode(self, job: Job, now: float) -> None:
        if job not in self._inside:
            return  # the engine crashed while it read the prompt
        self.book(now)
        job.first_token_at = now + self._token_s()
        heapq.heappush(self._ends, (self._progress + job.output_tokens, next(self._order), job))
        self._plan(now)

    def _plan(self, now: float) -> None:
        """The next end at the present rate; whatever was planned before is void."""
        self._version += 1
        if self._ends:
            left = max(0.0, self._ends[0][0] - self._progress)
            self.at(now + left * self._token_s(), partial(self._end, self._version))

    def _end(self, version: int, now: float) -> None:
        if version != self._version:
            return
        self.book(now)
        self._progress, _, job = heapq.heappop(self._ends)
        self.running -= 1
        del self._inside[job]
        if self._queue:
            self.submit(self._queue.popleft(), now)
        self._plan(now)
        self.ended(job, now)
