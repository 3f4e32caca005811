"""What a peer wrote is read from its home: the last lines, those that come, and requests in words."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from gateway.cli.running import logs as module
from gateway.cli.running.logs import _following, _Place, _read, logs

ROW = {"at": 1.5, "peer": "ben", "reason": "best", "status": "ok"}


def test_the_last_lines_are_shown_over_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "peer.log.1").write_text("1\n2\n")
    (tmp_path / "peer.log").write_text("3\nnot yet who")

    logs(lines=2, home=tmp_path)

    assert ("2\n3\n", "") == capsys.readouterr()


def test_a_log_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An embedded engine writes what a model file says."""
    (tmp_path / "engine.log").write_bytes(b"model \x1b]0;x\x07\xff\xe2\x80\xae\n")

    logs("engine", home=tmp_path)

    assert "model ]0;x\ufffd\n" == capsys.readouterr().out


@pytest.mark.parametrize("which", ["peer", "requests", "engine"])
def test_a_home_without_it_is_told_why(which, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs(which, home=tmp_path)

    out, err = capsys.readouterr()
    assert ("", True) == (out, f"in {tmp_path} yet: no " in err)


def test_people_get_requests_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "route.jsonl").write_text(json.dumps(ROW) + "\n")

    logs("requests", home=tmp_path)

    assert capsys.readouterr().out.endswith("  ben  ok  best\n")


def test_programs_get_requests_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "route.jsonl").write_text(json.dumps(ROW) + "\n")

    logs("requests", home=tmp_path, as_json=True)

    assert ROW == json.loads(capsys.readouterr().out)
    with pytest.raises(typer.BadParameter, match="only requests"):
        logs("peer", home=tmp_path, as_json=True)


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, list[int]]]:
    """A folder, and what happens in it while nothing comes: each pause of the reader does the next thing."""
    doing: list[object] = []

    def pause(seconds: float) -> None:
        doing.pop(0)()  # type: ignore[operator]

    monkeypatch.setattr(module.time, "sleep", pause)
    yield tmp_path, doing  # type: ignore[misc]


def append(file: Path, text: str) -> None:
    with file.open("a") as opened:
        opened.write(text)


def test_lines_are_followed_over_the_change_to_a_new_file(followed: tuple[Path, list[object]]) -> None:
    """Also those that came between the reader's last look and the change, and a new file that begins long."""
    folder, doing = followed
    older, newer = folder / "peer.log.1", folder / "peer.log"
    newer.write_text("1\n2\n")

    def changes() -> None:
        append(newer, "4\n")
        newer.replace(older)
        append(newer, "5\n6\n7\n8\n9\n")

    doing += [lambda: append(newer, "3\nnot "), lambda: append(newer, "yet\n"), changes]
    found = _following((older, newer), _read(newer, _Place())[1])

    assert ["3", "not yet", "4", "5", "6", "7", "8", "9"] == list(itertools.islice(found, 8))


def test_a_file_that_comes_or_is_emptied_is_followed_from_its_beginning(
    followed: tuple[Path, list[object]],
) -> None:
    folder, doing = followed
    file = folder / "engine.log"
    doing += [lambda: file.write_text("1\n2\n"), lambda: file.write_text("3\n")]

    assert ["1", "2", "3"] == list(itertools.islice(_following((file,), _Place()), 3))


def test_following_shows_the_last_lines_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "peer.log").write_text("1\n2\n")

    def ends(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", ends)
    with pytest.raises(KeyboardInterrupt):
        logs(follow=True, lines=1, home=tmp_path)

    assert "2\n" == capsys.readouterr().out
