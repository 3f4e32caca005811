"""What becomes of an invitation: each way in which it ends is its own, and what ended lets nobody in."""

import pytest

from discovery.invites import (
    ENDED_LIMIT,
    LONGEST_S,
    OPEN_LIMIT,
    PIN_TRIES,
    REMEMBERED_S,
    Invite,
    InviteError,
    Invites,
    decode,
    encode,
    mirrored,
    rights_of,
)
from tests.cluster import id_of


def line(number: int, label: str = "", expires: int = 3600) -> Invite:
    return Invite(f"{number:016x}", ("ask",), expires, label, key="00" * 32)


def pin(number: int, digits: str = "123456") -> Invite:
    return Invite(f"{number:016x}", ("ask",), 3600, pin=digits)


def state(invites: Invites, number: int, now: float = 0.0) -> str | None:
    found = invites.find(f"{number:016x}", now)
    return found and found.state


def test_it_is_open_until_its_time_is_over() -> None:
    invites = Invites()
    invites.add(line(1), 0.0)

    assert ("open", "expired") == (state(invites, 1, 3599.9), state(invites, 1, 3600.0))


def test_it_is_used_once_and_says_by_whom() -> None:
    invites = Invites()
    invites.add(line(1), 0.0)
    invites.used(invites.find(line(1).id, 0.0), id_of(7), "ben\x1b[2J")  # type: ignore[arg-type]

    found = invites.find(line(1).id, 9999.0)
    assert found is not None
    assert ("used", id_of(7), "ben[2J") == (found.state, found.by, found.by_name)


def test_it_is_withdrawn_by_label_by_the_start_of_its_id_or_with_all_others() -> None:
    invites = Invites()
    for number, label in ((1, "ben"), (2, "ben"), (3, ""), (4, "cleo")):
        invites.add(line(number, label), 0.0)

    assert 2 == len(invites.withdraw("ben", 0.0))
    assert [line(3).id] == [one.id for one in invites.withdraw(line(3).id, 0.0)]
    assert ["withdrawn"] * 3 + ["open"] == [state(invites, number) for number in (1, 2, 3, 4)]
    assert ["cleo"] == [one.label for one in invites.withdraw_all(0.0)]
    with pytest.raises(InviteError, match="ppai invites"):
        invites.withdraw("ben", 0.0)


def test_a_used_one_is_not_withdrawn() -> None:
    """It would look as if who came in by it was shut out."""
    invites = Invites()
    invites.add(line(1, "ben"), 0.0)
    invites.used(line(1, "ben"), id_of(7), "ben")

    with pytest.raises(InviteError):
        invites.withdraw("ben", 0.0)


def test_a_pin_ends_with_its_third_wrong_try() -> None:
    invites = Invites()
    invites.add(pin(1), 0.0)
    left = []
    for _ in range(PIN_TRIES):
        tried = invites.open_pin(0.0)
        assert tried is not None
        invites.tried(tried)
        left.append(invites.wrong(tried.id))

    assert ([2, 1, 0], None, "spent") == (left, invites.open_pin(0.0), state(invites, 1))


def test_it_counts_who_was_turned_away() -> None:
    invites = Invites()
    invites.add(line(1), 0.0)
    for _ in range(3):
        invites.turned_away(line(1).id)
    invites.turned_away("unknown")

    assert [3] == [one.refused for one in invites.all(0.0)]


def test_digits_of_an_ended_pin_are_forgotten() -> None:
    invites = Invites()
    invites.add(pin(1, "654321"), 0.0)
    invites.withdraw_all(0.0)

    assert "654321" not in str(invites.all(0.0))


def test_one_pin_is_open_at_a_time() -> None:
    """Who tries digits has three tries in all, not three at each."""
    invites = Invites()
    invites.add(pin(1), 0.0)
    invites.add(pin(2), 0.0)

    assert ("withdrawn", "open") == (state(invites, 1), state(invites, 2))


def test_what_is_kept_and_remembered_is_bounded() -> None:
    invites = Invites()
    for number in range(ENDED_LIMIT + 20):
        invites.add(line(number), 0.0)
        invites.withdraw_all(0.0)
    for number in range(1000, 1000 + OPEN_LIMIT):
        invites.add(line(number), 0.0)
    with pytest.raises(InviteError, match="uninvite"):
        invites.add(line(5000), 0.0)

    assert ENDED_LIMIT + OPEN_LIMIT == len(invites.all(0.0))
    assert () == invites.all(3600.0 + REMEMBERED_S)


@pytest.mark.parametrize("expires", [0, -5, LONGEST_S + 1])
def test_an_invitation_is_open_for_some_time_and_not_for_ever(expires: int) -> None:
    with pytest.raises(InviteError):
        Invites().add(line(1, expires=expires), 0.0)


def test_lines_outlive_a_restart_and_digits_do_not() -> None:
    invites = Invites()
    invites.add(line(1, "ben"), 0.0)
    invites.add(pin(2), 0.0)
    invites.withdraw("ben", 0.0)

    again = Invites(decode(encode(invites.kept())))

    assert ("withdrawn", None) == (state(again, 1), state(again, 2))


def test_rights_are_mirrored() -> None:
    """Who may ask us is a peer that we may answer: nobody else uses that right."""
    assert (("answer",), ("ask",), ("ask", "answer")) == (
        mirrored(("ask",)),
        mirrored(("answer",)),
        mirrored(("answer", "ask")),
    )


@pytest.mark.parametrize("words", [[], ["all"], ["ask", "rule"]])
def test_unknown_rights_are_refused(words: list[str]) -> None:
    assert ("ask", "answer") == rights_of(["answer", "ask"])
    with pytest.raises(InviteError, match="ask,answer"):
        rights_of(words)
