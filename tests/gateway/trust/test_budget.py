"""Which audits our traffic pays for: few, of whom we use, for what we use it."""

from discovery.records import PeerId
from gateway.trust.budget import A_DAY, DAY_S, FIRST, FIRST_SHARE, SHARE, Budget, Due

BEN, CLEO = PeerId("ben"), PeerId("cleo")


def audits_of(requests: int, budget: Budget | None = None, every_s: float = 0.0) -> int:
    budget, made = budget or Budget(), 0
    for number in range(requests):
        budget.answered(BEN, "small", "maths")
        if budget.due(lambda _: True, number * every_s) is not None:
            budget.spend(BEN, number * every_s)
            made += 1
    return made


def test_a_twentieth_of_our_traffic_pays_for_the_first_twenty_and_a_hundredth_for_the_others() -> None:
    first = round(FIRST / FIRST_SHARE)

    assert 0 == audits_of(19)
    assert (1, FIRST) == (audits_of(20), audits_of(first))
    assert FIRST + 10 == audits_of(first + round(10 / SHARE))


def test_who_is_doubted_is_asked_as_often_as_at_first() -> None:
    budget, made = Budget(), 0
    for number in range(800):
        budget.answered(BEN, "small", "maths", is_doubted=number >= 400)
        if budget.due(lambda _: True, 0.0) is not None:
            budget.spend(BEN, 0.0)
            made += 1

    assert round(800 * FIRST_SHARE) == made


def test_whom_something_speaks_against_is_asked_as_at_first_for_as_many_audits() -> None:
    budget = Budget()
    budget.suspect(CLEO)  # who never answered us
    audits_of(1000, budget)

    budget.suspect(BEN)

    assert FIRST == audits_of(round(FIRST / FIRST_SHARE), budget)
    assert 1 == audits_of(round(1 / SHARE), budget)


def test_who_is_due_is_known_apart_from_whose_turn_it_is() -> None:
    budget = Budget()
    for _ in range(20):
        budget.answered(BEN, "small", "maths")

    assert budget.has_earned(BEN, 0.0)
    assert not budget.has_earned(CLEO, 0.0)
    budget.spend(BEN, 0.0)
    assert not budget.has_earned(BEN, 0.0)


def test_no_peer_is_asked_more_than_fifty_times_a_day_however_much_it_is_used() -> None:
    budget = Budget()

    assert A_DAY == audits_of(100_000, budget, every_s=DAY_S / 100_000)
    assert budget.due(lambda _: True, 3 * DAY_S) is not None


def test_what_may_not_be_made_is_not_saved_up_without_end() -> None:
    budget = Budget()
    for _ in range(10_000):
        budget.answered(BEN, "small", "maths")
    budget.spend(BEN, 0.0)
    budget.spend(BEN, 0.0)

    assert budget.due(lambda _: True, 0.0) is None


def test_it_is_asked_what_it_is_used_for_and_only_who_may_be() -> None:
    budget = Budget()
    for _ in range(20):
        budget.answered(BEN, "small", "maths")
    for _ in range(30):
        budget.answered(CLEO, "small", "maths")
    budget.answered(CLEO, "large", "law")

    assert Due(CLEO, "large", "law") == budget.due(lambda _: True, 0.0)
    assert Due(BEN, "small", "maths") == budget.due(lambda peer: peer == BEN, 0.0)
    assert budget.due(lambda _: False, 0.0) is None
