"""The experiments on shares: small runs of them, and that the order is what makes the difference."""

import pytest

from benchmarks.simulator.sharing import FREE_RIDER, GIFTS, NEWCOMER, RENAMED, Asker, Scene, flood, sharing
from tests.benchmarks.simulator.scenes import SETTINGS

HOURS = 0.3


@pytest.fixture(scope="module")
def result() -> dict[str, object]:
    return sharing(SETTINGS, [101], HOURS)


def check(result: dict[str, object], name: str) -> float:
    return float(result["checks"][name]["mean"])  # type: ignore[index]


def test_who_gives_nothing_has_a_fifth_together_and_contributors_have_their_weight(result: dict[str, object]) -> None:
    assert 0.21 >= check(result, "fair shares: share of who gives nothing")
    assert 0.10 >= check(result, "fair shares: furthest from its weight")
    assert 0.99 <= check(result, "fair shares: Jain index of contributors")


def test_an_honest_newcomer_has_its_share_within_ten_minutes(result: dict[str, object]) -> None:
    assert 600 >= check(result, "fair shares: newcomer has its share after, s")


def test_by_arrival_who_asks_the_most_has_the_most(result: dict[str, object]) -> None:
    rows = {(row["policy"], row["x"]): row for row in result["rows"]}  # type: ignore[attr-defined]

    assert rows["by arrival", FREE_RIDER]["share"] > 2 * rows["fair shares", FREE_RIDER]["share"]
    assert {*GIFTS, FREE_RIDER, RENAMED, NEWCOMER} == {name for policy, name in rows if policy == "fair shares"}


@pytest.mark.slow
def test_a_flood_by_one_name_or_a_hundred_keeps_the_owner_waiting_a_fifth_longer_at_most() -> None:
    found = flood(SETTINGS, [101], 0.15)

    assert all(1.2 >= check["mean"] for check in found["checks"].values())  # type: ignore[attr-defined]


def test_nobody_else_no_waiting() -> None:
    scene = Scene({}, SETTINGS, 1, own_rho=0.05, until_s=200).run()

    assert scene.own_s and 0.5 > sum(scene.waits_s[""]) / len(scene.own_s)
    assert 0 == len(scene.work) and Asker(1).gives == 0
