"""A picture: how long a new card takes to reach everybody, against the size of the network and the loss."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.gossip.measure import Scenario, measure

SIZES = (8, 16, 32, 64, 128, 256)
LOSSES = (0.0, 0.3, 0.5)


def draw(path: Path, seeds: Iterable[int]) -> None:
    """Measure and draw the median and the slowest of all pairs (card, peer), over `seeds`."""
    seeds = tuple(seeds)
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot(xlabel="peers", ylabel="s until a new card is there", xscale="log")
    for loss in LOSSES:
        times_s = [_times_s(nodes, loss, seeds) for nodes in SIZES]
        (line,) = axes.plot(SIZES, [max(t) for t in times_s], "o-", label=f"{loss:.0%} lost, the last peer")
        medians_s = [sorted(t)[len(t) // 2] for t in times_s]
        axes.plot(SIZES, medians_s, "o:", color=line.get_color(), label=f"{loss:.0%} lost, the median peer")
    axes.set_xticks(SIZES, [str(size) for size in SIZES], minor=False)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="upper left")
    figure.savefig(path, metadata={"Date": None})


def _times_s(nodes: int, loss: float, seeds: tuple[int, ...]) -> list[float]:
    scenario = Scenario(nodes, loss=loss, seconds=6.0, cards=6, crashes=0)
    return [s for seed in seeds for s in measure(scenario, seed).convergence_s]
