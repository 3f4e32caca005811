"""The controls, by hand."""

from benchmarks.routing.evaluate import report
from benchmarks.routing.metric import chosen_scores
from benchmarks.routing.routers import best_single, knn, oracle, task_oracle
from tests.benchmarks.routing.small import OUTCOMES, SPLIT


def mean_of(router) -> float:  # type: ignore[no-untyped-def]
    return float(report(chosen_scores(router(SPLIT, SPLIT), OUTCOMES), OUTCOMES.tasks)["mean"])


def test_controls_by_hand() -> None:
    assert 87.5 == mean_of(task_oracle)  # maths (1 + .5)/2, law 1
    assert 87.5 == mean_of(oracle)
    assert 50.0 == mean_of(best_single)  # "b" leads with .5 over .375: right on law alone


def test_neighbours_are_found_in_small_sets_too() -> None:
    assert (3, 2) == knn(SPLIT, SPLIT).shape
