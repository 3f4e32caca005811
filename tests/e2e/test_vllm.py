"""The real openai SDK, 2.x and 3.x, against a real peer in front of real vLLM on the CPU (see vllm_env.py)."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest

from gateway.engines.embedded import EmbeddedConfig
from gateway.engines.openai_http import OpenAIEngine
from gateway.serving.continuing.begun import begun
from gateway.wire.events import EventSplitter
from gateway.wire.request import Request, encode_request, read_request
from tests import agents
from tests.e2e.network import Cluster
from tests.e2e.peer import PeerProcess
from tests.e2e.vllm_env import OPENAI3, is_prepared
from tests.e2e.vllm_server import VllmServer
from tests.embedded import running, smollm2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,  # one vLLM takes all cores, and a second one the memory
    pytest.mark.timeout(400),
    pytest.mark.skipif(not is_prepared(), reason="vLLM is not prepared: run `python -m tests.e2e.vllm_env`"),
]

SDK_CHECK = Path(__file__).with_name("sdk_check.py")
SDKS = {"openai 2.x": Path(sys.executable), "openai 3.x": OPENAI3 / "bin" / "python"}


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with VllmServer(tmp_path_factory.mktemp("vllm") / "vllm.log") as server:
        yield server


@pytest.fixture(scope="module")
def peer(vllm: VllmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerProcess]:
    with PeerProcess(tmp_path_factory.mktemp("peer"), "--engine", vllm.url) as process:
        yield process.wait_ready()


def check(python: Path, base_url: str, vllm: VllmServer, *options: str) -> tuple[int, str]:
    """(exit code, transcript) of the checks of an application with the SDK of this Python."""
    command = [str(python), str(SDK_CHECK), f"{base_url}/v1", vllm.model, "--running", f"{vllm.url}/metrics", *options]
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=180)
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout


@pytest.mark.parametrize("sdk", SDKS)
def test_an_application_is_served_by_vllm_through_a_peer(sdk: str, peer: PeerProcess, vllm: VllmServer) -> None:
    code, transcript = check(SDKS[sdk], peer.url, vllm)

    assert (0, sdk.partition(".")[0]) == (code, transcript.partition(".")[0]), transcript


@pytest.mark.parametrize("sdk", SDKS)
def test_a_peer_changes_nothing_else_that_an_application_sees(sdk: str, vllm: VllmServer) -> None:
    """vLLM by itself passes the same checks, but for the one that no engine passes."""
    code, transcript = check(SDKS[sdk], vllm.url, vllm)

    assert (1, "failed: model_by_id") == (code, transcript.splitlines()[-1])


def test_other_peers_see_how_busy_vllm_is(vllm: VllmServer, tmp_path: Path) -> None:
    """Running and waiting as vLLM's own metrics say: its work for other programs counts too."""
    env = {"PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943"}
    with PeerProcess(tmp_path / "ben", "--name", "ben", "--engine", vllm.url, env=env) as ben:
        address = ben.wait_ready().get("/ppai/v1/status")[1]["network"]["addresses"][0]
        with PeerProcess(
            tmp_path / "ada", "--name", "ada", "--engine", "http://127.0.0.1:9", "--seed", address, env=env
        ) as ada:
            ada.wait(lambda: bool(ada.get("/ppai/v1/peers")[1]), "to meet ben")
            with ThreadPoolExecutor(12) as asking:
                asked = [asking.submit(_ask_vllm, vllm) for _ in range(12)]
                ada.wait(lambda: ada.get("/ppai/v1/peers")[1][0]["running"] >= 4, "to hear that vLLM is busy")
                for answer in asked:
                    assert 200 == answer.result()
            ada.wait(lambda: ada.get("/ppai/v1/peers")[1][0]["running"] == 0, "to hear that vLLM is idle")


def _ask_vllm(vllm: VllmServer) -> int:
    told = [{"role": "user", "content": "Tell a story."}]
    # All of the tokens, so that eight run together whatever the model would have said, and ended with.
    body = {"model": vllm.model, "messages": told, "max_tokens": 200, "ignore_eos": True}
    request = urllib.request.Request(
        f"{vllm.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        return int(response.status)


def test_the_peer_knows_what_vllm_serves(peer: PeerProcess, vllm: VllmServer) -> None:
    """The context length stands in vLLM's list of models, the load in its metrics."""
    engine = peer.get("/ppai/v1/status")[1]["engine"]

    assert [vllm.model] == [model["id"] for model in engine["models"]]
    assert [vllm.context_tokens] == [model["context_tokens"] for model in engine["models"]]
    assert ("metrics", 0, 0) == (engine["load_source"], engine["running"], engine["waiting"])


async def test_vllm_and_llamacpp_are_one_peer_and_one_goes_on_without_the_other(
    vllm: VllmServer, cluster: Cluster, tmp_path: Path
) -> None:
    """Both are listed and used under load. llama.cpp ends: its model is a 503 that names it, `auto` is answered."""
    short = {"max_tokens": 16, "messages": [{"role": "user", "content": "Say something."}]}
    async with running(smollm2(), tmp_path / "llamacpp.log", EmbeddedConfig(threads=1)) as llamacpp:
        key = tmp_path / "two.yaml"
        key.write_text(f"engines: [{vllm.url}, {{url: '{llamacpp.url}', api_key: {llamacpp.api_key}, name: cpp}}]")
        await cluster.start("ada", "--config", str(key), engine="")
        async with asyncio.timeout(60):
            while len(names := [row["id"] for row in (await cluster.get("ada", "/v1/models"))["data"]]) != 3:
                await asyncio.sleep(0.1)
        mine = next(name for name in names if name not in ("auto", vllm.model))
        named = [await cluster.ask("ada", model=name, **short) for name in (vllm.model, mine)]
        loaded = await asyncio.gather(*(cluster.ask("ada", model="auto", **short) for _ in range(32)))
        status = await cluster.get("ada", "/ppai/v1/status")
    async with asyncio.timeout(60):
        while len((await cluster.get("ada", "/v1/models"))["data"]) != 2:
            await asyncio.sleep(0.1)
    gone = await cluster.ask("ada", model=mine, **short)
    still = [await cluster.ask("ada", model=name, **short) for name in ("auto", vllm.model)]

    assert [vllm.model, mine] == [headers["x-ppai-model"] for _, headers, _ in named]
    assert {200} == {status for status, *_ in (*named, *loaded, *still)}
    assert {vllm.model, mine} == {headers["x-ppai-model"] for _, headers, _ in loaded}
    assert ["vllm", "llamacpp"] == [engine["family"] for engine in status["engines"]]
    assert (503, True) == (gone[0], f"`{mine}`" in gone[2]["error"]["message"])


async def test_it_goes_on_with_responses_and_chats_that_break_off_and_not_with_messages(vllm: VllmServer) -> None:
    """As it is tried at each start; and a response in two parts is the one that it gives in one, wherever it breaks."""
    async with aiohttp.ClientSession() as session:
        engine = OpenAIEngine(vllm.url)
        await engine.refresh()
        await engine.learn()
        await engine.refresh()
        (model,) = engine.state.models
        asked = {"model": model.id, "input": NUMBERS, "max_output_tokens": 60, "temperature": 0, "stream": True}
        request = read_request("responses", json.dumps(asked).encode())

        async def events(request: Request) -> list[bytes]:
            body = b"".join(map(bytes, encode_request(request, model.id)))
            kind = {"content-type": "application/json"}
            async with session.post(f"{vllm.url}/v1/responses", data=body, headers=kind) as answer:
                return [event.data for event in EventSplitter().feed(await answer.read())]

        whole = await events(request)
        for cut in (1, 2, 3, 4, 5, 10, 40, len(whole) - 4, len(whole) - 1):
            said = begun(request)
            assert said is not None
            for event in whole[:cut]:
                said.hear(event)
            rest = (
                said.ending() if said.is_whole else b"".join(map(said.passed_on, await events(said.rest())))
            )  # fmt: skip

            named = (b"event: %b\ndata: %b\n\n" % (json.loads(event)["type"].encode(), event) for event in whole[:cut])
            text, usage = agents.heard("responses", b"".join(named) + rest)
            assert (said_in(whole), 60) == (text, usage["output_tokens"]), cut

    assert ("chat/completions", "completions", "responses") == model.continues


NUMBERS = "Write the numbers from 1 to 30, separated by commas."


def said_in(events: list[bytes]) -> str:
    deltas = [event for event in map(json.loads, events) if event["type"] == "response.output_text.delta"]
    return "".join(event["delta"] for event in deltas)
