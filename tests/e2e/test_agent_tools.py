"""Tools of real servers behind real peers, called by a scripted engine: the public ones, and one that misbehaves."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.e2e.clients import environments
from tests.e2e.network import Cluster
from tests.e2e.test_personal_agents import write
from tests.fakes import free_port
from tests.gateway.agent.tools.test_server import BAD, is_alive, until

FILES = {"allow": ["read_text_file", "write_file"], "side_effects": "allowed"}
AGENT = "prompt: Use your tools.\nbuiltin: []\nuse: approved\ntools:\n"


class Caller:
    """An engine's chat that calls one tool, and then says what it was told, or that there was no such tool."""

    def __init__(self) -> None:
        self.name, self.arguments = "", dict[str, Any]()
        self.offered: list[str] = []

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        told = [turn["content"] for turn in body["messages"] if turn["role"] == "tool"]
        if not told:
            self.offered = [tool["function"]["name"] for tool in body.get("tools") or ()]
        call = {"name": self.name, "arguments": json.dumps(self.arguments)}
        calls = {"tool_calls": [{"id": "c1", "type": "function", "function": call}]}
        message = {"role": "assistant", "content": f"told: {told[0]}"} if told else {"content": None, **calls}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if told else "tool_calls"}
        return {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}

    async def ask(self, cluster: Cluster, peer: str, name: str, **arguments: Any) -> str:
        self.name, self.arguments = name, arguments
        status, _, answer = await cluster.ask(peer, model="handy")
        assert status == 200, answer
        assert "tool_calls" not in json.dumps(answer)
        return answer["choices"][0]["message"]["content"]


def entry(name: str, *command: object, **more: object) -> str:
    """One server of tools, as its owner writes it."""
    written = {"name": name, **({"command": shlex.join(map(str, command))} if command else {}), **more}
    return f"  - {json.dumps(written)}\n"


async def until_offered(caller: Caller, cluster: Cluster, name: str, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while name not in caller.offered:
            caller.name, caller.arguments = "none", {}
            await cluster.ask("ada", model="handy")  # until the server has started, the agent has no tool
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_tool_that_changes_things_is_the_owners_alone(cluster: Cluster, tmp_path: Path) -> None:
    caller = Caller()
    write(tmp_path / "ada", "handy", AGENT + entry("bad", sys.executable, "-I", BAD, "good", side_effects="allowed"))
    await cluster.start("ada", apis={"chat/completions": caller.chat})
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()
    await until_offered(caller, cluster, "bad__write")

    own = await caller.ask(cluster, "ada", "bad__write", a=1)
    theirs = await caller.ask(cluster, "ben", "bad__write", a=1)
    reading = await caller.ask(cluster, "ben", "bad__echo", a=1)

    assert 'told: write {"a": 1} ' == own
    assert "no such tool" in theirs and ["bad__echo"] == caller.offered
    assert 'told: echo {"a": 1} ' == reading


@pytest.mark.parametrize(
    "how", ["killed", *(pytest.param(how, marks=pytest.mark.slow) for how in ("stopped", "file gone"))]
)
async def test_a_deaf_server_ends_with_its_peer_and_with_its_file(cluster: Cluster, tmp_path: Path, how: str) -> None:
    caller = Caller()
    pids = tmp_path / "pids"
    path = write(tmp_path / "ada", "handy", AGENT + entry("bad", sys.executable, "-I", BAD, "deaf", pids))
    peer = await cluster.start("ada", apis={"chat/completions": caller.chat})
    await until_offered(caller, cluster, "bad__echo")
    running = [int(pid) for pid in pids.read_text().split()]
    assert running and all(map(is_alive, running))

    if how == "file gone":
        path.unlink()
    elif how == "stopped":
        await asyncio.to_thread(peer.stop)
    else:
        os.kill(peer.pid, signal.SIGKILL)

    await until(lambda: not any(map(is_alive, running)), within_s=15)


@contextlib.asynccontextmanager
async def page(text: str) -> AsyncIterator[str]:
    """A page on this machine, for a server that fetches."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/plain")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def everything_by_http(node_tools: Path, port: int) -> Any:
    """The server with all kinds of tools, over streamable HTTP."""
    server = subprocess.Popen(
        [node_tools / "mcp-server-everything", "streamableHttp"],
        env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
async def test_five_public_servers_are_tools(cluster: Cluster, tmp_path: Path) -> None:
    """time and fetch of PyPI; everything (stdio and HTTP), filesystem and memory of npm; 2026-07-28 and 2025-11-25."""
    for folder in (environments.TOOLS, environments.NODE_TOOLS):
        if not environments.has(folder):
            pytest.skip(f"{folder.name} is not there: python -m tests.e2e.clients.environments")
    python, node = environments.TOOLS / "bin", environments.NODE_TOOLS / "node_modules" / ".bin"
    files, port, caller = tmp_path / "files", free_port(), Caller()
    files.mkdir()
    (files / "note.txt").write_text("the tea is in the blue tin")
    entries = [
        entry("time", python / "mcp-server-time"),
        entry("fetch", python / "mcp-server-fetch", "--ignore-robots-txt"),
        entry("all", node / "mcp-server-everything"),
        entry("web", url=f"http://127.0.0.1:{port}/mcp"),
        entry("files", node / "mcp-server-filesystem", files, **FILES),
        entry("memory", node / "mcp-server-memory", side_effects="allowed", env={"MEMORY_FILE_PATH": f"{tmp_path}/m"}),
    ]  # fmt: skip
    write(tmp_path / "ada", "handy", AGENT + "".join(entries))
    with everything_by_http(node, port):
        await cluster.start("ada", apis={"chat/completions": caller.chat})
        await cluster.start("ben", "--seed", cluster.seed())
        await cluster.until_ready()
        for name in ("time", "fetch", "all", "web", "files", "memory"):
            async with asyncio.timeout(90):
                while not any(offered.startswith(f"{name}__") for offered in caller.offered):
                    await caller.ask(cluster, "ada", "none")
                    await asyncio.sleep(0.5)
        calls: Mapping[str, tuple[dict[str, Any], str]] = {
            "time__get_current_time": ({"timezone": "Europe/Oslo"}, "Europe/Oslo"),
            "time__convert_time": (
                {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}, "21:00",
            ),
            "all__echo": ({"message": "hello"}, "hello"),
            "all__get-sum": ({"a": 2, "b": 40}, "42"),
            "web__get-sum": ({"a": 2, "b": 40}, "42"),
            "files__read_text_file": ({"path": str(files / "note.txt")}, "the blue tin"),
            "files__write_file": ({"path": str(files / "new.txt"), "content": "x"}, "new.txt"),
            "memory__create_entities": (
                {"entities": [{"name": "tea", "entityType": "drink", "observations": ["in the blue tin"]}]}, "tea",
            ),
            "memory__read_graph": ({}, "blue tin"),
        }  # fmt: skip
        for name, (arguments, expected) in calls.items():
            assert expected in await caller.ask(cluster, "ada", name, **arguments), name
        async with page("the kettle is on") as url:
            fetched = await caller.ask(cluster, "ada", "fetch__fetch", url=url)
        assert "the kettle is on" in fetched or "private" in fetched.lower(), fetched
        for name in ("files__read_text_file", "time__get_current_time"):
            assert calls[name][1] in await caller.ask(cluster, "ben", name, **calls[name][0]), name
        assert "no such tool" in await caller.ask(cluster, "ben", "files__write_file", **calls["files__write_file"][0])
        assert "files__read_text_file" in caller.offered and "memory__create_entities" not in caller.offered
        assert "x" == (files / "new.txt").read_text()
