"""Whose program listens: told by the system, not by the program."""

import os
import socket

import pytest

from gateway.home.port_owner import FIRST_PERSON, is_our_own, is_person_else, name_of, owner_of
from tests.gateway.stranger import UID, needs_root, strangers_engine


@pytest.mark.parametrize(
    ("bound", "asked"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1")]
)
def test_our_listener_is_ours_on_whatever_address_it_was_bound(bound: str, asked: str) -> None:
    """Also while others are connected to it, whose sockets have its port too."""
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.create_server((bound, 0), family=family, dualstack_ipv6=bound == "::") as listener:
        port = listener.getsockname()[1]
        before = owner_of(asked, port)
        with socket.create_connection(("127.0.0.1", port)):
            during = owner_of(asked, port)

    assert (os.geteuid(), os.geteuid(), None) == (before, during, owner_of(asked, port))


def test_a_listener_on_another_address_is_not_who_answers() -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        assert None is owner_of("127.0.0.1", listener.getsockname()[1])


@needs_root
def test_another_user_s_listener_is_his() -> None:
    with strangers_engine() as port:
        assert (UID, False) == (owner_of("127.0.0.1", port), is_our_own(port))


def test_where_the_system_does_not_tell_our_own_programs_are_looked_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = is_our_own(port)

    assert (True, False) == (found, is_our_own(port))


@pytest.mark.parametrize(
    ("uid", "expected"),
    [(0, False), (FIRST_PERSON - 1, False), (FIRST_PERSON, True), (UID, True)],
    ids=["root", "an account of the system's", "a person", "nobody"],
)
def test_root_and_the_system_s_accounts_are_no_other_person(uid: int, expected: bool) -> None:
    assert expected == is_person_else(uid)


def test_we_are_no_other_person() -> None:
    assert not is_person_else(os.geteuid())


def test_a_user_is_called_as_the_system_calls_him() -> None:
    assert ("root", "user 3999999999") == (name_of(0), name_of(3999999999))
