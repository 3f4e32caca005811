"""The report of a bug: where it lies, who may read it, how many are kept, and that it holds no words of the user's."""

from pathlib import Path

import pytest

from profiler import bugs
from profiler.cli import main

KEY = "sk-ppai-hunter2"


def raised(error: BaseException) -> BaseException:
    """The same with the traceback of a cause whose message holds a key."""
    try:
        try:
            int(KEY)
        except ValueError as cause:
            raise error from cause
    except BaseException as found:
        return found


def test_a_report_says_where_and_never_with_which_words(tmp_path: Path) -> None:
    """Messages of errors quote prompts and keys: also those of causes and of errors in a group."""
    group = ExceptionGroup(f"tasks of {KEY}", [raised(KeyError(KEY)), raised(RuntimeError(KEY))])

    for error in (raised(RuntimeError(KEY)), raised(group)):
        report = bugs.keep(error, "ppai", tmp_path).read_text()

        assert KEY not in report
        assert all(said in report for said in ("builtins.ValueError", "builtins.RuntimeError", "int(KEY)", "in raised"))
        assert report.startswith(f"ppai {bugs.installed()}, Python ")


def test_only_its_owner_reads_it_and_ten_are_kept(tmp_path: Path) -> None:
    kept = [bugs.keep(raised(RuntimeError()), "ppai", tmp_path) for _ in range(bugs.KEPT + 3)]

    there = sorted((tmp_path / "reports").iterdir())
    assert kept[3:] == there
    assert {0o600} == {path.stat().st_mode & 0o777 for path in there}
    assert 0o700 == (tmp_path / "reports").stat().st_mode & 0o777


def test_where_no_report_can_be_kept_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    said = "\n".join(bugs.lines_about(raised(RuntimeError(KEY)), "ppai", ["--home", str(tmp_path / "file")]))

    assert ("in raised" in said, KEY in said) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (["ask", "hi"], "env"),
        (["ask", "hi", "--home", "flag"], "flag"),
        (["serve", "--home=flag"], "flag"),
        (["serve", "--home"], "env"),
    ],
)
def test_the_home_is_the_one_that_the_command_line_names(
    arguments: list[str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPAI_HOME", "env")

    assert Path(folder) == bugs.home_meant(arguments)


def test_the_profiler_keeps_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise AssertionError(KEY)

    monkeypatch.setattr("profiler.commands.show", broken)

    assert 3 == main(["show", KEY, "--home", str(tmp_path)])
    (report,) = (tmp_path / "reports").iterdir()
    assert KEY not in report.read_text() + capsys.readouterr().err
