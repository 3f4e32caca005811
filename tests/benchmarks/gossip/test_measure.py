"""The protocol's promises on a virtual network, as they are measured."""

import pytest

from benchmarks.gossip.measure import Scenario, measure


def test_a_seed_gives_the_same_figures_again() -> None:
    """Whether somebody watches or not."""
    scenario, heard = Scenario(6, loss=0.2, seconds=4.0, cards=2, crashes=1, stall=0.2, one_way=0.05), list[float]()

    assert measure(scenario, 3) == measure(scenario, 3, heard.append)

    assert [10.0 * n for n in range(len(heard))] == heard
    assert 4 < len(heard) < 7, "it ends when all know of the crash"


def test_those_who_stay_agree_after_a_churn() -> None:
    measured = measure(Scenario(8, seconds=1.0, cards=0, crashes=0, churn=0.3), 1)

    assert measured.agree_s is not None and measured.agree_s < 15
    assert 0 == measured.ghosts


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("hard", [Scenario(100, loss=0.3, seconds=1800.0), Scenario(100, stall=0.1, seconds=1800.0)])
def test_nobody_is_buried_alive_in_half_an_hour(hard: Scenario) -> None:
    assert 0 == measure(hard, 0).false_deaths


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("nodes", "hours"), [(100, 1), (8, 23)])
def test_a_long_partition_heals_within_15_s(nodes: int, hours: int) -> None:
    scenario = Scenario(nodes, seconds=1.0, cards=0, crashes=0, partition_s=3600.0 * hours)

    heal_s = measure(scenario, 0).heal_s

    assert heal_s is not None and heal_s < 15


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_hundred_agree_after_a_churn() -> None:
    measured = measure(Scenario(300, seconds=1.0, cards=0, crashes=0, churn=0.05), 0)

    assert measured.agree_s is not None and measured.agree_s < 15
    assert 0 == measured.ghosts


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("loss", "within_s"), [(0.0, 8.0), (0.5, 15.0)])
def test_a_new_card_reaches_a_thousand(loss: float, within_s: float) -> None:
    measured = measure(Scenario(1000, loss=loss, seconds=6.0, cards=6, crashes=0), 0)

    assert (1.0, 0) == (measured.complete, measured.false_deaths)
    assert within_s > sorted(measured.convergence_s)[round(0.99 * len(measured.convergence_s))]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_half_of_all_messages_lost_are_borne() -> None:
    """No false death, a crash known within 18 s, and no storm of probes."""
    measured = measure(Scenario(100, loss=0.5, seconds=30.0), 0)

    assert (0, 0) == (measured.false_deaths, measured.undetected)
    assert 18.0 > sorted(measured.detection_s)[round(0.99 * len(measured.detection_s))]
    assert 20.0 > measured.messages_per_s


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_peers_in_fifty_homes_cost_a_relay_less_than_50_kb_a_second() -> None:
    """Who notices a crash, and when, is measured with fewer: it takes five minutes of virtual time."""
    measured = measure(Scenario(1000, homes=50, seconds=60.0, cards=5, crashes=0), 0)

    assert (True, 0) == (measured.complete > 0.99, measured.false_deaths)
    assert 50_000 > measured.relay_bytes_per_s
