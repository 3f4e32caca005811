"""Before measuring it is said how long it will take, as far as that is known."""

import pytest

from profiler.forecast import about, forecast


@pytest.mark.parametrize(
    ("left", "seconds", "concurrency", "expected"),
    [
        (0, [1.0], 2, "nothing is asked"),
        (502, [], 2, "502 questions to ask; how long that takes is told after the first answer"),
        (400, [2.0, 4.0], 2, "400 questions to ask: about 10 min, by 2 answers so far"),
        (1, [9.0], 1, "1 question to ask: about 9 s"),
    ],
)
def test_what_is_said_before(left: int, seconds: list[float], concurrency: int, expected: str) -> None:
    assert expected in forecast(left, seconds, concurrency)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.01, "about 1 s"), (42.3, "about 42 s"), (91, "about 2 min"), (3600, "about 60 min"), (7800, "about 2 h 10 min"),
     (10_700, "about 3 h 0 min")],
)  # fmt: skip
def test_an_estimate_is_as_exact_as_it_can_be(seconds: float, expected: str) -> None:
    assert expected == about(seconds)
