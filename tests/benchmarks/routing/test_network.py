"""`python -m benchmarks.routing.everyday network`: its rows, and that each policy is what it says."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.routing import network
from benchmarks.routing.everyday import main
from benchmarks.routing.network import Asked, choose, count, measured
from benchmarks.routing.prompts import Text
from benchmarks.routing.specialists import CATEGORIES, Floats
from profiler.qagate import Projector, QAGate
from profiler.question import Question

K = len(CATEGORIES)
PROMPTS = [Text(f"{name} {n}", frozenset({name}), "mine" if n else "theirs") for name in CATEGORIES for n in range(2)]
PERFECT = np.repeat(np.eye(K, dtype=np.float32), 2, axis=0)  # each prompt is read as what it is


def world(questions: int) -> tuple[QAGate, Asked]:
    """A gate with a prototype for each category, and so many questions of each, read as what they are."""
    layer, nothing = np.eye(K, dtype=np.float32), np.zeros(K, np.float32)
    projector = Projector("any", layer, nothing, layer, nothing)
    gate = QAGate((projector,), layer, np.full(K, 0.5, np.float32), CATEGORIES)
    asked = [Question(f"{c} {n}?", c, "1", "number", category=c) for c in CATEGORIES for n in range(questions)]
    similarity = np.repeat(np.eye(K), questions, axis=0)
    return gate, count(gate, similarity, asked)


def figures(questions: int) -> dict[tuple[str, str, str], float]:
    gate, asked = world(questions)
    rows = measured(gate, asked, PERFECT, PROMPTS, range(2))
    return {(row["network"], row["texts"], row["policy"]): row["right"] for row in rows}


def test_with_endless_questions_every_specialist_is_found() -> None:
    found = figures(60)

    for kind in ("broad", "narrow"):
        assert (65.0, 85.0, 85.0) == tuple(found[kind, "all", policy] for policy in ("generalist", "told", "exact"))
        assert found[kind, "all", "ours"] > 83
        assert found[kind, "all", "ours"] > found[kind, "all", "one_pull"]
        assert 65.0 == found[kind, "all", "unmeasured"]  # its name promises most
        assert {"all", "mine", "theirs"} == {texts for network_, texts, _ in found if network_ == kind}


def test_what_is_misread_is_lost_with_perfect_vectors_too() -> None:
    gate, asked = world(2)
    misread: Floats = np.roll(PERFECT, 2, axis=0)

    rows = {
        row["policy"]: row["right"]
        for row in measured(gate, asked, misread, PROMPTS, [0])
        if row["network"] == "narrow"
    }

    assert 50.0 == rows["exact"]


def test_choosing_tries_other_numbers_on_the_same_answers() -> None:
    gate, asked = world(3)

    rows = list(choose(gate, asked, PERFECT, PROMPTS, [0]))

    assert len(rows) == 2 * len({row["policy"] for row in rows}) > 2
    assert {"broad", "narrow"} == {row["network"] for row in rows}


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_prints_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    lines = [{"query": "SELECT the newest order", "accept": ["sql"], "source": "mine"}]
    texts, questions = tmp_path / "texts", tmp_path / "questions.jsonl"
    texts.mkdir()
    (texts / "some.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    questions.write_text('{"query": "1 + 1?", "task": "algebra and calculus", "answer": "2", "grade": "number"}\n')
    flags = ["network", "--texts", str(texts), "--questions", str(questions), "--encoder", "fast", "--seeds", "2"]

    code = main([*flags, *["--json"] * as_json])
    said = capsys.readouterr().out

    assert 0 == code
    if as_json:
        result = json.loads(said)
        assert {"network", "texts", "policy", "right", "ci"} <= result["rows"][0].keys()
        assert {"135M, nobody measured", "3B measured, 32B full"} <= result["first_hour"].keys()
    else:
        assert "generalist" in said
        assert "questions to the 32B" in said


def test_a_broken_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.jsonl").write_text('{"query": "x", "accept": [], "source": "mine"}\n')

    assert 1 == network.main(["--texts", str(tmp_path)])
    assert "some.jsonl:1" in capsys.readouterr().err
