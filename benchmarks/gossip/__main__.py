"""`python -m benchmarks.gossip`: how soon news is everywhere, a crash noticed, a partition healed, and at what cost.

Times are seconds over all pairs (news, peer): median, 99th percentile and slowest. Traffic is bytes and messages a
second and peer. The production core runs in virtual time over a seeded network; --real starts `ppai serve` processes
instead (Linux).
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.gossip.cluster import HTTP_BYTES
from benchmarks.gossip.measure import Measured, Scenario, measure
from benchmarks.gossip.real import NotThere, measure_real
from benchmarks.progress import say
from profiler.chart import ChartError, prepare

TELL_EVERY_S = 20.0  # of real time


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 it could not be measured (usage errors exit 2)."""
    options = _options(argv)
    try:
        if options.picture:
            prepare(options.picture)
        result = measure_real(options.nodes, options.seconds) if options.real else _virtual(options)
    except (ChartError, NotThere) as error:
        print(f"benchmarks.gossip: {error}", file=sys.stderr)
        return 1
    if options.picture:
        from benchmarks.gossip.picture import draw

        draw(options.picture, range(options.seed, options.seed + options.seeds))
    print(json.dumps(result) if options.json else _table(result))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gossip", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--homes", type=int, default=0, help="sites that share the nodes, with one relay between them")
    parser.add_argument("--loss", type=float, default=0.0, help="share of messages lost, each way")
    parser.add_argument("--partition", type=float, default=0.0, metavar="S", help="seconds two halves are cut apart")
    parser.add_argument("--churn", type=float, default=0.0, metavar="R", help="share of nodes that go a minute")
    parser.add_argument("--stall", type=float, default=0.0, metavar="F", help="share that stands still 5 s every 30 s")
    parser.add_argument("--one-way", type=float, default=0.0, metavar="F", help="share of directed links that are cut")
    parser.add_argument("--seconds", type=float, default=60.0, help="of ordinary life (default 60)")
    parser.add_argument("--cards", type=int, default=10, help="new cards published in that time")
    parser.add_argument("--crashes", type=int, default=5, help="nodes that crash after it")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, metavar="K", help="how many")
    parser.add_argument("--real", action="store_true", help="`ppai serve` processes on loopback instead")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw convergence against N")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args(argv)


def _virtual(options: argparse.Namespace) -> dict[str, Any]:
    scenario = Scenario(
        options.nodes,
        homes=options.homes,
        loss=options.loss,
        seconds=options.seconds,
        cards=options.cards,
        crashes=options.crashes,
        partition_s=options.partition,
        churn=options.churn,
        stall=options.stall,
        one_way=options.one_way,
    )
    runs = []
    for seed in range(options.seed, options.seed + options.seeds):
        start, cpu = time.monotonic(), time.process_time()
        runs.append(measure(scenario, seed, _telling(seed)))
        say(f"seed {seed}: {time.monotonic() - start:.0f} s, {time.process_time() - cpu:.0f} s of processor time")
    return report(scenario, list(range(options.seed, options.seed + options.seeds)), runs)


def _telling(seed: int) -> Callable[[float], None]:
    """Says how far a run is, now and then."""
    start, said = time.monotonic(), 0.0

    def tell(now: float) -> None:
        nonlocal said
        passed = time.monotonic() - start
        if passed >= said + TELL_EVERY_S:
            said = passed
            say(f"seed {seed}: {now:.0f} s simulated in {passed:.0f} s")

    return tell


def report(scenario: Scenario, seeds: Sequence[int], runs: Sequence[Measured]) -> dict[str, Any]:
    """What is printed: all pairs of all seeds together, counts summed, traffic as a mean."""
    messages = sum(run.messages_per_s for run in runs) / len(runs)
    size = sum(run.bytes_per_s for run in runs) / len(runs)
    return {
        "nodes": scenario.nodes,
        "loss": scenario.loss,
        "convergence_s": _quantiles([s for run in runs for s in run.convergence_s]),
        "complete": sum(run.complete for run in runs) / len(runs),
        "detection_s": _quantiles([s for run in runs for s in run.detection_s]),
        "undetected": sum(run.undetected for run in runs),
        "false_deaths": sum(run.false_deaths for run in runs),
        "bytes_per_s_per_node": round(size),
        "messages_per_s_per_node": round(messages, 1),
        "wire_bytes_per_s_per_node": round(size + messages * HTTP_BYTES),
        **(_through_relay(runs) if scenario.homes else {}),
        "heal_s": _worst([run.heal_s for run in runs]),
        "agree_s": _worst([run.agree_s for run in runs]),
        "ghosts": sum(run.ghosts for run in runs),
        "config": asdict(scenario),
        "seeds": list(seeds),
    }


def _through_relay(runs: Sequence[Measured]) -> dict[str, Any]:
    return {
        "relay_bytes_per_s": round(sum(run.relay_bytes_per_s for run in runs) / len(runs)),
        "relay_exchanges_per_s": round(sum(run.relay_exchanges_per_s for run in runs) / len(runs), 2),
        "far_silence_s": _quantiles([s for run in runs for s in run.silence_s]),
    }


def _quantiles(times_s: list[float]) -> dict[str, float] | None:
    if not times_s:
        return None
    ordered = sorted(times_s)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[math.ceil(share * len(ordered)) - 1], 2) for name, share in at.items()}


def _worst(times_s: list[float | None]) -> float | None:
    """The longest; None where it was not measured, or where it did not happen in time."""
    measured = [s for s in times_s if s is not None]
    return max(measured) if measured and math.isfinite(max(measured)) else None


def _table(result: dict[str, Any]) -> str:
    return "\n".join(f"{name:28} {value}" for name, value in result.items() if value is not None)


if __name__ == "__main__":
    sys.exit(main())
