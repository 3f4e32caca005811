"""The real litellm behind a real peer, before a scripted Anthropic: engines that do not speak OpenAI."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.anthropic import ScriptedAnthropic
from tests.e2e.clients.environments import LITELLM, ROOT, is_prepared
from tests.e2e.peer import PeerProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_prepared(), reason="not prepared: run `python -m tests.e2e.clients.environments`"),
]

PYTHON = LITELLM / "bin" / "python"
MODEL = "anthropic/claude-sonnet-4-5"
HI: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}

# Says every name looked up and every address connected to while the code after it runs.
WATCH = """
import sys
seen = []
events = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, arguments: seen.append(event) if event in events else None)
"""
OFFLINE = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerProcess]:
    """One for all: litellm takes seconds to load. Tests serve on the provider's port, or leave it closed."""
    env = {"PPAI_ENGINE_API_KEY": "sk-test", "PPAI_ENGINE_API_BASE": f"http://127.0.0.1:{free_port()}"}
    home = tmp_path_factory.mktemp("litellm") / "home"
    with PeerProcess(home, "--engine", f"litellm:{MODEL}", env=env, python=PYTHON) as process:
        process.provider_port = int(env["PPAI_ENGINE_API_BASE"].rpartition(":")[2])  # type: ignore[attr-defined]
        yield process


@asynccontextmanager
async def provider(peer: PeerProcess, **behaviour: Any) -> AsyncIterator[ScriptedAnthropic]:
    async with ScriptedAnthropic(**behaviour).serving(peer.provider_port) as scripted:  # type: ignore[attr-defined]
        await asyncio.to_thread(peer.wait, lambda: peer.get("/ready")[0] == 200, "to be ready", 60)
        yield scripted


async def ask(peer: PeerProcess, **fields: Any) -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as http, http.post(
        f"{peer.url}/v1/chat/completions", json={**HI, **fields}
    ) as response:  # fmt: skip
        headers = {name.lower(): value for name, value in response.headers.items()}
        return response.status, headers, await response.text()


async def test_a_whole_answer_is_openai_s(peer: PeerProcess) -> None:
    """Under the name that the network knows, with the usage that the provider counted."""
    async with provider(peer) as scripted:
        status, headers, text = await ask(peer, model=MODEL)

    answer = json.loads(text)
    assert (200, MODEL, "Good morning.") == (status, answer["model"], answer["choices"][0]["message"]["content"])
    assert (12, 3) == (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"])
    assert (["sk-test"], MODEL.partition("/")[2]) == (scripted.keys, scripted.asked[0]["model"])
    assert MODEL == headers["x-ppai-model"]


@pytest.mark.parametrize("usage", [True, False])
async def test_a_stream_comes_as_whole_events_to_its_end(peer: PeerProcess, usage: bool) -> None:
    """With usage where it was asked for, and without where it was not."""
    options = {"stream_options": {"include_usage": True}} if usage else {}
    async with provider(peer):
        status, _, text = await ask(peer, model=MODEL, stream=True, **options)

    *events, done, rest = text.split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    words = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert (200, "Good morning.", "data: [DONE]", "") == (status, words, done, rest)
    assert {MODEL} == {chunk["model"] for chunk in chunks}
    assert ([(12, 3)] if usage else []) == [
        (chunk["usage"]["prompt_tokens"], chunk["usage"]["completion_tokens"]) for chunk in chunks if "usage" in chunk
    ]


@pytest.mark.parametrize(("status", "told"), [(400, 400), (401, 502), (404, 404), (429, 429), (500, 500), (529, 529)])
async def test_a_provider_s_refusal_keeps_its_status(status: int, told: int, peer: PeerProcess) -> None:
    """But for a wrong key, which is this machine's mistake and not the client's."""
    async with provider(peer, status=status, headers={"retry-after": "7"}):
        answered, headers, text = await ask(peer)

    assert told == answered, text
    assert "scripted failure" in json.loads(text)["error"]["message"]
    assert told != 429 or "7" == headers["retry-after"]


async def test_hanging_up_hangs_up_on_the_provider(peer: PeerProcess) -> None:
    async with provider(peer, token_s=30) as scripted:
        asking = asyncio.create_task(ask(peer, stream=True))
        async with asyncio.timeout(10):
            while not scripted.active:
                await asyncio.sleep(0.01)
        asking.cancel()
        async with asyncio.timeout(2):
            while scripted.active:
                await asyncio.sleep(0.01)


async def test_a_body_cannot_send_the_key_elsewhere(peer: PeerProcess) -> None:
    """litellm would take `api_base` from it."""
    async with provider(peer) as scripted, ScriptedAnthropic().serving() as thief:
        status, _, text = await ask(peer, api_base=thief.url)

    assert (400, "unknown_field") == (status, json.loads(text)["error"]["code"])
    assert ([], []) == (scripted.asked, thief.asked)


async def test_an_endpoint_that_litellm_does_not_bridge_is_a_clear_404(peer: PeerProcess) -> None:
    async with (
        provider(peer),
        aiohttp.ClientSession() as http,
        http.post(f"{peer.url}/v1/responses", json={"model": "auto", "input": "hi"}) as response,
    ):
        answer = await response.json()

    assert (404, "endpoint_not_served") == (response.status, answer["error"]["code"])


async def test_a_provider_that_is_not_there_is_told_from_one_that_fails(peer: PeerProcess) -> None:
    """litellm says 500 for both. Nothing listens on the port now; later it is tried again by itself."""
    async with provider(peer):
        pass

    status, _, text = await ask(peer)

    assert (502, "engine_unreachable") == (status, json.loads(text)["error"]["code"])
    assert "cannot be reached" in peer.get("/ppai/v1/status")[1]["engine"]["problem"]
    async with provider(peer):
        assert 200 == (await ask(peer))[0]


def test_nothing_is_asked_of_the_internet_when_litellm_is_loaded() -> None:
    """And the watch sees what would be: without our setting, litellm does ask."""
    ours = "from gateway.engines.litellm_bridge import _import_litellm; _import_litellm()"

    assert [] == watched(ours)
    assert [] != watched("import litellm")


def test_nothing_of_litellm_is_loaded_for_other_engines() -> None:
    loaded = "import gateway.runtime; assert 'litellm' not in sys.modules; import litellm"

    subprocess.run([PYTHON, "-c", f"import sys; {loaded}"], check=True, cwd=ROOT, timeout=100, env=OFFLINE)


def watched(code: str) -> list[object]:
    """What this code looks up and connects to."""
    environment = {key: value for key, value in OFFLINE.items() if not key.startswith("LITELLM")}
    done = subprocess.run(
        [PYTHON, "-c", f"{WATCH}\n{code}\nprint(len(seen))"], capture_output=True, text=True, timeout=100, cwd=ROOT,
        env=environment, check=True,
    )  # fmt: skip
    return [None] * int(done.stdout.split()[-1])
