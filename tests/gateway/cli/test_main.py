"""How a command ends: 0 done, 1 expected failure with a sentence, 2 usage, 3 a bug with a report in the home."""

import errno
import os
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

import profiler.cli
from gateway import cli


def ended(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int | None:
    monkeypatch.setattr("sys.argv", ["ppai", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    code = caught.value.code
    assert not isinstance(code, str)
    return code


def test_a_command_that_is_done_ends_with_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 == ended(["key", "list", "--home", str(tmp_path)], monkeypatch)


def test_nothing_that_a_command_makes_may_be_written_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user's umask: a home that others may write would be refused at the next start."""
    before = os.umask(0)
    try:
        assert 0 == ended(["key", "list", "--home", str(tmp_path)], monkeypatch)
        assert 0 == profiler.cli.main(["--help"])
    finally:
        after = os.umask(before)

    assert 0o022 == after


def test_an_expected_failure_is_a_sentence_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == ended(["models", "--home", str(tmp_path)], monkeypatch)

    assert capsys.readouterr().err.startswith("error: no peer is running from ")


@pytest.mark.parametrize("words", [["fly"], ["models", "--wings"], ["ask"]], ids=" ".join)
def test_a_command_that_does_not_exist_is_a_matter_of_usage(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 == ended(words, monkeypatch)


def test_anything_else_is_a_bug_with_a_report_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the report nor what is said of it holds what the user typed."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command()
    def broken(text: str, home: Path = tmp_path) -> None:
        raise RuntimeError(f"cannot read {text}")

    monkeypatch.setattr(cli, "app", app)

    assert 3 == ended(["my diary", "--home", str(tmp_path)], monkeypatch)
    (report,) = (tmp_path / "reports").iterdir()
    said = capsys.readouterr().err
    assert str(report) in said
    assert "in broken" in report.read_text()
    assert "diary" not in report.read_text() + said


@pytest.mark.parametrize("program", ["ppai", "ppai-profile"])
def test_the_version_is_told(program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = ended(["--version"], monkeypatch) if program == "ppai" else profiler.cli.main(["--version"])

    assert (0, f"{program} {version('ppai')}\n") == (code, capsys.readouterr().out)


@pytest.mark.parametrize("in_tasks", [False, True])
def test_what_is_wrong_outside_of_ppai_is_no_bug(
    in_tasks: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command()
    def broken() -> None:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/route.jsonl")
        raise (ExceptionGroup("tasks", [ExceptionGroup("inner", [full]), full]) if in_tasks else full)

    monkeypatch.setattr(cli, "app", app)

    assert 1 == ended([], monkeypatch)
    assert "error: [Errno 28] No space left on device: '/x/route.jsonl'\n" == capsys.readouterr().err


def test_a_bug_among_expected_errors_of_tasks_is_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(prog_name: str) -> None:
        raise ExceptionGroup("tasks", [OSError(errno.EMFILE, "too many"), RuntimeError("oops")])

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setenv("PPAI_HOME", str(tmp_path))

    assert 3 == ended([], monkeypatch)
