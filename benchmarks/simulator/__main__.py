"""`python -m benchmarks.simulator EXPERIMENT`: the paper's experiments on the production code, in virtual time.

staleness   old news about load: seconds by policy and age of the news. Needs no data.
table1      seven agents at two loads: percent right and seconds by router.
load        seconds and percent right against the arrival rate (the paper's Fig. 8).
beta        the same against the price of time (Fig. 9).
scale       the same against the number of agents (Fig. 10), and milliseconds a decision.
churn       agents that join, leave and crash. adversary: agents that lie.
sharing     who gets how much of one peer's engine, by what he gave. flood: how long its owner waits.
calibrate   seconds a token of the embedded engine, or of one at --engine URL. live: three real peers on this machine.

All but staleness, sharing, flood, calibrate and live route recorded queries. Without --outcomes they take the
repository's small sample with few queries (configs/experiments/sample.yaml), which shows that they work. The figures of
docs/results/simulator.md are on RouterDC's outcomes: `python -m benchmarks.gather --help` says how to get them. They
need the pulled encoder (`ppai pull encoder`); live and calibrate need `ppai pull smollm2`.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.needs import EXPECTED, encoder_folder
from benchmarks.outcomes import SAMPLE
from benchmarks.progress import say
from benchmarks.simulator.calibrate import calibrate
from benchmarks.simulator.experiments import EXPERIMENTS
from benchmarks.simulator.live import conversations, live
from benchmarks.simulator.report import table
from benchmarks.simulator.settings import DEFAULT, SMALL, Settings, SettingsError, read
from gateway.cli.demo.peers import DemoFailed
from gateway.engines.embedded import EngineUnusable
from gateway.home.folder import Home
from gateway.home.weights import locate
from profiler.chart import prepare


def main(arguments: list[str] | None = None) -> int:
    """0: done. 1: something that it needs is missing. 2: usage."""
    options = _parser().parse_args(arguments)
    try:
        if options.pictures:
            prepare(options.pictures / f"{options.experiment}.png")
        result = _run(options)
    except (*EXPECTED, SettingsError, DemoFailed, EngineUnusable, aiohttp.ClientError) as error:
        say(f"benchmarks.simulator: {error}")
        return 1
    print(json.dumps(result) if options.json else table(result))
    if options.pictures:
        from benchmarks.simulator.pictures import draw  # matplotlib: only where pictures are wanted

        for path in draw(result, options.pictures):
            say(f"drew {path}")
    return 0


def _run(options: argparse.Namespace) -> dict[str, Any]:
    if options.experiment == "calibrate":
        return {"experiment": "calibrate", **asyncio.run(calibrate(options.engine))}
    if options.experiment == "live":
        weights = Home.default().weights
        locate("smollm2", weights)
        if options.turns:
            return conversations(weights, options.turns)
        return live(weights, arrivals_per_s=options.per_s)
    settings, name = _settings(options)
    seeds = options.seeds or settings.seeds
    result = EXPERIMENTS[options.experiment](settings, seeds, options.outcomes or SAMPLE)
    return result | {"seed_list": list(seeds), "config": name}


def _settings(options: argparse.Namespace) -> tuple[Settings, str]:
    """The settings, and what to call them. Checks what the experiment needs besides."""
    if options.experiment in ("staleness", "sharing", "flood"):
        return read(options.config), options.config.name
    encoder_folder()
    if options.outcomes:
        return read(options.config), options.config.name
    say(f"on the small sample in {SAMPLE}: it shows that this works, its figures are within chance")
    return read(options.config, SMALL), SMALL.name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=[*EXPERIMENTS, "calibrate", "live"])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--seeds", type=int, nargs="+", help="other seeds than the settings': fewer run faster")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="the settings (default: paper.yaml)")
    parser.add_argument("--outcomes", type=Path, metavar="DIR", help="folder of outcomes (default: the small sample)")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="also draw PNG files there (needs matplotlib)")
    parser.add_argument("--per-s", type=float, help="live: requests a second (default: all at once)")
    parser.add_argument("--turns", type=int, help="live: three conversations of so many turns instead")
    parser.add_argument("--engine", help="calibrate: URL of an OpenAI server (default: the embedded engine)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
