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

from discovery.records import JOBS_LIMIT, SLOTS_LIMIT, AdmissionState, Pulse
from gateway.beliefs.expected import BeliefConfig, Evidence, Expected, beside, expected
from gateway.beliefs.jobs import Doing, Expectation, Outcome, Reservation
from gateway.beliefs.speed import Speed
from gateway.beliefs.ways import Ways

FRESH_S = 0.05  # s for which what is expected of a peer stands while nothing is heard of it: no load moves much in it
TAUGHT = 4  # answers of a peer within FRESH_S that teach; more say the same of its engine, which remembers 50
JOBS_PER_S_LIMIT = 1000.0  # more arrivals or completions than so many a second are taken to be so many
DOUBLINGS = 4  # of the time for which one that fails again and again is remembered: it is tried about once an hour
CLOSED_S = 10.0  # s for which a door that was found closed keeps us away, where nothing is heard of it meanwhile
ADMISSION_LEVEL: dict[AdmissionState, float] = {"open": 0.0, "soft": 1.0, "closed": 2.0}


@dataclass(slots=True)
class Belief:
    """Evidence about one peer: `observe_*` adds to it, `expected` says what follows, `row` is what table.py stacks."""

    config: BeliefConfig
    doing: Doing  # at `birth`; of an engine of ours at any moment
    ways: Ways
    arrivals: float = 0.0
    exposure_s: float = 0.0
    completions: float = 0.0
    busy_s: float = 0.0
    turns_seen: float = 0.0  # waiting that we saw, and that we expected, in turns; h is the one over the other
    turns_expected: float = 0.0
    as_of: float = -inf  # the turns stand as of this time
    counted_as_of: float = -inf  # and the four before them, which pulses alone add to, as of this one
    failures: int = 0  # in a row; those of jobs that were on their way together count as one
    failed_at: float = -inf  # when the last of them was known
    birth: float = -inf  # of an engine of ours whose jobs are counted: when it was looked at last
    admission: AdmissionState = "open"
    closed_at: float = -inf  # when we were told last that nobody is let in
    is_counted: bool = False  # an engine of ours, of which whoever has its door counts what it does
    last: Pulse | None = None
    kept_share: float = 1.0  # share of the tokens that should have been warm which were; fades towards 1 slowly
    speed: Speed = field(default_factory=Speed)
    reservations: dict[Reservation, None] = field(default_factory=dict)  # in their order
    late: list[Reservation] = field(default_factory=list)  # those of them that should have begun, and have not
    has_news: bool = True  # something was heard since `latest` was worked out, at `_expected_at`
    latest: Expected[float] | None = None  # what was expected last
    moved: int = 0  # jobs of ours that came since then, less those that went, of which no news of the load has any
    _expected_at: float = -inf
    _taught: int = 0  # answers since `_teaches_from`
    _teaches_from: float = -inf

    def is_closed(self, now: float) -> bool:
        """Whether nobody is let in, as far as we know. After CLOSED_S without news that is to be found out anew."""
        return self.admission == "closed" and now - self.closed_at < CLOSED_S

    def expected(self, now: float) -> Expected[float]:
        """What is expected of the peer at `now`, or was within FRESH_S while nothing was heard of it.

        Jobs of ours that come and go meanwhile count at once; while a slot is free, what their answers teach waits.
        """
        known, moved = self.latest, self.moved
        if known is not None and not self.has_news and 0.0 <= now - self._expected_at < FRESH_S:
            if not moved:
                return known
            backlog, free_from = known.backlog + moved, known.slots - 1.0
            if backlog <= free_from >= known.backlog:
                known = self.latest = beside(known, backlog)
                self.moved = 0
                return known
        known = self.latest = expected(self.row(), self.config, now)
        self._expected_at, self.has_news, self.moved = now, False, 0
        return known

    @property
    def stands_until(self) -> float:
        """Until when what was expected last stands, if nothing is heard."""
        return self._expected_at + FRESH_S

    def count_by(self, doing: Doing) -> None:
        """It is an engine of ours, and `doing` says what it does at any moment from now on."""
        self.doing, self.is_counted, self.has_news, self.admission = doing, True, True, "open"

    def expected_here(self, now: float) -> Expected[float]:
        """The same of an engine of ours, whose jobs are counted as they are at `now`.

        While a slot is free, what answers have taught waits until FRESH_S has passed: the jobs alone are others. What
        lets us down counts at once.
        """
        if not self.is_counted:
            return self.expected(now)
        known, own_jobs, slots = self.latest, len(self.reservations), self.doing.slots
        jobs = self.doing.jobs if self.doing.jobs > own_jobs else own_jobs
        if known is not None and 0.0 <= now - self._expected_at < FRESH_S and known.slots == slots and not self.late:
            is_same, free_from = known.backlog == jobs, slots - 1
            if is_same and not self.has_news:
                return known
            if jobs <= free_from >= known.backlog and not self.failures:
                return known if is_same else beside(known, float(jobs))
        self.birth, self.has_news = now, True
        return self.expected(now)

    def row_here(self, now: float) -> Evidence[float]:
        """The evidence of an engine of ours as numbers."""
        if self.is_counted:
            self.birth = now
        return self.row()

    def observe_load(self, jobs: int, slots: int, admission: AdmissionState, birth: float) -> None:
        """The load at `birth`: a pulse's or a probe's. Older than what we have, or of an engine of ours: ignored."""
        if birth < self.birth or self.is_counted:
            return
        doing = self.doing
        doing.jobs = 0 if jobs < 0 else JOBS_LIMIT if jobs > JOBS_LIMIT else jobs
        doing.slots = 1 if slots < 1 else SLOTS_LIMIT - 1 if slots >= SLOTS_LIMIT else slots
        self.admission, self.birth = admission, birth
        if admission == "closed":
            self.closed_at = birth

    def observe_done(self, pulse: Pulse) -> None:
        """How much its peer has read and written since it started; of an engine of ours ignored."""
        if self.is_counted:
            return
        self.doing.gen, self.doing.tokens = pulse.gen, pulse.tokens_in + pulse.tokens_out

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
        self.observe_done(pulse)
        self.observe_load(pulse.running + pulse.waiting, pulse.slots, pulse.admission, birth)
        if last is None or last.gen != pulse.gen or not _advanced(last, pulse):
            return
        self._forget(birth)
        self._forget_counts()
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

    def reserve(self, reservation: Reservation) -> None:
        """Count a job that we dispatch, until its outcome: until news born after its arrival count it for us."""
        self.reservations[reservation] = None
        if reservation.arrives_at > self.birth:
            self.moved += 1
        else:
            self.has_news = True

    def ended(self, reservation: Reservation, outcome: Outcome, now: float) -> bool:
        """Count a job no more, and learn from how it ended; False: it says what TAUGHT before it said within FRESH_S.

        What lets us down always teaches, and is news: whatever its outcome says but that it went well.
        """
        del self.reservations[reservation]
        if reservation.arrives_at > self.birth:
            self.moved -= 1
        else:
            self.has_news = True
        went_well = outcome.status == "ok" and outcome.tokens > 0 and not self.failures and self.admission != "closed"
        if self.late or not went_well:
            self.has_news = True
            if reservation in self.late:
                self.late.remove(reservation)
        if went_well:
            if now - self._teaches_from >= FRESH_S:
                self._teaches_from, self._taught = now, 0
            self._taught += 1
            if self._taught > TAUGHT:
                return False
        self._learn(reservation, outcome, now)
        return True

    def row(self) -> Evidence[float]:
        """The evidence as numbers, all of them floats."""
        self._forget_counts()
        config, (prefill_s, step_s, stream_s) = self.config, self.speed.rates()
        doing, birth, unseen, late_since = self.doing, self.birth, 0, inf
        opens_at = self.closed_at + CLOSED_S if self.admission == "closed" else inf
        for reservation in self.reservations:
            unseen += reservation.arrives_at > birth
        for reservation in self.late:
            late_since = min(late_since, reservation.arrives_at + reservation.job.ahead_s)
        return Evidence(
            self.arrivals, self.exposure_s, self.completions, self.busy_s, self.turns_seen, self.turns_expected,
            self.as_of, float(doing.jobs), float(unseen), float(len(self.reservations)), float(doing.slots), birth,
            self.ways.rtt_s, self.ways.byte_s, ADMISSION_LEVEL[self.admission], opens_at, self._memory,
            config.prior_prompt_tokens * prefill_s + config.prior_output_tokens * (step_s + stream_s),
            prefill_s, step_s, stream_s, float(len(self.late)), late_since,
        )  # fmt: skip

    def _learn(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """What we saw ourselves: how long we waited against what we expected, and how fast tokens came.

        - refused: the door is closed, until the next pulse, until a job of ours has ended there, or for CLOSED_S
        - failed: counts as `failure_s` of waiting, or as long as it took if that was longer
        - cancelled before the first event: counts as waiting so long, if that is longer than expected
        - failed again at the next try, or kept waiting half of `failure_s` for nothing: is remembered twice as long
        - else an answer with tokens: waiting, reading and writing are told apart
        """
        self._forget(now)
        job, status = reservation.job, outcome.status
        if status == "ok" and self.admission == "closed":
            self.admission = "soft"
        if status == "refused":
            self.admission, self.closed_at = "closed", now
        elif status == "failed":
            self._observe_failure(reservation, now)
            self._observe_wait(job, max(outcome.latency_s, self.config.failure_s))
        elif outcome.ttft_s is None:
            waited_s = outcome.latency_s - job.transit_s - job.prompt_tokens * self.speed.prefill_s
            if outcome.streamed and waited_s > job.ahead_s + self.config.failure_s / 2:
                self._observe_failure(reservation, now)
            if outcome.streamed and waited_s > job.ahead_s:
                self._observe_wait(job, waited_s)
        elif outcome.tokens > 0:
            self.failures = 0
            if outcome.streamed:
                self._observe_stream(job, outcome.ttft_s, outcome)
            else:
                self._observe_whole(job, outcome)

    @property
    def _memory(self) -> float:
        return 1.0 if self.failures < 2 else 2.0 ** min(self.failures - 1, DOUBLINGS)

    def _observe_failure(self, reservation: Reservation, now: float) -> None:
        """Count a failure of a job that was sent after the last failure was known: we tried again, and were let down.

        So a peer that fails attracts less and less, where it would else be tried every few minutes for ever; and one
        that crashes with ten jobs of ours has failed once.
        """
        if reservation.arrives_at >= self.failed_at:
            self.failures += 1
            self.failed_at = now

    def _observe_stream(self, job: Expectation, ttft_s: float, outcome: Outcome) -> None:
        """Up to the first event the answer waited, read the prompt and took a step; after it, it only decoded.

        Where hardly any wait was expected, the time to the first event first teaches the reading speed; what this speed
        does not explain counts as waiting. Elsewhere the speed stays as it is. A conversation that should have been
        warm there teaches instead whether the engine had kept it.
        """
        self.speed.observe_decode(job.streams, outcome.tokens - 1, outcome.latency_s - ttft_s)
        started_s, prefill_s = ttft_s - job.transit_s - self.speed.step_s(job.streams), self.speed.prefill_s
        if job.is_at_once:
            if warm_tokens := job.warm_tokens:
                self._observe_warmth(warm_tokens * prefill_s, started_s - job.prompt_tokens * prefill_s)
                return
            self.speed.observe_prefill(job.prompt_tokens, started_s)
        self._observe_wait(job, started_s - job.prompt_tokens * self.speed.prefill_s)

    def _observe_whole(self, job: Expectation, outcome: Outcome) -> None:
        """One figure for waiting, reading and decoding. Where hardly any wait was expected, it teaches decoding."""
        speed, tokens = self.speed, outcome.tokens
        served_s = outcome.latency_s - job.transit_s - job.prompt_tokens * speed.prefill_s
        if job.is_at_once:
            speed.observe_decode(job.streams, tokens, served_s)
        self._observe_wait(job, served_s - tokens * speed.step_s(job.streams))

    def _observe_warmth(self, saving_s: float, late_s: float) -> None:
        """A first token came `late_s` later than if the engine had kept what should save it `saving_s` of reading.

        If it is as late as reading takes, the engine had kept nothing: its cache is smaller than we think, or it has
        none. This changes `kept_share` alone; it counts neither as waiting nor as slow reading.
        """
        kept = self.kept_share * (1.0 - late_s / max(saving_s, 1e-9))
        self.kept_share += (min(1.0, max(0.0, kept)) - self.kept_share) / 2

    def _observe_wait(self, job: Expectation, waited_s: float) -> None:
        """One answer's evidence for h; in turns, so that a slow engine's seconds weigh no more than a fast one's."""
        self.turns_seen += max(0.0, waited_s / job.turn_s + 1.0)
        self.turns_expected += job.ahead_s / job.turn_s + 1.0

    def _forget(self, now: float) -> None:
        """a ← φ·a + (1-φ)·a0, φ = exp(-w/τ): the evidence beside the prior fades by φ, all but the counts."""
        if now <= self.as_of:
            return
        keep = exp((self.as_of - now) / self.config.tau_s)
        if self.kept_share < 1.0:
            self.kept_share = 1.0 - (1.0 - self.kept_share) * keep**0.1  # ten times as slowly: engines rarely change
        if self.failures > 1:
            keep **= 1.0 / self._memory
        self.turns_seen *= keep
        self.turns_expected *= keep
        self.as_of = now

    def _forget_counts(self) -> None:
        """The counts fade by as much; only where they are read or added to, since answers come more often than that."""
        if self.as_of <= self.counted_as_of:
            return
        keep = exp((self.counted_as_of - self.as_of) / self.config.tau_s)
        self.arrivals *= keep
        self.exposure_s *= keep
        self.completions *= keep
        self.busy_s *= keep
        self.counted_as_of = self.as_of


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
