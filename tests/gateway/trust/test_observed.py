"""What was seen of answers: it counts, fades, is bounded, and outlives a restart."""

import msgspec
import pytest

from discovery.records import PeerId
from gateway.trust.observed import FADED, HALF_LIFE_S, REMEMBERED_S, TOPICAL, KeptPair, Observations

BEN, CLEO = PeerId("ben"), PeerId("cleo")
CATEGORIES = ("maths", "coding", "food", "small talk", "maths")


def test_what_was_seen_fades_by_half_a_day() -> None:
    observed = Observations()
    for _ in range(4):
        observed.observe(BEN, "a", "food", 0.5, 1.0, 0.0)

    assert [4, 2, 1] == pytest.approx(
        [observed.seen(BEN, "a", CATEGORIES, days * HALF_LIFE_S)[1][2] for days in range(3)]
    )
    observed.observe(BEN, "a", "food", 0.5, 1.0, HALF_LIFE_S)
    assert (3.0, 1.5) == pytest.approx([of[2] for of in observed.seen(BEN, "a", CATEGORIES, HALF_LIFE_S)][::-1])
    assert 5 == observed.count(BEN) == observed.count_of(BEN, "a")  # how many there were does not fade


@pytest.mark.parametrize(
    ("score", "weight"), [(1.1, 1.0), (-0.1, 1.0), (float("nan"), 1.0), (0.5, 0.0), (0.5, float("nan"))]
)
def test_what_is_no_grade_teaches_nothing(score: float, weight: float) -> None:
    observed = Observations()

    observed.observe(BEN, "a", "food", score, weight, 0.0)

    assert (False, 0) == (bool(observed), observed.count(BEN))


def test_a_category_that_the_gate_does_not_have_is_kept_for_one_that_has_it() -> None:
    observed = Observations()
    observed.observe(BEN, "a", "travel", 1.0, 1.0, 0.0)

    assert [0.0] * 5 == observed.seen(BEN, "a", CATEGORIES, 0.0)[1].tolist()
    assert [1.0] == observed.seen(BEN, "a", ["travel"], 0.0)[1].tolist()


def test_who_was_graded_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.trust.observed._PAIRS_REMEMBERED", 2)
    observed = Observations()
    for agent in "aba":
        observed.observe(BEN, agent, "food", 1.0, 1.0, 0.0)
    observed.observe(CLEO, "c", "food", 1.0, 1.0, 0.0)

    assert {(BEN, "a"), (CLEO, "c")} == set(observed.pairs())
    assert (2, 1) == (observed.count(BEN), observed.count(CLEO))


def test_whose_answers_were_graded_is_told_once() -> None:
    observed = Observations()
    observed.observe(BEN, "a", "food", 1.0, 1.0, 0.0)

    assert ({(BEN, "a")}, set()) == (observed.touched(), observed.touched())


def test_a_pair_is_forgotten_a_month_after_its_last_grade() -> None:
    observed = Observations()
    observed.observe(BEN, "a", "food", 1.0, 1.0, 0.0)
    observed.observe(CLEO, "c", "food", 1.0, 1.0, REMEMBERED_S)

    assert {(CLEO, "c")} == set(observed.pairs())
    assert 0 == observed.count(BEN)


# --- over a restart ---


def restarted(observed: Observations, now: float, after_s: float = 0.0, clock: float = 3.0) -> Observations:
    """As another process restores it `after_s` later, whose clock begins anew; through the bytes of a file."""
    bytes_ = msgspec.json.encode(observed.kept(now, 1e9))
    found = Observations()
    found.restore(msgspec.json.decode(bytes_, type=list[KeptPair]), clock, 1e9 + after_s)
    return found


def test_what_was_seen_outlives_a_restart_and_fades_meanwhile() -> None:
    observed = Observations()
    for score in (1.0, 0.0, 1.0):
        observed.observe(BEN, "a", "food", score, 1.0, 5000.0)
    observed.observe(BEN, "a", TOPICAL, 1.0, 0.5, 5000.0)

    after = restarted(observed, 5000.0, HALF_LIFE_S)

    assert ([1.0], [1.5]) == tuple(of.tolist() for of in after.seen(BEN, "a", ["food"], 3.0))
    assert (0.25, 0.25) == after.topical(BEN, "a", 3.0)
    assert (4, 4) == (after.count(BEN), after.count_of(BEN, "a"))
    assert {(BEN, "a")} == after.touched()


def test_who_was_graded_last_is_still_the_last_to_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    observed = Observations()
    for agent in "abca":
        observed.observe(BEN, agent, "food", 1.0, 1.0, 0.0)
    monkeypatch.setattr("gateway.trust.observed._PAIRS_REMEMBERED", 2)

    assert [(BEN, "c"), (BEN, "a")] == list(restarted(observed, 0.0).pairs())


def test_what_has_faded_is_not_written_but_that_it_was_graded_is() -> None:
    """So nobody is on trial anew since he was not asked for a fortnight."""
    observed = Observations()
    observed.observe(BEN, "a", "maths", 1.0, 1.0, 0.0)
    observed.observe(BEN, "a", "food", 1.0, 1.0, 1.0)

    (kept,) = observed.kept(14 * HALF_LIFE_S, 1e9)

    assert (["food"], 2) == (list(kept.sums), kept.count)
    assert observed.seen(BEN, "a", ["food"], 14 * HALF_LIFE_S)[1][0] < FADED


def test_a_clock_that_was_set_back_keeps_nothing_for_longer() -> None:
    observed = Observations()
    observed.observe(BEN, "a", "food", 1.0, 1.0, 0.0)

    after = restarted(observed, 0.0, -1e9)

    assert 0.5 == after.seen(BEN, "a", ["food"], 3.0 + HALF_LIFE_S)[1][0]


@pytest.mark.parametrize("sums", [{}, {"food": (2.0, 1.0, 0.0)}, {"food": (-1.0, 1.0, 0.0)}], ids=str)
def test_what_a_file_says_that_cannot_be_is_left_out(sums: dict[str, tuple[float, float, float]]) -> None:
    observed = Observations()

    observed.restore([KeptPair("ben", "a", 1, sums), KeptPair("cleo", "c", 1, {"food": (1.0, 1.0, 0.0)})], 0.0, 0.0)

    assert {(CLEO, "c")} == set(observed.pairs())


def test_whatever_is_learnt_is_told_as_a_change() -> None:
    observed = Observations()
    observed.observe(BEN, "a", "food", 2.0, 1.0, 0.0)
    assert 0 == observed.changes

    observed.observe(BEN, "a", "food", 1.0, 1.0, 0.0)
    assert 1 == observed.changes
