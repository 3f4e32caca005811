"""`python -m benchmarks.gateway.start`: what starting a peer takes, and what memory one holds that has nothing to do.

A row says milliseconds from the command `ppai serve` to its first answer, the CPU time spent until then, and MiB held
some seconds later (PSS: of what processes share, each counts its part): by a peer alone before its engine, and by one
that knows another peer and has judged queries, with encoders and gate loaded; and milliseconds of CPU a second that
the first takes while nobody asks it anything. Checkouts are started in turns, each by
its own virtual environment if it has one; figures are medians. A first round, which is not counted, has Python write
its bytecode and brings the files into memory, as on a machine in use.

`--ledger` says instead where the time goes, which telling it makes longer.
"""

import argparse
import http.client
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types

from benchmarks.gateway.driver import WrongAnswer
from benchmarks.gateway.options import parser_of
from benchmarks.gateway.targets import (
    PAIR_ENVIRONMENT,
    NotStarted,
    checkouts_of,
    cpu_s_of,
    free_port,
    launched,
    python_of,
    started,
    table,
)

LOOK_S = 0.002  # s between two tries of the first request
LIMIT_S = 60.0
SETTLED_S = 5.0  # s after the last answer, until memory is read
IDLE_S = 10.0  # s in which CPU is counted then
OURS, OTHERS, REST = ("gateway", "discovery", "profiler"), "other_modules", "all_else"
PACKAGES = ("ours", "numpy", "aiohttp", "fastapi", "pydantic", "cryptography", "typer", "yaml", "uvicorn")
QUERIES = 20  # of different words, until encoders and gate count as loaded


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 a peer did not come up or answered wrongly, 2 PSS cannot be read here."""
    options = _options(argv)
    if not psutil.LINUX:
        print("benchmarks.gateway.start reads PSS from /proc, which only Linux has", file=sys.stderr)
        return 2
    try:
        checkouts = {f"ppai{suffix}": checkout for suffix, checkout in checkouts_of(options.against).items()}
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            engine = free_port()
            command = [sys.executable, "-m", "benchmarks.gateway.engine", str(engine)]
            started(stack, Path(folder), "engine", engine, command)
            measure = _ledger if options.ledger else _measure
            rows = measure(checkouts, f"http://127.0.0.1:{engine}", Path(folder), options.rounds)
    except (NotStarted, WrongAnswer, OSError) as error:
        print(f"benchmarks.gateway.start: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"rows": rows}) if options.json else table(rows, names=1))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.gateway.start", __doc__, rounds=5)
    parser.add_argument("--ledger", action="store_true", help="where the time until the first answer goes instead")
    return parser.parse_args(argv)


def _measure(checkouts: dict[str, Path], engine: str, folder: Path, rounds: int) -> list[dict[str, object]]:
    """A row for each checkout."""
    starts: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
    for number in range(-1, rounds):  # the first round warms up
        for name, checkout in checkouts.items():
            with ExitStack() as stack:
                peer = _Peer(stack, folder / f"{name}.{number}", checkout, engine)
                found = peer.first_answer_s(), peer.cpu_s()
            if number >= 0:
                starts[name].append(found)
    return [
        {
            "target": name,
            "first_answer_ms": round(statistics.median(whole for whole, _ in starts[name]) * 1e3),
            "cpu_ms": round(statistics.median(cpu for _, cpu in starts[name]) * 1e3),
            **_idle(checkout, engine, folder / f"{name}.alone"),
            "with_encoder_mib": round(_judging_mib(checkout, engine, folder / f"{name}.judging"), 1),
        }
        for name, checkout in checkouts.items()
    ]


def _ledger(checkouts: dict[str, Path], engine: str, folder: Path, rounds: int) -> list[dict[str, object]]:
    """A row for each checkout: milliseconds for loading modules, by whose they are, and for all else."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for number in range(-1, rounds):
        for name, checkout in checkouts.items():
            home = folder / f"{name}.{number}"
            with ExitStack() as stack:
                peer = _Peer(stack, home, checkout, engine, environment={"PYTHONPROFILEIMPORTTIME": "1"})
                whole_ms = peer.first_answer_s() * 1e3
            loading_ms = loading(home.with_suffix(".log").read_text(errors="replace"))
            if number >= 0:
                found[name].append({**loading_ms, REST: whole_ms - sum(loading_ms.values()), "in_all": whole_ms})
    return [
        {"target": name, **{part: round(statistics.median(each[part] for each in own)) for part in own[0]}}
        for name, own in found.items()
    ]


def loading(said: str) -> dict[str, float]:
    """Milliseconds by whose modules they are, each its own alone, from what PYTHONPROFILEIMPORTTIME has Python say."""
    spent = dict.fromkeys((*PACKAGES, OTHERS), 0.0)
    for own_us, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)", said, flags=re.M):
        top = module.partition(".")[0]
        spent["ours" if top in OURS else top if top in PACKAGES else OTHERS] += int(own_us) / 1e3
    return spent


def _idle(checkout: Path, engine: str, home: Path) -> dict[str, float]:
    """What a peer holds (PSS) and takes that knows no other and has answered once."""
    with ExitStack() as stack:
        peer = _Peer(stack, home, checkout, engine)
        peer.first_answer_s()
        mib, began_s, began_cpu_s = peer.settled_mib(), time.perf_counter(), peer.cpu_s()
        time.sleep(IDLE_S)
        took = (peer.cpu_s() - began_cpu_s) / (time.perf_counter() - began_s)
    return {"idle_mib": round(mib, 1), "idle_cpu_ms_a_second": round(took * 1e3, 1)}


def _judging_mib(checkout: Path, engine: str, home: Path) -> float:
    """PSS of a peer that knows another one, and chooses between both by what queries are about."""
    with ExitStack() as stack:
        hop = free_port()
        other = _Peer(
            stack, home.with_suffix(".other"), checkout, engine, "--peer-port", str(hop), environment=PAIR_ENVIRONMENT
        )
        other.first_answer_s()
        peer = _Peer(stack, home, checkout, engine, "--seed", f"127.0.0.1:{hop}", environment=PAIR_ENVIRONMENT)
        peer.first_answer_s()
        ends_at = time.monotonic() + LIMIT_S
        while not peer.encoders():
            if time.monotonic() > ends_at:
                raise NotStarted(f"no encoder was loaded in {LIMIT_S:.0f} s; are the weights pulled?")
            time.sleep(0.2)
        for number in range(QUERIES):
            peer.ask(f"How do I bake bread number {number} without yeast?")
        other.end()  # else each counts half of the libraries that both have
        return peer.settled_mib()


class _Peer:
    """A peer that was just started."""

    def __init__(
        self, stack: ExitStack, home: Path, checkout: Path, engine: str, *more: str, environment: Mapping[str, str] = {}
    ) -> None:
        self._port = free_port()
        command = [python_of(checkout), "-m", "gateway.cli", "serve", "--home", str(home), "--engine", engine]
        command += ["--port", str(self._port), "--peer-host", "127.0.0.1", "--no-mdns", *(more or ("--peer-port", "0"))]
        self._began = time.perf_counter()
        environment = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": ""}  # else each start compiles anew
        process = launched(stack, home.with_suffix(".log"), command, environment, checkout)
        self._process, self.end = psutil.Process(process.pid), process.terminate

    def first_answer_s(self) -> float:
        """How long after its command it answers, asked again and again. Raises NotStarted."""
        while time.perf_counter() - self._began < LIMIT_S and self._process.status() != psutil.STATUS_ZOMBIE:
            try:
                self.ask("Hello")
                return time.perf_counter() - self._began
            except (OSError, WrongAnswer):  # not there, or without its engine yet
                time.sleep(LOOK_S)
        raise NotStarted(f"no answer of the peer in {LIMIT_S:.0f} s")

    def ask(self, text: str) -> None:
        """Raises OSError, WrongAnswer."""
        body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        if "Good morning" not in self._said("POST", "/v1/chat/completions", json.dumps(body)):
            raise WrongAnswer("an answer was not the engine's")

    def encoders(self) -> list[str]:
        """Which are loaded."""
        gate = json.loads(self._said("GET", "/ppai/v1/status"))["gate"]
        return list(gate["encoders"])

    def cpu_s(self) -> float:
        return cpu_s_of(self._process)

    def settled_mib(self) -> float:
        """PSS, some seconds from now."""
        time.sleep(SETTLED_S)
        return float(self._process.memory_full_info().pss / (1 << 20))

    def _said(self, method: str, path: str, body: str | None = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LIMIT_S)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            return connection.getresponse().read().decode()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()


if __name__ == "__main__":
    sys.exit(main())
