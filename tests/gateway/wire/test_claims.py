"""What others say is clipped to what can be."""

import pytest

from gateway.wire.claims import WAIT_LIMIT_S, wait_s, whole


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        *(("2", 2.0), ("0.5", 0.5), ("-3", 0.0), ("inf", WAIT_LIMIT_S), ("-inf", 0.0), ("9" * 400, WAIT_LIMIT_S)),
        *((2, 2.0), (1e300, WAIT_LIMIT_S), (-1.0, 0.0), (float("inf"), WAIT_LIMIT_S), (float("nan"), None)),
        *(
            ("nan", None),
            ("-NaN", None),
            ("", None),
            ("²", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            (None, None),
        ),
    ],
)
def test_a_wait_is_finite_or_none(said: str | float | None, seconds: float | None) -> None:
    assert seconds == wait_s(said)


@pytest.mark.parametrize(("said", "count"), [(3, 3), (-(10**400), 0), (10**400, 9), (9, 9), (0, 0)])
def test_a_count_is_within_its_bounds(said: int, count: int) -> None:
    assert count == whole(said, 0, 9)
