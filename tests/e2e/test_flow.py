"""Back-pressure and hanging up, locally and over the peer hop: what the client does reaches the engine."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.e2e.network import CHAT, HELLO, SECRET, Cluster, start

PIECE = b'data: {"choices":[{"delta":{"content":"' + b"x" * 65000 + b'"}}]}\n\n'
PIECES = 1000  # 65 MB, which one delegated answer may just have; kernel buffers on the way hold some, ours must not
DONE = b"data: [DONE]\n\n"
GROWN_LIMIT = 13 << 20  # of a peer's memory: a fifth of what is sent
BUFFERED_LIMIT = 64 << 20  # three connections' socket buffers, which grow as their kernels like (seen: 27 MB)


class CountedPieces(Sequence[bytes]):
    """A long stream that says how much of it the engine got rid of."""

    def __init__(self) -> None:
        self.taken = 0

    def __len__(self) -> int:
        return PIECES + 1

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]
        if index > PIECES:
            raise IndexError
        self.taken = index
        return DONE if index == PIECES else PIECE


@pytest.mark.parametrize("peer", [pytest.param("ada", marks=pytest.mark.slow), "ben"])
async def test_a_client_that_reads_slowly_holds_the_engine_back(cluster: Cluster, peer: str, tmp_path: Path) -> None:
    """The engine stalls with the client, our memory does not grow, and afterwards every byte arrives."""
    pieces = CountedPieces()
    # No encoder, neither the pulled nor the fast one: loaded meanwhile, it would count as growth.
    env = {**SECRET, "PPAI_WEIGHTS": str(tmp_path / "none"), "PPAI_ROUTING_ENCODER": "full"}
    await cluster.start("ada", env=env, raw=pieces)
    await cluster.start("ben", "--seed", cluster.seed(), env=env, raw=pieces)
    await cluster.until_ready()
    body, headers = {**HELLO, "stream": True}, {"x-ppai-route": peer}
    async with cluster.http.post(cluster.peers["ada"].url + CHAT, json=body, headers=headers) as response:
        await response.content.read(1)  # what is loaded with the first request is no growth
    before = {name: _rss(cluster, name) for name in cluster.peers}
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 14) as http,
        http.post(cluster.peers["ada"].url + CHAT, json=body, headers=headers) as response,
    ):
        await _until_still(pieces)
        stalled_at = pieces.taken
        grown = {name: _rss(cluster, name) - rss for name, rss in before.items()}
        read = sum([len(chunk) async for chunk in response.content.iter_any()])

    assert 0 < stalled_at * len(PIECE) < BUFFERED_LIMIT
    assert max(grown.values()) < GROWN_LIMIT, grown
    assert PIECES * len(PIECE) + len(DONE) == read


async def _until_still(pieces: CountedPieces) -> None:
    """The engine has written, and nothing more for half a second: somebody on the way does not take it."""
    async with asyncio.timeout(30):
        seen = 0
        while pieces.taken == 0 or pieces.taken != seen:
            seen = pieces.taken
            await asyncio.sleep(0.5)


def _rss(cluster: Cluster, name: str) -> int:
    return int(psutil.Process(cluster.peers[name].pid).memory_info().rss)


@pytest.mark.alone
@pytest.mark.parametrize(
    "window",
    [
        *(pytest.param(window, marks=pytest.mark.slow) for window in ("before the first token", "not streamed")),
        "mid-stream",
    ],
)
async def test_a_client_that_leaves_cancels_the_other_peers_engine_within_a_second(
    cluster: Cluster, window: str
) -> None:
    await start(cluster, "ada", "ben", delay_s=0 if window == "mid-stream" else 60, token_s=60)
    engine, body = cluster.engines["ben"], {**HELLO, "stream": window != "not streamed"}

    url = cluster.peers["ada"].url + CHAT
    request = asyncio.create_task(_post(cluster.http, url, body))
    await engine.until(lambda e: e.active == 1)
    if window == "mid-stream":
        (await request).close()
    else:
        request.cancel()

    await engine.until(lambda e: e.active == 0 and e.hung_up == 1, timeout_s=1)


async def _post(http: aiohttp.ClientSession, url: str, body: object) -> aiohttp.ClientResponse:
    return await http.post(url, json=body, headers={"x-ppai-route": "ben"})
