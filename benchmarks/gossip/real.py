"""Real peers: `ppai serve` processes on loopback that speak TLS to each other, and what they cost when nobody asks."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_LOOPBACK = Path("/proc/net/dev")
_START_S = 300.0
_DEAD_S = 60.0
_NOBODY = "http://127.0.0.1:9"  # no engine: only the peer itself is measured


class NotThere(Exception):
    """The peers did not do in time what was waited for; the text says what."""


def measure_real(nodes: int, seconds: float) -> dict[str, Any]:
    """Start `nodes` peers, let them idle for `seconds`, kill one. Raises NotThere."""
    if not _LOOPBACK.exists():
        raise NotThere(f"--real reads {_LOOPBACK}, which only Linux has; leave --real out for virtual time")
    with TemporaryDirectory() as folder, ExitStack() as stack:
        ports = _free_ports(nodes)
        start = time.monotonic()
        peers = [stack.enter_context(_peer(Path(folder) / f"peer-{n}", ports[n], ports[0])) for n in range(nodes)]
        homes = [Path(folder) / f"peer-{n}" for n in range(nodes)]
        met_s = _until(lambda: _all_see(homes, {"alive": nodes - 1}), start, _START_S, "all knew all")
        time.sleep(5.0)
        before, sent = [_cpu_s(peer.pid) for peer in peers], _loopback_bytes()
        time.sleep(seconds)
        cpu = [100 * (_cpu_s(p.pid) - b) / seconds for p, b in zip(peers, before, strict=True)]
        on_wire = 2 * (_loopback_bytes() - sent) / seconds / nodes  # each byte is sent by one and received by another
        killed_at = time.monotonic()
        peers[-1].kill()
        dead_s = _until(lambda: _all_see(homes[:-1], {"dead": 1}), killed_at, _DEAD_S, "all held it for dead")
    return {
        "nodes": nodes,
        "real": True,
        "met_s": round(met_s, 2),
        "cpu_percent": {"mean": round(sum(cpu) / nodes, 2), "max": round(max(cpu), 2)},
        "wire_bytes_per_s_per_node": round(on_wire),
        "detection_s": {"max": round(dead_s, 2)},
    }


@contextmanager
def _peer(home: Path, peer_port: int, seed_port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """One process, ended with the context."""
    seed = [] if peer_port == seed_port else ["--seed", f"127.0.0.1:{seed_port}"]
    place = ["--home", str(home), "--port", "0", "--peer-port", str(peer_port), "--peer-host", "127.0.0.1"]
    command = [sys.executable, "-m", "gateway.cli", "serve", *place, "--engine", _NOBODY, "--no-mdns", *seed]
    with home.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _until(condition: Callable[[], bool], start: float, within_s: float, what: str) -> float:
    while not condition():
        if time.monotonic() - start > within_s:
            raise NotThere(f"it took more than {within_s:.0f} s until {what}")
        time.sleep(0.5)
    return time.monotonic() - start


def _all_see(homes: list[Path], expected: dict[str, int]) -> bool:
    """Whether every peer counts, for each state of `expected`, that many others."""
    for home in homes:
        states = _states(home)
        if any(states.count(state) != count for state, count in expected.items()):
            return False
    return True


def _states(home: Path) -> list[str]:
    try:
        url = json.loads((home / "running.json").read_text(encoding="utf-8"))["url"]
        with urllib.request.urlopen(url + "/ppai/v1/peers", timeout=10) as response:
            return [peer["state"] for peer in json.load(response)]
    except (OSError, ValueError):
        return []  # not up yet


def _cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _loopback_bytes() -> int:
    """Bytes sent over loopback so far, headers included, by everybody in this network namespace."""
    line = next(line for line in _LOOPBACK.read_text(encoding="utf-8").splitlines() if line.strip().startswith("lo:"))
    return int(line.partition(":")[2].split()[8])
