"""Lines reach their file by a thread: none is lost where the disk takes them, and nobody waits for it."""

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry import line_file
from gateway.telemetry.line_file import LineFile

GATHER_S = 0.02


class Disk:
    """A file of which each write waits until `takes` is set, and takes `at_once` bytes at most."""

    def __init__(self, file: Path, at_once: int = 1 << 20) -> None:
        self._file, self._at_once = file.open("ab", buffering=0), at_once
        self.takes, self.is_asked = threading.Event(), threading.Event()

    def write(self, data: memoryview) -> int:
        self.is_asked.set()
        assert self.takes.wait(10)
        return self._file.write(data[: self._at_once])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture(autouse=True)
def gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_file, "GATHER_S", GATHER_S)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk below `tmp_path / "lines"`."""
    one = Disk(tmp_path / "lines", at_once=7)
    monkeypatch.setattr(LineFile, "_open", lambda lines: setattr(lines, "_handle", one) or one)
    yield one
    one.takes.set()


def numbered(numbers: range) -> list[bytes]:
    return [b"line %d" % number for number in numbers]


def file_of(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def test_what_was_added_is_there_after_a_clean_stop(tmp_path: Path) -> None:
    """Every line once and in order, from before and after a pause of the writer; also where nothing came at all."""
    lines, file = numbered(range(1000)), tmp_path / "lines"
    log = LineFile(file, 1 << 20)
    for line in lines[:500]:
        log.add(line)
    until = time.monotonic() + 10
    while not (file.exists() and file.stat().st_size == len(file_of(lines[:500]))):
        assert time.monotonic() < until
        time.sleep(GATHER_S / 10)
    for line in lines[500:]:
        log.add(line)
    log.close()
    log.close()
    LineFile(tmp_path / "other", 1 << 20).close()

    assert (file_of(lines), 0o600, False) == (
        file.read_bytes(),
        file.stat().st_mode & 0o777,
        (tmp_path / "other").exists(),
    )


def test_lines_that_come_within_a_moment_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the thread wakes once a second, however many requests there are."""
    opened, waits = list[str](), list[float | None]()
    wait = threading.Event.wait
    monkeypatch.setattr(
        threading.Event, "wait", lambda event, timeout=None: (waits.append(timeout), wait(event, timeout))[1]
    )
    log = LineFile(tmp_path / "lines", 1 << 20)
    monkeypatch.setattr(log, "_write", lambda write=log._write: (opened.append("write"), write())[1])
    for line in numbered(range(100)):
        log.add(line)
    log.close()

    assert 100 == len((tmp_path / "lines").read_bytes().splitlines())
    assert 1 == len(opened)
    assert GATHER_S in waits


def test_many_lines_are_written_before_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So none is left out where requests are answered faster than lines may wait."""
    monkeypatch.setattr(line_file, "GATHER_S", 60.0)
    file, lines = tmp_path / "lines", numbered(range(9))
    log = LineFile(file, 1 << 20, lines_limit=6)
    until = time.monotonic() + 10
    for n in (3, 6, 9):
        for line in lines[n - 3 : n]:
            log.add(line)
        while not (file.exists() and file.stat().st_size == len(file_of(lines[:n]))):
            assert time.monotonic() < until
            time.sleep(0.001)
    log.close()

    assert file_of(lines) == file.read_bytes()


def test_a_disk_that_takes_nothing_costs_lines_and_no_time(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest are kept; what was left out is said once it goes on."""
    log = LineFile(tmp_path / "lines", 1 << 20, lines_limit=3)
    first, *further = numbered(range(10))
    log.add(first)
    assert disk.is_asked.wait(10)
    for line in further:
        log.add(line)
    disk.takes.set()
    with caplog.at_level(logging.WARNING):
        log.close()

    assert file_of([first, *further[:3]]) == (tmp_path / "lines").read_bytes()
    assert ["lines_left_out file=lines lines=6"] == [record.getMessage() for record in caplog.records]


def test_a_disk_that_hangs_is_not_waited_for_at_the_end(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_file, "CLOSE_S", 0.01)
    log = LineFile(tmp_path / "lines", 1 << 20)
    log.add(b"line")
    assert disk.is_asked.wait(10)

    began = time.monotonic()
    log.close()

    assert time.monotonic() - began < 5


def test_a_file_that_cannot_be_written_costs_the_lines_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And is taken up again when it can."""
    folder = tmp_path / "gone"
    log = LineFile(folder / "lines", 1 << 20)
    for line in numbered(range(5)):
        log.add(line)
    log.close()

    folder.mkdir()
    log.add(b"line 5")
    with caplog.at_level(logging.WARNING):
        log.close()

    assert b"line 5\n" == (folder / "lines").read_bytes()
    assert ["lines_left_out file=lines lines=5"] == [record.getMessage() for record in caplog.records]


def test_what_was_written_before_the_disk_failed_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first line fills its file; the folder is gone when that is set aside."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.setattr(Path, "replace", lambda file, _: shutil.rmtree(file.parent))
    log = LineFile(folder / "lines", limit_bytes=1)
    for line in numbered(range(3)):
        log.add(line)
    log.close()

    folder.mkdir()
    log.add(b"line 3")
    with caplog.at_level(logging.WARNING):
        log.close()

    assert ["lines_left_out file=lines lines=2"] == [record.getMessage() for record in caplog.records]


def test_a_file_that_cannot_be_set_aside_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, while somebody reads it."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    log = LineFile(tmp_path / "lines.jsonl", limit_bytes=10)
    for line in numbered(range(9)):
        log.add(line)
    log.close()

    assert numbered(range(9)) == (tmp_path / "lines.jsonl").read_bytes().splitlines()
    assert [tmp_path / "lines.jsonl"] == list(tmp_path.iterdir())
