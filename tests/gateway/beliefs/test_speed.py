"""The affine step time is learnt from few answers, stays at least 0, and a peer's word never outweighs what we saw."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.beliefs.speed import Speed, SpeedConfig


def step_s(speed: Speed, streams: float) -> float:
    rates = speed.rates()
    return rates.step_s + rates.stream_s * streams


@pytest.mark.parametrize(("a", "b"), [(2.2e-3, 1.2e-3), (0.0, 0.02), (0.03, 0.0), (0.5, 0.1)])
def test_step_time_of_a_batching_engine_is_found(a: float, b: float) -> None:
    """vLLM here: 2.2 ms + 1.2 ms a stream; one core of llama.cpp gains nothing by batching (a = 0)."""
    rng, speed = np.random.default_rng(0), Speed()
    for _ in range(100):
        x = float(rng.integers(1, 17))
        speed.observe_decode(x, 100, 100 * (a + b * x) * rng.normal(1, 0.05))

    for x in (1.0, 4.0, 16.0):
        assert a + b * x == pytest.approx(step_s(speed, x), rel=0.1, abs=2e-4)


def test_five_answers_at_one_load_give_the_level() -> None:
    speed = Speed()
    for _ in range(5):
        speed.observe_decode(1.0, 100, 0.2)

    assert 2e-3 == pytest.approx(step_s(speed, 1.0), rel=0.2)


@pytest.mark.parametrize("y", [1e-3, 1e-2, 1.0])
def test_the_shape_of_the_prior_follows_the_level(y: float) -> None:
    """Seen alone only, eight streams are believed to take 1 - r + 8·r times as long, on any engine."""
    speed = Speed()
    for _ in range(200):
        speed.observe_decode(1.0, 100, 100 * y)

    assert 1 - 0.3 + 8 * 0.3 == pytest.approx(step_s(speed, 8.0) / step_s(speed, 1.0), rel=0.02)


def test_what_a_peer_says_counts_until_we_know_better() -> None:
    """A thousand claims of a tenfold speed weigh as one answer of ours."""
    speed = Speed()
    for _ in range(1000):
        speed.observe_claim(1.0, 0, 1000, 2.0)
    claimed = step_s(speed, 1.0)
    for _ in range(10):
        speed.observe_decode(1.0, 100, 2.0)

    assert 2e-3 == pytest.approx(claimed, rel=0.05)
    assert 0.02 == pytest.approx(step_s(speed, 1.0), rel=0.15)


def test_prefill_is_learnt_from_long_prompts() -> None:
    speed = Speed()
    for _ in range(3):
        speed.observe_prefill(2000, 0.4)
        speed.observe_prefill(5, 0.05)  # overhead, not speed

    assert 2e-4 == pytest.approx(speed.rates().prefill_s, rel=0.1)


def test_a_model_that_was_swapped_is_relearnt() -> None:
    speed = Speed(SpeedConfig(memory=20))
    for _ in range(500):
        speed.observe_decode(1.0, 100, 10.0)
    for _ in range(100):
        speed.observe_decode(1.0, 100, 1.0)

    assert 0.01 == pytest.approx(step_s(speed, 1.0), rel=0.1)


decodes = st.tuples(st.floats(1, 300), st.integers(0, 10_000), st.floats(0, 1e4))
claims = st.tuples(st.floats(1, 300), st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1e6))


@given(st.lists(decodes, max_size=20), st.lists(claims, max_size=20), st.lists(st.floats(-10, 1e4), max_size=5))
def test_rates_are_finite_and_never_negative(
    decodes: list[tuple[float, int, float]], claims: list[tuple[float, int, int, float]], prefills: list[float]
) -> None:
    speed = Speed()
    for decode in decodes:
        speed.observe_decode(*decode)
    for claim in claims:
        speed.observe_claim(*claim)
    for seconds in prefills:
        speed.observe_prefill(100, seconds)

    assert all(np.isfinite(rate) and rate >= 0 for rate in speed.rates())


observed = st.tuples(st.integers(1, 16).map(float), st.integers(2, 400), st.floats(0.1, 100))


@given(st.lists(observed, min_size=1, max_size=30), observed)
def test_rates_are_those_of_least_squares_over_all_that_was_seen_and_claimed(
    answers: list[tuple[float, int, float]], claim: tuple[float, int, float]
) -> None:
    """One equation an observation, solved anew."""
    speed, config = Speed(), SpeedConfig()
    speed.observe_claim(claim[0], 0, *claim[1:])
    for answer in answers:
        speed.observe_decode(*answer)
    r, tokens = config.prior_stream_share, claim[1] + 16.0  # those of the prior's step time included
    streams, step_s = (claim[1] * claim[0] + 16.0) / tokens, (claim[2] + 16.0 * config.prior_step_s) / tokens
    equations = [(1.0, -r, 1 - r, 0.0), (tokens / (tokens + 160.0), 1.0, streams, step_s)]
    faded = 1.0
    for streams, count, seconds in reversed(answers):
        w = min(1.0, count / 32)
        equations.append((w * faded, 1.0, streams, seconds / count))
        faded *= 1 - w / config.memory
    weights, *rows = np.array(equations).T
    a, b = np.linalg.lstsq((np.sqrt(weights) * np.array(rows[:2])).T, np.sqrt(weights) * rows[2], rcond=None)[0]

    assume(a > 0 and b > 0)
    assert (a, b) == pytest.approx(speed.rates()[1:], rel=1e-6)
