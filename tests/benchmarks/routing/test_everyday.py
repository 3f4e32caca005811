"""What is right, unfamiliar, found and flipped, with a gate and encoder small enough to work out by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.routing.everyday import flips, load_alien, main, measured
from benchmarks.routing.prompts import Reader, Text, load_texts
from profiler.ladder import Ladder
from profiler.qagate import GIBBERISH, QAGate
from tests.profiler.test_qagate import identity, tiny_gate

GATE = tiny_gate(
    projectors=(identity(familiar=0.0),), categories=("law", "code", GIBBERISH), tasks=("courts", "python", GIBBERISH)
)


class Named:
    """ "law..." lies at 0°, "code..." at 60°, anything else at 90°, where the gibberish is."""

    name, dim = "toy", 2

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        angles = [{"law": 0.0, "cod": np.pi / 3}.get(text[:3], np.pi / 2) for text in texts]
        return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], np.float32)


def reader(gate: QAGate = GATE) -> Reader:
    return Reader(gate, Ladder(gate, Named(), None))


def text(query: str, *accept: str, source: str = "mine") -> Text:
    return Text(query, frozenset(accept), source)


def test_figures_by_hand() -> None:
    texts = [
        text("law of torts", "law", "business"), text("law", "code"), text("code", "code"), text("zzz", "law"),
        text("coding", "code", source="other"),
    ]  # fmt: skip

    found = measured(reader(), texts, [("xq", "letters"), ("law", "words"), ("xx", "letters")], seed=0)

    assert {"n": 4, "accuracy": 50.0, "unfamiliar": 25.0} == found["sources"]["mine"]
    assert {"n": 1, "accuracy": 100.0, "unfamiliar": 0.0} == found["sources"]["other"]
    assert (5, 60.0, 75.0) == tuple(found["mean"][key] for key in ("n", "accuracy", "accuracy_of_sources"))
    assert {"letters": 100.0, "words": 0.0} == found["alien"]["kinds"]
    assert 66.67 == found["alien"]["found"]
    # of 15 pairs two laws and two codes are above xq and xx; two laws tie with law, and zzz with xq and xx
    assert (8 + 4 / 2) / 15 == pytest.approx(found["alien"]["auroc"], abs=1e-3)


def test_flips_are_changes_of_the_category() -> None:
    """A category by the first letter: only what stands before the text changes it."""
    texts = [text("law is what I ask", "law")] * 10

    found = flips(lambda query: query.strip()[:1].lower(), texts, 0)

    assert (100.0, 0.0, 0.0) == (found["question"], found["thanks"], found["outer blanks"])
    assert found == flips(lambda query: query.strip()[:1].lower(), texts, 0)


GOOD = {"query": "why?", "accept": ["facts"], "source": "a"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{no", "not JSON"),
        ({**GOOD, "accept": []}, '"accept" must be a list'),
        ({**GOOD, "accept": "facts"}, '"accept" must be a list'),
        ({**GOOD, "query": " "}, '"query" must be a text'),
        ({"query": "why?", "accept": ["facts"]}, '"source" must be a text'),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    lines = [json.dumps(GOOD), line if isinstance(line, str) else json.dumps(line)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))

    with pytest.raises(Exception, match=rf"t\.jsonl:2: .*{message}"):
        load_texts(tmp_path)


def test_texts_and_alien_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(GOOD))
    (tmp_path / "alien").write_text('{"query": "xq", "kind": "letters"}\n')

    assert [text("why?", "facts", source="a")] == load_texts(tmp_path)
    assert [("xq", "letters")] == load_alien(tmp_path / "alien")


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(GOOD))
    cases = {
        ("--texts", str(tmp_path / "none")): "cannot read the query set",
        ("--texts", str(tmp_path), "--alien", str(tmp_path / "none")): "cannot read the query set",
        ("--texts", str(tmp_path), "--gate", str(tmp_path)): "no gate",
    }
    for arguments, said in cases.items():
        assert 1 == main(list(arguments))
        assert said in capsys.readouterr().err


def test_the_fast_encoder_reads_with_the_shipped_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({**GOOD, "query": "how do I boil an egg?", "accept": ["food"]}))

    assert 0 == main(["--texts", str(tmp_path), "--encoder", "fast", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert {"config", "sources", "mean", "flips"} == set(found)
    assert ["a"] == list(found["sources"])
