"""Whom to believe: who claims too much is found out, who does not is left alone, and no new name makes up for it."""

import random
from dataclasses import replace

import msgspec
import pytest

from discovery.records import PeerId
from gateway.trust.honesty import CAUTION, FADES_S, FIRST_S, LONGEST_S, REMEMBERED_S, Honesty, Kept

BEN, CLEO = PeerId("ben"), PeerId("cleo")


def convicted_after(claimed: float, true: float, audits: int, rng: random.Random) -> int | None:
    """How many audits it takes; None: more than so many."""
    honesty = Honesty()
    for number in range(1, audits + 1):
        honesty.audited(BEN, claimed, float(rng.random() < true), 0.0)
        if honesty.standing(BEN, 0.0).verdict == "worse":
            return number
    return None


def share_convicted(claimed: float, true: float, audits: int = 40, runs: int = 4000) -> float:
    rng = random.Random(7)
    return sum(convicted_after(claimed, true, audits, rng) is not None for _ in range(runs)) / runs


def test_nine_tenths_claimed_and_six_true_is_found_out_within_forty_audits() -> None:
    assert share_convicted(0.9, 0.6) >= 0.95


@pytest.mark.parametrize("right", [0.3, 0.6, 0.8, 0.9, 0.95])
def test_who_is_as_good_as_it_claims_is_left_alone(right: float) -> None:
    assert share_convicted(right, right, audits=200, runs=500) <= 0.03


def test_a_claim_of_certainty_is_not_undone_by_one_wrong_answer() -> None:
    honesty = Honesty()
    honesty.audited(BEN, 1.0, 0.0, 0.0)

    assert "untested" == honesty.standing(BEN, 0.0).verdict


def answer(honesty: Honesty, *scores: float, peer: PeerId = BEN, claimed: float = 0.9, now: float = 0.0) -> None:
    for score in scores:
        honesty.audited(peer, claimed, score, now, (BEN, CLEO))


def test_of_a_convicted_peer_only_the_share_that_is_true_is_believed_and_of_others_all() -> None:
    honesty = Honesty()
    answer(honesty, *[1.0, 0.0] * 20)

    found = honesty.standing(BEN, 0.0)
    assert ("worse", 40, 20.0) == (found.verdict, found.asked, found.right)
    assert found.share == pytest.approx(CAUTION * 0.5 / 0.9, abs=0.02)
    assert found.weight < 0.7
    assert (1.0, 1.0) == (honesty.share(CLEO), honesty.weight(CLEO))


def test_good_answers_of_yesterday_pay_for_few_bad_ones_of_today() -> None:
    """Who builds up a name and then cheats is found out about as fast as who cheats from the start."""
    honesty = Honesty()
    answer(honesty, *[1.0] * 500)
    assert "like" == honesty.standing(BEN, 0.0).verdict

    answer(honesty, *[0.0] * 7)

    assert "worse" == honesty.standing(BEN, 0.0).verdict


def test_a_verdict_is_overturned_by_as_much_evidence_as_it_took() -> None:
    honesty = Honesty()
    answer(honesty, *[0.0] * 4)
    answer(honesty, *[1.0] * 15)
    assert "worse" == honesty.standing(BEN, 0.0).verdict

    answer(honesty, *[1.0] * 15)

    assert ("like", 1.0) == (honesty.standing(BEN, 0.0).verdict, honesty.share(BEN))


def test_who_answers_nonsense_is_set_aside_and_twice_as_long_after_each_audit_that_it_fails() -> None:
    honesty, now, lengths = Honesty(), 0.0, []
    answer(honesty, *[0.0] * 4)
    for _ in range(14):
        aside_s = honesty.standing(BEN, now).set_aside_s
        assert honesty.set_aside(now) == {BEN}
        lengths.append(aside_s)
        now += aside_s
        assert not honesty.set_aside(now)
        answer(honesty, 0.0, now=now)

    assert lengths[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert lengths[-1] == LONGEST_S


# --- verdicts fade ---


def found_out(honesty: Honesty, now: float) -> int:
    """How many wrong answers convict it."""
    for number in range(1, 20):
        answer(honesty, 0.0, now=now)
        if honesty.standing(BEN, now).verdict == "worse":
            return number
    raise AssertionError("nothing convicts it")


def test_a_verdict_fades_after_a_day_and_half_of_the_evidence_brings_it_back_for_twice_as_long() -> None:
    """Who lies again and again is believed ever more rarely; who mended his engine is believed again."""
    honesty, now, lengths, answers = Honesty(), 0.0, [], []
    for _ in range(6):
        answers.append(found_out(honesty, now))
        assert honesty.fades_at > now
        lengths.append(honesty.fades_at - now - honesty.standing(BEN, now).set_aside_s)
        now = honesty.fades_at
        assert not honesty.fade(now - 1.0)
        assert honesty.fade(now)
        assert ("untested", 1.0) == (honesty.standing(BEN, now).verdict, honesty.share(BEN))

    assert [FADES_S * times for times in (1, 2, 4, 8, 16, 16)] == lengths
    assert [4, 2, 2, 2, 2, 2] == answers


def test_an_audit_that_bears_a_verdict_out_renews_it() -> None:
    honesty = Honesty()
    answer(honesty, *[0.0] * 4)

    answer(honesty, 0.0, now=0.9 * FADES_S)

    assert 1.9 * FADES_S + honesty.standing(BEN, 0.9 * FADES_S).set_aside_s == honesty.fades_at


def test_who_was_found_out_is_doubted_until_audits_show_that_it_behaves_like_it_claims() -> None:
    honesty = Honesty()
    assert not honesty.is_doubted(BEN)
    answer(honesty, *[0.0] * 4)
    assert honesty.is_doubted(BEN)
    assert honesty.fade(2 * FADES_S)
    assert honesty.is_doubted(BEN)

    answer(honesty, *[1.0] * 40, now=2 * FADES_S)

    assert ("like", False) == (honesty.standing(BEN, 2 * FADES_S).verdict, honesty.is_doubted(BEN))


def test_a_verdict_fades_over_a_restart_by_the_clock_of_the_wall() -> None:
    before, after = Honesty(), Honesty()
    answer(before, *[0.0] * 4, now=5000.0)
    bytes_ = msgspec.json.encode(before.kept(5000.0, 1e9))

    after.restore(msgspec.json.decode(bytes_, type=Kept), 7.0, 1e9 + 1000.0)

    left_s = before.fades_at - 5000.0 - 1000.0
    assert 7.0 + left_s == pytest.approx(after.fades_at)
    assert not after.fade(7.0 + left_s - 1.0)
    assert after.fade(7.0 + left_s + 1.0)


def test_audits_bear_out_claims_as_far_as_they_found_them_true() -> None:
    honesty, found = Honesty(), []
    for _ in range(60):
        found.append(honesty.borne_out(BEN))
        answer(honesty, 1.0)

    assert (0.0, 1.0) == (found[0], found[-1])
    assert found == sorted(found)
    answer(honesty, *[0.0] * 7)
    assert 0.0 == honesty.borne_out(BEN)


def test_how_a_peer_s_answers_compare_is_told_and_changes_nothing_else() -> None:
    honesty = Honesty()
    honesty.compared(BEN, False)  # who was never audited
    answer(honesty, 1.0)
    before = honesty.standing(BEN, 0.0)

    for is_alike in (True, False, True):
        honesty.compared(BEN, is_alike)

    found = honesty.standing(BEN, 0.0)
    assert "untested (1 of 1), answers as others of its model do (2 of 3)" == found.words
    assert before == replace(found, compared=0, alike=0)


def test_who_is_worse_than_it_claims_and_still_useful_is_not_set_aside() -> None:
    honesty = Honesty()
    answer(honesty, *[1.0, 0.0, 1.0, 0.0] * 15)

    assert "worse" == honesty.standing(BEN, 0.0).verdict
    assert not honesty.set_aside(0.0)


def test_who_comes_after_somebody_was_convicted_may_be_the_same_again() -> None:
    honesty = Honesty()
    assert not honesty.is_suspicious(PeerId("new"))

    answer(honesty, *[0.0] * 4)

    assert honesty.is_suspicious(PeerId("new"))
    assert not honesty.is_suspicious(CLEO)


@pytest.mark.parametrize(("claimed", "score"), [(float("nan"), 1.0), (0.0, 1.0), (1.5, 1.0), (0.9, 2.0), (0.9, -1.0)])
def test_what_is_no_share_teaches_nothing(claimed: float, score: float) -> None:
    honesty = Honesty()
    honesty.audited(BEN, claimed, score, 0.0)

    assert 0 == honesty.standing(BEN, 0.0).asked


def test_a_peer_is_forgotten_a_month_after_its_last_audit() -> None:
    honesty = Honesty()
    answer(honesty, *[0.0] * 9)
    answer(honesty, 1.0, peer=CLEO, now=REMEMBERED_S)

    assert "untested" == honesty.standing(BEN, REMEMBERED_S).verdict


def test_a_person_is_told_in_words() -> None:
    honesty = Honesty()
    assert "untested" == honesty.standing(BEN, 0.0).words
    answer(honesty, 1.0, 0.0, 1.0)
    assert "untested (2 of 3)" == honesty.standing(BEN, 0.0).words
    answer(honesty, *[0.0] * 5)
    assert "worse than it claims (2 of 8)" == honesty.standing(BEN, 0.0).words
    answer(honesty, *[1.0] * 60, peer=CLEO)
    assert "behaves like it claims" == honesty.standing(CLEO, 0.0).words
