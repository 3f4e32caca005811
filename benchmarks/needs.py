"""What a benchmark needs besides this repository, and how it says that something is missing.

A command checks all of it before it works for minutes: `EXPECTED` are the errors whose message names the remedy.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.outcomes import OutcomeError
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate
from profiler.chart import ChartError
from profiler.encoder import EncoderError
from profiler.qagate import GateError
from profiler.question import QueryError
from profiler.train import TrainError

EXPECTED = (ChartError, EncoderError, GateError, OutcomeError, QueryError, TrainError, WeightsMissing, OSError)


def printed(name: str, work: Callable[[], str]) -> int:
    """Prints what `work` returns; returns the exit code: 0 done, 1 something is missing or broken (EXPECTED)."""
    try:
        text = work()
    except EXPECTED as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    print(text)
    return 0


def encoder_folder() -> Path:
    """Where the pulled encoder lies. Raises WeightsMissing, which names `ppai pull encoder`."""
    return locate("encoder", Home.default().weights)
