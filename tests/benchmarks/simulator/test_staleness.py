"""The network of the experiment on old news, by hand."""

import pytest

from benchmarks.simulator.staleness import capacity, peers, setting
from tests.benchmarks.simulator.scenes import SETTINGS


def test_engines_have_one_slot_and_take_turns_in_speed() -> None:
    specs, means_s = peers(SETTINGS, 7), SETTINGS.staleness.mean_service_s

    took_s = [1 / spec.speed.capacity(0, SETTINGS.staleness.tokens.mean) for spec in specs]

    assert {1} == {spec.speed.slots for spec in specs}
    assert [means_s[j % len(means_s)] for j in range(7)] == pytest.approx(took_s)


def test_capacity_is_the_sum_of_what_each_completes() -> None:
    means_s = SETTINGS.staleness.mean_service_s

    assert sum(1 / mean_s for mean_s in means_s) == pytest.approx(
        capacity(peers(SETTINGS, len(means_s)), SETTINGS.staleness.tokens.mean)
    )
    once, twice = (capacity(peers(SETTINGS, n * len(means_s)), 200) for n in (1, 2))
    assert 2 * once == pytest.approx(twice)


def test_everybody_asks_and_news_are_as_old_as_was_wanted() -> None:
    made = setting(SETTINGS, peers(SETTINGS, 5), 20.0, None)

    assert (5, 5, None) == (len(made.peers), made.entries, made.door)
    assert (20.0, 5.0) == (made.spread.period_s, made.spread.delay_s)
