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

    written = sum(limit.filter(line(1, str(peer))) for peer in range(1000))
    other, debugging = limit.filter(line(2, "7")), limit.filter(line(1, "7", logging.DEBUG))
    clock.now = 10.0
    late = line(1, "late")

    assert 100 == written
    assert other
    assert debugging
    assert limit.filter(late)
    assert "event=joined peer=late left_out=900" == late.getMessage()


def test_what_fails_all_day_long_is_a_line_in_ten_minutes_and_hides_no_other_peer() -> None:
    """A peer without the network's secret is refused three times a second."""
    clock = Clock()
    limit = LineLimit(clock)

    written, others = 0, 0
    for second in range(86_400):
        clock.now = float(second)
        written += sum(limit.filter(line(1, "refused")) for _ in range(3))
        others += second % 3600 == 0 and limit.filter(line(1, f"other {second}"))

    assert 5 + 144 >= written
    assert 24 == others


def line(lineno: int, peer: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("discovery", level, "transport.py", lineno, "event=%s peer=%s", ("joined", peer), None)
