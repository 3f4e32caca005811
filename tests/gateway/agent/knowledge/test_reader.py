"""The process that reads: no link is followed, and whatever is wrong with a file is its answer."""

import os
from pathlib import Path

import pytest

from gateway.agent.knowledge import reader
from gateway.agent.knowledge.reader import answer
from tests.gateway.agent.knowledge.made import pdf


def test_a_document_that_is_known_is_not_cut_again(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("# Boats\nOf lead.")

    read = answer(str(file), "")

    assert [("Boats", "Of lead.")] == [tuple(piece) for piece in read["pieces"]]
    assert {"digest": read["digest"], "size": 16} == answer(str(file), read["digest"])


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    link = tmp_path / "a.md"
    link.symlink_to(tmp_path / "secret")

    assert "cannot be opened" in answer(str(link), "")["problem"]


def test_what_is_no_file_ends_no_reader(tmp_path: Path) -> None:
    pipe = tmp_path / "a.md"
    os.mkfifo(pipe)

    assert "it is no file" in answer(str(pipe), "")["problem"]


def test_a_large_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "FILE_BYTES", 1 << 20)
    file = tmp_path / "a.txt"
    file.write_bytes(b"x" * (3 << 20))

    assert "it has 3 MB" in answer(str(file), "")["problem"]


def test_a_missing_package_may_be_there_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pypdfium2", None)
    file = tmp_path / "a.pdf"
    file.write_bytes(pdf("x"))

    assert answer(str(file), "")["passes"]


def test_a_bug_at_one_document_is_its_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "blocks_of", lambda *_: 1 / 0)
    file = tmp_path / "a.md"
    file.write_text("x")

    assert "damaged (ZeroDivisionError)" in answer(str(file), "")["problem"]
