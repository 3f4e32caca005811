"""Runs ppai-profile, before engines and peers that answer what they are told to."""

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.home.folder import LOCK
from gateway.home.lock import held
from profiler.answers import make_of
from profiler.cli import main
from profiler.qagate import QAGate, shipped_gate
from profiler.queries import load_questions

ANSWERS = {question.prompt: question.answer for question in load_questions("builtin")}


def knows_all(body: dict[str, Any]) -> str:
    return ANSWERS[body["messages"][0]["content"]]


async def start(encoder_folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "profiler", *arguments),
        env={**os.environ, "PPAI_WEIGHTS": str(encoder_folder.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run_process(encoder_folder: Path, *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)"""
    process = await start(encoder_folder, *arguments)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def run(encoder_folder: Path, *arguments: str) -> tuple[int, str, str]:
    """The same in a thread of this process: starting Python and loading NumPy takes longer than most commands."""

    def command() -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err):
            environment.setenv("PPAI_WEIGHTS", str(encoder_folder.parent))
            code = main(arguments)
        return code, out.getvalue(), err.getvalue()

    return await asyncio.to_thread(command)


def stored_lines(home: Path) -> list[bytes]:
    return [line for path in (home / "profile").glob("*.jsonl") for line in path.read_bytes().splitlines()]


PORTER = {"name": "porter", "base": "tiny", "make": make_of(8, "Q4_K_M", "aaaaaaaa"), "base_make": make_of(8, "Q4_K_M")}


def answered(body: dict[str, Any]) -> str:
    """As the porter it knows the codes of rooms, as the model alone all else."""
    asked = body["messages"][-1]["content"]
    if "code of room" not in asked:
        return knows_all(body)
    return f"It is C{asked.split()[-1].rstrip('?')}." if body["model"] == "porter" else "Who knows."


@asynccontextmanager
async def peer_serving(
    home: Path,
    status: int = 200,
    space: str = QAGate.load(shipped_gate()).space,
    folder: str = "",
    questions_file: str = "questions.tsv",
) -> AsyncIterator[list[web.Request]]:
    """What ppai-profile needs of a running peer, over a real socket; yields the requests it got."""
    requests: list[web.Request] = []

    async def page(request: web.Request) -> web.Response:
        porter = {**PORTER, "questions_file": questions_file and str(home / questions_file)}
        told = {"gate": {"space": space, "folder": folder}, "measuring": {"agents": [{"name": "tiny"}, porter]}}
        return web.json_response({"engine": {"models": [{"id": "tiny"}]}, **told})

    async def chat(request: web.Request) -> web.Response:
        requests.append(request)
        body = await request.json()
        return web.json_response({"choices": [{"message": {"content": answered(body)}}]})

    async def domain(request: web.Request) -> web.Response:
        requests.append(request)
        await request.read()
        return web.json_response({"questions": 12, "right": 0.9, "right_without": 0.1, "recall": 1.0, "seq": 5})

    async def profile(request: web.Request) -> web.Response:
        requests.append(request)
        await request.read()
        return web.json_response({"published": True, "seq": 4} if status == 200 else {"error": "wrong"}, status=status)

    app = web.Application()
    app.router.add_get("/ppai/v1/status", page)
    app.router.add_post("/ppai/v1/agents/look", page)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/ppai/v1/profile", profile)
    app.router.add_post("/ppai/v1/domain", domain)
    async with listening(app) as url:
        with held(home / LOCK):
            (home / "running.json").write_text(json.dumps({"url": url, "pid": os.getpid(), "token": "secret-token"}))
            yield requests


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """Serves the app on a free port; yields its URL."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
