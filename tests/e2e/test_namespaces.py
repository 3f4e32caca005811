"""Four peers in four network namespaces on one bridge: mDNS over a real link, a cut, and healing."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.peer import PeerProcess

NAMES = ("ada", "ben", "cleo", "dora")
TAG = f"pp{os.getpid() % 10000}"  # interface names have 15 characters


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def why_not_here() -> str | None:
    """Why namespaces cannot be made here; None where they can."""
    if shutil.which("ip") is None:
        return "the command `ip` is not installed (iproute2)"
    made = subprocess.run(["ip", "netns", "add", f"{TAG}try"], capture_output=True, text=True)
    if made.returncode:
        return f"network namespaces are not permitted: {made.stderr.strip()}"
    _ip("netns", "del", f"{TAG}try")
    return None


class Link:
    """A bridge in a namespace of its own, and one namespace a peer, each with one address on it."""

    def __init__(self) -> None:
        self.address = {name: f"10.77.0.{number}" for number, name in enumerate(NAMES, 1)}

    def __enter__(self) -> "Link":
        bridge = self.namespace("br")
        _ip("netns", "add", bridge)
        _ip("-n", bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        _ip("-n", bridge, "link", "set", "br0", "up")
        for name in NAMES:
            own, wire = self.namespace(name), f"{TAG}{name}"
            _ip("netns", "add", own)
            _ip("link", "add", wire, "netns", bridge, "type", "veth", "peer", "name", "eth0", "netns", own)
            _ip("-n", bridge, "link", "set", wire, "master", "br0", "up")
            _ip("-n", own, "addr", "add", f"{self.address[name]}/24", "dev", "eth0")
            _ip("-n", own, "link", "set", "eth0", "up")
            _ip("-n", own, "link", "set", "lo", "up")
        return self

    def __exit__(self, *exc: object) -> None:
        for name in (*NAMES, "br"):
            subprocess.run(["ip", "netns", "del", self.namespace(name)], capture_output=True)

    def namespace(self, name: str) -> str:
        return f"{TAG}{name}"

    def cut(self, name: str) -> None:
        _ip("-n", self.namespace("br"), "link", "set", f"{TAG}{name}", "down")

    def mend(self, name: str) -> None:
        _ip("-n", self.namespace("br"), "link", "set", f"{TAG}{name}", "up")


class PeerInNamespace(PeerProcess):
    """A peer whose only network is its namespace's; we look at it from inside that."""

    def __init__(self, link: Link, name: str, home: Path, *args: str, env: dict[str, str]) -> None:
        super().__init__(home, *args, env=env)
        self.prefix = ("ip", "netns", "exec", link.namespace(name))

    def get(self, path: str) -> tuple[int, Any]:
        asked = subprocess.run(
            [*self.prefix, "curl", "-s", "-m", "5", "-w", "\n%{http_code}", self.url + path],
            capture_output=True,
            text=True,
        )
        body, _, status = asked.stdout.rpartition("\n")
        return int(status or 0), json.loads(body) if body else None

    def known(self, state: str) -> set[str]:
        """Names of the peers it sees in `state`."""
        return {peer["name"] for peer in self.get("/ppai/v1/peers")[1] or () if peer["state"] == state}


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[tuple[Link, dict[str, PeerInNamespace]]]:
    if (reason := why_not_here()) or (reason := None if shutil.which("curl") else "curl is not installed"):
        pytest.skip(reason)
    env = {
        "PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943",
        "PPAI_NETWORK_MDNS": "true",
        "PPAI_ENGINE_URL": "http://127.0.0.1:9",
    }
    with Link() as link, contextlib.ExitStack() as stack:
        made = {
            name: PeerInNamespace(
                link, name, tmp_path / name, "--name", name, "--peer-host", "0.0.0.0", "--peer-port", "8471", env=env
            )
            for name in NAMES
        }
        yield link, {name: stack.enter_context(peer) for name, peer in made.items()}  # type: ignore[misc]


def until(condition: Callable[[], bool], timeout_s: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"not within {timeout_s} s"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.slow
def test_four_peers_find_each_other_survive_a_cut_and_heal(peers: tuple[Link, dict[str, PeerInNamespace]]) -> None:
    link, by_name = peers
    others = {name: set(NAMES) - {name} for name in NAMES}

    took_s = until(lambda: all(peer.known("alive") == others[name] for name, peer in by_name.items()), 10)
    assert took_s < 3

    link.cut("dora")
    until(lambda: all("dora" in by_name[name].known("dead") for name in NAMES[:3]), 30)
    assert all(by_name[name].known("alive") == others[name] - {"dora"} for name in NAMES[:3])

    link.mend("dora")
    healed_s = until(lambda: all(peer.known("alive") == others[name] for name, peer in by_name.items()), 30)
    assert healed_s < 15
