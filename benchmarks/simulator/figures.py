"""From answers to figures: means, tails and intervals over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.simulator.asks import LOST, Answered

# Student's t, two-sided 95 %, by degrees of freedom: for the few seeds that a simulation has.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)


def run_figures(answered: Sequence[Answered], warm_up_s: float) -> dict[str, float]:
    """One run's figures, over the queries asked after the warm-up."""
    counted = [answer for answer in answered if answer.at >= warm_up_s]
    latency_s = np.array([answer.latency_s for answer in counted if answer.peer != LOST])
    tasks = sorted({answer.task for answer in counted})
    by_task = {task: [answer for answer in counted if answer.task == task] for task in tasks}
    accuracy = {task: 100 * float(np.mean([answer.grade for answer in of])) for task, of in by_task.items()}
    figures = {
        "mean_s": float(latency_s.mean()),
        "p50_s": float(np.quantile(latency_s, 0.5)),
        "p99_s": float(np.quantile(latency_s, 0.99)),
        "accuracy": float(np.mean(list(accuracy.values()))),
        "attempts": float(np.mean([answer.attempts for answer in counted])),
        "lost": float(np.mean([answer.peer == LOST for answer in counted])),
    }
    if tasks != [""]:
        for task in tasks:
            figures[f"accuracy/{task}"] = accuracy[task]
            figures[f"mean_s/{task}"] = float(np.mean([answer.latency_s for answer in by_task[task]]))
    return figures


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): 95 % by Student's t over independent seeds. One value has no interval: low = high = mean."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, mean, mean
    t = _T95[len(values) - 2] if len(values) - 2 < len(_T95) else 1.96
    half = t * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def row(policy: str, x: float | str | None, runs: Sequence[Mapping[str, float]], **more: object) -> dict[str, object]:
    """One row of the JSON: means over seeds, `ci` beside them."""
    means: dict[str, object] = {"policy": policy, "x": x}
    intervals: dict[str, list[float]] = {}
    for name in runs[0]:
        mean, low, high = interval([run[name] for run in runs])
        means[name] = mean
        intervals[name] = [low, high]
    return {**means, **more, "ci": intervals, "seeds": len(runs)}


def ratio(runs: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]], name: str) -> dict[str, object]:
    """Mean and interval of the ratio seed by seed: both runs of a seed had the same queries."""
    mean, low, high = interval([run[name] / other[name] for run, other in zip(runs, others, strict=True)])
    return {"of": name, "mean": mean, "ci": [low, high]}


def difference(
    runs: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]], name: str
) -> dict[str, object]:
    """Mean and interval of the difference seed by seed."""
    mean, low, high = interval([run[name] - other[name] for run, other in zip(runs, others, strict=True)])
    return {"of": name, "mean": mean, "ci": [low, high]}
