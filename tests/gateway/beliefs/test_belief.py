"""Eq. (6) with a likelihood: what one peer's pulses, probes and answers teach, and how it fades."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from discovery.records import COUNT_LIMIT, JOBS_LIMIT, SLOTS_LIMIT
from gateway.beliefs.belief import FRESH_S
from gateway.beliefs.expected import beside
from gateway.beliefs.jobs import Outcome
from gateway.beliefs.queueing import wait
from gateway.beliefs.table import Beliefs
from tests.gateway.beliefs.one_peer import CONFIG, PEER, QUIET, answered, beliefs, expected, pulses, reservation


class Grid:
    """Eq. (6) verbatim, one rate: a distribution over a discrete Θ, multiplied by a likelihood and normalised.

    Forgetting flattens it towards the prior: b ← b^φ · b0^(1-φ).
    """

    def __init__(self, shape: float, rate: float) -> None:
        self.theta = np.geomspace(1e-4, 1e3, 4000) * shape / rate
        self.prior = self._normal((shape - 1) * np.log(self.theta) - rate * self.theta + np.log(self.theta))
        self.belief = self.prior

    def forget(self, phi: float) -> None:
        self.belief = self._normal(phi * self.belief + (1 - phi) * self.prior)

    def observe(self, count: int, exposure: float) -> None:
        self.belief = self._normal(self.belief + count * np.log(self.theta) - exposure * self.theta)

    def mean(self, f: NDArray[np.float64]) -> float:
        return float(np.exp(self.belief) @ f)

    @staticmethod
    def _normal(log_density: NDArray[np.float64]) -> NDArray[np.float64]:
        log_density = log_density - log_density.max()
        return log_density - np.log(np.exp(log_density).sum())


exposures = st.tuples(st.floats(0.5, 30), st.integers(0, 40), st.integers(0, 40), st.floats(0, 1))


@settings(max_examples=50)
@given(st.lists(exposures, min_size=1, max_size=20))
def test_conjugate_posterior_agrees_with_bayes_rule_on_a_grid(steps: list[tuple[float, int, int, float]]) -> None:
    steps = [(round(w, 3), a, n, round(w * share, 3)) for w, a, n, share in steps]
    table = beliefs()
    typical_s = expected(table, 0.0, "mean_service_s")
    arrivals = Grid(CONFIG.prior_arrivals, CONFIG.prior_arrivals / CONFIG.prior_utilisation * typical_s)
    service = Grid(CONFIG.prior_jobs, (CONFIG.prior_jobs - 1) * typical_s)
    for seconds, arrived, completed, busy_s in steps:
        for grid in (arrivals, service):
            grid.forget(np.exp(-seconds / CONFIG.tau_s))
        arrivals.observe(arrived, seconds)
        service.observe(completed, busy_s)

    for pulse, birth in pulses(steps):
        table.observe_pulse(pulse, birth)
    now = sum(step[0] for step in steps)

    assert arrivals.mean(arrivals.theta) == pytest.approx(expected(table, now, "arrival_rate"), rel=0.02)
    assert service.mean(service.theta) == pytest.approx(expected(table, now, "service_rate"), rel=0.02)
    assert service.mean(1 / service.theta) == pytest.approx(expected(table, now, "mean_service_s"), rel=0.02)


def test_posterior_finds_the_true_rates() -> None:
    """Ten minutes at λ = 2/s and E[S] = 3 s on 8 slots: relative sd about 1/sqrt(λτ) = 9 %."""
    rng = np.random.default_rng(1)
    steps = [(2.0, int(rng.poisson(4)), int(rng.poisson(4)), 12.0) for _ in range(300)]
    table = beliefs(slots=8)

    for pulse, birth in pulses(steps):
        table.observe_pulse(replace(pulse, slots=8), birth)

    assert 2.0 == pytest.approx(expected(table, 600.0, "arrival_rate"), rel=0.3)
    assert 3.0 == pytest.approx(expected(table, 600.0, "mean_service_s"), rel=0.3)


def test_a_silent_peer_decays_to_the_prior() -> None:
    fields = ("arrival_rate", "service_rate", "mean_service_s", "shape", "utilisation", "wait_factor", "backlog")
    prior = {field: expected(beliefs(), 0.0, field) for field in fields}
    table = beliefs()
    for pulse, birth in pulses([(2.0, 20, 10, 2.0)] * 30):
        table.observe_pulse(replace(pulse, running=1, waiting=50), birth)
    answered(table, ttft_s=90.0, now=60.0)

    before = {field: expected(table, 60.0, field) for field in fields}
    after = {field: expected(table, 60.0 + 20 * CONFIG.tau_s, field) for field in fields}

    assert all(before[field] != pytest.approx(prior[field], rel=0.1) for field in fields)
    assert prior == pytest.approx(after, rel=1e-3)


@given(st.lists(exposures, min_size=1, max_size=8), st.integers(1, 5))
def test_what_a_pulse_counts_fades_with_time_alone_however_many_answers_come(
    steps: list[tuple[float, int, int, float]], answers: int
) -> None:
    """Answers of one token, which teach nothing of speed."""
    alone, asked = beliefs(), beliefs()
    for pulse, birth in pulses(steps):
        alone.observe_pulse(pulse, birth)
        asked.observe_pulse(pulse, birth)
        for number in range(answers):
            answered(asked, ttft_s=1.0, now=birth + 0.1 * number)

    now = sum(step[0] for step in steps) + 7.0

    for field in ("arrival_rate", "mean_service_s", "shape"):
        assert expected(alone, now, field) == pytest.approx(expected(asked, now, field), rel=1e-9)


def test_pulses_of_two_generations_are_never_differenced() -> None:
    table, restarted = beliefs(), beliefs()
    old = replace(QUIET, arrivals=1000, completions=1000, busy_ms=900_000, t_ms=1_000_000)
    new = replace(QUIET, gen=2, seq=1, arrivals=5000, completions=4000, busy_ms=4_000_000, t_ms=4_000_000)
    for pulse in (old, new):
        table.observe_pulse(pulse, 1.0)

    restarted.observe_pulse(new, 1.0)

    assert expected(restarted, 2.0, "arrival_rate") == expected(table, 2.0, "arrival_rate")
    assert expected(restarted, 2.0, "mean_service_s") == expected(table, 2.0, "mean_service_s")


@given(st.lists(exposures, min_size=2, max_size=8), st.randoms(use_true_random=False), st.data())
def test_repeated_and_overtaken_pulses_change_nothing(
    steps: list[tuple[float, int, int, float]], random: object, data: st.DataObject
) -> None:
    stream = pulses([(w, a, n, w * share) for w, a, n, share in steps])
    clean, noisy = beliefs(), beliefs()
    for k, (pulse, birth) in enumerate(stream):
        clean.observe_pulse(pulse, birth)
        noisy.observe_pulse(pulse, birth)
        again, born = stream[data.draw(st.integers(0, k))]
        noisy.observe_pulse(again, born)

    now = stream[-1][1] + 1.0

    assert clean[PEER] == noisy[PEER]
    assert expected(clean, now, "backlog") == expected(noisy, now, "backlog")


def test_a_lost_pulse_loses_no_counts() -> None:
    """Counters are cumulative: the next pulse carries what the lost one would have said (up to forgetting)."""
    stream = pulses([(2.0, 6, 5, 1.5)] * 20)
    all_, half = beliefs(), beliefs()
    for k, (pulse, birth) in enumerate(stream):
        all_.observe_pulse(pulse, birth)
        if k % 2 == 0:
            half.observe_pulse(pulse, birth)

    for field in ("arrival_rate", "mean_service_s"):
        assert expected(all_, 40.0, field) == pytest.approx(expected(half, 40.0, field), rel=0.02)


@pytest.mark.parametrize("counter", ["arrivals", "completions", "busy_ms", "tokens_in", "tokens_out", "t_ms"])
def test_counters_that_run_backwards_are_no_evidence(counter: str) -> None:
    table, only_load = beliefs(), beliefs()
    before = replace(QUIET, arrivals=9, completions=9, busy_ms=9, t_ms=9, tokens_in=9, tokens_out=9)
    after = replace(before, **({"seq": 2, "t_ms": 1000, "running": 1, "waiting": 6} | {counter: 3}))
    table.observe_pulse(before, 0.0)
    table.observe_pulse(after, 1.0)

    only_load.observe_load(PEER, 7, 1, "open", 1.0)

    for field in ("backlog", "arrival_rate", "mean_service_s"):
        assert expected(only_load, 1.0, field) == expected(table, 1.0, field)


def test_only_ages_matter_not_the_peers_clock() -> None:
    """Births are on our clock; a peer whose own clock (t_ms) is an hour ahead teaches the same."""
    stream = pulses([(2.0, 6, 5, 1.5)] * 5)
    right, ahead = beliefs(), beliefs()
    for pulse, birth in stream:
        right.observe_pulse(pulse, birth)
        ahead.observe_pulse(replace(pulse, t_ms=pulse.t_ms + 3_600_000), birth)

    for field in ("arrival_rate", "mean_service_s", "backlog", "age_s"):
        assert expected(right, 12.0, field) == expected(ahead, 12.0, field)


def test_older_load_is_ignored() -> None:
    """A probe's answer may overtake a pulse that was born before it."""
    table = beliefs()
    table.observe_load(PEER, 9, 1, "soft", birth=5.0)
    table.observe_pulse(replace(QUIET, running=1), birth=4.0)

    assert 9 == pytest.approx(expected(table, 5.0, "backlog"))


def test_a_peer_that_says_idle_while_jobs_wait_convicts_itself() -> None:
    liar, honest = beliefs(), beliefs()
    for k in range(20):
        for table in (liar, honest):
            table.observe_load(PEER, 0, 1, "open", birth=float(k))
        answered(liar, ttft_s=5.0, now=float(k), turn_s=1.0, prompt_tokens=1)
        answered(honest, ttft_s=0.02, now=float(k), turn_s=1.0, prompt_tokens=1)

    def waited(table: Beliefs) -> float:
        e = table[PEER].expected(20.0)
        return wait(e.backlog, e.slots, 1.0, e.wait_factor)

    assert 4.0 < waited(liar) < 6.0
    assert waited(honest) < 0.2


def test_prefill_is_learnt_only_where_no_wait_was_expected() -> None:
    table, queued = beliefs(), beliefs()
    for k in range(5):
        answered(table, ttft_s=1.0, now=float(k), prompt_tokens=2000)
        answered(queued, ttft_s=8.0, now=float(k), prompt_tokens=2000, wait_s=7.0)

    assert 5e-4 == pytest.approx(expected(table, 5.0, "prefill_s"), rel=0.1)
    assert CONFIG.speed.prior_prefill_s == expected(queued, 5.0, "prefill_s")


def test_an_answer_in_one_piece_is_not_taken_for_a_long_wait() -> None:
    """Its first event is its last: 4 s are 200 tokens of decoding, not 4 s of waiting and none of decoding."""
    table = beliefs()
    for k in range(10):
        job = reservation(at=float(k))
        table.reserve(job)
        table.observe_outcome(job, Outcome(PEER, "ok", 4.0, 4.0, 200, streamed=False), float(k))
    queued = reservation(at=10.0, wait_s=6.0)
    table.reserve(queued)
    table.observe_outcome(queued, Outcome(PEER, "ok", 10.0, 10.0, 200, streamed=False), 10.0)

    assert 0.02 == pytest.approx(expected(table, 10.0, "step_s") + expected(table, 10.0, "stream_s"), rel=0.05)
    assert 1.0 == pytest.approx(expected(table, 10.0, "wait_factor"), rel=0.05)


def test_an_answer_without_tokens_teaches_nothing() -> None:
    """A 400 comes fast; it must not make its peer look quick, nor answers look short."""
    table, untold = beliefs(), beliefs()
    answered(table, ttft_s=0.001, tokens=0, prompt_tokens=1000)

    for field in ("wait_factor", "prefill_s", "step_s"):
        assert expected(untold, 0.0, field) == expected(table, 0.0, field)
    assert CONFIG.prior_output_tokens == table.output_tokens("chat", None)


@pytest.mark.parametrize(("waited_s", "factor"), [(2.0, 1.0), (50.0, 6.0)])
def test_a_client_that_gave_up_waiting_has_waited_at_least_so_long(waited_s: float, factor: float) -> None:
    """Giving up early says nothing; (3 + 51) / (3 + 6) turns after 50 s where 5 were expected."""
    table = beliefs()
    job = reservation(wait_s=5.0)
    table.reserve(job)
    table.observe_outcome(job, Outcome(PEER, "cancelled", None, waited_s, 0), 0.0)

    assert factor == pytest.approx(expected(table, 0.0, "wait_factor"))


def test_round_trips_are_smoothed() -> None:
    """RFC 6298: an eighth of every surprise."""
    table = beliefs()
    table.observe_rtt(PEER, CONFIG.prior_rtt_s + 0.8)

    assert CONFIG.prior_rtt_s + 0.1 == pytest.approx(expected(table, 0.0, "rtt_s"))


def test_waiting_that_was_expected_changes_no_factor() -> None:
    table = beliefs()
    rates = table[PEER].speed.rates()
    for k in range(10):
        ttft_s = 7.0 + rates.step_s + rates.stream_s
        answered(table, ttft_s=ttft_s, now=float(k), wait_s=7.0, turn_s=1.0)

    assert 1.0 == pytest.approx(expected(table, 10.0, "wait_factor"))


@pytest.mark.parametrize("latency_s", [0.001, 1.0, 300.0])
def test_a_failure_counts_like_a_timeout(latency_s: float) -> None:
    """However fast the error came: a broken peer must not look quick."""
    table = beliefs()
    before = expected(table, 0.0, "wait_factor")
    job = reservation()
    table.reserve(job)
    table.observe_outcome(job, Outcome(PEER, "failed", None, latency_s, 0), 0.0)

    assert expected(table, 0.0, "wait_factor") > before * 5


def tries_of(within_s: float, outcome: Outcome) -> list[float]:
    """When a peer is asked that is asked as soon as its wait looks ordinary again, and answers each time so."""
    table, now, asked = beliefs(), 0.0, []
    while now < within_s:
        if expected(table, now, "wait_factor") < 2:
            asked.append(now)
            job = reservation(at=now)
            table.reserve(job)
            now += outcome.latency_s
            table.observe_outcome(job, outcome, now)
        now += 10.0
    return asked


LET_DOWN = {
    "failing": Outcome(PEER, "failed", None, 0.1, 0),
    "silent until it was given up": Outcome(PEER, "failed", None, 300.0, 0),
    "silent until the client went": Outcome(PEER, "cancelled", None, 60.0, 0),
}


@pytest.mark.parametrize("outcome", LET_DOWN.values(), ids=LET_DOWN)
def test_what_a_peer_attracts_that_lets_us_down_decays(outcome: Outcome) -> None:
    """Each pause is about twice the last one, up to about an hour; else it would be tried every few minutes."""
    asked = tries_of(12 * 3600.0, outcome)
    pauses = [later - sooner for sooner, later in pairwise(asked)]

    assert len(asked) < 20
    assert all(1.3 * sooner < later for sooner, later in pairwise(pauses[:4]))


def test_one_answer_ends_the_memory_of_failures() -> None:
    table = beliefs()
    for k in range(6):
        answered(table, ttft_s=0.1, now=100.0 * k, status="failed")
    answered(table, ttft_s=0.1, now=600.0, tokens=5)

    assert 0 == table[PEER].failures
    assert expected(table, 600.0 + 6 * CONFIG.tau_s, "wait_factor") < 2


def test_a_long_answer_in_one_piece_that_was_given_up_is_no_failure() -> None:
    """Nobody saw whether it was being written."""
    table = beliefs()
    for k in range(3):
        job = reservation(at=100.0 * k)
        table.reserve(job)
        table.observe_outcome(job, Outcome(PEER, "cancelled", None, 90.0, 0, streamed=False), 100.0 * k + 90.0)

    assert 0 == table[PEER].failures


def test_jobs_that_fail_together_are_one_failure() -> None:
    """A peer that crashes with ten jobs of ours has let us down once."""
    table = beliefs()
    jobs = [reservation(at=0.1 * k) for k in range(10)]
    for job in jobs:
        table.reserve(job)
    for job in jobs:
        table.observe_outcome(job, Outcome(PEER, "failed", None, 5.0, 0), 6.0)

    assert 1 == table[PEER].failures


COUNTERS = ("arrivals", "completions", "busy_ms", "t_ms", "tokens_in", "tokens_out")
MOST = COUNT_LIMIT - 1


@pytest.mark.parametrize(
    "lies", [(name,) for name in COUNTERS] + [COUNTERS, ("arrivals", "t_ms"), ("tokens_out", "busy_ms")], ids=str
)
def test_a_pulse_s_lie_is_finite_and_forgotten_as_fast_as_the_truth(lies: tuple[str, ...]) -> None:
    """Some minutes after the greatest counters that a pulse can hold, the peer looks as it did before."""
    table, honest = beliefs(), beliefs()
    lie = replace(
        QUIET, seq=2, t_ms=2000, running=MOST, waiting=MOST, busy_ms=1, arrivals=1, completions=1, tokens_out=1
    )
    lie = replace(lie, **dict.fromkeys(lies, MOST))
    for pulse, birth in ((QUIET, 0.0), (lie, 2.0)):
        table.observe_pulse(pulse, birth)
    at_once = table.expect(table.rows([PEER]), 2.0)

    for each in (table, honest):
        each.observe_load(PEER, 0, 1, "open", 1000.0)
        answered(each, ttft_s=0.5, now=1000.0, tokens=100, decode_s=2.0)

    assert all(np.isfinite(column).all() for column in at_once)
    for column in ("utilisation", "shape", "wait_factor"):  # its speed: see below
        assert expected(honest, 1000.0, column) == pytest.approx(expected(table, 1000.0, column), rel=0.3)


def test_the_next_reports_of_its_speed_correct_a_lie() -> None:
    """A thousand million tokens in a moment; then a dozen ordinary answers."""
    table, honest = beliefs(), beliefs()
    pulse = QUIET
    for k in range(100):
        pulse = replace(
            pulse, seq=k + 2, t_ms=2000 * k + 2000, busy_ms=pulse.busy_ms + 2000, tokens_out=pulse.tokens_out + 200
        )
        honest.observe_pulse(pulse, 2.0 * k)
        table.observe_pulse(replace(pulse, tokens_out=pulse.tokens_out + COUNT_LIMIT // 4 * (k > 0)), 2.0 * k)

    assert expected(honest, 200.0, "step_s") == pytest.approx(expected(table, 200.0, "step_s"), rel=0.3)


def test_load_is_clipped_to_what_can_be() -> None:
    table = beliefs()
    table.observe_load(PEER, 10**400, 10**400, "open", 0.0)

    assert (JOBS_LIMIT, SLOTS_LIMIT - 1) == (expected(table, 0.0, "backlog"), expected(table, 0.0, "slots"))


def test_a_refusal_closes_the_door_until_the_next_pulse() -> None:
    table = beliefs()
    table.observe_pulse(QUIET, 0.0)
    job = reservation()
    table.reserve(job)
    table.observe_outcome(job, Outcome(PEER, "refused", None, 0.01, 0), 0.5)
    closed = expected(table, 0.5, "admission")
    table.observe_pulse(replace(QUIET, seq=2, t_ms=2000), 2.0)

    assert (2.0, 0.0) == (closed, expected(table, 2.0, "admission"))


def test_a_job_of_ours_that_ends_may_have_left_room() -> None:
    """A door that refused us is worth a look again, and no more than that: it is not known to be open."""
    table = beliefs()
    ours, refused = reservation(), reservation()
    table.reserve(ours)
    table.reserve(refused)
    table.observe_outcome(refused, Outcome(PEER, "refused", None, 0.01, 0), 0.5)

    table.observe_outcome(ours, Outcome(PEER, "ok", 0.1, 1.0, 8), 1.0)

    assert 1.0 == expected(table, 1.0, "admission")


def test_a_slow_first_token_where_hardly_any_wait_was_expected_was_the_reading() -> None:
    """News a moment old say of a lone slot that .05 jobs are ahead: that is no queue. Ten seconds for 350 tokens are
    29 ms a token then; where a job was ahead they may as well have been waiting."""
    tables = {ahead: beliefs() for ahead in (0.05, 1.0)}
    for ahead, table in tables.items():
        job = reservation(wait_s=4.0 * ahead, turn_s=4.0, prompt_tokens=350)
        table.reserve(job)
        table.observe_outcome(job, Outcome(PEER, "ok", 10.0, 10.5, 24), 10.5)

    prefill_s = {ahead: expected(table, 10.5, "prefill_s") for ahead, table in tables.items()}
    assert prefill_s[0.05] > 0.02
    assert prefill_s[1.0] == pytest.approx(1e-3)


def test_what_is_expected_stands_for_a_moment_while_nothing_is_heard() -> None:
    """It is worked out once for all queries of that moment; news of any kind, and time, make it anew."""
    table = beliefs(slots=2)
    table.observe_load(PEER, 6, 2, "open", birth=0.0)
    of = table[PEER]

    first = of.expected(10.0)

    assert first is of.expected(10.0 + FRESH_S / 2)
    assert first.age_s < of.expected(10.0 + 2 * FRESH_S).age_s
    assert 10.0 == of.expected(10.0).age_s  # and where the clock is behind
    job = reservation(at=10.0)
    for tell in (
        lambda: table.observe_load(PEER, 9, 2, "open", birth=10.0),
        lambda: table.reserve(job),
        lambda: table.observe_late(job, True),
        lambda: table.observe_outcome(job, Outcome(PEER, "ok", 0.5, 3.0, 50), 10.0),
        lambda: table.observe_rtt(PEER, 1.0),
        lambda: table.observe_pulse(QUIET, birth=10.0),
    ):
        before = of.expected(10.0)
        tell()
        assert before is not of.expected(10.0)


def moved(came: int, gone: int, slots: int, counted: int = 0) -> Beliefs:
    """A peer that was looked at at 10.0; so many jobs of ours came and went since. `counted`: at its news of 5.0."""
    table = beliefs(slots)
    table.observe_load(PEER, 1 + counted, slots, "open", birth=5.0)
    there = [reservation(at=4.0 if number < counted else 6.0) for number in range(2 + counted)]
    for job in there:
        table.reserve(job)
    table[PEER].expected(10.0)
    for _ in range(came):
        table.reserve(reservation(at=10.0))
    for job in there[counted : counted + gone]:
        table.observe_outcome(job, Outcome(PEER, "ok", 1.0, 1.5, 20), 10.0)
    return table


@pytest.mark.parametrize(("came", "gone"), [(0, 0), (1, 0), (0, 1), (2, 1), (3, 2), (6, 0), (9, 0)])
@pytest.mark.parametrize(("slots", "counted"), [(8, 0), (8, 2), (3, 0), (1, 0)])
def test_jobs_of_ours_that_come_and_go_count_at_once(came: int, gone: int, slots: int, counted: int) -> None:
    table = moved(came, gone, slots, counted)
    before = table[PEER].latest

    now = table[PEER].expected(10.0)

    table[PEER].has_news = True
    anew = table[PEER].expected(10.0)
    assert before is not None
    if before.backlog <= slots - 1 >= now.backlog:
        assert now == beside(before, before.backlog + came - gone)  # what an answer taught waits
        assert now.backlog == pytest.approx(anew.backlog, abs=0.3)
    else:
        assert now == anew


@pytest.mark.parametrize("status", ["failed", "refused", "cancelled"])
def test_what_does_not_go_well_counts_at_once(status: str) -> None:
    table = moved(0, 0, slots=8)
    job = next(iter(table[PEER].reservations))

    table.observe_outcome(job, Outcome(PEER, status, None, 99.0, 0), 10.0)  # type: ignore[arg-type]

    now = table[PEER].expected(10.0)
    table[PEER].has_news = True
    assert now == table[PEER].expected(10.0)


def test_the_end_of_a_job_that_news_of_the_load_counted_makes_anew_what_is_expected() -> None:
    """It is one of those that were seen there, and may have ended before or after."""
    table = moved(0, 0, slots=8, counted=1)
    before = table[PEER].expected(10.0)

    table.observe_outcome(next(iter(table[PEER].reservations)), Outcome(PEER, "ok", 1.0, 1.5, 20), 10.0)

    assert before[2:] != table[PEER].expected(10.0)[2:]
