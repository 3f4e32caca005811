"""Five peers in five networks: three behind symmetric NATs, two of them in a VPN; one with IPv6 alone; a relay.

ada 10.1.0.2 - NAT 10.99.0.1 -+- inet: relay 10.99.0.9, fd00:99::9
ben 10.2.0.2 - NAT 10.99.0.2 -+        eva fd00:99::5, no IPv4
vic 10.3.0.2 - NAT 10.99.0.3 -+        ben 100.64.0.2 - VPN, MTU 1280 - vic 100.64.0.3
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.peer import PeerProcess
from tests.e2e.test_namespaces import until, why_not_here

pytestmark = pytest.mark.slow

TAG = f"pr{os.getpid() % 10000}"
HOMES = {"ada": 1, "ben": 2, "vic": 3}
PEERS = ("relay", "ada", "ben", "vic", "eva")
RELAY, RELAY6 = "10.99.0.9", "fd00:99::9"
ENV = {"PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943", "PPAI_SCHEDULER_EXPLORATION": "0", "PPAI_ENGINE_SLOTS": "32"}
NAT = """table ip n {
  chain post { type nat hook postrouting priority 100; oifname "wan" masquerade fully-random; }
  chain forward { type filter hook forward priority 0; policy drop; iifname "lan" accept; ct state established accept; }
  chain input { type filter hook input priority 0; policy drop; iifname "lan" accept; ct state established accept; }
}"""


def run(*words: str, text: str | None = None) -> str:
    done = subprocess.run(words, input=text, check=True, capture_output=True, text=True)
    return done.stdout


class Internet:
    """The namespaces and what joins them. `within(name)` is what runs a command there."""

    def __init__(self, nat: str = NAT) -> None:
        self.nat = nat  # the rules of each home's router
        self.names = ("inet", *PEERS, *(f"nat{home}" for home in HOMES))

    def __enter__(self) -> "Internet":
        for name in self.names:
            run("ip", "netns", "add", TAG + name)
            run("ip", "-n", TAG + name, "link", "set", "lo", "up")
        self._ip("inet", "link add br0 type bridge mcast_snooping 0")
        self._ip("inet", "link set br0 up")
        for home, number in HOMES.items():
            self._wire(f"nat{home}", "wan", f"10.99.0.{number}/24")
            self._pair((f"nat{home}", "lan", f"10.{number}.0.1/24"), (home, "eth0", f"10.{number}.0.2/24"))
            self._ip(home, f"route add default via 10.{number}.0.1")
            run(*self.within(f"nat{home}"), "sysctl", "-qw", "net.ipv4.ip_forward=1")
            run(*self.within(f"nat{home}"), "nft", "-f", "-", text=self.nat)
        self._wire("relay", "eth0", f"{RELAY}/24", f"{RELAY6}/64")
        self._wire("eva", "eth0", "fd00:99::5/64")
        self._pair(("ben", "vpn", "100.64.0.2/24"), ("vic", "vpn", "100.64.0.3/24"))
        for end in ("ben", "vic"):
            self._ip(end, "link set vpn mtu 1280")
        return self

    def __exit__(self, *exc: object) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", TAG + name], capture_output=True)

    def within(self, name: str) -> tuple[str, ...]:
        return "ip", "netns", "exec", TAG + name

    def _ip(self, name: str, words: str) -> None:
        run("ip", "-n", TAG + name, *words.split())

    def _address(self, name: str, link: str, *addresses: str) -> None:
        for address in addresses:
            self._ip(name, f"addr add {address} dev {link}" + (" nodad" if ":" in address else ""))
        self._ip(name, f"link set {link} up")

    def _wire(self, name: str, link: str, *addresses: str) -> None:
        """To the bridge in the middle."""
        port = f"w{name}"[:12]
        run("ip", "link", "add", port, "netns", f"{TAG}inet", "type", "veth", "peer", "name", link, "netns", TAG + name)
        self._ip("inet", f"link set {port} master br0 up")
        self._address(name, link, *addresses)

    def _pair(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
        run(
            "ip",
            "link",
            "add",
            one[1],
            "netns",
            TAG + one[0],
            "type",
            "veth",
            "peer",
            "name",
            other[1],
            "netns",
            TAG + other[0],
        )
        for name, link, address in (one, other):
            self._address(name, link, address)


class PeerThere(PeerProcess):
    """A peer in one of the namespaces; we look at it from inside that."""

    def __init__(self, internet: Internet, name: str, home: Path, *args: str, env: dict[str, str]) -> None:
        super().__init__(home, "--name", name, *args, env={**ENV, **env})
        self.name, self.prefix = name, internet.within(name)

    def get(self, path: str) -> tuple[int, Any]:
        return self.ask(path, None)

    def ask(self, path: str, body: Any, *headers: str, m: str = "20") -> tuple[int, Any]:
        sent = [] if body is None else ["-H", "content-type: application/json", "-d", json.dumps(body)]
        for header in headers:
            sent += ["-H", header]
        asked = subprocess.run(
            [*self.prefix, "curl", "-s", "-m", m, "-w", "\n%{http_code}", *sent, self.url + path],
            capture_output=True, text=True,
        )  # fmt: skip
        said, _, status = asked.stdout.rpartition("\n")
        return int(status or 0), json.loads(said) if said else None

    def ppai(self, *words: str) -> str:
        return run(*self.prefix, sys.executable, "-m", "gateway.cli", *words, "--home", str(self.home))

    def answers_of(self, other: str) -> bool:
        """Whether it gets an answer of this peer."""
        asked = {"messages": [{"role": "user", "content": "hi"}]}
        return self.ask("/v1/chat/completions", asked, f"x-ppai-route: {other}")[0] == 200


TEXT = " ".join(f"w{number}" for number in range(60))
MODELS = {"ben": "pair", "vic": "pair"}  # what one of them begins the other can end
ENGINE = f"""
import asyncio, sys
from tests.fakes import ScriptedEngine, going_on

async def main(model):
    behaviour = going_on({TEXT!r})
    said = behaviour.pop("answer")

    def answer(body):
        made.token_s = 0.2 if body.get("stream") else 0.0
        return said(body)

    made = ScriptedEngine(model=model, answer=answer, **behaviour)
    async with made.serving() as engine:
        print(engine.url, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main(sys.argv[1]))
"""
STREAMED = """
import http.client, json, sys, time
from concurrent.futures import ThreadPoolExecutor
url, fields, headers, count = sys.argv[1].removeprefix("http://"), *map(json.loads, sys.argv[2:])
body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True, **fields})

def begun(_):
    connection = http.client.HTTPConnection(url, timeout=60)
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json", **headers})
    return connection.getresponse()

def ended(answer):
    text, error, done, at, pauses = "", None, False, time.monotonic(), [0.0]
    for line in answer:
        if line.strip():
            pauses.append(time.monotonic() - at)
            at = time.monotonic()
        done = done or line.startswith(b"data: [DONE]")
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            error = error or event.get("error")
            text += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
    return {"status": answer.status, "text": text, "error": error, "done": done, "pause_s": max(pauses)}

with ThreadPoolExecutor(count) as threads:
    answers = list(threads.map(begun, range(count)))
    print(json.dumps([answer.getheader("x-ppai-peer") for answer in answers]), flush=True)
    print(json.dumps(list(threads.map(ended, answers))))
"""
TIMED = """
import http.client, json, sys, time
url, other, count = sys.argv[1].removeprefix("http://"), sys.argv[2], int(sys.argv[3])
body, times = json.dumps({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}), []
connection = http.client.HTTPConnection(url)
for _ in range(count):
    began = time.perf_counter()
    headers = {"content-type": "application/json", "x-ppai-route": other}
    connection.request("POST", "/v1/chat/completions", body, headers)
    answer = connection.getresponse()
    answer.read()
    times.append(time.perf_counter() - began if answer.status == 200 else None)
print(json.dumps(times))
"""


@contextlib.contextmanager
def engine_in(internet: Internet, name: str) -> Iterator[str]:
    command = [*internet.within(name), sys.executable, "-c", ENGINE, MODELS.get(name, f"model-{name}")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, PeerThere]]:
    """All five, each with an engine of its own; the relay's owner lets the four others be reached through it."""
    missing = next((f"{word} is not installed" for word in ("curl", "nft") if shutil.which(word) is None), None)
    if reason := why_not_here() or missing:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("peers")
    with Internet() as internet, contextlib.ExitStack() as stack:
        made: dict[str, PeerThere] = {}
        for name in PEERS:
            at = f"[{RELAY6}]:8471" if name == "eva" else f"{RELAY}:8471"
            behind = {"PPAI_NETWORK_RELAY": at, "PPAI_NETWORK_SEEDS": at}
            env = {"PPAI_RELAY_SERVE": "true", "PPAI_RELAY_HOST": "::"} if name == "relay" else behind
            url = stack.enter_context(engine_in(internet, name))
            host = "::" if name in ("relay", "eva") else "0.0.0.0"
            args = ("--peer-host", host, "--peer-port", "8471", "--engine", url)
            made[name] = stack.enter_context(PeerThere(internet, name, folder / name, *args, env=env))  # type: ignore[assignment]
        relay = made["relay"]
        until(lambda: {row["name"] for row in relay.get("/ppai/v1/peers")[1]} == set(PEERS[1:]), 30)
        relay.ppai("approve", *PEERS[1:], "--relay")
        try:
            until(lambda: all(relays_of(made[name]) for name in PEERS[1:]), 40)
        except AssertionError:
            for name, peer in made.items():
                print(f"--- {name}", peer.get("/ppai/v1/status")[1]["network"], peer.output[-1500:], sep="\n")
            raise
        yield made


def relays_of(peer: PeerThere) -> list[str]:
    """Where others reach it through relays."""
    return [at for row in peer.get("/ppai/v1/status")[1]["network"]["relays"] for at in row["at"]]


def path_to(peer: PeerThere, other: str) -> str | None:
    (row,) = [row for row in peer.get("/ppai/v1/peers")[1] if row["name"] == other]
    return row["path"]


def test_all_five_answer_each_other(peers: dict[str, PeerThere]) -> None:
    """The two of the VPN directly, the others through the relay."""
    pairs = [(one, other) for one in PEERS for other in PEERS if one != other]
    took = {pair: until(lambda pair=pair: peers[pair[0]].answers_of(pair[1]), 60) for pair in pairs}

    print({f"{one} to {other}": round(seconds, 1) for (one, other), seconds in took.items()})
    assert "100.64.0.3:8471" == path_to(peers["ben"], "vic") and "100.64.0.2:8471" == path_to(peers["vic"], "ben")
    assert f"{RELAY}:8472" == path_to(peers["ada"], "eva") and f"[{RELAY6}]:8472" == path_to(peers["eva"], "ada")


def test_a_machine_joins_by_an_invitation_through_the_relay_in_one_step(
    peers: dict[str, PeerThere], tmp_path: Path
) -> None:
    line = json.loads(peers["ben"].ppai("invite", "--json"))["line"]

    joined = run(
        *peers["ada"].prefix,
        sys.executable,
        "-m",
        "gateway.cli",
        "join",
        line,
        "--json",
        "--home",
        str(tmp_path / "new"),
    )

    assert "ben" == json.loads(joined)["name"]


@contextlib.contextmanager
def streaming(peer: PeerThere, headers: dict[str, str], count: int = 1, **fields: Any) -> Iterator["Streaming"]:
    """Streams that a program asks this peer for at once, on its own machine; the heads of all have come."""
    arguments = map(json.dumps, (fields, headers, count))
    command = [*peer.prefix, sys.executable, "-c", STREAMED, peer.url, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Streaming(process, json.loads(process.stdout.readline()))


class Streaming:
    """`by`: who began to answer each."""

    def __init__(self, process: subprocess.Popen[str], by: list[str]) -> None:
        self.by, self._process = by, process

    def end(self) -> list[dict[str, Any]]:
        """Of each its status, text, error, whether it is done, and the longest pause in s."""
        return list(json.loads(self._process.communicate(timeout=60)[0]))


def test_twenty_streams_at_once_pass_the_relay(peers: dict[str, PeerThere]) -> None:
    """Each runs for 12 s, and all begin before the first one ends."""
    until(lambda: peers["ada"].answers_of("ben"), 60)
    began = time.monotonic()
    with streaming(peers["ada"], {"x-ppai-route": "ben"}, count=20) as streams:
        began_s = time.monotonic() - began
        (row,) = [row for row in peers["relay"].get("/ppai/v1/status")[1]["network"]["relayed"] if row["streams"] >= 20]
        ended = streams.end()

    print(f"all 20 had begun after {began_s:.1f} s, with {row['streams']} connections; the longest pause", end=" ")
    print(f"{max(answer['pause_s'] for answer in ended):.1f} s")
    assert [(TEXT, True)] * 20 == [(answer["text"], answer["done"]) for answer in ended]


def timed(peer: PeerThere, other: str, count: int) -> list[float]:
    """Seconds of so many questions in a row, over one connection of a program's; all are answered."""
    until(lambda: peer.answers_of(other), 60)
    times = json.loads(run(*peer.prefix, sys.executable, "-c", TIMED, peer.url, other, str(count)))
    assert None not in times
    return list(times)


def test_what_the_relay_adds(peers: dict[str, PeerThere]) -> None:
    """Ada asks ben through it, vic asks ben directly, in turns."""
    through, direct = list[float](), list[float]()
    for _ in range(10):
        through += timed(peers["ada"], "ben", 20)
        direct += timed(peers["vic"], "ben", 20)

    through_ms, direct_ms = 1000 * statistics.median(through), 1000 * statistics.median(direct)
    print(f"p50 through the relay {through_ms:.2f} ms, direct {direct_ms:.2f} ms")
    assert through_ms - direct_ms < 10  # 2 on a quiet machine


def test_a_vpn_that_goes_and_comes_is_followed(peers: dict[str, PeerThere]) -> None:
    """Meanwhile the relay is used; the direct way is taken again when it is there."""
    ben, vic = peers["ben"], peers["vic"]
    run(*ben.prefix, "ip", "addr", "del", "100.64.0.2/24", "dev", "vpn")
    until(lambda: "100.64.0.2:8471" not in ben.get("/ppai/v1/status")[1]["network"]["addresses"], 20)
    gone_s = until(lambda: vic.answers_of("ben"), 30)
    assert f"{RELAY}:8472" == path_to(vic, "ben")

    run(*ben.prefix, "ip", "addr", "add", "100.64.0.2/24", "dev", "vpn")
    back_s = until(lambda: "100.64.0.2:8471" == path_to(vic, "ben"), 90)

    print(f"the relay answered {gone_s:.1f} s after the VPN went, direct again {back_s:.1f} s after it came")
    assert vic.answers_of("ben")


def move_nat(home: str) -> None:
    """Its provider gives it another address: what was open through it is dead, and nobody is told."""
    nat = ("ip", "-n", f"{TAG}nat{home}")
    (shown,) = json.loads(run(*nat, "-j", "-4", "addr", "show", "dev", "wan"))
    (address,) = [info["local"] for info in shown["addr_info"]]
    network, _, number = address.rpartition(".")
    run(*nat, "addr", "del", f"{address}/24", "dev", "wan")
    run(*nat, "addr", "add", f"{network}.{int(number) + 20}/24", "dev", "wan")


def test_a_stream_goes_on_elsewhere_when_its_nat_changes_its_address(peers: dict[str, PeerThere]) -> None:
    ada = peers["ada"]
    until(lambda: all(continues(ada, name) and ada.answers_of(name) for name in MODELS), 60)

    with streaming(ada, {}, model="pair") as stream:
        (by,) = stream.by
        assert by in MODELS
        time.sleep(2)  # some words
        move_nat(by)
        (answer,) = stream.end()

    print(f"it went on {answer['pause_s']:.1f} s after {by}'s NAT changed its address")
    assert (TEXT, True, None) == (answer["text"], answer["done"], answer["error"])
    assert answer["pause_s"] < 10


def test_a_stream_that_may_go_nowhere_else_ends_with_the_reason(peers: dict[str, PeerThere]) -> None:
    ada = peers["ada"]
    until(lambda: ada.answers_of("ben"), 60)

    with streaming(ada, {"x-ppai-route": "ben"}) as stream:
        time.sleep(2)  # some words
        move_nat("ben")
        (answer,) = stream.end()

    print(f"it ended after {answer['pause_s']:.1f} s: {answer['error']}")
    assert TEXT.startswith(answer["text"]) and answer["text"] and not answer["done"]
    assert "silence" in answer["error"]["message"] and answer["pause_s"] < 10


def continues(peer: PeerThere, other: str) -> bool:
    """Whether it knows that the other's agent goes on with answers that were begun."""
    rows = [row for row in peer.get("/ppai/v1/peers")[1] if row["name"] == other]
    return any("chat/completions" in agent["continues"] for row in rows for agent in row["agents"])


def test_a_nat_that_changes_its_address_is_overcome(peers: dict[str, PeerThere]) -> None:
    """Both ends notice by signs of life that do not come."""
    until(lambda: peers["ada"].answers_of("ben"), 60)
    move_nat("ben")
    began = time.monotonic()

    until(lambda: not peers["ada"].answers_of("ben"), 10)
    until(lambda: peers["ada"].answers_of("ben") and peers["ben"].answers_of("ada"), 90)

    print(f"answered both ways {time.monotonic() - began:.1f} s after the NAT changed its address")


def test_a_relay_that_was_killed_is_used_again_soon_after(peers: dict[str, PeerThere]) -> None:
    relay = peers["relay"]
    until(lambda: peers["ada"].answers_of("ben") and peers["vic"].answers_of("ben"), 60)
    relay.stop(9)
    assert not peers["ada"].answers_of("ben") and peers["vic"].answers_of("ben")

    relay.__enter__()
    relay.wait_ready()
    began = time.monotonic()
    until(lambda: peers["ada"].answers_of("ben"), 30)

    print(f"answered {time.monotonic() - began:.1f} s after the relay was ready again")
