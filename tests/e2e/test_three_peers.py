"""Several real peer processes on loopback: discovery, rights, delegation, and what happens when one of them dies."""

import asyncio
import json
import os
import shutil
import signal
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio

from tests.e2e.network import CHAT, HELLO, SECRET, Cluster, cluster_in, start
from tests.e2e.peer import PeerProcess, ppai

SHARED = pytest.mark.asyncio(loop_scope="module")  # for tests of peers that outlive one of them


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """ada and ben, for tests that leave both as they are."""
    async with cluster_in(tmp_path_factory.mktemp("pair")) as cluster:
        await start(cluster, "ada", "ben")
        yield cluster


async def test_a_seed_is_enough_and_pinned_requests_go_there(cluster: Cluster) -> None:
    await cluster.start("ada")
    await cluster.start("ben", "--seed", cluster.seed())

    took_s = await cluster.until(lambda seen: all(len(peers) == 1 for peers in seen.values()), timeout_s=3)
    await cluster.until_ready()
    status, headers, answer = await cluster.ask("ada", {"x-ppai-route": "ben"})

    assert took_s < 3
    assert (200, "ben", "model-ben", "pinned") == (
        status,
        headers["x-ppai-peer"],
        headers["x-ppai-model"],
        headers["x-ppai-reason"],
    )
    assert "from ben" == answer["choices"][0]["message"]["content"]


@SHARED
async def test_streams_and_embeddings_travel_too(pair: Cluster) -> None:
    body = {**HELLO, "stream": True, "user": "me", "metadata": {"a": "b"}}
    headers = {"x-ppai-route": "ben", "x-session-id": "s"}
    async with pair.http.post(pair.peers["ada"].url + CHAT, json=body, headers=headers) as response:
        text = await response.text()
    vectors = {"model": "model-ben", "input": "hi", "user": "me"}
    async with pair.http.post(pair.peers["ada"].url + "/v1/embeddings", json=vectors, headers=headers) as response:
        embedded = response.status, response.headers["x-ppai-peer"], await response.json()

    streamed, asked = pair.engines["ben"].asked[-2:]
    assert text.endswith("data: [DONE]\n\n")
    assert "ben" in text
    assert '"usage"' not in text  # asked for to count tokens, and not passed on
    assert {"messages", "model", "stream", "stream_options"} == streamed.keys()
    assert (200, "ben", "list") == (*embedded[:2], embedded[2]["object"])
    assert {"model": "model-ben", "input": "hi"} == asked
    sent = [name for headers in pair.engines["ben"].request_headers[-2:] for name in headers]
    assert "content-type" in sent
    assert not [name for name in sent if name.startswith("x-")]


@pytest.mark.slow
async def test_killing_one_leaves_the_other_serving(cluster: Cluster) -> None:
    """Ada's own engine is slow, so that ben answers. Whom he leaves without an answer she answers all the same."""
    await cluster.start("ada", delay_s=0.5)
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()
    before = [await cluster.ask("ada") for _ in range(3)]  # the first one tells how slow she is
    cluster.engines["ben"].delay_s = 60.0
    asking = asyncio.create_task(cluster.ask("ada"))
    await cluster.engines["ben"].until(lambda engine: engine.active == 1)

    cluster.peers["ben"].stop(signal.SIGKILL)

    left, *later = [await asking, *[await cluster.ask("ada") for _ in range(2)]]
    assert ["ada", "ben", "ben"] == [headers["x-ppai-peer"] for _, headers, _ in before]
    assert (200, "ada", "2") == (left[0], left[1]["x-ppai-peer"], left[1]["x-ppai-attempts"])
    assert [(200, "ada")] * 2 == [(status, headers["x-ppai-peer"]) for status, headers, _ in later]
    await cluster.until(lambda seen: [p["state"] for p in seen["ada"]] in (["suspect"], ["dead"]), timeout_s=15)
    status, _, error = await cluster.ask("ada", {"x-ppai-route": "ben"})
    assert 503 == status
    assert "try again, or ask `auto`" in error["error"]["message"] or "start it again" in error["error"]["message"]


async def test_leaving_is_told_at_once(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben")

    await asyncio.to_thread(cluster.peers["ben"].stop)

    await cluster.until(lambda seen: not seen["ada"] or seen["ada"][0]["state"] == "left", timeout_s=3)


@pytest.mark.slow
async def test_in_tofu_mode_nothing_is_delegated_before_both_approve(cluster: Cluster) -> None:
    await cluster.start("ada", env={})
    await cluster.start("ben", "--seed", cluster.seed(), env={})
    await cluster.until(lambda seen: all(peers and peers[0]["agents"] for peers in seen.values()))
    ada, ben = cluster.peers["ada"], cluster.peers["ben"]

    refused = await cluster.ask("ada", {"x-ppai-route": "ben"})
    listed = await asyncio.to_thread(ppai, "peers", "--home", str(ada.home))
    routed = await asyncio.to_thread(ppai, "route", "hi", "--home", str(ben.home))
    await asyncio.to_thread(ppai, "approve", "ben", "--home", str(ada.home))
    half = await cluster.ask("ada", {"x-ppai-route": "ben"})
    await asyncio.to_thread(ppai, "approve", "ada", "--home", str(ben.home))
    both = await cluster.until_answered("ada", {"x-ppai-route": "ben"})  # a door that was closed is tried again

    ben_id = json.loads((await asyncio.to_thread(ppai, "status", "--json", "--home", str(ben.home))).stdout)["id"]
    said = refused[2]["error"]["message"].rpartition(": ")[2]

    assert (403, f"run `ppai approve {ben_id}`") == (refused[0], said)
    assert "run `ppai approve ID`" in listed.stderr
    assert all(word in listed.stdout for word in ("127.0.0.1:", "alive", "not approved", " s ")), listed.stdout
    assert "run `ppai approve ID`" in routed.stderr
    assert "run `ppai approve ID`" in ada.output
    assert "run `ppai approve ID`" in ben.output
    assert 503 == half[0]
    assert "ppai approve" in half[2]["error"]["message"]
    assert [] == cluster.engines["ben"].asked[:-1]
    assert (200, "ben") == (both[0], both[1]["x-ppai-peer"])


@pytest.mark.slow
async def test_approvals_survive_a_restart_and_can_be_revoked(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben")
    ada = cluster.peers["ada"]

    revoked = await asyncio.to_thread(ppai, "revoke", "ben", "--home", str(ada.home))
    status, _, error = await cluster.ask("ada", {"x-ppai-route": "ben"})
    back = await cluster.ask("ben", {"x-ppai-route": "ada"})

    assert 0 == revoked.returncode
    assert (403, "peer_not_approved") == (status, error["error"]["code"])
    assert 503 == back[0]
    assert json.loads((ada.home / "peers.json").read_text())["revoked"]
    unknown = await asyncio.to_thread(ppai, "approve", "nobody", "--home", str(ada.home))
    assert 1 == unknown.returncode
    assert "no peer is called nobody; known: ben" in unknown.stderr


async def test_a_wrong_secret_is_told_to_both(cluster: Cluster) -> None:
    await cluster.start("ada")
    await cluster.start("ben", "--seed", cluster.seed(), env={"PPAI_SECRET": "f" * 32})

    for name in ("ada", "ben"):
        peer = cluster.peers[name]
        await asyncio.to_thread(peer.wait, lambda peer=peer: "refused: " in peer.output, "to say so")
        assert "secret" in peer.output.rpartition("refused: ")[2]
    assert [] == await cluster.get("ada", "/ppai/v1/peers")


@pytest.mark.alone
async def test_three_peers_find_each_other_by_mdns(cluster: Cluster) -> None:
    env = {**SECRET, "PPAI_NETWORK_MDNS": "true", "PPAI_NETWORK_NAME": f"test-{os.getpid()}"}
    for name in ("ada", "ben", "cleo"):
        await cluster.start(name, env=env)

    took_s = await cluster.until(lambda seen: all(len(peers) == 2 for peers in seen.values()), timeout_s=6)

    assert took_s < 3


@pytest.mark.slow
async def test_a_seed_that_is_down_at_start_is_found_later(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start("ada")
    address, home = cluster.seed(), cluster.peers["ada"].home
    await asyncio.to_thread(cluster.peers["ada"].stop)
    await cluster.start("ben", "--seed", address)
    assert 200 == (await cluster.ask("ben"))[0]

    peer = PeerProcess(
        home,
        "--name",
        "ada",
        "--engine",
        cluster.engines["ada"].url,
        "--peer-port",
        address.rpartition(":")[2],
        env=SECRET,
    )
    cluster.peers["ada"] = await asyncio.to_thread(peer.__enter__)
    try:
        await cluster.until_ready()
    finally:
        await asyncio.to_thread(peer.stop)


@pytest.mark.slow
async def test_a_copied_home_is_noticed_by_both_and_takes_nobody_s_place(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben")
    ada, seed = cluster.peers["ada"], cluster.seed()
    shutil.copytree(ada.home, ada.home.parent / "copy", ignore=shutil.ignore_patterns("running.json"))

    copy = await cluster.start("copy", "--seed", seed)

    said = "another peer runs with this identity"
    for peer in (ada, copy):
        await asyncio.to_thread(peer.wait, lambda peer=peer: said in peer.output, "to hear of its double")
        assert "--home" in peer.output.rpartition(said)[2]

    await asyncio.to_thread(copy.stop)
    await cluster.until(lambda seen: [(p["state"], p["path"]) for p in seen["ben"]] == [("alive", seed)], timeout_s=30)
    assert not (await cluster.get("ada", "/ppai/v1/status"))["network"]["identity_in_use"]


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)])
async def test_200_requests_survive_the_loss_of_a_serving_peer(cluster: Cluster, number: signal.Signals) -> None:
    """No request that had not seen its first event fails; one that had may end in an in-band error from that peer."""
    await start(cluster, "ada", "ben", "cleo", delay_s=0.1, token_s=0.02)
    lost, url = cluster.engines["ben"], cluster.peers["ada"].url + CHAT
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def stream() -> tuple[int, str, str]:
            async with http.post(url, json={**HELLO, "stream": True}) as response:
                return response.status, response.headers.get("x-ppai-peer", ""), await response.text()

        asked = [asyncio.create_task(stream()) for _ in range(200)]
        await lost.until(lambda engine: engine.active > 0, timeout_s=30)
        os.kill(cluster.peers["ben"].pid, number)
        try:
            results = await asyncio.gather(*asked)
        finally:
            os.kill(cluster.peers["ben"].pid, signal.SIGKILL)

    assert [] == [result for result in results if result[0] != 200]
    broken = [peer for _, peer, text in results if not text.endswith("data: [DONE]\n\n")]
    assert set(broken) <= {"ben"}
    assert {"ada", "cleo"} <= {peer for _, peer, _ in results}


@pytest.mark.slow
async def test_a_burst_is_shared_and_a_peer_stopped_in_it_costs_nothing_but_time(cluster: Cluster) -> None:
    """Each engine has two slots: what nobody has room for waits at ada's door and goes where room is.

    Stopped are two answers at most that have begun; everything else is answered by somebody.
    """
    await start(cluster, "ada", "ben", "cleo", env={**SECRET, "PPAI_ENGINE_SLOTS": "2"}, delay_s=0.1, token_s=0.02)
    url, lost = cluster.peers["ada"].url + CHAT, cluster.engines["ben"]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def stream() -> tuple[int, str, str]:
            async with http.post(url, json={**HELLO, "stream": True}) as response:
                return response.status, response.headers.get("x-ppai-peer", ""), await response.text()

        calm = await asyncio.gather(*(stream() for _ in range(40)))
        asked = [asyncio.create_task(stream()) for _ in range(40)]
        already = len(lost.asked)
        await lost.until(lambda engine: len(engine.asked) > already + 1, timeout_s=30)
        os.kill(cluster.peers["ben"].pid, signal.SIGSTOP)
        try:
            results = await asyncio.gather(*asked)
        finally:
            os.kill(cluster.peers["ben"].pid, signal.SIGKILL)

    shares = Counter(peer for _, peer, _ in calm)
    assert min(shares[name] for name in ("ada", "ben", "cleo")) >= 8, shares
    assert {(200, True)} == {(status, text.endswith("data: [DONE]\n\n")) for status, _, text in calm}
    assert [] == [result for result in results if result[0] != 200]
    broken = [peer for _, peer, text in results if not text.endswith("data: [DONE]\n\n")]
    assert set(broken) <= {"ben"}
    assert len(broken) <= 2


@SHARED
async def test_100_delegated_requests_share_a_connection(pair: Cluster) -> None:
    """Two more may be opened meanwhile, where gossip or a tab of both speaks at the same moment as a request.

    tests/gateway/peering/test_delegated.py counts them where nobody gossips.
    """
    ada, to = psutil.Process(pair.peers["ada"].pid), await pair.get("ben", "/ppai/v1/status")
    port = int(to["network"]["addresses"][0].rpartition(":")[2])

    def dialled() -> set[int]:
        return {c.laddr.port for c in ada.net_connections("tcp") if c.raddr and c.raddr.port == port}

    await pair.ask("ada", {"x-ppai-route": "ben"})
    before, opened = dialled(), set[int]()
    for _ in range(100):
        assert 200 == (await pair.ask("ada", {"x-ppai-route": "ben"}))[0]
        opened |= dialled() - before

    assert before
    assert len(opened) <= 2


@pytest.mark.alone
@pytest.mark.slow
async def test_delegation_adds_at_most_5_ms(cluster: Cluster) -> None:
    """Median over alternating local and delegated requests, mock engines, nothing else running."""
    await start(cluster, "ada", "ben")
    took_s: dict[str, list[float]] = {"ada": [], "ben": []}
    for _ in range(200):
        for name, times in took_s.items():
            began = time.perf_counter()
            await cluster.ask("ada", {"x-ppai-route": "local" if name == "ada" else name})
            times.append(time.perf_counter() - began)

    local_s, delegated_s = (statistics.median(times[20:]) for times in took_s.values())
    print(f"local {local_s * 1000:.2f} ms, delegated {delegated_s * 1000:.2f} ms")
    assert delegated_s - local_s < 0.005
