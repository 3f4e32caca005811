"""Recordings and speech through real peers: nothing is kept in memory, and what breaks off is seen to break off."""

import asyncio
import hashlib
import io
import time

import aiohttp
import openai
import psutil
import pytest

from tests.e2e.network import SECRET, Cluster
from tests.e2e.peer import ppai
from tests.media_engine import SPEECH, MediaEngine

RECORDING = bytes(range(256)) * 4096 * 24  # 24 MiB
SHA256 = hashlib.sha256(RECORDING).hexdigest()


def recording() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(RECORDING), filename="talk-with-Eve.mp3", content_type="audio/mpeg")
    form.add_field("model", "auto")
    return form


async def transcribe(cluster: Cluster, name: str) -> tuple[int, dict[str, str], dict[str, object]]:
    url = f"{cluster.peers[name].url}/v1/audio/transcriptions"
    async with cluster.http.post(url, data=recording()) as response:
        headers = {key.lower(): value for key, value in response.headers.items()}
        return response.status, headers, await response.json()


def memory_bytes(cluster: Cluster, name: str) -> int:
    """Of the process, without the pages of files."""
    info = psutil.Process(cluster.peers[name].pid).memory_info()
    return info.rss - info.shared


async def test_a_recording_and_speech_pass(cluster: Cluster) -> None:
    async with MediaEngine().serving() as engine:
        await cluster.start("ada", engine=engine.url)
        await transcribe(cluster, "ada")
        before = memory_bytes(cluster, "ada")
        status, headers, answer = await transcribe(cluster, "ada")
        grown = memory_bytes(cluster, "ada") - before
        async with cluster.http.post(
            cluster.peers["ada"].url + "/v1/audio/speech", json={"input": "hi", "model": "media-1"}
        ) as response:
            said, kind = await response.read(), response.headers["content-type"]

    assert (200, "ada", "media-1") == (status, headers["x-ppai-peer"], headers["x-ppai-model"])
    file = {"name": "talk-with-Eve.mp3", "bytes": len(RECORDING), "sha256": SHA256}
    assert {"file": file, "model": "media-1"} == answer["heard"]
    assert grown < 8 << 20
    assert ("audio/wav", SPEECH) == (kind, said)


async def test_openai_s_own_client_is_served(cluster: Cluster) -> None:
    async with MediaEngine().serving() as engine:
        await cluster.start("ada", engine=engine.url)
        async with openai.AsyncOpenAI(base_url=cluster.peers["ada"].url + "/v1", api_key="none") as sdk:
            heard = await sdk.audio.transcriptions.create(model="media-1", file=("a.mp3", b"\x00" * 100))
            said = await sdk.audio.speech.create(model="media-1", voice="alloy", input="hi")
            drawn = await sdk.images.generate(model="media-1", prompt="a cat", response_format="b64_json")
            with pytest.raises(openai.NotFoundError, match="whispr"):
                await sdk.audio.transcriptions.create(model="whispr", file=("a.mp3", b""))

    assert ("heard", SPEECH, "aGk=") == (heard.text, said.content, drawn.data and drawn.data[0].b64_json)


async def test_a_recording_over_the_limit_is_refused_in_words(cluster: Cluster) -> None:
    async with MediaEngine().serving() as engine:
        await cluster.start("ada", engine=engine.url, env={**SECRET, "PPAI_CLIENT_BODY_LIMIT_BYTES": str(8 << 20)})
        status, _, answer = await transcribe(cluster, "ada")

    assert (413, "body_too_large", []) == (status, answer["error"]["code"], engine.asked)  # type: ignore[index]


async def test_speech_that_breaks_off_is_no_whole_answer(cluster: Cluster) -> None:
    async with MediaEngine(cut_after=1000).serving() as engine:
        await cluster.start("ada", engine=engine.url, env=SECRET)
        with pytest.raises(aiohttp.ClientError):
            async with cluster.http.post(
                cluster.peers["ada"].url + "/v1/audio/speech", json={"input": "hi"}
            ) as response:
                await response.read()


@pytest.mark.slow
async def test_who_hangs_up_ends_the_work(cluster: Cluster) -> None:
    async with MediaEngine(delay_s=30).serving() as engine:
        await cluster.start("ada", engine=engine.url)
        asked = asyncio.create_task(transcribe(cluster, "ada"))
        while not engine.asked:
            await asyncio.sleep(0.01)
        asked.cancel()
        began = time.monotonic()
        async with asyncio.timeout(5):
            while not engine.hung_up:
                await asyncio.sleep(0.01)

    assert time.monotonic() - began < 1


@pytest.mark.slow
async def test_a_peer_that_has_it_answers(cluster: Cluster) -> None:
    """Ada has no such engine; once ben's has told his, his answers. Nothing is kept in memory on either side."""
    async with MediaEngine().serving() as engine:
        await cluster.start("ada", pages={"/openapi.json": {"paths": {"/v1/chat/completions": {}}}})
        await cluster.start("ben", "--seed", cluster.seed(), engine=engine.url)
        await cluster.until_ready()
        async with asyncio.timeout(15):
            while (answer := await transcribe(cluster, "ada"))[0] != 200:
                assert "endpoint_not_served" == answer[2]["error"]["code"]  # type: ignore[index]
                await asyncio.sleep(0.1)
        before = [memory_bytes(cluster, name) for name in ("ada", "ben")]
        status, headers, answer_body = await transcribe(cluster, "ada")
        grown = [memory_bytes(cluster, name) - was for name, was in zip(("ada", "ben"), before, strict=True)]
        async with cluster.http.post(
            cluster.peers["ada"].url + "/v1/audio/speech", json={"input": "hi", "user": "eve"}
        ) as response:
            said = await response.read()
        async with cluster.http.post(
            cluster.peers["ada"].url + "/v1/audio/speech", json={"input": "hi"}, headers={"x-ppai-local-only": "1"}
        ) as response:
            kept = (response.status, (await response.json())["error"]["message"])

    assert (200, "ben", "media-1") == (status, headers["x-ppai-peer"], headers["x-ppai-model"])
    file = {"name": "file.mp3", "bytes": len(RECORDING), "sha256": SHA256}
    assert {"file": file, "model": "media-1"} == answer_body["heard"]
    assert max(grown) < 12 << 20
    assert SPEECH == said
    assert ("/v1/audio/speech", {"model": "media-1", "input": "hi"}) == engine.asked[-1]
    assert (404, True) == (kept[0], "`ben` (pinned)" in kept[1])


@pytest.mark.slow
async def test_who_would_have_it_is_named(cluster: Cluster) -> None:
    """A peer that is not approved is not asked."""
    async with MediaEngine().serving() as engine:
        await cluster.start("ada", pages={"/openapi.json": {"paths": {"/v1/chat/completions": {}}}})
        await cluster.start("ben", "--seed", cluster.seed(), engine=engine.url)
        await cluster.until_ready()
        async with asyncio.timeout(15):
            while (await transcribe(cluster, "ada"))[0] != 200:
                await asyncio.sleep(0.1)
        await asyncio.to_thread(ppai, "revoke", "ben", "--home", str(cluster.peers["ada"].home))
        status, _, answer = await transcribe(cluster, "ada")

    assert (404, "endpoint_not_served") == (status, answer["error"]["code"])  # type: ignore[index]
    assert "`ben` (not_approved)" in answer["error"]["message"]  # type: ignore[index]
