"""Hours of the week as people write them."""

import pytest

from gateway.capacity.hours import DAYS, HoursError, is_within, read_hours


@pytest.mark.parametrize(
    ("texts", "inside", "outside"),
    [
        (["18:00-08:00"], ["mon 18:00", "mon 7:59", "sun 23:59", "mon 0:00"], ["mon 17:59", "mon 8:00", "sun 12:00"]),
        (
            ["mon-fri 18:00-08:00"],
            ["mon 18:00", "sat 7:59", "fri 23:00"],
            ["mon 7:59", "sat 18:00", "sat 8:00", "sun 3:00"],
        ),
        (["sat-sun"], ["sat 0:00", "sun 23:59"], ["fri 23:59", "mon 0:00"]),
        (["wed"], ["wed 0:00", "wed 23:59"], ["tue 23:59", "thu 0:00"]),
        (["sun 22:00-06:00"], ["sun 22:00", "mon 5:59"], ["mon 6:00", "sun 21:59", "sun 5:00"]),
        (["fri-mon 9:00-10:00"], ["fri 9:00", "sun 9:59", "mon 9:30"], ["tue 9:30", "thu 9:30"]),
        (["0:00-24:00"], ["mon 0:00", "sun 23:59"], []),
        (["MON  12:00-13:00", "tue 12:00-13:00"], ["mon 12:30", "tue 12:30"], ["wed 12:30"]),
        ([], ["mon 0:00", "sun 12:00"], []),
    ],
)
def test_a_minute_is_inside_or_not(texts: list[str], inside: list[str], outside: list[str]) -> None:
    spans = read_hours(texts)

    assert ([True] * len(inside), [False] * len(outside)) == (
        [is_within(spans, *at(moment)) for moment in inside],
        [is_within(spans, *at(moment)) for moment in outside],
    )


@pytest.mark.parametrize(
    "text", ["", "9-17", "25:00-26:00", "10:60-11:00", "mo 9:00-10:00", "mon-xyz", "monday", "9:00"]
)
def test_what_cannot_be_read_says_how_it_is_written(text: str) -> None:
    with pytest.raises(HoursError, match="mon-fri 18:00-08:00"):
        read_hours([text])


def at(moment: str) -> tuple[int, int]:
    day, clock = moment.split()
    hours, minutes = map(int, clock.split(":"))
    return DAYS.index(day), hours * 60 + minutes
