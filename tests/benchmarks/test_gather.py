"""Outcomes are gathered from what is published, and from what ppai-profile stored."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gather import FILES, from_homes, from_routerdc, main
from benchmarks.outcomes import SAMPLE, OutcomeError, load_outcomes
from profiler.answers import Answer, AnswerStore

SUM = Answer("q1", "1 + 1?", "word problems", "2", 1.0, 0.1)
LAW = Answer("q2", "Sue whom?", "law", "A", 0.0, 0.1)


def checkout(folder: Path, score: float) -> Path:
    """As RouterDC is laid out: one task in the other folder."""
    for task, name in FILES.items():
        place = folder / "datasets" / ("split2_model7" if task == "arc_challenge" else "split2_model7_cluster") / name
        place.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"question": f"{task}?", "scores": {"b": score, "a": 0}, "cluster_id": 3}]
        place.write_text(json.dumps(rows))
    return folder


def home(folder: Path, *measured: tuple[str, Answer]) -> Path:
    for model, answer in measured:
        with AnswerStore(folder / "profile", model) as store:
            store.add(answer)
    return folder


def test_what_is_published_is_read_and_probabilities_count_as_right(tmp_path: Path) -> None:
    rows = from_routerdc(checkout(tmp_path, 0.31415))

    assert {"query": "gsm8k?", "task": "gsm8k", "scores": {"b": 1.0, "a": 0.0}} in rows
    assert sorted(FILES) == sorted(row["task"] for row in rows)


def test_a_missing_checkout_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["routerdc", str(tmp_path / "nowhere"), str(tmp_path / "out")])

    assert 1 == status
    assert "git clone https://github.com/shuhao02/RouterDC" in capsys.readouterr().err


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    broken = checkout(tmp_path, 1.0) / "datasets" / "split2_model7_cluster" / FILES["mmlu"]
    broken.write_text('[{"question": "q"}]')

    with pytest.raises(OutcomeError, match=r"mmlu_train\.json is not a file of RouterDC's outcomes"):
        from_routerdc(tmp_path)


def test_homes_become_outcomes_of_the_questions_that_all_answered(tmp_path: Path) -> None:
    one = home(tmp_path / "one", ("m", SUM), ("m", LAW))
    two = home(tmp_path / "two", ("m", replace(SUM, right=0.0)), ("other", SUM))

    rows = from_homes([one, two])

    scores = {"m@one": 1.0, "m@two": 0.0, "other": 1.0}
    assert [{"query": "1 + 1?", "task": "word problems", "scores": scores}] == rows


@pytest.mark.parametrize(
    ("answers", "message"),
    [([("m", SUM)], "1 measured models in these homes, two are needed"), ([("m", SUM), ("n", LAW)], "no question")],
)
def test_homes_without_common_answers_are_refused(
    tmp_path: Path, answers: list[tuple[str, Answer]], message: str
) -> None:
    with pytest.raises(OutcomeError, match=message):
        from_homes([home(tmp_path, *answers)])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    two = home(tmp_path / "home", ("m", SUM), ("n", SUM))

    status = main(["homes", str(tmp_path / "a" / "out"), str(two)])

    outcomes = load_outcomes(tmp_path / "a" / "out")
    assert (0, ("1 + 1?",), ("m", "n"), "word problems") == (
        status, outcomes.queries, outcomes.models, outcomes.tasks[0],
    )  # fmt: skip


def test_the_sample_is_what_its_readme_says() -> None:
    outcomes = load_outcomes(SAMPLE)

    assert (119, 8) == (len(outcomes.queries), len(set(outcomes.tasks)))
    found = dict(zip(outcomes.models, outcomes.scores.mean(0), strict=True))
    page = (SAMPLE / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    for model, right in found.items():
        assert f"(`{model}`, {100 * right:.0f} %)" in page
