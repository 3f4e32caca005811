"""`python -m benchmarks.gateway.stall`: for how long one large request keeps a peer from everything else.

Real peers (`ppai serve`) and a mock engine, one request at a time; a figure is the longest stall of the event loop
while it is answered, the median over rounds, each of which asks everything in an order drawn anew. `asking` and
`answering` are two peers of which only the second has the engine; they are not asked what no delegation holds.
Needs two cores and a minute. Other work on the machine makes stalls longer, never shorter: compare rows of one run.
"""

import argparse
import base64
import http.client
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gateway.options import parser_of
from benchmarks.gateway.targets import NO_ENGINE, NotStarted, checkouts_of, free_port, started, table, watched

SETTLE_S = 1.0  # what a peer does once at its start is over
PNG = b"\x89PNG\r\n\x1a\n"  # how one begins; else the owner's rules would read all of it as a text
AFTER_S = 0.05  # what an answered request leaves behind belongs to it: its memory is given back
DELEGATED_LIMIT_BYTES = 8 << 20
BODY_LIMIT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """One request; `limit_ms` is how long it may stall the loop."""

    name: str
    limit_ms: float
    body: Callable[[], bytes]
    travels: bool = False  # small enough for a delegation: 8 MiB, and 100,000 values


@dataclass(frozen=True, slots=True)
class Watched:
    """A peer, or two: who is asked at `port`, and whose stalls stand in which file."""

    port: int
    stalls: dict[str, Path]
    delegates: bool = False


def _said(content: object) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": content}]}).encode()


def _image(size_bytes: int) -> bytes:
    """A body of this size that is one inline image and a question about it."""

    def asked(data: str) -> bytes:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        return _said([{"type": "text", "text": "What is this?"}, image])

    data = base64.b64encode(PNG + random.Random(0).randbytes(size_bytes // 4 * 3)).decode()
    return asked(data[: size_bytes - len(asked(""))])


def _text(size_bytes: int) -> bytes:
    """A body of about this size, never more: a text with quotes and ends of lines, as pasted ones have them."""
    line = 'Lorem ipsum dolor sit amet, "quoted" consectetur adipiscing elit, sed do eiusmod tempor.\n'
    return _said(line * (size_bytes // (len(json.dumps(line)) - 2) - 1))


def _parts(count: int) -> bytes:
    return _said([{"type": "text", "text": "a"}] * count)


CASES = (
    Case("image of 8 MiB", 10, lambda: _image(DELEGATED_LIMIT_BYTES - 1024), travels=True),
    Case("18,000 parts", 50, lambda: _parts(18_000), travels=True),
    Case("200,000 parts", 50, lambda: _parts(200_000)),
    Case("image of 32 MiB", 40, lambda: _image(BODY_LIMIT_BYTES)),
    Case("text of 32 MiB", 40, lambda: _text(BODY_LIMIT_BYTES)),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 the engine or a peer did not come up or answered wrongly."""
    options = _options(argv)
    bodies = {case: case.body() for case in CASES if case.name in options.cases.split(";")}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            targets = _start(stack, Path(folder), options.against)
            stalls = _measure(targets, bodies, options.rounds, random.Random(options.seed))
        except (NotStarted, http.client.HTTPException, OSError) as error:
            print(f"benchmarks.gateway.stall: {error}", file=sys.stderr)
            return 1
    rows = [_row(target, case, len(bodies[case]), found) for (target, case), found in stalls.items()]
    print(json.dumps({"rows": rows}) if options.json else table(rows, names=2))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.gateway.stall", __doc__, rounds=7)
    names = ";".join(case.name for case in CASES)
    parser.add_argument("--cases", default=names, metavar="NAME;...", help=f"these, not all: {names}")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    options = parser.parse_args(argv)
    if unknown := set(options.cases.split(";")) - set(names.split(";")):
        parser.error(f"--cases: {'; '.join(sorted(unknown))}: no such case, there are {names}")
    return options


def _start(stack: ExitStack, folder: Path, against: Sequence[Path]) -> list[Watched]:
    """A peer with the engine, and one that has to ask it of another, of each checkout. Raises NotStarted."""
    port = free_port()
    engine = f"http://127.0.0.1:{port}"
    started(stack, folder, "engine", port, [sys.executable, "-m", "benchmarks.gateway.engine", str(port)])
    targets = []
    for suffix, checkout in checkouts_of(against).items():
        peer, hop = partial(_peer, stack, folder, checkout), str(free_port())
        alone = peer(f"ppai{suffix}", "--engine", engine, "--peer-port", "0")
        answering = peer(f"answering{suffix}", "--engine", engine, "--peer-port", hop)
        asking = peer(
            f"asking{suffix}", "--engine", NO_ENGINE, "--peer-port", "0", "--seed", f"127.0.0.1:{hop}"
        )  # ready as soon as the other one may be asked
        targets += [alone, Watched(asking.port, {**asking.stalls, **answering.stalls}, delegates=True)]
    return targets


def _peer(stack: ExitStack, folder: Path, checkout: Path, name: str, *more: str) -> Watched:
    target, stalls = watched(stack, folder, name, *more, checkout=checkout)
    return Watched(target.port, {name: stalls})


def _measure(
    targets: Sequence[Watched], bodies: dict[Case, bytes], rounds: int, rng: random.Random
) -> dict[tuple[str, Case], list[float]]:
    """By (peer, case): the longest stall of each round in milliseconds. Raises HTTPException, OSError."""
    for target in targets:
        _ask(target.port, _parts(1))
    time.sleep(SETTLE_S)
    found: dict[tuple[str, Case], list[float]] = {
        (name, case): [] for case in bodies for target in targets for name in target.stalls
    }
    for _ in range(rounds):
        for case, body in bodies.items():
            for target in rng.sample(targets, len(targets)):
                if target.delegates and not case.travels:
                    continue
                began = time.monotonic()
                _ask(target.port, body)
                time.sleep(AFTER_S)
                for name, file in target.stalls.items():
                    found[name, case].append(longest_ms(file, began)[0])
    return {key: stalls for key, stalls in found.items() if stalls}


def _ask(port: int, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    response = connection.getresponse()
    said = response.read()
    connection.close()
    if response.status != 200:
        raise http.client.HTTPException(f"a peer answered {response.status}: {said[:300].decode(errors='replace')}")


def longest_ms(stalls: Path, since: float) -> tuple[float, float]:
    """The longest stall that ended later than `since`, and the most that the loop worked in one; 0 of none."""
    lines = [[float(value) for value in line.split()] for line in stalls.read_text().splitlines()]
    found = [(1000 * length, 1000 * worked) for ended, length, worked in lines if ended > since] or [(0.0, 0.0)]
    return max(length for length, _ in found), max(worked for _, worked in found)


def _row(target: str, case: Case, size_bytes: int, stalls: Sequence[float]) -> dict[str, Any]:
    return {
        "target": target,
        "case": case.name,
        "bytes": size_bytes,
        "stalled_ms": round(statistics.median(stalls), 1),
        "least_ms": round(min(stalls), 1),
        "most_ms": round(max(stalls), 1),
        "limit_ms": case.limit_ms,
    }


if __name__ == "__main__":
    sys.exit(main())
