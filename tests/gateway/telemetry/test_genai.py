"""Histograms have the bounds that dashboards for generative AI expect."""

import pytest

from gateway.telemetry import genai


@pytest.mark.parametrize(
    ("conventional", "ours"),
    [
        (genai.TIME_TO_FIRST_TOKEN, genai.FIRST_TOKEN_BOUNDS_S),
        (genai.TIME_PER_OUTPUT_TOKEN, genai.TOKEN_BOUNDS_S),
        (genai.DURATION, genai.DURATION_BOUNDS_S),
    ],
)
def test_ours_hold_every_bound_of_the_conventions_and_rise(
    conventional: tuple[float, ...], ours: tuple[float, ...]
) -> None:
    assert {*conventional} <= {*ours}
    assert [*ours] == sorted({*ours})
