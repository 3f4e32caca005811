"""Who shows no key is answered, but not as fast as he can ask."""

import pytest

from gateway.client.entrance.unknown import AT_ONCE, PAUSE_S, PER_S, UnknownCallers


def test_a_site_is_answered_at_once_only_so_often() -> None:
    callers = UnknownCallers()
    pauses = [callers.pause_s("192.0.2.7", 0.0) for _ in range(int(AT_ONCE) + 3)]

    assert [0.0] * int(AT_ONCE) + [PAUSE_S] * 3 == pauses
    assert [0.0] * int(PER_S) + [PAUSE_S] == [callers.pause_s("192.0.2.7", 1.0) for _ in range(int(PER_S) + 1)]
    assert 0.0 == callers.pause_s("192.0.2.8", 0.0)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1"])
def test_programs_of_this_machine_are_never_held_up(ip: str) -> None:
    callers = UnknownCallers()

    assert {0.0} == {callers.pause_s(ip, 0.0) for _ in range(100)}


def test_a_caller_whose_address_is_not_known_is_somebody() -> None:
    callers = UnknownCallers()

    assert PAUSE_S == [callers.pause_s("", 0.0) for _ in range(100)][-1]
