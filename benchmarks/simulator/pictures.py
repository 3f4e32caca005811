"""The paper's figures from a result: small PNG files. The only file that knows matplotlib."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

Rows = list[Mapping[str, Any]]


def draw(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """One picture an experiment; the paths written. Experiments without a curve draw nothing."""
    painters = {"load": _load, "beta": _beta, "scale": _scale, "staleness": _staleness, "table1": _table1}
    name = result["experiment"]
    if name not in painters:
        return []
    figure, axes = plt.subplots(1, 2 if name in ("beta", "scale", "table1") else 1, figsize=(8, 3.4))
    painters[name](result["rows"], axes)
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=80)
    plt.close(figure)
    return [path]


def _curve(axes: Axes, rows: Rows, key: str, label: str, style: str = "o-") -> None:
    """One line with its 95 % intervals."""
    rows = sorted((row for row in rows if isinstance(row["x"], int | float)), key=lambda row: row["x"])
    x, y = [row["x"] for row in rows], [row[key] for row in rows]
    errors = [[row[key] - row["ci"][key][0] for row in rows], [row["ci"][key][1] - row[key] for row in rows]]
    axes.errorbar(x, y, yerr=errors, fmt=style, label=label, markersize=3, capsize=2, linewidth=1)


def _by_policy(rows: Rows) -> dict[str, Rows]:
    return {name: [row for row in rows if row["policy"] == name] for name in dict.fromkeys(r["policy"] for r in rows)}


def _load(rows: Rows, axes: Axes) -> None:
    for name, of in _by_policy(rows).items():
        _curve(axes, of, "mean_s", name)
    axes.set(xlabel="arrival rate λ (queries/s)", ylabel="process time (s)", yscale="log", ylim=(0.05, None))
    axes.legend(fontsize=7, loc="upper left")


def _staleness(rows: Rows, axes: Axes) -> None:
    for name, of in _by_policy(rows).items():
        if of[0]["x"] is None:
            axes.axhline(of[0]["mean_s"], linestyle="--", linewidth=1, color="grey")
            axes.annotate(name, (0.2, of[0]["mean_s"]), fontsize=7)
        else:
            _curve(axes, of, "mean_s", name)
    axes.set(xlabel="age of pulses (s)", ylabel="process time (s)", xscale="log", yscale="log")
    axes.legend(fontsize=7, loc="upper left")


def _beta(rows: Rows, axes: Any) -> None:
    for name, of in _by_policy(rows).items():
        _curve(axes[0], of, "accuracy", name)
        _curve(axes[1], of, "mean_s", name)
    axes[0].set(xlabel="β (1/s)", ylabel="accuracy (%)", xscale="log")
    axes[1].set(xlabel="β (1/s)", ylabel="process time (s)", xscale="log", yscale="log")
    axes[0].legend(fontsize=7, loc="upper left")


def _scale(rows: Rows, axes: Any) -> None:
    for name, of in _by_policy(rows).items():
        _curve(axes[0], of, "mean_s", name)
        _curve(axes[1], of, "accuracy", name)
    axes[0].set(xlabel="agents", ylabel="process time (s)", xscale="log")
    axes[1].set(xlabel="agents", ylabel="accuracy (%)", xscale="log")
    axes[0].legend(fontsize=7, loc="upper left")


def _table1(rows: Rows, axes: Any) -> None:
    for panel, rate in zip(axes, sorted({row["x"] for row in rows}), strict=True):
        of = [row for row in rows if row["x"] == rate]
        singles = [row for row in of if row["policy"].startswith("single")]
        panel.plot([row["mean_s"] for row in singles], [row["accuracy"] for row in singles], "o", color="lightgrey",
                   markersize=4, label="single agents")  # fmt: skip
        for row in of:
            if row not in singles:
                panel.plot(row["mean_s"], row["accuracy"], "o", markersize=5, label=row["policy"])
        panel.set(title=f"λ = {rate:g}", xlabel="process time (s)", ylabel="accuracy (%)")
        panel.legend(fontsize=6, loc="upper left")
