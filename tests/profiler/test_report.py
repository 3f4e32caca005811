"""What is said of a measurement, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from profiler.answers import Answer
from profiler.encoder import Encoder
from profiler.qagate import GIBBERISH, QAGate
from profiler.report import by_category, by_task, explanation, relevance, summary
from profiler.scoring import Capability, Shrinkage


def answer(task: str, right: float, reference: float | None = None) -> Answer:
    return Answer("id", "q", task, "reply", right, 2.0, reference)


def vector(gate: QAGate, value: float = 0.5, evidence: int = 1) -> Capability:
    return Capability(np.full(gate.K, value), np.full(gate.K, evidence))


def test_tasks_are_counted_apart_and_in_order() -> None:
    told = by_task([answer("sums", 1.0), answer("law", 0.0), answer("sums", 0.5)])

    assert ["law", "sums"] == list(told)
    assert (2, 0.75) == (told["sums"]["questions"], told["sums"]["accuracy"])


def test_three_of_three_leave_some_doubt() -> None:
    told = by_task([answer("sums", 1.0)] * 3)

    assert pytest.approx((0.8 * 0.2 / 3) ** 0.5, abs=1e-4) == told["sums"]["standard_error"]  # (3 + 1) / (3 + 2) is .8


def test_a_task_has_a_reference_only_where_every_question_has_one() -> None:
    told = by_task([answer("sums", 1.0, 0.5), answer("sums", 1.0, 0.7), answer("law", 1.0, 0.5), answer("law", 1.0)])

    assert (0.6, None) == (told["sums"]["reference"], told["law"]["reference"])


def test_a_category_is_the_mean_of_its_prototypes_and_the_sum_of_their_evidence(gate: QAGate) -> None:
    law = np.array([category == "law" for category in gate.categories])
    found = Capability(np.where(law, 0.9, 0.1), np.where(law, 3, 0))

    told = by_category(gate, found)

    assert {"capability": 0.9, "evidence": 3 * int(law.sum())} == told["law"]
    assert {0.1} == {row["capability"] for name, row in told.items() if name != "law"}
    assert set(gate.categories) - {GIBBERISH} == told.keys()


@pytest.mark.parametrize(("references", "method"), [((0.5, 0.5), "control variate"), ((0.5, None), "shrinkage")])
def test_the_method_follows_from_the_references(
    gate: QAGate, references: tuple[float | None, ...], method: str
) -> None:
    told = summary("tiny", gate, [answer("sums", 1.0, reference) for reference in references], vector(gate))

    assert (method, 2, 1.0, 2.0) == tuple(
        told[key] for key in ("method", "questions", "accuracy", "seconds_per_answer")
    )
    assert (gate.K, gate.K) == (len(told["capability"]), len(told["evidence"]))


def test_the_explanation_names_best_and_worst_of_what_was_asked(gate: QAGate) -> None:
    names = sorted(set(gate.categories) - {GIBBERISH})
    asked = {names[0]: 0.9, names[1]: 0.5, names[2]: 0.1}
    values = np.array([asked.get(name, 0.99) for name in gate.categories])
    evidence = np.array([int(name in asked) for name in gate.categories])

    said = explanation(summary("tiny", gate, [answer("sums", 1.0)], Capability(values, evidence))).split("\n")

    assert said[1].startswith(f"strongest: {names[0]} 0.90")
    assert said[2].startswith(f"weakest: {names[2]} 0.10")
    assert said[3].startswith(f"{len(names) - 3} categories without a question")


def test_shares_of_a_text_sum_to_one_and_agents_are_scored_by_them(gate: QAGate, encoder: Encoder) -> None:
    told = relevance(gate, encoder, "Which gas do plants take in?", {"half": vector(gate), "all": vector(gate, 1.0)})

    shares = [row["share"] for row in told["relevance"]]
    assert pytest.approx(1.0, abs=0.01) == sum(shares) == pytest.approx(sum(told["categories"].values()), abs=0.01)
    assert sorted(shares, reverse=True) == shares
    assert "science" == next(iter(told["categories"]))
    assert {"half": 0.5, "all": 1.0} == pytest.approx(told["scores"], abs=1e-3)


def test_the_margin_is_said_where_the_publisher_takes_it_off(gate: QAGate) -> None:
    older, newer = replace(gate, tasks=(), carries_means=False), replace(gate, carries_means=True)

    said = [explanation(summary("tiny", each, [answer("sums", 1.0)], vector(each))) for each in (older, newer)]

    assert [True, False] == [f"less {Shrinkage().z:g} standard errors" in text for text in said]


def test_gibberish_is_no_category_of_an_agent(gate: QAGate) -> None:
    names = ("gibberish", *gate.categories[1:])

    told = by_category(replace(gate, categories=names, tasks=names, carries_means=True), vector(gate))

    assert {*gate.categories[1:]} - {GIBBERISH} == told.keys()
