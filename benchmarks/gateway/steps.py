"""`python -m benchmarks.gateway.steps`: how many steps of the interpreter one request takes in a peer, by function.

Steps and calls of Python's functions do not depend on what else the machine does, as times do: so two commits can be
compared while others work. C code's time is in no step. Of each target and scenario a first row holds all of them, and
the next ones the functions that take the most; `delegated` is both peers, one after the other, and `workers2` the peer
that decides, and then both of its workers together. Counting slows a peer some thirty times, so that of streams fewer
words come together than otherwise.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no types
import uvloop

from benchmarks.gateway.driver import SCENARIOS, Scenario, WrongAnswer, drive
from benchmarks.gateway.options import parser_of
from benchmarks.gateway.targets import WORKERS, NotStarted, Target, start, table
from benchmarks.gateway.watched import WORKER

Counted = Mapping[str, tuple[int, int]]  # by function, as `file:function`: its calls and steps
WARM_S = 1.0  # what a peer does for its first requests alone is over
TOLD_WITHIN_S = 30.0  # that a peer may take to tell what it counted
WATCHED_TARGETS = ("ppai", "delegated", "among8", *(f"workers{number}" for number in WORKERS))


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 the engine or a peer did not come up or answered wrongly."""
    options = _options(argv)
    wanted, asked = options.targets.split(","), options.scenarios.split(",")
    rows = list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            targets = start(
                stack, Path(folder), lambda name: name.partition("@")[0] in wanted, False, options.against, _say,
                watch="steps",
            )  # fmt: skip
            for scenario in (each for each in SCENARIOS if each.name in asked):
                for target in (each for each in targets if each.samples):
                    rows += _measured(target, scenario, options.seconds, options.top)
        except (NotStarted, WrongAnswer, OSError) as error:
            _say(f"benchmarks.gateway.steps: {error}")
            return 1
    print(json.dumps({"rows": rows}) if options.json else table(rows, names=4))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.gateway.steps", __doc__, rounds=None)
    parser.add_argument("--targets", default="ppai", help=f"of {', '.join(WATCHED_TARGETS)} (ppai)")
    parser.add_argument("--scenarios", default="c16", help="as of benchmarks.gateway (c16)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each scenario at each peer (3)")
    parser.add_argument("--top", type=int, default=0, help="rows for so many functions, too (0)")
    options = parser.parse_args(argv)
    for flag, given, known in (
        ("--targets", options.targets, WATCHED_TARGETS),
        ("--scenarios", options.scenarios, [scenario.name for scenario in SCENARIOS]),
    ):
        if unknown := set(given.split(",")) - set(known):
            parser.error(f"{flag}: {', '.join(sorted(unknown))}: there are {', '.join(known)}")
    return options


def _measured(target: Target, scenario: Scenario, seconds: float, top: int) -> list[dict[str, Any]]:
    """Rows of each peer of a target. Raises NotStarted, WrongAnswer, OSError."""
    uvloop.run(drive(target.port, scenario, WARM_S))
    rows = list[dict[str, Any]]()
    for process, file in zip(target.processes, target.samples, strict=True):
        watched = [(process, file), *_workers_of(process, file)]
        before = [each.stat().st_size for _, each in watched]
        for each, _ in watched:
            each.send_signal(signal.SIGUSR1)
        load = uvloop.run(drive(target.port, scenario, seconds))
        for each, _ in watched:
            each.send_signal(signal.SIGUSR2)
        found = [_told(*each, size) for each, size in zip(watched, before, strict=True)]
        rows += rows_of(target.name, scenario.name, file.stem, found[0], len(load.latencies_s), top)
        if workers := found[1:]:
            name = f"{file.stem} (workers)"
            rows += rows_of(target.name, scenario.name, name, _together(workers), len(load.latencies_s), top)
    return rows


def _workers_of(process: psutil.Process, file: Path) -> list[tuple[psutil.Process, Path]]:
    """The workers of a peer, each with the file to which it writes."""
    workers = [child for child in process.children() if WORKER in child.cmdline()]
    return [(worker, file.with_name(f"{file.name}.{worker.pid}")) for worker in workers]


def _together(each: Sequence[Counted]) -> Counted:
    """What several processes counted, as if they were one."""
    calls, steps = Counter[str](), Counter[str]()
    for counted in each:
        calls.update({function: count for function, (count, _) in counted.items()})
        steps.update({function: count for function, (_, count) in counted.items()})
    return {function: (calls[function], steps[function]) for function in calls}


def rows_of(target: str, scenario: str, peer: str, counted: Counted, requests: int, top: int) -> list[dict[str, Any]]:
    """All that was counted, a request, and the `top` functions that take the most steps."""
    steps = Counter({function: taken for function, (_, taken) in counted.items()})
    all_calls = sum(calls for calls, _ in counted.values())
    named = [("all", all_calls, steps.total())]
    named += [(_shown(function), counted[function][0], taken) for function, taken in steps.most_common(top)]
    return [
        {
            "target": target,
            "scenario": scenario,
            "peer": peer,
            "function": function,
            "steps": round(taken / requests, 1),
            "calls": round(calls / requests, 2),
        }
        for function, calls, taken in named
    ]


def _shown(function: str) -> str:
    """A function without the folders above the package that it is in."""
    parts = Path(function).parts
    rooms = [number for number, part in enumerate(parts) if part in ("gateway", "discovery", "profiler")]
    return "/".join(parts[rooms[-1] if rooms and rooms[-1] < len(parts) - 1 else -1 :])


def _told(process: psutil.Process, file: Path, before: int) -> Counted:
    """What a peer has counted, once it has told, behind so many bytes. Raises NotStarted."""
    until = time.monotonic() + TOLD_WITHIN_S
    while not (said := file.read_bytes()[before:]).endswith(b"\n"):
        if not process.is_running() or time.monotonic() > until:
            raise NotStarted(f"the peer {file.stem} did not tell its steps")
        time.sleep(0.05)
    found: Counted = json.loads(said.partition(b" ")[2])
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
