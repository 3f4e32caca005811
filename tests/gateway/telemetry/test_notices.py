"""What is said once, and what is said seldom."""

import logging

from gateway.telemetry.notices import SUBJECTS_LIMIT, LineLimit, Notices


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_text_is_said_once_until_another_is_said_of_its_subject() -> None:
    said: list[str] = []
    notices = Notices(said.append, Clock())

    for text in ("up", "up", "down", "down", "up"):
        notices.once("engine", text)

    assert ["up", "down", "up"] == said


def test_a_flood_of_made_up_peers_is_told_of_seldom_and_hides_nothing_else() -> None:
    said: list[str] = []
    clock = Clock()
    notices = Notices(said.append, clock)

    for number in range(1000):
        notices.limited("refused", f"peer {number}", f"refused: {number}")
    notices.limited("waiting", "waiting", "1 peer waits")
    notices.once("engine", "gone")
    clock.now = 10.0
    notices.limited("refused", "late", "refused: late")

    assert [*(f"refused: {n}" for n in range(8)), "1 peer waits", "gone", "refused: late"] == said


def test_what_was_not_said_is_said_later() -> None:
    said: list[str] = []
    clock = Clock()
    notices = Notices(said.append, clock)
    for count in range(20):
        notices.limited("waiting", "waiting", f"{count} wait")
    assert not notices.is_due("waiting")

    clock.now = 10.0
    assert notices.is_due("waiting")
    notices.limited("waiting", "waiting", "19 wait")

    assert "19 wait" == said[-1]


def test_the_subjects_remembered_are_bounded() -> None:
    notices = Notices(lambda _: None, Clock())

    for number in range(5000):
        notices.once(str(number), "seen")

    assert SUBJECTS_LIMIT == len(notices._last)


def test_lines_of_one_kind_are_limited_and_the_next_one_counts_those_left_out() -> None:
    clock = Clock()
    limit = LineLimit(clock)

    def line(lineno: int, level: int = logging.INFO) -> logging.LogRecord:
        return logging.LogRecord("discovery", level, "transport.py", lineno, "event=%s", ("joined",), None)

    written = sum(limit.filter(line(1)) for _ in range(1000))
    other, debugging = limit.filter(line(2)), limit.filter(line(1, logging.DEBUG))
    clock.now = 2.0
    late = line(1)

    assert 100 == written
    assert other
    assert debugging
    assert limit.filter(late)
    assert "event=joined left_out=900" == late.getMessage()
