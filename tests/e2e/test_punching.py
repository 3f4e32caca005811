"""Direct ways through two NATs that keep ports, by real iroh in network namespaces; none where they do not."""

import contextlib
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_beyond_one_network import NAT, RELAY, TIMED, Internet, PeerThere, engine_in, run, streaming
from tests.e2e.test_namespaces import until, why_not_here

pytestmark = pytest.mark.slow

KEEPING = NAT.replace("masquerade fully-random", "masquerade")
BEHIND = ("ada", "ben")


def why_not() -> str | None:
    if importlib.util.find_spec("iroh") is None:
        return "iroh is not installed: pip install -c constraints-train.txt -e '.[punch]'"
    missing = next((f"{word} is not installed" for word in ("curl", "nft") if shutil.which(word) is None), None)
    return missing or why_not_here()


@contextlib.contextmanager
def three(folder: Path, nat: str) -> Iterator[dict[str, PeerThere]]:
    """A relay in the open, and two peers that are reached through it; each with an engine of its own."""
    if reason := why_not():
        pytest.skip(reason)
    with Internet(nat) as internet, contextlib.ExitStack() as stack:
        made: dict[str, PeerThere] = {}
        for name in ("relay", *BEHIND):
            behind = {"PPAI_NETWORK_RELAY": f"{RELAY}:8471", "PPAI_NETWORK_SEEDS": f"{RELAY}:8471"}
            env = {"PPAI_RELAY_SERVE": "true"} if name == "relay" else behind
            url = stack.enter_context(engine_in(internet, name))
            args = ("--peer-host", "0.0.0.0", "--peer-port", "8471", "--engine", url)
            made[name] = stack.enter_context(PeerThere(internet, name, folder / name, *args, env=env))  # type: ignore[assignment]
        until(lambda: {row["name"] for row in made["relay"].get("/ppai/v1/peers")[1]} == set(BEHIND), 30)
        made["relay"].ppai("approve", *BEHIND, "--relay")
        yield made


def test_nats_that_do_not_keep_ports_leave_the_relay_in_use(tmp_path: Path) -> None:
    with three(tmp_path, NAT) as made:
        ada = made["ada"]
        until(lambda: ada.answers_of("ben"), 60)
        until(lambda: (ada.get("/ppai/v1/status")[1]["network"]["punching"] or {}).get("at"), 30)
        until(lambda: "punch_failed" in ada.output, 30)

        assert row_of(ada, "ben")["relayed"] and ada.answers_of("ben")


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, PeerThere]]:
    with three(tmp_path_factory.mktemp("keeping"), KEEPING) as made:
        try:
            until(lambda: all(row_of(made[one], other)["punched"] for one, other in (BEHIND, BEHIND[::-1])), 60)
        except AssertionError:
            for name, peer in made.items():
                print(f"--- {name}", peer.get("/ppai/v1/status")[1]["network"], peer.output[-2500:], sep="\n")
            raise
        yield made


def row_of(peer: PeerThere, other: str) -> dict[str, Any]:
    return next((row for row in peer.get("/ppai/v1/peers")[1] if row["name"] == other), {"punched": False})


def passed(relay: PeerThere) -> int:
    """Bytes that it put through."""
    return sum(row["bytes"] for row in relay.get("/ppai/v1/status")[1]["network"]["relayed"])


def p50_ms(peer: PeerThere, other: str) -> float:
    timed = json.loads(run(*peer.prefix, sys.executable, "-c", TIMED, peer.url, other, "200"))
    return statistics.median(timed) * 1000


def test_two_behind_nats_that_keep_ports_answer_each_other_directly(peers: dict[str, PeerThere]) -> None:
    """At each other's outer address, with next to nothing through the relay."""
    before = passed(peers["relay"])

    assert all(peers[one].answers_of(other) for one, other in (BEHIND, BEHIND[::-1]) for _ in range(20))

    after = passed(peers["relay"])
    print(f"relay: {after - before} bytes; to itself {p50_ms(peers['ada'], 'ada'):.1f} ms, "
          f"through both NATs {p50_ms(peers['ada'], 'ben'):.1f} ms")  # fmt: skip
    assert row_of(peers["ada"], "ben")["path"].startswith("10.99.0.2:")
    assert not row_of(peers["ada"], "ben")["relayed"]
    assert after - before < 40_000


def test_twenty_streams_at_once_go_the_direct_way(peers: dict[str, PeerThere]) -> None:
    before = passed(peers["relay"])
    with streaming(peers["ada"], {"x-ppai-route": "ben"}, count=20) as streams:
        ends = streams.end()

    print("longest pause", max(end["pause_s"] for end in ends))
    assert [(200, None, True)] * 20 == [(end["status"], end["error"], end["done"]) for end in ends]
    assert passed(peers["relay"]) - before < 200_000


def test_where_the_way_is_lost_the_relay_is_used_at_once_and_the_way_comes_back(peers: dict[str, PeerThere]) -> None:
    """Nothing by UDP passes ada's NAT any more."""
    drop = "add rule ip n forward ip protocol udp drop", "insert rule ip n forward ip protocol udp drop"
    tag = peers["ada"].prefix[3].removesuffix("ada")
    nat = ("ip", "netns", "exec", f"{tag}natada", "nft")
    run(*nat, *drop[1].split())
    try:
        lost = until(lambda: not row_of(peers["ada"], "ben")["punched"], 40)
        answered = until(lambda: peers["ada"].answers_of("ben"), 20)
    finally:
        subprocess.run([*nat, "flush", "chain", "ip", "n", "forward"], check=True)
        for rule in ('iifname "lan" accept', "ct state established accept"):
            run(*nat, "add", "rule", "ip", "n", "forward", *rule.split())
    back = until(lambda: row_of(peers["ada"], "ben")["punched"], 150)

    print(f"lost after {lost:.1f} s, answered {answered:.1f} s later, direct again {back:.1f} s after it was possible")
