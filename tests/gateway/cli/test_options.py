"""Which home and which configuration a command works on."""

import ast
import io
import sys
from pathlib import Path

import pytest
import typer

from gateway.cli import options
from gateway.cli.options import home_of, load, say, seconds_of
from gateway.home.folder import Home, HomeError


def test_a_home_is_the_one_named_else_the_environment_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPAI_HOME", str(tmp_path / "env"))
    monkeypatch.chdir(tmp_path)

    assert (tmp_path / "named", tmp_path / "env") == (home_of(Path("named")).path, home_of(None).path)


def test_a_variable_set_to_nothing_names_no_home_and_a_user_without_one_is_told_what_to_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container with an arbitrary user id has neither HOME nor an entry in passwd."""
    monkeypatch.setenv("PPAI_HOME", "")
    monkeypatch.setenv("HOME", "/users/ada")
    monkeypatch.delenv("PPAI_WEIGHTS", raising=False)
    assert Path("/users/ada/.ppai") == home_of(None).path

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 54321)
    with pytest.raises(HomeError, match="--home DIR or PPAI_HOME"):
        home_of(None)
    assert Path("/somewhere/weights") == Home(Path("/somewhere")).weights


def test_the_home_s_configuration_counts_unless_another_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: of-the-home")
    (tmp_path / "other.yaml").write_text("name: of-the-file")
    home = Home(tmp_path)

    names = [
        load(home, file, flags).name
        for file, flags in ((None, {}), (tmp_path / "other.yaml", {}), (None, {"name": "flag"}))
    ]

    assert ["of-the-home", "of-the-file", "flag"] == names
    assert "" == load(Home(tmp_path / "none"), None, {}).name


def test_only_what_leaves_out_characters_that_steer_a_terminal_prints() -> None:
    """Every command prints by `say`, `show` and `show_json`: names and answers in its lines are others' words."""
    printing = {
        file.name
        for file in Path(options.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Name) and node.id == "print"
    }

    assert {"options.py"} == printing


def test_a_line_that_nobody_reads_any_more_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer whose log went to a pipe serves on when the reader of the pipe has gone."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())

    say("the engine has gone")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("2d", 172800), ("1.5 H", 5400), ("45", 45)]
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert seconds == seconds_of(text)


@pytest.mark.parametrize("text", ["", "1w", "h", "-1h", "0m", "1h30m", "1e3s", "١h"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="90s, 30m, 1h or 2d"):
        seconds_of(text)
