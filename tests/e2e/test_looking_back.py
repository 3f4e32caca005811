"""What the other side finds, over real links: mDNS that passes one way alone, and a peer that nobody reaches."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_namespaces import Link, PeerInNamespace, _ip, until, why_not_here

Start = Callable[..., PeerInNamespace]
ENV = {"PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943", "PPAI_ENGINE_URL": "http://127.0.0.1:9"}

pytestmark = pytest.mark.slow


@pytest.fixture
def link() -> Iterator[Link]:
    if (reason := why_not_here()) or (reason := None if shutil.which("curl") else "curl is not installed"):
        pytest.skip(reason)
    with Link() as made:
        yield made


@pytest.fixture
def start(link: Link, tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(name: str, *args: str, mdns: bool = True, host: str = "0.0.0.0") -> PeerInNamespace:
            env = {**ENV, "PPAI_NETWORK_MDNS": "true" if mdns else "false"}
            listens = ("--name", name, "--peer-host", host, "--peer-port", "8471")
            return stack.enter_context(PeerInNamespace(link, name, tmp_path / name, *listens, *args, env=env))  # type: ignore[return-value]

        yield begin


def _nft(link: Link, name: str, rule: str) -> None:
    rules = f"add table ip t; add chain ip t in {{ type filter hook input priority 0; }}; {rule}"
    subprocess.run(["ip", "netns", "exec", link.namespace(name), "nft", rules], check=True, capture_output=True)


def reach_of(peer: PeerInNamespace) -> str:
    return str(peer.get("/ppai/v1/status")[1]["network"]["reach"])


def is_settled(peer: PeerInNamespace) -> bool:
    """It was reached, and has listened to multicast for so long that it tells whom it hears."""
    return reach_of(peer) == "reached" and peer.get("/ppai/v1/status")[1]["uptime_s"] > 6


def doctor(peer: PeerInNamespace) -> dict[str, list[dict[str, Any]]]:
    """What `ppai doctor` finds beside the peer, by check."""
    command = [*peer.prefix, sys.executable, "-m", "gateway.cli", "doctor", "--json", "--home", str(peer.home)]
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout):
        found.setdefault(one["id"], []).append(one)
    return found


def test_mdns_that_passes_one_way_is_told_with_its_way_by_both_sides(link: Link, start: Start) -> None:
    """Ada's machine drops the multicast that comes in."""
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed (nftables)")
    ada = start("ada")
    ben = start("ben")
    until(lambda: all(map(is_settled, (ada, ben))), 20)
    good = doctor(ada)
    assert [True] == [one["ok"] for one in good["reach-us"]] and [True] == [one["ok"] for one in good["mdns-peers"]]
    ada.stop()
    ben.stop()

    _nft(link, "ada", "add rule ip t in ip daddr 224.0.0.251 drop")
    again = {name: start(name, "--seed", f"{link.address['ben']}:8471") for name in ("ben", "ada")}
    until(lambda: all(map(is_settled, again.values())), 20)
    told = {name: doctor(peer)["mdns-peers"] for name, peer in again.items()}

    ways = {"ada": "on the way from there to here", "ben": "on the way from here to there"}
    for name, found in told.items():
        assert [False] == [one["ok"] for one in found] and ways[name] in found[0]["said"], told


def test_a_peer_that_nobody_reaches_is_told_so_and_asks_only(link: Link, start: Start) -> None:
    """Ada listens at an address to which the others have no way; she asks them from another one."""
    seed = ("--seed", f"{link.address['ben']}:8471")
    ben = start("ben", mdns=False)
    start("cleo", *seed, mdns=False)
    _ip("-n", link.namespace("ada"), "addr", "add", "10.88.0.1/32", "dev", "lo")

    ada = start("ada", *seed, mdns=False, host="10.88.0.1")

    until(lambda: reach_of(ada) == "asks only", 60)
    assert [] == ada.get("/ppai/v1/status")[1]["network"]["addresses"]
    reach = doctor(ada)["reach-us"]
    assert {False} == {one["ok"] for one in reach}
    until(lambda: ben.known("alive") == {"ada", "cleo"}, 60)
    (row,) = [row for row in ben.get("/ppai/v1/peers")[1] if row["name"] == "ada"]
    assert ([], [], None) == (row["addresses"], row["agents"], row["path"])
    assert all(f"at {link.address['ada']}:8471" in one["said"] for one in reach)
