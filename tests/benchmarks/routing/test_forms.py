"""The rates of forms, worked by hand on a few prompts."""

import json
from pathlib import Path

import pytest

from benchmarks.routing.forms import is_unseen, main

PROMPTS = [
    ("translate into German: the key is under the mat", "translation"),
    ("what does the sign at the pool say", "translation"),
    ("what is the capital of Peru?", "facts"),
    ("a haiku about Lima", "facts"),
]


def write(path: Path, prompts: list[tuple[str, str]]) -> Path:
    lines = [json.dumps({"query": query, "task": category, "category": category}) for query, category in prompts]
    path.write_text("\n".join(lines))
    return path


def test_rates_are_shares_of_the_prompts_of_a_category_and_of_all_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main([str(write(tmp_path / "prompts.jsonl", PROMPTS))])

    told = json.loads(capsys.readouterr().out)
    assert (4, 50.0) == (told["n"], told["seen"])
    assert {"n": 2, "hit": 50.0, "false": 0.0} == told["forms"]["translation"]
    assert {"n": 0, "hit": None, "false": 25.0} == told["forms"]["poems and songs"]


def test_only_the_unseen_third_is_counted_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = [(f"translate {number}", "translation") for number in range(300)]

    main([str(write(tmp_path / "prompts.jsonl", prompts)), "--unseen"])

    assert sum(is_unseen(query) for query, _ in prompts) == json.loads(capsys.readouterr().out)["n"]
    assert 70 < sum(is_unseen(query) for query, _ in prompts) < 130


def test_a_broken_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("{not json\n")

    assert 1 == main([str(path)])
    assert f"{path}:1" in capsys.readouterr().err
