"""The real litellm behind a real peer, before a scripted Anthropic: engines that do not speak OpenAI."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests import agents
from tests.anthropic import ScriptedAnthropic
from tests.e2e.clients.environments import LITELLM, ROOT
from tests.e2e.network import SECRET, Cluster
from tests.e2e.peer import PeerProcess
from tests.fakes import free_port, going_on

PYTHON = LITELLM / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.is_file(), reason="not prepared: run `python -m tests.e2e.clients.environments`"),
]

MODEL = "anthropic/claude-sonnet-4-5"
ASKED: dict[str, dict[str, Any]] = {
    "responses": {"input": "hi", "max_output_tokens": 20},
    "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 20},
}
_NAMED = {"name": "read_file", "description": "Reads a file."}
_SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOLS = {
    "responses": [{"type": "function", **_NAMED, "parameters": _SCHEMA}],
    "messages": [{**_NAMED, "input_schema": _SCHEMA}],
}
CALLED = {"type": "function_call", "call_id": "call_1", "name": "read_file", "arguments": '{"path": "a.py"}'}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "print(1)"}
TOOL_USED = [
    {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "read_file", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "print(1)"}]},
]
CHAT_PAGES = {"/openapi.json": {"paths": {"/v1/chat/completions": {}}}}
CHAT_ALONE = {
    "chat/completions": lambda body: agents.chat(
        body, agents.Call("read_file", '{"path": "a.py"}') if body.get("tools") else agents.WORDS
    ),
    **dict.fromkeys(("responses", "messages"), lambda body: web.HTTPNotFound()),
}
HI: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}

# Says every name looked up and every address connected to while the code after it runs.
WATCH = """
import sys
seen = []
events = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, arguments: seen.append(event) if event in events else None)
"""
OFFLINE = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("endpoint", ["responses", "messages"])
async def test_a_provider_is_asked_for_responses_and_messages_as_a_chat(
    peer: PeerProcess, endpoint: str, stream: bool
) -> None:
    async with provider(peer), aiohttp.ClientSession() as http:
        body = {"model": MODEL, **ASKED[endpoint], "stream": stream}
        async with http.post(f"{peer.url}/v1/{endpoint}", json=body) as response:
            said = await response.text()

    assert 200 == response.status and "morning" in said, said
    assert MODEL in said
    assert stream == ("event: " in said)


async def test_what_nobody_could_say_as_a_chat_is_a_clear_404(peer: PeerProcess) -> None:
    async with (
        provider(peer),
        aiohttp.ClientSession() as http,
        http.post(f"{peer.url}/v1/responses", json={**ASKED["responses"], "store": True}) as response,
    ):
        answer = await response.json()

    assert (404, "endpoint_not_served") == (response.status, answer["error"]["code"])


@pytest.mark.parametrize("engine", ["told", "untold", "older"])
async def test_responses_and_messages_are_answered_by_an_engine_that_has_chat_alone(
    cluster: Cluster, engine: str, request: pytest.FixtureRequest
) -> None:
    """At another peer, also one of 0.1.0, which knows neither endpoint: it is asked a chat. Tools and their results."""
    chat = {"apis": CHAT_ALONE, "pages": CHAT_PAGES}
    if engine == "untold":
        chat["pages"] = {}
    code = request.getfixturevalue("older") if engine == "older" else None
    await cluster.start("ben", code=code, **chat)
    await cluster.start("ada", "--seed", cluster.seed(), engine="none", python=PYTHON)
    await cluster.until(
        lambda seen: any(
            peer["rights"] and peer["state"] == "alive" and peer["admission"] == "open" for peer in seen["ada"]
        )
    )
    results: dict[str, dict[str, Any]] = {
        "responses": {"input": [{"role": "user", "content": "hi"}, CALLED, RESULT]},
        "messages": {"messages": [ASKED["messages"]["messages"][0], *TOOL_USED]},
    }

    for endpoint, asked in ASKED.items():
        for stream in (False, True):
            first = await said_by(cluster, endpoint, {**asked, "tools": TOOLS[endpoint], "stream": stream})
            then = await said_by(cluster, endpoint, {**asked, **results[endpoint], "stream": stream})

            assert ("read_file", "a.py") == (first[0], first[1]["path"])
            assert "one two three" == then[0]
            assert first[2] == then[2] == (7, 3)
            assert {"ben"} == {first[3], then[3]}
    last = cluster.engines["ben"].asked[-1]["messages"]
    assert ["user", "assistant", "tool"] == [turn["role"] for turn in last] and "print(1)" == last[-1]["content"]


@pytest.mark.parametrize("endpoint", ["responses", "messages"])
async def test_what_is_said_as_a_chat_goes_on_at_another_peer(cluster: Cluster, endpoint: str) -> None:
    """Since a chat does: its client sees one answer, with each word once."""
    text = " ".join(f"w{number}" for number in range(60))
    await cluster.start("ada", env=SECRET, python=PYTHON, pages=CHAT_PAGES)
    for name in ("ben", "cleo"):
        await cluster.start(name, "--seed", cluster.seed(), env=SECRET, model="same", **going_on(text, token_s=0.05))
    async with asyncio.timeout(30):
        while sum(agent["continues"] != [] for agent in await same_model(cluster)) < 2:
            await asyncio.sleep(0.05)
    body = {"model": "same", **ASKED[endpoint], "stream": True} | {"max_output_tokens": 100, "max_tokens": 100}
    body.pop("max_tokens" if endpoint == "responses" else "max_output_tokens")

    async with cluster.http.post(
        f"{cluster.peers['ada'].url}/v1/{endpoint}", json=body | {"stream": False}
    ) as response:
        assert 200 == response.status, "litellm is loaded now, which may take longer than the first sign of life"

    said, is_killed = "", False
    async with cluster.http.post(f"{cluster.peers['ada'].url}/v1/{endpoint}", json=body) as response:
        first = response.headers["x-ppai-peer"]
        async for line in response.content:
            said += line.decode()
            if not is_killed and "w10" in said:
                is_killed = True
                await asyncio.to_thread(cluster.peers[first].stop, signal.SIGKILL)
    whole = gathered(endpoint, said)

    block = whole["content"][-1] if endpoint == "messages" else whole["output"][-1]["content"][0]
    assert (text, 60) == (block["text"], whole["usage"]["output_tokens"])
    assert f": continued by {({'ben', 'cleo'} - {first}).pop()}" in said


async def same_model(cluster: Cluster) -> list[dict[str, Any]]:
    peers = await cluster.get("ada", "/ppai/v1/peers")
    return [agent for peer in peers for agent in peer["agents"] if agent["model"] == "same"]


async def said_by(cluster: Cluster, endpoint: str, body: dict[str, Any]) -> tuple[str, Any, tuple[int, int], str]:
    """(the tool that is called, or the words; its arguments; tokens read and said; by whom) of one answer."""
    url = f"{cluster.peers['ada'].url}/v1/{endpoint}"
    async with cluster.http.post(url, json={"model": "auto", **body}) as response:
        text = await response.text()
    assert 200 == response.status, text
    whole = json.loads(text) if not body["stream"] else gathered(endpoint, text)
    usage = whole["usage"]["input_tokens"], whole["usage"]["output_tokens"]
    by = response.headers["x-ppai-peer"]
    if endpoint == "messages":
        block = whole["content"][-1]
        return (block.get("name") or block["text"], block.get("input"), usage, by)
    item = whole["output"][-1]
    if item["type"] == "function_call":
        return item["name"], json.loads(item["arguments"]), usage, by
    return item["content"][0]["text"], None, usage, by


def gathered(endpoint: str, text: str) -> dict[str, Any]:
    """The whole answer that the events of a stream make."""
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    if endpoint == "responses":
        assert list(range(len(events))) == [event["sequence_number"] for event in events]
        assert ["response.created", "response.completed"] == [events[0]["type"], events[-1]["type"]]
        whole: dict[str, Any] = events[-1]["response"]
        return whole
    assert ["message_start", "message_stop"] == [events[0]["type"], events[-1]["type"]]
    block = next(event["content_block"] for event in reversed(events) if event["type"] == "content_block_start")
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    if block["type"] == "tool_use":
        block["input"] = json.loads("".join(delta["partial_json"] for delta in deltas))
    else:
        block["text"] = "".join(delta["text"] for delta in deltas)
    usage = next(event["usage"] for event in reversed(events) if "usage" in event)
    return {"content": [block], "usage": usage}


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
    ours = "from gateway.engines.litellm_bridge import import_litellm; import_litellm()"

    assert [] == watched(ours)
    assert [] != watched("import litellm")


def test_nothing_of_litellm_is_loaded_for_other_engines() -> None:
    loaded = "import gateway.runtime.running; assert 'litellm' not in sys.modules; import litellm"

    subprocess.run([PYTHON, "-c", f"import sys; {loaded}"], check=True, cwd=ROOT, timeout=100, env=OFFLINE)


def watched(code: str) -> list[object]:
    """What this code looks up and connects to."""
    environment = {key: value for key, value in OFFLINE.items() if not key.startswith("LITELLM")}
    done = subprocess.run(
        [PYTHON, "-c", f"{WATCH}\n{code}\nprint(len(seen))"], capture_output=True, text=True, timeout=100, cwd=ROOT,
        env=environment, check=True,
    )  # fmt: skip
    return [None] * int(done.stdout.split()[-1])
