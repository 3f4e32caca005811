"""What is expected of one peer is what is expected of it among a thousand, to the last digits."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.beliefs.expected import BeliefConfig, Evidence, Expected, beside, expected

CONFIG = BeliefConfig()
COUNTS = st.integers(0, 1000).map(float)
SECONDS = st.floats(0, 1e4)
RATES = st.floats(0, 0.1)
evidence = st.builds(
    Evidence,
    arrivals=COUNTS,
    exposure_s=SECONDS,
    completions=COUNTS,
    busy_s=SECONDS,
    turns_seen=COUNTS,
    turns_expected=COUNTS,
    as_of=st.floats(-100, 200) | st.just(-inf),
    jobs=COUNTS,
    unseen=COUNTS,
    own_jobs=COUNTS,
    slots=st.integers(1, 256).map(float),
    birth=st.floats(-100, 200) | st.just(-inf),
    rtt_s=st.floats(0, 1),
    byte_s=st.floats(0, 1e-4),
    admission=st.sampled_from([0.0, 1.0, 2.0]),
    opens_at=st.sampled_from([90.0, 100.0, 110.0, inf]),
    memory=st.sampled_from([1.0, 2.0, 16.0]),
    typical_s=st.floats(1e-3, 1e3),
    prefill_s=RATES,
    step_s=RATES,
    stream_s=RATES,
    late=st.sampled_from([0.0, 1.0, 5.0]),
    late_since=st.floats(-100, 200),
)


@settings(deadline=None)
@given(st.lists(evidence, min_size=1, max_size=4))
def test_floats_and_columns_expect_the_same(peers: list[Evidence[float]]) -> None:
    one_by_one = [expected(of, CONFIG, 100.0) for of in peers]

    together = expected(Evidence(*np.array(peers).T), CONFIG, 100.0)

    assert all(isinstance(number, float) for each in one_by_one for number in each)
    for name, numbers, column in zip(Expected._fields, zip(*one_by_one, strict=True), together, strict=True):
        assert list(numbers) == pytest.approx(np.broadcast_to(column, len(peers)).tolist(), rel=1e-12, abs=1e-12), name


@given(evidence)
def test_all_that_is_expected_is_a_number_and_no_time_is_negative(of: Evidence[float]) -> None:
    found = expected(of, CONFIG, 100.0)

    assert all(np.isfinite(number) for name, number in found._asdict().items() if name != "age_s")
    assert min(found.wait_s, found.turn_s, found.doubt_s, found.age_s, found.backlog) >= 0.0
    assert found.backlog >= of.own_jobs and found.streams <= of.slots


@given(evidence, st.floats(0, 7))
def test_jobs_more_while_a_slot_is_free_change_what_they_change_alone(of: Evidence[float], jobs: float) -> None:
    idle = of._replace(slots=8.0, jobs=0.0, unseen=0.0, own_jobs=0.0, late=0.0, birth=100.0)

    found = beside(expected(idle, CONFIG, 100.0), jobs)

    assert expected(idle._replace(jobs=jobs), CONFIG, 100.0) == pytest.approx(found, rel=1e-9, abs=1e-9)
