"""Six digits: two sides agree where they know the same, and a try tells nothing that could be tried on."""

import pytest

from discovery.invites import InviteError
from discovery.pins import Agreement, InvalidPoint, new_pin, read_pin


@pytest.mark.parametrize("text", ["123456", "123 456", " 123-456\n"])
def test_digits_are_read_as_people_type_them(text: str) -> None:
    assert "123456" == read_pin(text)


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"])
def test_other_texts_are_told(text: str) -> None:
    with pytest.raises(InviteError, match="6 digits"):
        read_pin(text)


def test_pins_have_six_digits_and_differ() -> None:
    pins = {new_pin() for _ in range(50)}

    assert all(pin == read_pin(pin) for pin in pins)
    assert len(pins) > 40


@pytest.mark.parametrize(("digits", "same"), [("123456", True), ("123457", False)])
def test_two_sides_agree_where_both_know_the_digits(digits: str, same: bool) -> None:
    ada, ben = Agreement("123456", invites=True), Agreement(digits, invites=False)

    assert same == (ada.key(ben.point) == ben.key(ada.point))


def test_a_message_is_none_where_it_is_reflected_malformed_or_of_the_same_side() -> None:
    """Points outside the group, too: they would make the key one of eight."""
    ours = Agreement("123456", invites=True)
    low_order = [b"A" + bytes(32), b"A" + (1).to_bytes(32, "little"), b"A" + b"\xff" * 32]
    for point in (ours.point, b"A" + ours.point[1:], b"B" * 33, *low_order):
        side = Agreement("123456", invites=True)
        side.point = ours.point
        if point[1:] == ours.point[1:]:
            side = ours
        with pytest.raises(InvalidPoint):
            side.key(point)
