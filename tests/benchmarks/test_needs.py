"""What a benchmark lacks it says at once, with the remedy and exit code 1: before a text is read or a peer started."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.gateway.__main__ import main as gateway
from benchmarks.gossip.__main__ import main as gossip
from benchmarks.outcomes import SAMPLE
from benchmarks.routing.__main__ import main as routing
from benchmarks.routing.choose import main as choose
from benchmarks.routing.conversations import SHORT
from benchmarks.routing.conversations import main as conversations
from benchmarks.routing.encoders import main as encoders
from benchmarks.routing.unfamiliar import main as unfamiliar

Main = Callable[[list[str]], int]
TOPICS = ["--topics", "configs/gate/queries.jsonl"]


def unused(*arguments: object) -> None:
    raise AssertionError("work had begun")


@pytest.fixture
def data(tmp_path: Path) -> tuple[str, str]:
    """A folder of outcomes and a file of topics with all that conversations are composed of, 20 texts each."""
    outcomes, topics = tmp_path / "outcomes", tmp_path / "topics.jsonl"
    outcomes.mkdir()
    for task in ("gsm8k", "humaneval"):
        rows = [{"query": f"{task} {n}?", "task": task, "scores": {"a": 1, "b": 0}} for n in range(20)]
        (outcomes / f"{task}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    names = [name.removeprefix("topic:") for name in SHORT if name.startswith("topic:")]
    topics.write_text("\n".join(json.dumps({"query": f"{t} {n}?", "topic": t}) for t in names for n in range(20)))
    return str(outcomes), str(topics)


@pytest.fixture
def nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("__main__", "choose", "conversations", "encoders", "unfamiliar"):
        monkeypatch.setattr(f"benchmarks.routing.{place}.load_encoder", unused)


@pytest.mark.usefixtures("nothing_begins")
@pytest.mark.parametrize("main", [routing, choose, conversations, unfamiliar, encoders])
def test_training_packages_are_asked_for_first(
    main: Main, data: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("profiler.train.find_spec", lambda name: None)
    monkeypatch.setattr("benchmarks.routing.encoders.encoder_folder", lambda: Path())
    flags = [] if main is choose else ["--topics", data[1]]

    status = main(["--train", data[0], *flags])

    assert 1 == status
    assert "pip install 'ppai[train]'" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_begins")
@pytest.mark.parametrize("main", [routing, unfamiliar, encoders])
def test_the_encoder_is_asked_for_first(
    main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("profiler.train.find_spec", lambda name: object())
    monkeypatch.setenv("PPAI_WEIGHTS", str(tmp_path))

    status = main(["--train", str(SAMPLE), *TOPICS])

    assert 1 == status
    assert "run `ppai pull encoder`" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_begins")
@pytest.mark.parametrize("main", [routing, choose, unfamiliar, conversations])
def test_outcomes_are_asked_for_first(main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--train", str(tmp_path), *(TOPICS if main is conversations else [])])

    assert 1 == status
    assert "python -m benchmarks.gather --help" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_begins")
def test_texts_that_conversations_lack_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    status = conversations(["--train", str(SAMPLE), *TOPICS])

    assert 1 == status
    assert "--train needs the tasks gsm8k and humaneval" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_begins")
def test_a_picture_that_cannot_be_written_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("benchmarks.gossip.__main__.measure", unused)
    picture = ["--picture", str(tmp_path / "file" / "x.png")]

    for main, flags in ((routing, []), (encoders, ["--train", str(SAMPLE), *TOPICS]), (gossip, ["--nodes", "2"])):
        assert 1 == main([*flags, *picture])
        assert "cannot write the picture" in capsys.readouterr().err


def test_what_the_gateway_is_measured_against_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = gateway(["--against", str(tmp_path)])

    assert 1 == status
    assert "is no checkout of PPAI" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        gateway(["--scenarios", "c17"])


def test_real_peers_are_measured_on_linux_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.gossip.real._LOOPBACK", tmp_path / "dev")

    status = gossip(["--real", "--nodes", "2"])

    assert 1 == status
    assert "which only Linux has" in capsys.readouterr().err
