"""The metric and its controls on outcomes small enough to work by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.outcomes import OutcomeError, Outcomes, graded, load_outcomes
from benchmarks.routing.choose import judge
from benchmarks.routing.conversations import KINDS, SHORT, compose
from benchmarks.routing.evaluate import report
from benchmarks.routing.formats import format_features, without_format
from benchmarks.routing.metric import balanced_rows, chosen_scores, folds, interval
from benchmarks.routing.routers import Split, best_single, knn, oracle, task_oracle

# Two tasks, two models: "a" is right on maths, "b" on law; law has one question.
OUTCOMES = Outcomes(
    ("1+1?", "2+2?", "Sue whom?"),
    np.array(["maths", "maths", "law"]),
    ("a", "b"),
    np.array([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0]]),
)
SPLIT = Split(OUTCOMES, np.eye(3, dtype=np.float32), format_features(OUTCOMES.queries))


def mean_of(router) -> float:  # type: ignore[no-untyped-def]
    return float(report(chosen_scores(router(SPLIT, SPLIT), OUTCOMES), OUTCOMES.tasks)["mean"])


def test_tasks_count_alike_whatever_their_size() -> None:
    assert 75.0 == report(np.array([1.0, 0.0, 1.0]), OUTCOMES.tasks)["mean"]


def test_equals_share_the_choice() -> None:
    assert [0.5, 0.25, 0.5] == chosen_scores(np.zeros((3, 2)), OUTCOMES).tolist()


def test_controls_by_hand() -> None:
    assert 87.5 == mean_of(task_oracle)  # maths (1 + .5)/2, law 1
    assert 87.5 == mean_of(oracle)
    assert 50.0 == mean_of(best_single)  # "b" leads with .5 over .375: right on law alone


def test_the_interval_holds_the_mean_and_shrinks() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.random(50), rng.random(5000)

    low, high = interval(few, np.zeros(50))
    narrow_low, narrow_high = interval(many, np.zeros(5000))

    assert low < few.mean() < high
    assert narrow_high - narrow_low < (high - low) / 5


def test_folds_and_draws_are_balanced() -> None:
    tasks = np.array(["big"] * 90 + ["small"] * 10)

    fold = folds(tasks, 5, seed=1)
    rows = balanced_rows(tasks, 16, np.random.default_rng(0))

    assert [(18, 2)] * 5 == [((tasks[fold == k] == "big").sum(), (tasks[fold == k] == "small").sum()) for k in range(5)]
    assert (16, 8) == (len(set(rows)), (tasks[rows] == "small").sum())


@pytest.mark.parametrize(
    ("prompt", "stem"),
    [
        ("Best?\nA. red\nB. blue\nC. green", "Best?"),
        ("Question:Why so?\nAnswer:", "Why so?"),
        ("变压器温度最高的是\nA. 绕组\nB. 引线\n答案：", "变压器温度最高的是"),
        ("How many apples?", "How many apples?"),
        ("A. first\nB. second", "A. first\nB. second"),
    ],
)
def test_stripping_leaves_the_question(prompt: str, stem: str) -> None:
    assert stem == without_format(prompt)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", r"x\.jsonl:2: not an outcome"),
        ('{"query": "q", "task": "t"}', r"x\.jsonl:2: not an outcome"),
        ('{"query": "q", "task": "t", "scores": {"b": 1}}', r"x\.jsonl:2: scores are of b, not of a"),
        ('{"query": "q", "task": "t", "scores": {"a": NaN}}', r"x\.jsonl:2: .*must lie in \[0, 1\]"),
        ('{"query": 1, "task": "t", "scores": {"a": 1}}', r"x\.jsonl:2: .*must be texts"),
    ],
)
def test_broken_outcomes_are_named(tmp_path: Path, line: str, message: str) -> None:
    good = json.dumps({"query": "q", "task": "t", "scores": {"a": 1}})
    (tmp_path / "x.jsonl").write_text(f"{good}\n{line}\n")

    with pytest.raises(OutcomeError, match=message):
        load_outcomes(tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutcomeError, match="holds no"):
        load_outcomes(tmp_path)


def test_a_folder_without_an_outcome_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("\n")

    with pytest.raises(OutcomeError, match="hold no outcome"):
        load_outcomes(tmp_path)


def test_a_folder_of_other_models_is_named(tmp_path: Path) -> None:
    """Columns of another pool would be read as if they were of ours."""
    (tmp_path / "x.jsonl").write_text(json.dumps({"query": "q", "task": "t", "scores": {"b": 1}}))

    with pytest.raises(OutcomeError, match=r"x\.jsonl:1: scores are of b, not of a"):
        load_outcomes(tmp_path, ("a",))


def test_shares_of_attempts_count_as_they_are_and_probabilities_as_right_above_0() -> None:
    shares, probabilities = np.array([[0.3, 1.0], [0.0, 0.7]]), np.array([[0.31415, 0.0], [0.0, 0.9]])

    assert shares.tolist() == graded(shares).tolist()
    assert [[1.0, 0.0], [0.0, 1.0]] == graded(probabilities).tolist()


def test_a_result_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="draws with matplotlib")
    from benchmarks.routing.chart import draw

    row = {"mean": 60.0, "ci": [58.0, 62.0]}
    joining = {size: {"models": {"a/b": {"mean": 0.1}}} for size in ("100", "all")}

    draw({"routers": {"ppai": {"test": row, "ood": row}, "knn": {"test": row, "ood": row}}}, tmp_path / "two.png")
    draw({"routers": {"ppai": {"test": row}}, "leave_one_out": joining}, tmp_path / "joins.png")

    assert all((tmp_path / name).stat().st_size > 5000 for name in ("two.png", "joins.png"))


def test_neighbours_are_found_in_small_sets_too() -> None:
    assert (3, 2) == knn(SPLIT, SPLIT).shape


@pytest.mark.parametrize("letters", KINDS.values())
def test_conversations_end_on_the_topic_that_they_ask_for(letters: str) -> None:
    piles = {topic: [f"A long enough question number {n} of {topic}?" for n in range(9)] for topic in SHORT}

    for seed in range(20):
        turns, topic = compose(letters, piles, np.random.default_rng(seed))

        whole = [turn for turn, letter in zip(turns, letters, strict=True) if letter != "f"]
        assert len(letters) == len(turns)
        assert whole[-1] in (piles[topic] if letters.strip("f")[-1] != "b" else SHORT[topic].split("|"))


@pytest.mark.slow
def test_choosing_holds_out_folds_tasks_and_clusters() -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    rng = np.random.default_rng(0)
    tasks = np.repeat(["maths", "law", "code"], 60)
    embeddings = np.eye(3, 16)[np.repeat(range(3), 60)] + 0.3 * rng.normal(size=(180, 16))
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    scores = np.stack([tasks == "maths", tasks != "maths"], axis=1).astype(float)
    outcomes = Outcomes(tuple(map(str, range(180))), tasks, ("a", "b"), scores)

    rows = judge(Split(outcomes, embeddings, embeddings), 12, [0])

    assert 16 == len(rows)
    assert all(row["folds"] > 95 and row["tasks"] < 70 for row in rows)  # held-out maths finds nobody who knows it


@pytest.mark.slow
def test_command_prints_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two tasks that words tell apart, two models that share them: ours finds the specialist."""
    pytest.importorskip("torch", reason="needs the extra `train`")
    from benchmarks.routing.__main__ import main

    rng = np.random.default_rng(0)
    words = {"maths": ["sum", "product", "triangle", "integer"], "law": ["court", "contract", "judge", "statute"]}
    for task, right in (("maths", "a"), ("law", "b")):
        rows = [
            {
                "query": f"A {first} and a {second}, number {n}?",
                "task": task,
                "scores": {m: float(m == right) for m in "ab"},
            }
            for n in range(80)
            for first, second in [rng.choice(words[task], 2)]
        ]
        (tmp_path / f"{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    flags = ["--train", str(tmp_path), "--seeds", "1", "--leave-one-out", "--draws", "1", "--strip-format", "--json"]
    code = main([*flags, "--cv", "2"])
    result = json.loads(capsys.readouterr().out)
    apart = main([*flags, "--test", str(tmp_path), "--ood", str(tmp_path)])
    ood = json.loads(capsys.readouterr().out)

    assert (0, 0) == (code, apart)
    assert 100.0 == result["routers"]["ppai"]["test"]["mean"] == result["routers"]["task_oracle"]["test"]["mean"]
    assert {"ppai", "paper", "knn", "ridge", "best_single", "random", "task_oracle", "oracle", "format_only"} == set(
        result["routers"]
    )
    assert {"mean", "ci", "tasks"} == set(result["routers"]["ppai"]["test"])
    assert {"test", "ood", "strip_format"} == set(ood["routers"]["ppai"])
    assert result["leave_one_out"]["all"]["joined"] > result["leave_one_out"]["all"]["without"] + 30
    assert {"a", "b"} == set(result["leave_one_out"]["300"]["models"])
    assert result["wire"]["exact"] == result["wire"]["eight_bits"]


def test_the_ladder_is_drawn(tmp_path: Path) -> None:
    """From what the command prints; the cascade costs its share of both encoders."""
    pytest.importorskip("matplotlib", reason="needs the extra `bench`")
    from benchmarks.routing.picture import draw

    row = {"mean": 60.0, "sd": 1.0}
    rungs = {"static": row, "cascade": row, "int8": row}
    told = {"median_ms": {"static": {"64": 0.1}, "int8": {"64": 6.0}}, "handed_on": 0.5}

    draw(tmp_path / "ladder.png", {**told, "outcomes": rungs, "nearest": rungs})

    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("agents", [1, 1000])
def test_scores_read_no_other_precision(agents: int) -> None:
    """float64 relevance and float32 vectors: what a request brings, in the vectors' own precision."""
    from benchmarks.routing.encoders import _scored_roster

    rng = np.random.default_rng(0)
    vectors = rng.random((agents, 64), dtype=np.float32)
    relevance = np.zeros(64)
    relevance[[3, 40]] = 0.75, 0.25

    assert np.allclose(
        0.75 * vectors[:, 3] + 0.25 * vectors[:, 40], _scored_roster(vectors).scores(relevance), atol=1e-6
    )
    assert np.allclose(vectors.mean(1), _scored_roster(vectors).scores(np.full(64, 1 / 64)), atol=1e-6)
