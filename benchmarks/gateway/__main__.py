"""`python -m benchmarks.gateway`: what a gateway adds to an engine that answers at once.

A row says requests a second; microseconds added to the time to an answer, of a stream to its first word; microseconds
of CPU a request; MiB of memory. Every scenario is run against every target in every round, in an order drawn
anew; figures are medians over the rounds, `added` is against the engine asked directly in the same round. Everything
shares this machine, driver and engine too: compare targets of one run, not runs. The target `among8` knows eight other
peers with the same model, and so judges and weighs each request; in `workers2`, `workers4` and `workers8` so many
processes pass answers on (`client.workers`). The scenarios `new1` and `new16` ask what was never asked before; `c64`
and `s512` ask and stream more at once. All of these are run when they are named (`--targets`, `--scenarios`).

`--ledger` says instead where that CPU goes in a peer, in microseconds a request by stage (ledger.py).
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.gateway.driver import SCENARIOS, Scenario, WrongAnswer, drive
from benchmarks.gateway.ledger import REST, STAGES, spent
from benchmarks.gateway.options import parser_of
from benchmarks.gateway.targets import NotStarted, Target, start, table

Cell = dict[str, float]
Cells = dict[tuple[str, str], list[Cell]]  # by (target, scenario): what each round found


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 the engine or the peer did not come up or answered wrongly."""
    options = _options(argv)
    chosen = [scenario for scenario in SCENARIOS if scenario.name in options.scenarios.split(",")]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            targets = start(
                stack, Path(folder), options.wanted, options.rivals, options.against, _say,
                watch="stacks" if options.ledger else "", niced=options.niced,
            )  # fmt: skip
            if options.niced:
                os.nice(10)
            cells = _measure(targets, chosen, options.rounds, options.seconds, random.Random(options.seed))
        except (NotStarted, WrongAnswer, OSError) as error:
            _say(f"benchmarks.gateway: {error}")
            return 1
    row = _ledger_row if options.ledger else _row
    shown = [target for target in targets if target.samples or not options.ledger]
    rows = [row(target, scenario, cells) for scenario in chosen for target in shown]
    print(json.dumps({"rows": rows}) if options.json else table(rows, names=2))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.gateway", __doc__, rounds=3)
    parser.add_argument("--rivals", action="store_true", help="also nginx, vllm-router and litellm, where installed")
    parser.add_argument("--ledger", action="store_true", help="where the CPU goes in a peer, by stage; not on Windows")
    parser.add_argument(
        "--targets", dest="wanted", type=_among, default=_among(""), metavar="NAME,...", help="these, not all of them"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each scenario at each target in each round")
    parser.add_argument(
        "--scenarios", default=",".join(scenario.name for scenario in SCENARIOS if not scenario.is_extra)
    )
    parser.add_argument("--niced", action="store_true", help="engine and driver stand back where others want to run")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    options = parser.parse_args(argv)
    names = {scenario.name for scenario in SCENARIOS}
    if unknown := set(options.scenarios.split(",")) - names:
        parser.error(
            f"--scenarios: {', '.join(sorted(unknown))}: no such scenario, there are {', '.join(sorted(names))}"
        )
    return options


def _among(names: str) -> Callable[[str], bool]:
    """A test whether a target is one of these; without names most are."""
    return lambda name: name in names.split(",") if names else not name.startswith(("edge", "among", "workers"))


def _measure(
    targets: Sequence[Target], chosen: Sequence[Scenario], rounds: int, seconds: float, rng: random.Random
) -> Cells:
    for target in targets:
        uvloop.run(drive(target.port, chosen[0], 0.3))  # warm up
    cells: Cells = {}
    for number in range(rounds):
        for scenario in chosen:
            for target in rng.sample(targets, len(targets)):
                cells.setdefault((target.name, scenario.name), []).append(_cell(target, scenario, seconds))
        _say(f"round {number + 1} of {rounds} done")
    return cells


def _cell(target: Target, scenario: Scenario, seconds: float) -> Cell:
    before, began = target.cpu_s(), time.monotonic()
    load = uvloop.run(drive(target.port, scenario, seconds))
    cpu_us = (target.cpu_s() - before) / len(load.latencies_s) * 1e6
    return {
        "rps": load.rps,
        "p50_us": load.quantile_s(0.5) * 1e6,
        "p99_us": load.quantile_s(0.99) * 1e6,
        "cpu_us": cpu_us,
        "rss_mib": target.rss_mib(),
        **spent(target.stacks(began, time.monotonic()), cpu_us),
    }


def _ledger_row(target: Target, scenario: Scenario, cells: Cells) -> dict[str, Any]:
    own = cells[target.name, scenario.name]
    stages = {stage: round(statistics.fmean(cell[stage] for cell in own), 1) for stage in (*STAGES, REST)}
    total = round(statistics.fmean(cell["cpu_us"] for cell in own), 1)
    return {"target": target.name, "scenario": scenario.name, **stages, "cpu_us_per_request": total}


def _row(target: Target, scenario: Scenario, cells: Cells) -> dict[str, Any]:
    own, direct = cells[target.name, scenario.name], cells["direct", scenario.name]
    pairs = list(zip(own, direct, strict=True))
    return {
        "target": target.name,
        "scenario": scenario.name,
        "rps": _median(cell["rps"] for cell in own),
        "added_p50_us": _median(cell["p50_us"] - base["p50_us"] for cell, base in pairs),
        "added_p99_us": _median(cell["p99_us"] - base["p99_us"] for cell, base in pairs),
        "cpu_us_per_request": _median(cell["cpu_us"] for cell in own),
        "cpu_us_per_word": _median(cell["cpu_us"] / (scenario.words or 1) for cell in own),
        "rss_mib": _median(cell["rss_mib"] for cell in own),
    }


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
