"""`python -m benchmarks.simulator table1|load|beta|scale|staleness|churn|adversary|calibrate|live [--json]`."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from benchmarks.simulator.calibrate import calibrate
from benchmarks.simulator.experiments import EXPERIMENTS
from benchmarks.simulator.live import conversations, live
from benchmarks.simulator.recorded import DataMissing
from benchmarks.simulator.report import table
from benchmarks.simulator.settings import DEFAULT, SettingsError, read
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing

OUTCOMES = Path(__file__).resolve().parents[3] / "shared" / "data" / "outcomes" / "train"


def main(arguments: list[str] | None = None) -> int:
    """0: done. 1: something that it needs is missing. 2: usage."""
    options = _parser().parse_args(arguments)
    try:
        if options.experiment == "calibrate":
            result: dict[str, object] = {"experiment": "calibrate", **asyncio.run(calibrate(options.engine))}
        elif options.experiment == "live":
            weights = Home.default().weights
            turns = options.turns
            result = conversations(weights, turns) if turns else live(weights, arrivals_per_s=options.per_s)
        else:
            settings = read(options.config)
            seeds = options.seeds or settings.seeds
            result = EXPERIMENTS[options.experiment](settings, seeds, options.outcomes)
            result |= {"seed_list": list(seeds), "config": options.config.name}
    except (DataMissing, SettingsError, WeightsMissing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result) if options.json else table(result))
    if options.pictures:
        from benchmarks.simulator.pictures import draw  # matplotlib: only where pictures are wanted

        for path in draw(result, options.pictures):
            print(f"drew {path}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("experiment", choices=[*EXPERIMENTS, "calibrate", "live"])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout (DESIGN section 9)")
    parser.add_argument("--seeds", type=int, nargs="+", help="other seeds than the settings': fewer run faster")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="the settings (default: paper.yaml)")
    parser.add_argument("--outcomes", type=Path, default=OUTCOMES, help="folder of recorded outcomes, *.jsonl")
    parser.add_argument("--pictures", type=Path, help="also draw PNG files into this folder (needs matplotlib)")
    parser.add_argument("--per-s", type=float, help="live: requests a second (default: all at once)")
    parser.add_argument("--turns", type=int, help="live: three conversations of so many turns instead")
    parser.add_argument("--engine", help="calibrate: URL of an OpenAI server (default: the embedded engine)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
