"""Personal agents in front of real peers: a file becomes an agent, chosen by its name, here and from elsewhere."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.network import Cluster

ASKED_S = 25.0  # a peer is asked what its agents are at most every 10 s, and files are looked at every 2
PIRATE = """
description: speaks like a pirate
prompt: You are a pirate.
use: {use}
"""


def write(peer: Path, name: str, text: str) -> Path:
    """An agent's file in a peer's home."""
    folder = peer / "agents"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def systems(asked: list[dict[str, Any]]) -> list[str]:
    """What each request that an engine heard began with, where that is a system message."""
    return [body["messages"][0]["content"] for body in asked if body["messages"][0]["role"] == "system"]


async def agents_of(cluster: Cluster, name: str) -> dict[str, dict[str, Any]]:
    listed = (await cluster.get(name, "/v1/models"))["data"]
    return {entry["id"]: entry for entry in listed if entry["ppai"]["kind"] == "agent"}


async def test_a_file_is_an_agent_chosen_by_name_and_no_other_request_changes(cluster: Cluster, tmp_path: Path) -> None:
    write(tmp_path / "ada", "pirate", PIRATE.format(use="me"))
    await cluster.start("ada")
    plain = b'{"messages":[{"role":"user","content":"hi"}],"model":"model-ada" ,"x": 1}'

    status, headers, answer = await cluster.ask("ada", model="pirate")
    auto = await cluster.ask("ada", model="auto")
    url = cluster.peers["ada"].url + "/v1/chat/completions"
    async with cluster.http.post(url, data=plain, headers={"content-type": "application/json"}) as response:
        assert 200 == response.status
    completion = await cluster.http.post(
        cluster.peers["ada"].url + "/v1/completions", json={"model": "pirate", "prompt": "hi"}
    )

    asked = cluster.engines["ada"].asked
    assert (200, "pirate", "pirate", "from ada") == (
        status, headers["x-ppai-model"], answer["model"], answer["choices"][0]["message"]["content"],
    )  # fmt: skip
    assert [["You are a pirate."], [], []] == [systems([body]) for body in asked]
    assert ["model-ada"] * 3 == [body["model"] for body in asked]
    assert "model-ada" == auto[1]["x-ppai-model"]
    assert plain == cluster.engines["ada"].bodies[-1], "a plain model's request is passed byte for byte"
    assert (404, True) == (completion.status, "/v1/chat/completions" in (await completion.json())["error"]["message"])
    assert {"pirate": (["model-ada"], ["ada"])} == {
        name: (entry["ppai"]["models"], entry["ppai"]["peers"])
        for name, entry in (await agents_of(cluster, "ada")).items()
    }


@pytest.mark.slow
async def test_an_agent_is_seen_and_used_by_whom_its_owner_allows(cluster: Cluster, tmp_path: Path) -> None:
    """Ben and Cleo know the network's secret. One agent is for all of them, one for Ben, one for nobody else."""
    await cluster.start("ben")
    await cluster.start("cleo", "--seed", cluster.seed())
    for name, use in (("all", "approved"), ("bens", "[ben]"), ("own", "me")):
        write(tmp_path / "ada", name, PIRATE.format(use=use))
    await cluster.start("ada", "--seed", cluster.seed())
    await cluster.until_ready()
    await cluster.until(
        lambda seen: _agents(seen, "ben") == {"all", "bens"} and _agents(seen, "cleo") == {"all"}, ASKED_S
    )

    asked = {
        (name, agent): (await cluster.ask(name, model=agent))[0]
        for name in ("ben", "cleo", "ada")
        for agent in ("all", "bens", "own")
    }

    own = dict.fromkeys([("ada", "all"), ("ada", "bens"), ("ada", "own")], 200)
    assert {
        ("ben", "all"): 200, ("ben", "bens"): 200, ("ben", "own"): 404,
        ("cleo", "all"): 200, ("cleo", "bens"): 404, ("cleo", "own"): 404, **own,
    } == asked  # fmt: skip
    assert ["You are a pirate."] * 6 == systems(cluster.engines["ada"].asked)
    assert [] == [*cluster.engines["ben"].asked, *cluster.engines["cleo"].asked]


@pytest.mark.slow  # others ask again after 10 s
async def test_files_are_followed_while_the_peer_runs(cluster: Cluster, tmp_path: Path) -> None:
    """A new one is served, a broken one is said with the remedy and not served, a changed `use` shuts others out."""
    path = write(tmp_path / "ada", "pirate", PIRATE.format(use="approved"))
    peer = await cluster.start("ada")
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()
    await cluster.until(lambda seen: _agents(seen, "ben") == {"pirate"}, ASKED_S)

    path.write_text(PIRATE.format(use="me"))
    await cluster.until(lambda seen: _agents(seen, "ben") == set(), ASKED_S)
    assert 404 == (await cluster.ask("ben", model="pirate"))[0]
    path.write_text("promt: You are a pirate.\n")
    write(tmp_path / "ada", "poet", "prompt: You are a poet.\n")
    await asyncio.to_thread(
        peer.wait, lambda: "unknown key `promt`; did you mean `prompt`?" in peer.output, "to say it"
    )
    async with asyncio.timeout(10):
        while set(await agents_of(cluster, "ada")) != {"poet"}:
            await asyncio.sleep(0.05)

    assert (404, 200) == ((await cluster.ask("ada", model="pirate"))[0], (await cluster.ask("ada", model="poet"))[0])


HANDBOOK = """# Mill Lane handbook

## Holidays

Everybody has 31 days of holiday a year. Ask the office two weeks before you go.

## The boiler

The boiler in the cellar is switched on with the red lever behind the door.

## Parking

Cars are parked behind the barn. The yard stays free for the milk lorry.
"""
LIBRARIAN = """
prompt: You answer from the handbook.
knowledge: {{folders: [{folder}]}}
use: approved
"""


async def indexed(cluster: Cluster, name: str, agent: str) -> dict[str, Any]:
    """The owner's row of an agent, once its documents can all be searched."""
    token = json.loads((cluster.peers[name].home / "running.json").read_text())["token"]
    async with asyncio.timeout(60):
        while True:
            url, headers = cluster.peers[name].url + "/ppai/v1/agents", {"authorization": f"Bearer {token}"}
            async with cluster.http.get(url, headers=headers) as response:
                row = next(row for row in await response.json() if row["name"] == agent)
            if row["documents"]["is_done"]:
                return row
            await asyncio.sleep(0.1)


async def test_a_librarian_answers_from_its_documents_and_says_where_to_any_client(
    cluster: Cluster, tmp_path: Path
) -> None:
    """From another peer, by the SDK, streamed and whole; a question beside the documents gets the plain model."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "handbook.md").write_text(HANDBOOK)
    write(tmp_path / "ada", "librarian", LIBRARIAN.format(folder=tmp_path / "docs"))
    await cluster.start("ada")
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()
    await indexed(cluster, "ada", "librarian")
    await cluster.until(lambda seen: _agents(seen, "ben") == {"librarian"}, ASKED_S)
    question = [{"role": "user", "content": "How many days of holiday do I have a year?"}]
    ben = openai.AsyncOpenAI(base_url=f"{cluster.peers['ben'].url}/v1", api_key="x", max_retries=0)
    async with ben:
        whole = await ben.chat.completions.create(model="librarian", messages=question)
        stream = await ben.chat.completions.create(model="librarian", messages=question, stream=True)
        chunks = [chunk async for chunk in stream]
        beside = await ben.chat.completions.create(
            model="librarian", messages=[{"role": "user", "content": "Write a limerick about a goat on the moon."}]
        )

    first, _, last = cluster.engines["ada"].asked
    assert "Everybody has 31 days of holiday a year." in first["messages"][0]["content"]
    assert "goat" not in last["messages"][0]["content"]
    assert "31 days" not in json.dumps(last)
    note = whole.choices[0].message.annotations[0].url_citation
    assert "ppai:librarian/handbook.md#Mill%20Lane%20handbook%20%3E%20Holidays" == note.url
    assert note.title == whole.choices[0].message.content[note.start_index : note.end_index]
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert whole.choices[0].message.content == streamed
    noted = [c.choices[0].delta.annotations for c in chunks if c.choices and hasattr(c.choices[0].delta, "annotations")]
    assert [note.url] == [one["url_citation"]["url"] for notes in noted for one in notes][:1]
    assert beside.choices[0].message.content.endswith("Not from this agent's documents.")
    assert str(tmp_path) not in json.dumps(cluster.engines["ada"].asked), "no path of the disk"


@pytest.mark.slow
async def test_a_calculator_runs_inside_and_no_client_sees_the_call(cluster: Cluster, tmp_path: Path) -> None:
    """The engine's model calls tools; the client, which offered none, gets words alone."""
    write(tmp_path / "ada", "sums", "prompt: You add up.\nbuiltin: calculator\nuse: approved\n")

    def chat(body: dict[str, Any]) -> dict[str, Any]:
        results = [turn["content"] for turn in body["messages"] if turn["role"] == "tool"]
        call = {
            "id": "c1",
            "type": "function",
            "function": {"name": "calculator", "arguments": '{"expression": "6*7"}'},
        }
        message = {"role": "assistant", "content": f"It is {results[0]}"} if results else {"tool_calls": [call]}
        return {
            "id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop" if results else "tool_calls"}],
        }  # fmt: skip

    await cluster.start("ada", apis={"chat/completions": chat})
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()
    await cluster.until(lambda seen: _agents(seen, "ben") == {"sums"}, ASKED_S)

    answers = [await cluster.ask(name, model="sums") for name in ("ada", "ben")]

    texts = [answer["choices"][0]["message"]["content"] for _, _, answer in answers]
    assert [200, 200] == [status for status, *_ in answers]
    assert all("42" in text for text in texts), texts
    assert "tool_calls" not in json.dumps([answer for *_, answer in answers])


def _agents(seen: dict[str, list[dict[str, Any]]], name: str) -> set[str]:
    """The personal agents of others that a peer knows."""
    return {one["name"] for peer in seen[name] for one in peer["agents"] if one["kind"] == "agent"}


YARD = """
prompt: Answer from the handbook of our yard.
use: [approved]
topics:
  - Torque of keel bolts and inspection of hulls in our yard
  - Holiday and sick notes of our colleagues
"""
KEELS = "What torque do the keel bolts get?"


@pytest.mark.slow
async def test_a_question_of_an_agent_s_topics_finds_it_and_others_stay_at_home(
    cluster: Cluster, tmp_path: Path
) -> None:
    """By `auto`, also as a follow-up; `ppai route` says the topic. Whoever may not use the agent asks at home."""
    write(tmp_path / "ben", "librarian", YARD)
    await cluster.start("ben")
    await cluster.start("ada", "--seed", cluster.seed())
    await cluster.until_ready()

    async def explained(text: str) -> dict[str, Any]:
        async with cluster.http.post(cluster.peers["ada"].url + "/ppai/v1/route", json={"text": text}) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def answered_by(peer: str, *messages: str) -> None:
        """On a busy machine a text may not be judged in time: it stays at home, and is asked again."""
        said = [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(messages)]
        async with asyncio.timeout(20):
            while (await cluster.ask("ada", model="auto", messages=said))[1]["x-ppai-peer"] != peer:
                await asyncio.sleep(0.05)

    async with asyncio.timeout(20):
        while (found := await explained(KEELS))["reason"] != "topic":
            await asyncio.sleep(0.05)
    await answered_by("ben", KEELS)
    await answered_by("ben", KEELS, "85", "and why?")
    boiling = await explained("How do I boil an egg?")

    assert ("ben", "librarian") == (found["target"]["peer"], found["target"]["agent"])
    assert found["candidates"][0]["basis"].startswith("topic: Torque of keel bolts")
    assert {"Answer from the handbook of our yard."} == set(systems(cluster.engines["ben"].asked))
    assert "ada" == boiling["target"]["peer"]

    write(tmp_path / "ben", "librarian", YARD.replace("[approved]", "me"))
    async with asyncio.timeout(20):
        while (await explained(KEELS))["target"]["peer"] != "ada":
            await asyncio.sleep(0.05)
