"""Peers of 0.1.0 as it was first written stay in the network: they meet new ones, gossip, and delegate both ways."""

import asyncio
import signal
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from discovery.identity import Identity
from tests import agents
from tests.e2e.network import SECRET, Cluster
from tests.e2e.test_continuing import continuing, read
from tests.fakes import ScriptedEngine, going_on

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["secret", "tofu", "open", "allowlist"])
async def test_older_and_newer_peers_meet_and_answer_for_each_other(
    cluster: Cluster, older: Path, tmp_path: Path, mode: str
) -> None:
    """Three of each, asked by either side: whole, streamed, with limits, tools, parts and a history."""
    env = SECRET if mode == "secret" else {}
    args = ("--admission", mode) if mode in ("open", "allowlist") else ()
    if mode == "allowlist":
        ids = [Identity.load_or_create(tmp_path / name).id for name in ORDER]
        env = {"PPAI_NETWORK_ALLOWLIST": ",".join(ids)}
    await cluster.start("new", *args, env=env)
    seed = cluster.seed()
    for name in ORDER[1:]:
        code = older if name.startswith("old") else None
        await cluster.start(name, *args, "--seed", seed, env=env, code=code)
    await cluster.until(lambda seen: all(len(peers) == 5 for peers in seen.values()), timeout_s=30)
    if mode == "tofu":
        for name in cluster.peers:
            for other in cluster.peers.keys() - {name}:
                await approve(cluster, name, other)
    await cluster.until_ready()

    answers = {}
    for asker, asked in PAIRS:
        for kind, fields in REQUESTS.items():
            status, headers, _ = await asking(cluster, asker, asked, fields)
            answers[asker, asked, kind] = (status, headers.get("x-ppai-peer"))

    assert {key: (200, key[1]) for key in answers} == answers


ORDER = ("new", "old", "new2", "old2", "new3", "old3")
PAIRS = (("new", "old"), ("old", "new"), ("new2", "old2"), ("old2", "new2"), ("new3", "old3"), ("old3", "new3"))
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
PART = [{"type": "text", "text": "hi"}]
REQUESTS: dict[str, dict[str, object]] = {
    "whole": {},
    "streamed": {"stream": True, "stream_options": {"include_usage": True}},
    "limits": {"max_tokens": 5, "temperature": 0.5, "stop": ["x"], "seed": 1},
    "tools": {"tools": [TOOL], "tool_choice": "auto"},
    "parts": {"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": PART}]},
    "history": {
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "seen"},
        ],
        "tools": [TOOL],
    },
}


async def asking(
    cluster: Cluster, asker: str, asked: str, fields: dict[str, object]
) -> tuple[int, dict[str, str], bytes]:
    body = {"messages": [{"role": "user", "content": "hi"}], **fields}
    url = cluster.peers[asker].url + "/v1/chat/completions"
    for _ in range(100):  # a door that was closed is tried again
        async with cluster.http.post(url, json=body, headers={"x-ppai-route": asked}) as response:
            answer = response.status, dict(response.headers), await response.read()
        if answer[0] == 200:
            break
        await asyncio.sleep(0.05)
    return answer


async def approve(cluster: Cluster, name: str, other: str) -> None:
    peer = cluster.peers[name]
    command = [peer.python, "-m", "gateway.cli", "approve", other, "--home", str(peer.home)]
    await asyncio.to_thread(subprocess.run, command, cwd=peer.code, check=True, capture_output=True)


async def test_a_field_that_older_peers_refuse_goes_to_a_newer_one(cluster: Cluster, older: Path) -> None:
    """The asker has no engine. Where no newer peer is, the answer is a 422 that no program tries again."""
    await cluster.start("new", env=SECRET)
    for name in ("old", "old2", "old3", "old4"):
        await cluster.start(name, "--seed", cluster.seed(), env=SECRET, code=older)
    await cluster.start("asker", "--seed", cluster.seed(), env=SECRET, engine="none")
    await cluster.until(
        lambda seen: (
            [(True, "alive", "open")] * 5
            == [(bool(peer["rights"]), peer["state"], peer["admission"]) for peer in seen["asker"]]
        ),
        timeout_s=20,
    )

    pinned, _, said = await cluster.ask("asker", {"x-ppai-route": "old"}, top_k=40)
    answers = [await cluster.ask("asker", top_k=40) for _ in range(12)]

    assert (422, True) == (pinned, "`top_k` may not travel" in said["error"]["message"])
    assert {(200, "new")} == {(status, headers.get("x-ppai-peer")) for status, headers, _ in answers}


async def test_an_older_peer_sees_two_engines_as_one_peer_and_asks_both(
    cluster: Cluster, older: Path, tmp_path: Path
) -> None:
    """It knows neither details nor engines' loads: it reads the totals, and asks the agents by their names."""
    async with AsyncExitStack() as stack:
        engines = [ScriptedEngine(model=name, answer=lambda body: f"by {body['model']}") for name in ("small", "large")]
        for engine in engines:
            stack.enter_context(engine.serving_beside())
        settings = tmp_path / "two.yaml"
        settings.write_text(f"engines: [{engines[0].url}, {engines[1].url}]")
        await cluster.start("new", "--config", str(settings), env=SECRET, engine="")
        await cluster.start("old", "--seed", cluster.seed(), env=SECRET, code=older)
        await cluster.until_ready()
        await cluster.until(lambda seen: 2 == len(seen["old"][0]["agents"]))

        answers = [await cluster.ask("old", {"x-ppai-route": "new"}, model=name) for name in ("small", "large")]
        (seen,) = await cluster.get("old", "/ppai/v1/peers")

    assert [(200, "by small"), (200, "by large")] == [
        (status, said["choices"][0]["message"]["content"]) for status, _, said in answers
    ]
    assert 16 == seen["slots"]


@pytest.mark.parametrize("endpoint", ["responses", "messages"])
async def test_an_older_peer_is_not_asked_for_an_api_that_it_does_not_know(
    cluster: Cluster, older: Path, endpoint: str
) -> None:
    """Though its engine has it. The error says what would help; a chat is answered as ever."""
    await cluster.start("old", code=older, apis=agents.APIS, pages=agents.OPENAPI)
    await cluster.start("new", "--seed", cluster.seed(), engine="none")
    await cluster.until(lambda seen: any(peer["rights"] and peer["admission"] == "open" for peer in seen["new"]))
    body = {"model": "auto", "input": "hi", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    body = {name: value for name, value in body.items() if endpoint == "messages" or name in ("model", "input")}

    async with cluster.http.post(f"{cluster.peers['new'].url}/v1/{endpoint}", json=body) as response:
        said = (await response.json())["error"]["message"]
    chat = await cluster.ask("new")

    assert (404, 200, "old") == (response.status, chat[0], chat[1]["x-ppai-peer"])
    assert "pip install 'ppai[litellm]'" in said and "`model-old`" in said
    assert not any("input" in asked for asked in cluster.engines["old"].asked)


@pytest.mark.parametrize("dies", ["old", "new"])
async def test_what_an_older_peer_began_goes_on_at_a_newer_one_and_never_the_other_way(
    cluster: Cluster, older: Path, dies: str
) -> None:
    """An older one would take the last turn for a closed one, and begin anew: it is not asked, and the client told."""
    text = " ".join(f"w{number}" for number in range(60))
    behaviour: dict[str, Any] = {"model": "same", **going_on(text), "token_s": 0.05, "env": SECRET}
    await cluster.start("new", **behaviour)
    await cluster.start("old", "--seed", cluster.seed(), code=older, **behaviour)
    await cluster.start("ada", "--seed", cluster.seed(), engine="none", env=SECRET)
    async with asyncio.timeout(30):
        while not await continuing(cluster, "ada", "new"):
            await asyncio.sleep(0.05)
        await cluster.until(lambda seen: 2 == sum(bool(peer["rights"]) for peer in seen["ada"]))

    asking = [asyncio.create_task(read(cluster, "ada", model="same")) for _ in range(8)]
    async with asyncio.timeout(30):
        while sum(engine.active for engine in cluster.engines.values()) < 8:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(cluster.peers[dies].stop, signal.SIGKILL)
    answers = await asyncio.gather(*asking)

    broken = [answer for answer in answers if answer["by"] == dies]
    assert broken and {text} == {answer["text"] for answer in answers if answer["by"] != dies}
    if dies == "old":
        assert {text} == {answer["text"] for answer in broken}
        assert {(": continued by new",)} == {tuple(answer["comments"]) for answer in broken}
    else:
        assert {"peer_unreachable"} == {answer["error"]["code"] for answer in broken}
        assert all(text.startswith(answer["text"]) for answer in broken)
        assert {"user"} == {body["messages"][-1]["role"] for body in cluster.engines["old"].asked}
