"""Files by the patterns of their names, without links; and what could not be seen may still be there."""

import os
from pathlib import Path

import pytest

from gateway.agent.knowledge import folders
from gateway.agent.knowledge.folders import File, look


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_of_a_pattern_in_all_folders_below(tmp_path: Path) -> None:
    for name in ("a.md", "B.MD", "deep/down/c.md", "a.exe", ".hidden.md", ".git/d.md", "node_modules/e.md"):
        write(tmp_path / name)

    sight = look(tmp_path, ["*.md"])

    assert {"a.md", "B.MD", "deep/down/c.md"} == set(sight.files)
    told = (tmp_path / "a.md").stat()
    assert File(1, told.st_mtime_ns) == sight.files["a.md"]
    assert (told.st_dev, []) == (sight.device, sight.problems)


def test_links_are_not_followed_and_those_that_lead_out_are_said(tmp_path: Path) -> None:
    outside, folder = write(tmp_path / "outside.md"), tmp_path / "folder"
    inside = write(folder / "inside.md")
    (folder / "out.md").symlink_to(outside)
    (folder / "out").symlink_to(tmp_path)
    (folder / "again.md").symlink_to(inside)
    (folder / "round").symlink_to(folder)
    (folder / "nowhere.md").symlink_to(folder / "gone.md")

    sight = look(folder, ["*.md"])

    assert {"inside.md"} == set(sight.files)
    assert [str(folder / "out"), str(folder / "out.md")] == sorted(one.partition(": ")[0] for one in sight.problems)
    assert all("write where it leads into knowledge.folders" in one for one in sight.problems)


def test_a_folder_that_is_a_link_is_the_folder_it_leads_to(tmp_path: Path) -> None:
    write(tmp_path / "real" / "a.md")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert {"a.md"} == set(look(tmp_path / "link", ["*.md"]).files)


def test_a_folder_that_is_not_there_hides_its_files(tmp_path: Path) -> None:
    sight = look(tmp_path / "gone", ["*.md"])

    assert sight.may_have("a.md")
    assert ["it is not there"] == [one.partition(": ")[2].partition(" (")[0] for one in sight.problems]


def test_a_part_that_cannot_be_seen_hides_its_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.md", "part/b.md"):
        write(tmp_path / name)
    scandir = os.scandir

    def refused(path: Path) -> "os._ScandirIterator[str]":
        if Path(path).name == "part":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)

    sight = look(tmp_path, ["*.md"])

    assert (True, False, False) == (sight.may_have("part/b.md"), sight.may_have("c.md"), sight.may_have("party.md"))
    assert {"a.md"} == set(sight.files)
    assert ["let this user read it"] == [one.rpartition(": ")[2] for one in sight.problems]


def test_a_name_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.md")).write_text("x")

    sight = look(tmp_path, ["*.md"])

    assert {} == sight.files
    assert ["rename it"] == [one.rpartition(": ")[2] for one in sight.problems]


def test_folders_without_end_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "DEPTH", 2)
    write(tmp_path / "a/b/c/d.md")

    assert ["name it in knowledge.folders"] == [one.rpartition(": ")[2] for one in look(tmp_path, ["*.md"]).problems]
