"""What we believe of one peer, or of ourselves: b_i(θ_j), θ_j = (λ_j, μ_j), Eq. (6), as Gamma posteriors that forget.

Eq. (6) is Bayes' rule, for the arrival rate λ and for the service rate μ of one slot, each on its own:

    prior       Gamma(count, exposure). λ: `prior_arrivals` jobs, in as many seconds as make the peer busy by
                `prior_utilisation`. μ: `prior_jobs` jobs, each a typical one at the peer's own speed
    data        counts, Poisson given the rate: jobs that came, in seconds; jobs done, in slot-seconds of work
    posterior   Gamma(prior count + count, prior exposure + exposure); its mean is the first over the second

Evidence fades with φ = exp(-silence/τ) towards the prior. Times are seconds of the caller's monotonic clock: a pulse
comes with its birth on that clock (discovery works it out), so no peer's clock is ever read. Knows nothing of scores,
nor of other peers; table.py stacks beliefs into arrays.
"""

from dataclasses import dataclass, field
from math import exp, inf
from typing import Annotated, Generic, Literal, NamedTuple

import msgspec

from discovery.records import JOBS_LIMIT, SLOTS_LIMIT, AdmissionState, PeerId, Pulse
from gateway.beliefs.numbers import Real
from gateway.beliefs.sessions import SessionConfig, WorkDone
from gateway.beliefs.speed import Speed, SpeedConfig

_Positive = Annotated[float, msgspec.Meta(gt=0)]
JOBS_PER_S_LIMIT = 1000.0  # more arrivals or completions than so many a second are taken to be so many
DOUBLINGS = 4  # of the time for which one that fails again and again is remembered: it is tried about once an hour
ADMISSION_LEVEL: dict[AdmissionState, float] = {"open": 0.0, "soft": 1.0, "closed": 2.0}


@dataclass(frozen=True, slots=True)
class BeliefConfig:
    """What we assume of a peer before it speaks, and how fast we forget what it said."""

    tau_s: _Positive = 60.0  # forgetting: loads change within minutes, and 60 s at 1 query/s still is 60 counts
    prior_jobs: Annotated[float, msgspec.Meta(gt=2)] = 4.0  # a0, completions the prior of μ is worth; > 2: finite risk
    prior_arrivals: _Positive = 2.0  # jobs the prior of λ is worth
    prior_utilisation: Annotated[float, msgspec.Meta(gt=0, lt=0.95)] = 0.3  # ρ of a silent peer: neither idle nor busy
    prior_prompt_tokens: _Positive = 256.0  # a typical job, which gives the prior of E[S] at the peer's own speed
    prior_output_tokens: _Positive = 200.0  # and n̂_out of a category not asked yet
    # Answers that the prior "we wait as long as expected" (h = 1) is worth: one slow answer does not make a peer slow.
    prior_turns: _Positive = 3.0
    output_memory: Annotated[float, msgspec.Meta(ge=1)] = 20.0  # answers in the moving average n̂_out of a category
    failure_s: _Positive = 60.0  # a failure counts as having waited this long: an instant error must not attract load
    horizon_s: _Positive = 30.0  # an overloaded peer's growth is extrapolated no further than this
    prior_rtt_s: Annotated[float, msgspec.Meta(ge=0)] = 0.005  # one region of the paper's section VIII-B
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    sessions: SessionConfig = field(default_factory=SessionConfig)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request at a peer went. `refused` before any event; `failed` at any time; `cancelled` by our own client.

    `ttft_s` (None: no event came) and `latency_s` count from dispatch to the first and to the last event. `tokens` were
    written; an answer without any, such as an error of the client's, teaches nothing. Where `streamed` is false it came
    in one piece, and `ttft_s` is no measure of waiting.
    """

    peer_id: PeerId
    status: Literal["ok", "refused", "failed", "cancelled"]
    ttft_s: float | None
    latency_s: float
    tokens: int
    streamed: bool = True


class Expectation(NamedTuple):
    """What we expect of one job at a peer, whenever it is sent: a Reservation's fields after `arrives_at`."""

    category: str
    prompt_tokens: int
    streams: float
    wait_s: float
    turn_s: float
    transit_s: float
    session: str | None
    agent: str
    conversation_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """A slot we count as taken from dispatch until the outcome, and what we expected of it. Compared by identity."""

    queue: PeerId  # the key of the belief: the peer, or one of its engines (table.queue_of)
    arrives_at: float  # when the request reaches the peer, our clock
    category: str
    prompt_tokens: int  # those to be read: without what a warm prefix cache holds
    streams: float  # jobs decoded together, this one included
    wait_s: float  # before the factor h
    turn_s: float  # E[S]/c
    transit_s: float
    session: str | None = None  # which conversation, with which agent, and how long it is; for prefix caches
    agent: str = ""
    conversation_tokens: int = 0

    @property
    def is_at_once(self) -> bool:
        """Whether hardly any wait was expected: a tenth of a turn, since no slot is ever believed free for certain."""
        return self.wait_s <= 0.1 * self.turn_s

    @property
    def warm_tokens(self) -> int:
        """Prompt tokens that need not be read, as we believe."""
        return max(0, self.conversation_tokens - self.prompt_tokens)


class Columns(NamedTuple, Generic[Real]):
    """What `Beliefs.expect` reads of each peer: a float of one peer, or a column over peers, (N,)."""

    arrivals: Real  # this one and the next five are evidence as of `as_of`, and fade from then on
    exposure_s: Real
    completions: Real
    busy_s: Real
    turns_seen: Real
    turns_expected: Real
    as_of: Real
    jobs: Real  # at `birth`
    unseen: Real  # jobs of ours that arrive there after `birth`
    own_jobs: Real  # all jobs of ours that are there or on the way
    slots: Real
    birth: Real
    rtt_s: Real
    admission: Real  # ADMISSION_LEVEL
    memory: Real  # times τ for which turns are remembered; 1 unless the peer fails again and again
    typical_s: Real  # a typical job at the peer's own speed: the prior of E[S]
    prefill_s: Real
    step_s: Real
    stream_s: Real
    late: Real  # jobs of ours that should have begun by now, and have not
    late_since: Real  # when the first of them should have; inf: none


@dataclass(slots=True)
class Belief:
    """Evidence about one peer: `observe_*` adds to it, `row` is what table.py stacks."""

    config: BeliefConfig
    slots: int
    rtt_s: float
    arrivals: float = 0.0
    exposure_s: float = 0.0
    completions: float = 0.0
    busy_s: float = 0.0
    turns_seen: float = 0.0  # waiting that we saw, and that we expected, in turns; h is the one over the other
    turns_expected: float = 0.0
    as_of: float = -inf  # the evidence above stands as of this time
    failures: int = 0  # in a row; those of jobs that were on their way together count as one
    failed_at: float = -inf  # when the last of them was known
    jobs: int = 0  # running + waiting, at `birth`
    birth: float = -inf
    admission: AdmissionState = "open"
    last: Pulse | None = None
    work_done: WorkDone = field(default_factory=WorkDone)
    kept_share: float = 1.0  # share of the tokens that should have been warm which were; fades towards 1 slowly
    speed: Speed = field(default_factory=Speed)
    reservations: list[Reservation] = field(default_factory=list)
    late: list[Reservation] = field(default_factory=list)  # those of them that should have begun, and have not

    def observe_load(self, jobs: int, slots: int, admission: AdmissionState, birth: float) -> None:
        """The load at `birth`: a pulse's, a probe's, or our own engine's. Older than what we have: ignored."""
        if birth < self.birth:
            return
        self.jobs, self.slots = max(0, min(jobs, JOBS_LIMIT)), max(1, min(slots, SLOTS_LIMIT - 1))
        self.admission, self.birth = admission, birth

    def observe_pulse(self, pulse: Pulse, birth: float) -> None:
        """Eq. (6): the counts between this pulse and the last one of the same generation are the evidence.

        A repeated or overtaken pulse changes nothing; the first of a new generation is compared with nothing. Counters
        that ran backwards within a generation are no evidence, since their owner is broken or lies; the load counts.
        What a pulse says is the owner's word: one weighs no more than τ seconds of counts that can be, so that a lie is
        forgotten as fast as the truth.
        """
        last = self.last
        if last is not None and (pulse.gen, pulse.seq) <= (last.gen, last.seq):
            return
        self.last = pulse
        self.work_done = WorkDone(pulse.gen, pulse.tokens_in + pulse.tokens_out)
        self.observe_load(pulse.running + pulse.waiting, pulse.slots, pulse.admission, birth)
        if last is None or last.gen != pulse.gen or not _advanced(last, pulse):
            return
        self._forget(birth)
        seconds = (pulse.t_ms - last.t_ms) / 1000
        busy_s = min((pulse.busy_ms - last.busy_ms) / 1000, max(1, pulse.slots) * seconds)
        share, limit = min(1.0, self.config.tau_s / seconds), JOBS_PER_S_LIMIT * seconds
        self.arrivals += share * min(pulse.arrivals - last.arrivals, limit)
        self.exposure_s += share * seconds
        self.completions += share * min(pulse.completions - last.completions, limit)
        self.busy_s += share * busy_s
        self.speed.observe_claim(
            max(1.0, busy_s / seconds), pulse.tokens_in - last.tokens_in, pulse.tokens_out - last.tokens_out, busy_s
        )

    def observe_outcome(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """What we saw ourselves: how long we waited against what we expected, and how fast tokens came.

        - refused: the door is closed, until the next pulse or until a job of ours has ended there
        - failed: counts as `failure_s` of waiting, or as long as it took if that was longer
        - cancelled before the first event: counts as waiting so long, if that is longer than expected
        - failed again at the next try, or kept waiting half of `failure_s` for nothing: is remembered twice as long
        - else an answer with tokens: waiting, reading and writing are told apart
        """
        self._forget(now)
        if outcome.status == "ok" and self.admission == "closed":
            self.admission = "soft"
        if outcome.status == "refused":
            self.admission = "closed"
        elif outcome.status == "failed":
            self._observe_failure(reservation, now)
            self._observe_wait(reservation, max(outcome.latency_s, self.config.failure_s))
        elif outcome.ttft_s is None:
            prompt_s = reservation.prompt_tokens * self.speed.rates().prefill_s
            waited_s = outcome.latency_s - reservation.transit_s - prompt_s
            if outcome.streamed and waited_s > reservation.wait_s + self.config.failure_s / 2:
                self._observe_failure(reservation, now)
            if outcome.streamed and waited_s > reservation.wait_s:
                self._observe_wait(reservation, waited_s)
        elif outcome.tokens > 0:
            self.failures = 0
            if outcome.streamed:
                self._observe_stream(reservation, outcome.ttft_s, outcome)
            else:
                self._observe_whole(reservation, outcome)

    def observe_rtt(self, rtt_s: float) -> None:
        """One round trip; smoothed as TCP does (RFC 6298, gain 1/8)."""
        self.rtt_s += (rtt_s - self.rtt_s) / 8

    def row(self) -> Columns[float]:
        """The numbers that `Beliefs.expect` reads."""
        rates = self.speed.rates()
        typical_s = self.config.prior_prompt_tokens * rates.prefill_s + self.config.prior_output_tokens * (
            rates.step_s + rates.stream_s
        )
        return Columns(
            arrivals=self.arrivals,
            exposure_s=self.exposure_s,
            completions=self.completions,
            busy_s=self.busy_s,
            turns_seen=self.turns_seen,
            turns_expected=self.turns_expected,
            as_of=self.as_of,
            memory=self._memory,
            jobs=self.jobs,
            unseen=sum(reservation.arrives_at > self.birth for reservation in self.reservations),
            own_jobs=len(self.reservations),
            slots=self.slots,
            birth=self.birth,
            rtt_s=self.rtt_s,
            admission=ADMISSION_LEVEL[self.admission],
            typical_s=typical_s,
            prefill_s=rates.prefill_s,
            step_s=rates.step_s,
            stream_s=rates.stream_s,
            late=len(self.late),
            late_since=min((one.arrives_at + one.wait_s for one in self.late), default=inf),
        )

    @property
    def _memory(self) -> float:
        return 2.0 ** min(max(0, self.failures - 1), DOUBLINGS)

    def _observe_failure(self, reservation: Reservation, now: float) -> None:
        """Count a failure of a job that was sent after the last failure was known: we tried again, and were let down.

        So a peer that fails attracts less and less, where it would else be tried every few minutes for ever; and one
        that crashes with ten jobs of ours has failed once.
        """
        if reservation.arrives_at >= self.failed_at:
            self.failures += 1
            self.failed_at = now

    def _observe_stream(self, reservation: Reservation, ttft_s: float, outcome: Outcome) -> None:
        """Up to the first event the answer waited, read the prompt and took a step; after it, it only decoded.

        Where hardly any wait was expected, the time to the first event first teaches the reading speed; what this speed
        does not explain counts as waiting. Elsewhere the speed stays as it is. A conversation that should have been
        warm there teaches instead whether the engine had kept it.
        """
        self.speed.observe_decode(reservation.streams, outcome.tokens - 1, outcome.latency_s - ttft_s)
        rates = self.speed.rates()
        started_s = ttft_s - reservation.transit_s - rates.step_s - rates.stream_s * reservation.streams
        if reservation.is_at_once and reservation.warm_tokens:
            late_s = started_s - reservation.prompt_tokens * rates.prefill_s
            self._observe_warmth(reservation.warm_tokens * rates.prefill_s, late_s)
            return
        if reservation.is_at_once:
            self.speed.observe_prefill(reservation.prompt_tokens, started_s)
        self._observe_wait(reservation, started_s - reservation.prompt_tokens * self.speed.rates().prefill_s)

    def _observe_whole(self, reservation: Reservation, outcome: Outcome) -> None:
        """One figure for waiting, reading and decoding. Where hardly any wait was expected, it teaches decoding."""
        prompt_s = reservation.prompt_tokens * self.speed.rates().prefill_s
        served_s = outcome.latency_s - reservation.transit_s - prompt_s
        if reservation.is_at_once:
            self.speed.observe_decode(reservation.streams, outcome.tokens, served_s)
        rates = self.speed.rates()
        step_s = rates.step_s + rates.stream_s * reservation.streams
        self._observe_wait(reservation, served_s - outcome.tokens * step_s)

    def _observe_warmth(self, saving_s: float, late_s: float) -> None:
        """A first token came `late_s` later than if the engine had kept what should save it `saving_s` of reading.

        If it is as late as reading takes, the engine had kept nothing: its cache is smaller than we think, or it has
        none. This changes `kept_share` alone; it counts neither as waiting nor as slow reading.
        """
        kept = self.kept_share * (1.0 - late_s / max(saving_s, 1e-9))
        self.kept_share += (min(1.0, max(0.0, kept)) - self.kept_share) / 2

    def _observe_wait(self, reservation: Reservation, waited_s: float) -> None:
        """One answer's evidence for h; in turns, so that a slow engine's seconds weigh no more than a fast one's."""
        self.turns_seen += max(0.0, waited_s / reservation.turn_s + 1.0)
        self.turns_expected += reservation.wait_s / reservation.turn_s + 1.0

    def _forget(self, now: float) -> None:
        """a ← φ·a + (1-φ)·a0, φ = exp(-w/τ): the evidence beside the prior fades by φ."""
        keep = exp(min(0.0, self.as_of - now) / self.config.tau_s)
        self.arrivals *= keep
        self.exposure_s *= keep
        self.completions *= keep
        self.busy_s *= keep
        keep_turns = keep ** (1.0 / self._memory)
        self.turns_seen *= keep_turns
        self.turns_expected *= keep_turns
        self.kept_share = 1.0 - (1.0 - self.kept_share) * keep**0.1  # ten times as slowly: engines rarely change
        self.as_of = max(self.as_of, now)


def _advanced(last: Pulse, pulse: Pulse) -> bool:
    """Whether time went on and no counter ran backwards."""
    return (
        pulse.t_ms > last.t_ms
        and pulse.arrivals >= last.arrivals
        and pulse.completions >= last.completions
        and pulse.busy_ms >= last.busy_ms
        and pulse.tokens_in >= last.tokens_in
        and pulse.tokens_out >= last.tokens_out
    )
