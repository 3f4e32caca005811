"""Draws what was measured: accuracy by task against the reference, capability by category (needs the extra `plot`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Report = Mapping[str, Any]

BAR_INCHES = 0.2  # height of one bar


class ChartError(RuntimeError):
    """No picture can be drawn; the message names the remedy."""


def prepare(path: Path) -> None:
    """Checks that a picture can be written to `path`, and makes its folder: call it before hours of measuring.

    Raises ChartError without matplotlib, for a suffix that matplotlib does not know, and for a place that cannot be
    written.
    """
    _require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise ChartError(f"cannot write the picture {path}: its name must end in .{', .'.join(sorted(known))}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise ChartError(f"cannot write the picture {path}: {error}") from error


def draw(reports: Sequence[Report], path: Path) -> None:
    """Draw some agents' summaries (report.py) into the file `path`, whose suffix says its format. Raises ChartError."""
    figure = picture(reports)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise ChartError(f"cannot write the picture {path}: {error}") from error


def picture(reports: Sequence[Report]) -> Any:
    """A matplotlib Figure: accuracy on the left, capability on the right, one colour an agent. Raises ChartError."""
    _require_matplotlib()
    from matplotlib.figure import Figure

    tasks = sorted({task for report in reports for task in report["tasks"]})
    categories = sorted({category for report in reports for category in report["categories"]})
    rows = max(len(tasks), len(categories))
    figure = Figure(figsize=(13, 1.8 + rows * (0.1 + BAR_INCHES * len(reports))), layout="constrained")
    asked, vector = figure.subplots(1, 2)
    _bars(asked, tasks, [[report["tasks"].get(name, {}) for name in tasks] for report in reports], reports, "accuracy")
    capabilities = [[report["categories"].get(name, {}) for name in categories] for report in reports]
    _bars(vector, categories, capabilities, reports, "capability")
    asked.set(title="right answers by task", xlabel="share right; whiskers: one standard error")
    vector.set(title="published vector by the gate's category", xlabel="capability; beside it: questions behind it")
    references = {
        place: row["reference"]
        for place, name in enumerate(tasks)
        for report in reports
        if (row := report["tasks"].get(name, {})).get("reference") is not None
    }
    if references:
        asked.plot(list(references.values()), list(references), "k|", markersize=14, label="reference engines")
    figure.legend(*asked.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _require_matplotlib() -> None:
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ChartError("a picture needs matplotlib: pip install 'ppai[plot]'") from error


def _bars(
    axes: Any, names: Sequence[str], rows: Sequence[Sequence[Report]], reports: Sequence[Report], key: str
) -> None:
    """One group of bars a name, the first report on top, and a dotted line at each agent's accuracy."""
    width = 0.8 / len(rows)
    for index, (report, found) in enumerate(zip(reports, rows, strict=True)):
        places = [place - 0.4 + width * (index + 0.5) for place in range(len(names))]
        values = [row.get(key, 0.0) for row in found]
        errors = [row.get("standard_error", 0.0) for row in found] if key == "accuracy" else None
        label = f"{report['model']}: {100 * report['accuracy']:.0f} % of {report['questions']}"
        bars = axes.barh(places, values, width, xerr=errors, error_kw={"lw": 0.8}, label=label, color=f"C{index}")
        axes.axvline(report["accuracy"], color=f"C{index}", linestyle=":", linewidth=1)
        if key == "capability":
            axes.bar_label(bars, [str(row.get("evidence", "")) for row in found], fontsize=7, padding=2)
    axes.set(xlim=(0, 1), yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.tick_params(labelsize=8)
