"""A picture: what each router chose, with its interval, and what a newcomer with few questions brings or costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw(result: Mapping[str, Any], path: Path) -> None:
    """The command's result as a picture: one panel a split, one for --leave-one-out if it was run."""
    routers = result["routers"]
    splits, joining = list(routers["ppai"]), result.get("leave_one_out", {})
    panels = len(splits) + bool(joining)
    figure = Figure(figsize=(3.6 * panels + 1, 3.6), layout="constrained")
    names = sorted(routers, key=lambda name: float(routers[name][splits[0]]["mean"]))
    for number, split in enumerate(splits, 1):
        axes = figure.add_subplot(1, panels, number, title=split, xlabel="% right, 95 % interval")
        for place, name in enumerate(names):
            row = routers[name][split]
            axes.plot(row["ci"], [place, place], color="tab:blue" if name == "ppai" else "tab:gray")
            axes.plot(row["mean"], place, "o", color="tab:blue" if name == "ppai" else "tab:gray")
        axes.set_yticks(range(len(names)), names if number == 1 else [""] * len(names))
        axes.grid(alpha=0.3)
    if joining:
        axes = figure.add_subplot(1, panels, panels, title="one model joins", xlabel="its questions", ylabel="points")
        for model in next(iter(joining.values()))["models"]:
            gains = [row["models"][model]["mean"] for row in joining.values()]
            axes.plot(list(joining), gains, "o-", label=model.rsplit("/", 1)[-1])
        axes.axhline(0, color="black", linewidth=0.8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small", loc="upper left")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
