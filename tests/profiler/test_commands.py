"""The commands as functions: what is asked for before anything else, where weights are looked for, what `show` says."""

import json
import os
from pathlib import Path

import pytest

from profiler import commands, sandbox
from profiler.answers import Answer, AnswerStore
from profiler.measure import MeasureConfig
from profiler.peer import PeerError
from profiler.question import Question


@pytest.fixture(autouse=True)
def pulled_weights(encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPAI_WEIGHTS", str(encoder_folder.parent))


def test_without_a_peer_or_an_engine_nothing_is_measured(tmp_path: Path) -> None:
    ask = (tmp_path, "builtin", 1, 0, None, None)

    with pytest.raises(PeerError, match="Start one: ppai serve"):
        commands.measure(*ask, None, MeasureConfig(), None, as_json=True)
    assert not (tmp_path / "profile").exists()


def test_who_wants_to_publish_needs_a_peer_even_with_an_engine(tmp_path: Path) -> None:
    ask = (tmp_path, "builtin", 1, 0, "http://127.0.0.1:9", "m")

    with pytest.raises(PeerError, match="no peer runs from"):
        commands.measure(*ask, True, MeasureConfig(), None, as_json=True)


def test_show_of_nothing_names_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And fails, as it shows nothing; no empty picture is drawn."""
    assert 1 == commands.show(tmp_path, None, tmp_path / "x.svg", as_json=False)
    assert not (tmp_path / "x.svg").exists()
    assert "run ppai-profile" in capsys.readouterr().err

    assert 1 == commands.show(tmp_path, None, None, as_json=True)
    assert [] == json.loads(capsys.readouterr().out)


def test_what_was_asked_for_is_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables, words and what a text is about, so that a pipe has them; 80 columns hold them."""
    with AnswerStore(tmp_path / "profile", "good") as store:
        store.add(Answer("q1", "Which gas do plants take in?", "biology", "CO2", 1.0, 0.5))

    assert 0 == commands.show(tmp_path, None, None, as_json=False)
    of_models = capsys.readouterr()
    assert 0 == commands.show(tmp_path, "Which gas?", None, as_json=False)
    of_text = capsys.readouterr()

    assert ("", "") == (of_models.err, of_text.err)
    assert all(word in of_models.out for word in ("asked about", "capability", "strongest: science"))
    assert "expected to be right" in of_text.out
    assert 80 >= max(len(line) for line in of_models.out.split("good: expected")[0].splitlines())


def test_a_picture_of_a_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == commands.show(tmp_path, "Which gas?", tmp_path / "x.svg", as_json=False)

    assert "leave out" in capsys.readouterr().err


def test_an_empty_text_is_about_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == commands.show(tmp_path, " ", None, as_json=False)

    assert "leave it out" in capsys.readouterr().err


def test_show_folds_what_is_stored_of_each_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, right in (("good", 1.0), ("bad", 0.0)):
        with AnswerStore(tmp_path / "profile", model) as store:
            store.add(Answer("q1", "Which gas do plants take in?", "biology", "CO2", right, 0.5))

    commands.show(tmp_path, None, None, as_json=True)

    told = {report["model"]: report for report in json.loads(capsys.readouterr().out)}
    assert {"good": 1.0, "bad": 0.0} == {model: report["accuracy"] for model, report in told.items()}
    assert max(told["good"]["capability"]) > max(told["bad"]["capability"])


@pytest.mark.parametrize(
    ("folders", "named", "found"),
    [
        (("own", "users"), "named", "named"),
        (("own", "users"), "", "own"),
        (("users",), "", "users"),
        ((), "", "own"),
    ],
)
def test_weights_are_looked_for_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: tuple[str, ...], named: str, found: str
) -> None:
    """The environment's folder, the home's, the user's where only that one exists."""
    places = {"named": tmp_path / "named", "own": tmp_path / "home/weights", "users": tmp_path / "me/.ppai/weights"}
    for folder in folders:
        places[folder].mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("PPAI_WEIGHTS", str(places["named"]) if named else "")

    assert places[found] == commands._weights(tmp_path / "home")
    assert os.environ["HOME"] == str(tmp_path / "me")


def test_a_model_may_be_called_like_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with AnswerStore(tmp_path / "profile", "[/b]") as store:
        store.add(Answer("q1", "Which gas do plants take in?", "biology", "CO2", 1.0, 0.5))

    assert 0 == commands.show(tmp_path, None, None, as_json=False)
    assert "[/b]: 100 % right" in " ".join(capsys.readouterr().out.split())


CODE = Question("Double x.", "code", "assert double(2) == 4", "code")
SHELL = Question("List files.", "shell and linux", '{"files": {}, "output": []}', "shell")
OTHER = Question("One plus one?", "sums", "2", "number")


@pytest.mark.parametrize(
    ("why", "by_hand", "code", "asked", "walled", "said"),
    [
        ("", False, None, [OTHER, CODE], True, ""),
        ("", True, None, [OTHER, CODE], True, ""),
        ("", False, False, [OTHER], True, ""),
        (
            "no namespaces",
            False,
            None,
            [OTHER],
            True,
            "1 questions for code are left out",
        ),
        ("no namespaces", True, None, [OTHER, CODE], False, "It runs as you"),
        ("no namespaces", False, True, [OTHER, CODE], False, "It runs as you"),
        ("no namespaces", True, False, [OTHER], True, ""),
    ],
)
def test_without_a_wall_code_runs_only_for_a_person_who_is_told(
    why: str,
    by_hand: bool,
    code: bool | None,
    asked: list[Question],
    walled: bool,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sandbox, "problem", lambda programs=False: why)
    monkeypatch.setattr("sys.stdin.isatty", lambda: by_hand, raising=False)

    with AnswerStore(tmp_path, "m") as store:
        found, config = commands._with_code(code, [OTHER, CODE], store, MeasureConfig())

    assert (asked, walled) == (found, config.walled)
    told = capsys.readouterr().err
    assert said in told if said else "" == told


@pytest.mark.parametrize("code", [None, True])
def test_a_shell_runs_behind_a_wall_that_holds_programs_or_not_at_all(
    code: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sandbox, "problem", lambda programs=False: "no namespaces" if programs else "")

    with AnswerStore(tmp_path, "m") as store:
        found, config = commands._with_code(code, [OTHER, CODE, SHELL], store, MeasureConfig())

    assert ([OTHER, CODE], True) == (found, config.walled)
    assert "1 questions for a shell are left out" in capsys.readouterr().err


def test_the_wall_is_proved_only_where_code_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prove(programs: bool = False) -> str:
        raise AssertionError("nothing is to be proved")

    monkeypatch.setattr(sandbox, "problem", prove)

    with AnswerStore(tmp_path, "m") as store:
        store.add(Answer(CODE.id, CODE.query, CODE.task, "", 1.0, 0.1))
        commands._with_code(None, [OTHER], store, MeasureConfig())
        commands._with_code(None, [OTHER, CODE], store, MeasureConfig())
