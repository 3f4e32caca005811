"""mDNS on loopback, with the real library and multicast; each test is a network of its own."""

import asyncio
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
from zeroconf import ServiceInfo, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from discovery import ear, mdns
from discovery.mdns import SERVICE, Announcement
from discovery.records import Address, PeerId, peer_id
from tests.cluster import id_of
from tests.discovery.loopback import running_peer, until

LOOPBACK = ("127.0.0.1",)


@pytest.fixture
def net() -> str:
    return f"test-{uuid.uuid4()}"


def peer_of(net: str, number: int) -> PeerId:
    """Of this network alone: multicast reaches the tests beside this one, whose peers must have other names."""
    return peer_id(hashlib.sha256(f"{net} {number}".encode()).digest())


def announcement(net: str, number: int) -> Announcement:
    return Announcement(peer_of(net, number), net, bytes(32), 20_000 + number)


@asynccontextmanager
async def announced(
    announcement: Announcement, interfaces: tuple[str, ...] = LOOPBACK, ear: mdns.Ear | None = None
) -> AsyncIterator[set[tuple[Address, PeerId]]]:
    """Announce and browse meanwhile; yields the hints that come."""
    hints: set[tuple[Address, PeerId]] = set()
    run = mdns.run(announcement, lambda: interfaces, lambda address, peer: hints.add((address, peer)), ear)
    task = asyncio.create_task(run)
    try:
        yield hints
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.alone
async def test_three_peers_hear_of_each_other_within_three_seconds(net: str) -> None:
    async with (
        announced(announcement(net, 1)) as one,
        announced(announcement(net, 2)) as two,
        announced(announcement(net, 3)) as three,
    ):
        await until(lambda: all(len(hints) == 2 for hints in (one, two, three)), within_s=3)

        where = {n: (Address("127.0.0.1", 20_000 + n), peer_of(net, n)) for n in (1, 2, 3)}
        assert ({where[2], where[3]}, {where[1], where[3]}, {where[1], where[2]}) == (one, two, three)


async def is_told(peer: PeerId, within_s: float) -> bool:
    """Does multicast tell of this peer, whatever its network?"""
    async with AsyncZeroconf(interfaces=list(LOOPBACK)) as zeroconf:
        info = AsyncServiceInfo(SERVICE, f"ppai-{peer[:20]}.{SERVICE}")
        return await info.async_request(zeroconf.zeroconf, 1000 * within_s)


async def test_peers_of_another_network_are_passed_over(net: str) -> None:
    """What is told of first is looked up first: it was passed over when the second one is known."""
    async with announced(announcement(net, 1)) as one, announced(announcement(net + "x", 2)):
        assert await is_told(peer_of(net + "x", 2), within_s=5)

        async with announced(announcement(net, 3)):
            await until(lambda: one, within_s=5)

            assert {peer_of(net, 3)} == {peer for _, peer in one}


async def test_a_goodbye_ends_the_announcement(net: str) -> None:
    async with announced(announcement(net, 1)) as one:
        async with announced(announcement(net, 2)):
            await until(lambda: one, within_s=5)

        assert not await is_told(peer_of(net, 2), within_s=0.5)


FOREIGN: list[dict[str, object]] = [
    {},
    {"v": "1", "net": "NET", "id": "nobody"},
    {"v": "2", "net": "NET", "id": id_of(7)},
    {"v": "1", "net": "NET", "id": "A" * 52},
    {"v": "1", "net": "NET", "id": b"\xff\xfe"},
    {"v": "1", "net": "NET", "id": id_of(7) + "x" * 150},
    {"v": None, "net": None, "id": None},
    {"v": "1", "net": "NET", "id": "x", **{f"k{n}": "x" * 200 for n in range(40)}},  # 8 KiB of text
]


def foreign(label: str, properties: dict[str, object]) -> ServiceInfo:
    """What somebody else might announce under our service."""
    name, server = f"{label}.{SERVICE}", f"{label}.local."
    return ServiceInfo(SERVICE, name, port=1, properties=properties, server=server, parsed_addresses=["127.0.0.1"])


async def test_foreign_announcements_are_passed_over(net: str) -> None:
    """Attack 27: whatever others announce under our service, no hint comes of it and browsing goes on."""
    async with AsyncZeroconf(interfaces=list(LOOPBACK)) as zeroconf, announced(announcement(net, 1)) as hints:
        announcing = []
        labels = [
            f"ppai-{peer_of(net, 1)[:20]}",
            *(f"evil-{uuid.uuid4().hex[:8]}" for _ in FOREIGN),
        ]  # the first is ours
        for label, text in zip(labels, FOREIGN, strict=False):
            properties = {key: net if value == "NET" else value for key, value in text.items()}
            info = foreign(label, properties)
            announcing.append(await zeroconf.async_register_service(info, cooperating_responders=True))
        await asyncio.gather(*announcing)
        async with announced(announcement(net, 2)):
            await until(lambda: hints, within_s=5)

        assert {peer_of(net, 2)} == {peer for _, peer in hints}


async def test_names_that_lead_nowhere_do_not_hold_up_the_others() -> None:
    """Attack 27, the flood: seven names are asked for in vain, and the peer behind them is looked up all the same."""
    found, names = asyncio.Event(), asyncio.Queue[str]()
    for name in (*(f"ghost-{n}" for n in range(mdns.LOOKUPS_AT_ONCE - 1)), "peer"):
        names.put_nowait(name)

    async def look_up(name: str) -> None:
        if name == "peer":
            found.set()
        await asyncio.Event().wait()

    following = asyncio.create_task(mdns.follow(names, look_up))
    async with asyncio.timeout(2):
        await found.wait()
    following.cancel()
    await asyncio.wait([following])


def test_a_flood_of_names_is_dropped_and_a_forged_goodbye_takes_nothing_back() -> None:
    """Attack 27: anybody on the network may say so, in anybody's name."""
    names = asyncio.Queue[str](mdns.NAMES_LIMIT)
    heard = mdns.into(names)
    nobody = cast(Zeroconf, None)
    heard(nobody, SERVICE, "peer", ServiceStateChange.Added)
    heard(nobody, SERVICE, "peer", ServiceStateChange.Removed)
    for number in range(10_000):
        heard(nobody, SERVICE, f"ghost-{number}", ServiceStateChange.Added)

    waiting = [names.get_nowait() for _ in range(names.qsize())]
    assert ["peer", *(f"ghost-{number}" for number in range(mdns.NAMES_LIMIT - 1))] == waiting


async def test_where_mdns_does_not_work_a_warning_names_the_remedy(net: str, caplog: pytest.LogCaptureFixture) -> None:
    """No such interface: the peer goes on without."""
    with caplog.at_level(logging.WARNING):
        async with announced(announcement(net, 1), interfaces=("192.0.2.77",)) as hints:
            await until(lambda: "mdns_off" in caplog.text)

    assert "--seed" in caplog.text
    assert set() == hints


def test_peers_on_ipv6_alone_hear_of_each_other(tmp_path: Path) -> None:
    """In a network namespace with one IPv6 address and nothing else."""
    network = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"  # else a new link sends nothing for 2 s
    network += " && ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up"
    network += " && ip link set v1 up && ip -6 addr add fd12::1/64 dev v0 nodad &&"
    script = tmp_path / "two_peers.py"
    script.write_text(TWO_PEERS, encoding="utf-8")
    command = ["unshare", "-n", "sh", "-c", f"{network} exec {sys.executable} {script}"]
    allowed = ["unshare", "-n", "sh", "-c", "ip link add v0 type veth peer name v1"]
    if shutil.which("unshare") is None or subprocess.run(allowed, check=False, capture_output=True).returncode:
        pytest.skip("no network namespace with a link may be made here")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)

    assert (0, "[fd12::1]:20001 [fd12::1]:20002") == (done.returncode, done.stdout.strip()), done.stderr


TWO_PEERS = """
import asyncio
from discovery import mdns
from discovery.interfaces import interfaces
from tests.cluster import id_of

async def main():
    heard = set()
    async def one(number):
        announcement = mdns.Announcement(id_of(number), "six", bytes(32), 20000 + number)
        await mdns.run(announcement, lambda: interfaces("::"), lambda address, peer: heard.add(str(address)))
    tasks = [asyncio.create_task(one(number)) for number in (1, 2)]
    for _ in range(50):
        await asyncio.sleep(.1)
        if len(heard) == 2:
            break
    print(*sorted(heard))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

asyncio.run(main())
"""


@pytest.mark.alone
async def test_whole_peers_find_each_other_by_mdns(net: str, tmp_path: Path) -> None:
    """Announcement, hint, hello: alive on both sides within three seconds, no seed named."""
    async with running_peer(tmp_path / "a", net=net) as a, running_peer(tmp_path / "b", net=net) as b:
        tasks = [
            asyncio.create_task(
                mdns.run(
                    Announcement(p.identity.id, net, p.identity.cert_sha256, p.address.port),
                    lambda: LOOPBACK,
                    p.transport.hint,
                )
            )
            for p in (a, b)
        ]
        try:
            await until(lambda: all([m.state for m in p.gossip.members()] == ["alive"] for p in (a, b)), within_s=3)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@pytest.mark.slow
async def test_who_only_looks_finds_the_network_s_peers_and_is_found_by_nobody(net: str) -> None:
    """`ppai join --pin` on a machine without a peer."""
    async with announced(announcement(net, 1)) as hints, announced(announcement(net + "x", 2)):
        assert await is_told(peer_of(net + "x", 2), within_s=5)

        assert [Address("127.0.0.1", 20_001)] == await mdns.find(net, LOOPBACK, 2.0)

    assert set() == hints


@pytest.mark.alone
async def test_an_ear_hears_who_announces_itself_now_and_nobody_else(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says None before it listens, while it settles, and after it was closed."""
    monkeypatch.setattr(ear, "SETTLING_S", 1.0)
    clock = asyncio.get_running_loop().time
    ears = {number: ear.Ear(clock) for number in (1, 2)}
    assert await ears[1].hears(peer_of(net, 2), 0.0, 0.0) is None
    async with announced(announcement(net, 1), ear=ears[1]), announced(announcement(net, 2), ear=ears[2]):
        await until(lambda: all(one._announce for one in ears.values()))
        assert await ears[1].hears(peer_of(net, 2), 0.0, 0.0) is None
        await ears[1].settled(0.2)
        since = clock()

        while not await ears[1].hears(
            peer_of(net, 2), since, 0.5
        ):  # zeroconf takes the same packet within a second for one
            ears[2].announce()
        assert await ears[1].hears(peer_of(net, 3), since, 0.1) is False

    assert await ears[1].hears(peer_of(net, 2), 0.0, 0.0) is None
