"""A picture of the ladder: what an encoder is worth against what it costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

KINDS = {"outcomes": "recorded outcomes, % right", "nearest": "17 topics, nearest prototype, %"}


def draw(path: Path, result: Mapping[str, Any]) -> None:
    """`result`: what the command prints. Milliseconds are those of 64 tokens."""
    milliseconds = {name: row["64"] for name, row in result["median_ms"].items()}
    milliseconds["cascade"] = milliseconds["static"] + result["handed_on"] * milliseconds["int8"]
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    for place, (kind, title) in enumerate(KINDS.items(), 1):
        axes = figure.add_subplot(1, 2, place, title=title, xlabel="ms for 64 tokens", xscale="log")
        for rung, row in result[kind].items():
            axes.errorbar(milliseconds[rung], row["mean"], yerr=row["sd"], fmt="o", capsize=3, label=rung)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="upper left")
    figure.savefig(path, dpi=120, metadata={"Date": None})
