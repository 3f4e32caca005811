"""The experiments by name, as the command line offers them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.simulator.disturbed import adversary, churn
from benchmarks.simulator.scale import scale
from benchmarks.simulator.settings import Settings
from benchmarks.simulator.sharing import flood, sharing
from benchmarks.simulator.staleness import staleness
from benchmarks.simulator.tables import beta_curve, load_curve, table1

Experiment = Callable[[Settings, Sequence[int], Path], dict[str, object]]  # (settings, seeds, folder of outcomes)

EXPERIMENTS: dict[str, Experiment] = {
    "table1": table1,
    "load": load_curve,
    "beta": beta_curve,
    "scale": scale,
    "churn": churn,
    "adversary": adversary,
    "sharing": lambda settings, seeds, outcomes: sharing(settings, seeds),
    "flood": lambda settings, seeds, outcomes: flood(settings, seeds),
    "staleness": lambda settings, seeds, outcomes: staleness(settings, seeds),
}
