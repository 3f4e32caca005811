"""The domains' benchmark: its own small case, and what it says of folders that it cannot use."""

import json
from pathlib import Path

import pytest

from benchmarks.routing import domains

TOPICS = {
    "boats": ["Torque of keel bolts and inspection of hulls in our yard", "Holiday and sick notes of our colleagues"],
    "archive": ["Shelf marks and reading room of the parish archive", "Lending of church registers and microfilms"],
}
QUESTIONS = {
    "boats": ["What torque do the keel bolts get?", "From which day do I need a sick note?"],
    "archive": ["May I borrow the microfilms of a church register?\tno", "Where is shelf mark K 12?"],
}
OTHERS = ["how do I boil an egg", "write a poem on autumn", "what is a prime number", "sort a list in python"]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name, topics in TOPICS.items():
        (tmp_path / "agents" / name).mkdir(parents=True)
        (tmp_path / "agents" / name / "topics.txt").write_text("\n".join(topics) + "\n")
        (tmp_path / "agents" / name / "questions.tsv").write_text("# question\n" + "\n".join(QUESTIONS[name]) + "\n")
    (tmp_path / "others" / "deeper").mkdir(parents=True)
    lines = "".join(json.dumps({"query": query}) + "\n" for query in OTHERS)
    (tmp_path / "others" / "deeper" / "some.jsonl").write_text(lines)
    return tmp_path / "agents", tmp_path / "others"


def run(agents: Path, others: Path) -> int:
    return domains.main(["--agents", str(agents), "--background", str(others), "--encoder", "fast", "--json"])


def test_each_finds_its_own_questions_and_nobody_takes_others(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*folders) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agents"] == {name: {"recall": 1.0, "background": 0.0, "elsewhere": 0.0} for name in TOPICS}
    assert found["together"]["mean"] == 1.0 and found["together"]["background"] == 0.0
    assert found["background"] == len(OTHERS)


@pytest.mark.parametrize("gone", ["agents/boats/topics.txt", "agents/boats/questions.tsv", "others/deeper/some.jsonl"])
def test_a_file_that_is_missing_is_named(
    folders: tuple[Path, Path], gone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = folders[0].parent / gone
    lost.unlink()
    assert run(*folders) == 1
    said = capsys.readouterr().err
    assert str(folders[1] if "others" in gone else lost.parent) in said
