"""What a peer says and logs is kept in its home: private, bounded, and never at the cost of the peer."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.telemetry.kept_log import KeptLog
from gateway.telemetry.notices import LineLimit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "peer.log"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("peering", logging.INFO)
    yield made
    made.handlers.clear()


def words(file: Path) -> list[str]:
    """Its lines without their times."""
    return [line.split(maxsplit=2)[2] for line in file.read_text().splitlines()]


def test_what_is_said_and_logged_stands_there_for_its_owner_alone(file: Path, logger: logging.Logger) -> None:
    said: list[str] = []
    kept = KeptLog(file)
    logger.addHandler(kept.handler)
    with kept:
        kept.along(said.append)("PPAI peer `ada` serves")
        logger.warning("failed peer=%s", "b\x1b[2Jen")

    assert ["INFO ppai PPAI peer `ada` serves", "WARNING peering failed peer=b[2Jen"] == words(file)
    assert (["PPAI peer `ada` serves"], 0o600) == (said, file.stat().st_mode & 0o777)


def test_nothing_is_written_while_the_home_may_be_another_s(file: Path, logger: logging.Logger) -> None:
    """Before the peer holds its home, and after."""
    kept = KeptLog(file)
    logger.addHandler(kept.handler)
    logger.warning("before")
    with kept:
        pass
    kept.along(lambda text: None)("after")

    assert not file.exists()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("port 8471 is taken"), ["ERROR ppai ended by an error: port 8471 is taken"]),
        (ExceptionGroup("tasks", [OSError("full"), ValueError()]), ["ERROR ppai ended by an error: full; ValueError"]),
        (KeyboardInterrupt(), []),
    ],
    ids=repr,
)
def test_the_last_line_says_why_the_peer_ended(file: Path, error: BaseException, expected: list[str]) -> None:
    file.touch()
    with pytest.raises(type(error)), KeptLog(file):
        raise error

    assert expected == words(file)


def test_at_most_two_files_are_kept(file: Path) -> None:
    with KeptLog(file, limit_bytes=1000) as kept:
        for number in range(100):
            kept.along(lambda text: None)(f"line {number} " + 60 * "x")

    sizes = [path.stat().st_size for path in sorted(file.parent.iterdir())]
    assert (2, True, "line 99") == (len(sizes), max(sizes) <= 1000, " ".join(words(file)[-1].split()[2:4]))


def test_a_line_that_cannot_be_written_is_lost_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Logging itself would print a traceback for each, into the terminal or the journal."""
    said: list[str] = []
    with KeptLog(tmp_path / "gone" / "peer.log") as kept:
        kept.along(said.append)("hello")

    assert (["hello"], "") == (said, capsys.readouterr().err)


def test_a_flood_is_limited_once_for_both_handlers(file: Path) -> None:
    """The same lines go to stderr and to the file, and each says how many were left out, once."""
    logger, shown = logging.Logger("peering", logging.INFO), list[str]()
    kept, other, limit = KeptLog(file), logging.Handler(), LineLimit(lambda: 0.0)
    other.emit = lambda record: shown.append(record.getMessage())  # type: ignore[method-assign]
    for handler in (other, kept.handler):
        handler.addFilter(limit)
        logger.addHandler(handler)

    with kept:
        for number in range(150):
            logger.warning("failed peer=%d", number)

    assert (100, shown) == (len(shown), [line.removeprefix("WARNING peering ") for line in words(file)])
