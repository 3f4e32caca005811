"""`python -m benchmarks.gateway.flood`: what floods from other machines cost a peer and its owner.

A real peer (`ppai serve`) before a mock engine, and a process that attacks it at `--nice`, all on this machine. A
program of the owner's asks ten times a second meanwhile. Each round measures each kind in an order drawn anew, after a
while without any:

    one        a peer with both rights asks ten times as often as one may
    hundred    a hundred such peers behind one address ask ten times as often as those together may
    strangers  whoever reaches the port: made-up ids, unsigned requests, bytes that are no TLS, heads that never end

`stall_ms` is the longest stall of the event loop, the median over rounds, `least_stall_ms` the least of them; `work_ms`
is the most that the loop itself worked in one, in any round. Other work on the machine makes stalls longer, never
shorter: compare with `alone` of the same run. `--seconds 600 --kinds strangers --rounds 1` is ten minutes of strangers.
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gateway.attacker import NET
from benchmarks.gateway.options import parser_of
from benchmarks.gateway.stall import longest_ms
from benchmarks.gateway.targets import ROOT, NotStarted, Target, free_port, started, table, watched
from gateway.capacity.allowance import SITE_FACTOR

QUOTA_PER_S = 5.0  # of one peer; two cores can ask ten times that
FLOOD = 10  # times what may pass
OWNER_INTERVAL_S = 0.1
SETTLE_S = 1.0
KINDS = {
    "one": ("delegations", FLOOD * QUOTA_PER_S, 1),
    "hundred": ("delegations", FLOOD * SITE_FACTOR * QUOTA_PER_S, 100),
    "strangers": ("strangers", 0.0, 0),
}


@dataclass(slots=True)
class Seen:
    """What one kind did to the peer, a list entry a round."""

    asked_per_s: list[float] = field(default_factory=list)
    let_in_per_s: list[float] = field(default_factory=list)
    stall_ms: list[float] = field(default_factory=list)  # the longest
    work_ms: list[float] = field(default_factory=list)  # the most that the loop's thread worked in one
    owner_s: list[float] = field(default_factory=list)  # all rounds together
    cpu: list[float] = field(default_factory=list)  # cores
    growth_mib: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Victim:
    """The peer, where its owner and where others reach it, and where its stalls stand."""

    target: Target
    peer_port: int
    stalls: Path


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 the engine, the peer or an attacker did not come up or answered wrongly."""
    options = _options(argv)
    rng, found = random.Random(options.seed), {kind: Seen() for kind in ("alone", *options.kinds)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            victims = _start(stack, Path(folder), options.kinds)
            for _ in range(options.rounds):
                for kind in rng.sample(options.kinds, len(options.kinds)):
                    victim = victims["strangers" if kind == "strangers" else "known"]
                    _measure(victim, found["alone"], min(options.seconds, 5.0))
                    with _attack(victim, kind, options.nice, found[kind]):
                        _measure(victim, found[kind], options.seconds)
                    time.sleep(SETTLE_S)
        except (NotStarted, http.client.HTTPException, OSError, ValueError) as error:
            print(f"benchmarks.gateway.flood: {error}", file=sys.stderr)
            return 1
    rows = [_row(kind, seen) for kind, seen in found.items()]
    print(json.dumps({"rows": rows}) if options.json else table(rows, names=1))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.gateway.flood", __doc__, rounds=3, compares=False)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS], help="these, not all")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each kind in a round")
    parser.add_argument(
        "--nice", type=int, default=19, help="of the attackers: where others work, 19 leaves them nothing"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    return parser.parse_args(argv)


def _start(stack: ExitStack, folder: Path, kinds: Sequence[str]) -> dict[str, Victim]:
    """The engine, and a peer for floods of known peers, and one that lets strangers say hello. Raises NotStarted."""
    port = free_port()
    started(stack, folder, "engine", port, [sys.executable, "-m", "benchmarks.gateway.engine", str(port)])
    settings = [f"PPAI_ADMISSION_PEER_REQUESTS_PER_S={QUOTA_PER_S}", "PPAI_ENGINE_SLOTS=4", f"PPAI_NETWORK_NAME={NET}"]
    victims = {}
    if set(kinds) - {"strangers"}:
        victims["known"] = _victim(stack, folder, "known", port, ["env", *settings])
    if "strangers" in kinds:
        victims["strangers"] = _victim(stack, folder, "strangers", port, ["env", "-u", "PPAI_SECRET", *settings])
    return victims


def _victim(stack: ExitStack, folder: Path, name: str, engine: int, environment: Sequence[str]) -> Victim:
    hop = free_port()
    options = ("--peer-port", str(hop), "--engine", f"http://127.0.0.1:{engine}")
    target, stalls = watched(stack, folder, name, *options, environment=environment)
    return Victim(target, hop, stalls)


@contextmanager
def _attack(victim: Victim, kind: str, niceness: int, seen: Seen) -> Iterator[None]:
    """An attacker at work. Raises OSError where it is not let in."""
    attack, per_s, names = KINDS[kind]
    given = (attack, str(victim.peer_port), str(per_s), str(names), str(niceness))
    command = [sys.executable, "-m", "benchmarks.gateway.attacker", *given]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen(command, **pipes) as attacker:
        assert attacker.stdin and attacker.stdout
        try:
            if attacker.stdout.readline() != "ready\n":
                raise OSError("the attacker did not come up")
            yield
            attacker.stdin.close()
            heard = json.loads(attacker.stdout.readline())
        finally:
            attacker.kill()
    seconds = heard.pop("seconds")
    seen.asked_per_s.append(sum(heard.values()) / seconds)
    seen.let_in_per_s.append((heard.get("let in", 0) + heard.get("hello 200", 0)) / seconds)


def _measure(victim: Victim, seen: Seen, seconds: float) -> None:
    """So long, with the owner's program asking. Raises HTTPException, OSError."""
    cpu_s, rss_mib, began = victim.target.cpu_s(), victim.target.rss_mib(), time.monotonic()
    owner = Owner(victim.target.port)
    seen.owner_s += owner.ask_for(seconds)
    took_s = time.monotonic() - began
    seen.cpu.append((victim.target.cpu_s() - cpu_s) / took_s)
    seen.growth_mib.append(victim.target.rss_mib() - rss_mib)
    stall_ms, work_ms = longest_ms(victim.stalls, began)
    seen.stall_ms.append(stall_ms)
    seen.work_ms.append(work_ms)


class Owner:
    """A program of the owner's, which asks again and again over one connection."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask_for(self, seconds: float) -> list[float]:
        """Seconds that each answer took. Raises HTTPException, OSError."""
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]})
        took, until = list[float](), time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            self._http.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
            answer = self._http.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"the owner got {answer.status}: {said[:300].decode(errors='replace')}")
            took.append(time.monotonic() - began)
            time.sleep(OWNER_INTERVAL_S)
        self._http.close()
        return took


def _row(kind: str, seen: Seen) -> dict[str, Any]:
    owner_ms = sorted(1000 * took for took in seen.owner_s)
    return {
        "kind": kind,
        "asked_per_s": round(statistics.median(seen.asked_per_s or [0])),
        "let_in_per_s": round(statistics.median(seen.let_in_per_s or [0]), 1),
        "owner_p50_ms": round(statistics.median(owner_ms), 1),
        "owner_p99_ms": round(owner_ms[int(0.99 * len(owner_ms))], 1),
        "stall_ms": round(statistics.median(seen.stall_ms), 1),
        "least_stall_ms": round(min(seen.stall_ms), 1),
        "work_ms": round(max(seen.work_ms), 1),
        "cpu_percent": round(100 * statistics.median(seen.cpu), 1),
        "growth_mib": round(max(seen.growth_mib), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
