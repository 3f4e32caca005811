"""So often and no oftener, for as many keys as there is room."""

from discovery.throttle import Throttle


def test_a_burst_then_the_rate() -> None:
    throttle = Throttle(rate_per_s=2, burst=4)

    at_once = [throttle.allow("a", 0.0) for _ in range(6)]
    later = [throttle.allow("a", 0.5 * step) for step in range(1, 9)]

    assert [True] * 4 + [False] * 2 == at_once
    assert [True] * 8 == later
    assert not throttle.allow("a", 4.0)


def test_keys_do_not_share() -> None:
    throttle = Throttle(1, 1)

    assert [True, True, False] == [throttle.allow(key, 0.0) for key in "aba"]


def test_a_refused_act_does_not_count() -> None:
    throttle = Throttle(1, 1)
    throttle.allow("a", 0.0)
    for _ in range(100):
        throttle.allow("a", 0.5)

    assert throttle.allow("a", 1.0)


def test_to_ask_for_room_counts_nothing() -> None:
    throttle = Throttle(1, 2)

    assert all(throttle.has_room("a", 0.0) for _ in range(10))
    assert [True, True, False] == [throttle.allow("a", 0.0) for _ in range(3)]
    assert not throttle.has_room("a", 0.0)


def test_memory_is_bounded() -> None:
    throttle = Throttle(1, 1, keys_limit=10)
    for number in range(1000):
        throttle.allow(str(number), 0.0)

    assert not throttle.allow("999", 0.0)
    assert throttle.allow("0", 0.0)


def test_what_costs_more_is_waited_for_longer() -> None:
    """Ten a second, ten at once: forty, counted when they were known, are over three seconds later."""
    throttle = Throttle(10, 10)

    throttle.spend("a", 40, 0.0)

    assert [False, False, True] == [throttle.has_room("a", now) for now in (0.0, 3.0, 3.2)]
    assert throttle.has_room("b", 0.0)
