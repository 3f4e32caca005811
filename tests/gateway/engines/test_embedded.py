"""The embedded engine with the real model: what it serves, and that it neither stays dead nor stays behind."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import psutil
import pytest

from gateway.engines.embedded import (
    LAST_LINES,
    LOG_LIMIT_BYTES,
    STOP_PATIENCE_S,
    EmbeddedConfig,
    EmbeddedEngine,
    EngineUnusable,
    _last_words,
    backoff_s,
)
from gateway.engines.openai_http import OpenAIEngine
from tests.embedded import running, smollm2

CONFIG = EmbeddedConfig(slots=2, context_tokens=512)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def model() -> Path:
    return smollm2()


def started(model: Path, log: Path) -> AbstractAsyncContextManager[EmbeddedEngine]:
    return running(model, log, CONFIG)


async def until(condition: Callable[[], bool], patience_s: float = 20.0) -> None:
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(0.01)


async def ask(engine: EmbeddedEngine, api_key: str | None = None) -> tuple[int, str]:
    """(status, answer) of a short chat completion."""
    body = {
        "model": engine.name,
        "messages": [{"role": "user", "content": "Repeat: good morning"}],
        "max_tokens": 16,
        "grammar": 'root ::= "Good morning."',  # whatever the model would have said
    }
    headers = {"authorization": f"Bearer {engine.api_key if api_key is None else api_key}"}
    url = f"{engine.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as client, client.post(url, json=body, headers=headers) as reply:
        answer = await reply.json()
        return reply.status, answer["choices"][0]["message"]["content"] if reply.ok else answer["error"]["message"]


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("failures", "wait_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (1000, 30.0)])
def test_backoff_doubles_up_to_half_a_minute(failures: int, wait_s: float) -> None:
    assert wait_s == backoff_s(failures)


async def test_it_answers_whoever_has_the_key_and_stops_without_a_trace(model: Path, tmp_path: Path) -> None:
    async with started(model, tmp_path / "engine.log") as engine:
        await engine.ready()
        child = psutil.Process(engine.pid)

        assert "ready" == str(engine.state)
        assert (200, "Good morning.") == await ask(engine)
        assert (401, "Invalid API Key") == await ask(engine, api_key="guess")
        assert engine.api_key not in " ".join(child.cmdline())

    assert has_ended(child)
    assert (None, None, "stopped") == (engine.url, engine.pid, str(engine.state))


async def test_it_goes_on_with_answers_that_another_began(model: Path, tmp_path: Path) -> None:
    """As it is tested at each start, on the pages of the real llama.cpp."""
    async with started(model, tmp_path / "log") as engine:
        await asyncio.wait_for(engine.ready(), 60)
        assert engine.url
        looked_at = OpenAIEngine(engine.url, api_key=engine.api_key)
        await looked_at.refresh()

        assert await looked_at.learn()
        await looked_at.refresh()

    everywhere = ("chat/completions", "completions", "messages", "responses")
    assert everywhere == looked_at.state.models[0].continues


async def test_a_killed_child_comes_back_where_it_was(model: Path, tmp_path: Path) -> None:
    async with started(model, tmp_path / "engine.log") as engine:
        await engine.ready()
        url, first = engine.url, engine.pid
        assert first

        os.kill(first, signal.SIGKILL)
        await until(lambda: engine.state.phase == "restarting")
        reason = engine.state.reason
        await engine.ready()

        assert reason.startswith("killed by SIGKILL; memory may have run out; next try in 1 s")
        assert (url, 1, "ready") == (engine.url, engine.restarts, engine.state.phase)
        assert first != engine.pid
        assert 200 == (await ask(engine))[0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port is not held while the child has it")
async def test_nobody_can_take_the_port_even_while_the_child_is_dead(model: Path, tmp_path: Path) -> None:
    async with started(model, tmp_path / "engine.log") as engine:
        await engine.ready()
        assert engine.url and engine.pid
        port = int(engine.url.rpartition(":")[2])

        os.kill(engine.pid, signal.SIGKILL)
        await until(lambda: engine.state.phase == "restarting")

        with socket.socket() as thief, pytest.raises(OSError, match="Address already in use"):
            thief.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


PARENT = """
import asyncio, sys
from pathlib import Path
from gateway.engines.embedded import EmbeddedConfig, EmbeddedEngine
from gateway.engines.openai_http import OpenAIEngine

async def main():
    engine = EmbeddedEngine(Path(sys.argv[1]), EmbeddedConfig(), Path(sys.argv[2]))
    await engine.start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(engine.run())
        if sys.argv[3] == "ready":
            await engine.ready()
        print(engine.pid, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("phase", ["loading", "ready"])
def test_no_orphan_after_kill_9_of_the_parent(model: Path, tmp_path: Path, phase: str) -> None:
    command = [sys.executable, "-c", PARENT, str(model), str(tmp_path / "engine.log"), phase]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))

        parent.kill()

        child.wait(timeout=3)


@pytest.mark.slow
async def test_a_child_deaf_to_sigterm_is_killed(model: Path, tmp_path: Path) -> None:
    """It inherits the deafness, as from a shell's `trap '' TERM`."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        async with started(model, tmp_path / "engine.log") as engine:
            await engine.ready()
            child = psutil.Process(engine.pid)
            child.terminate()
            assert not has_ended(child)

            async with asyncio.timeout(STOP_PATIENCE_S + 1):
                await engine.stop()

            assert has_ended(child)
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_stop_is_final_and_may_be_repeated(model: Path, tmp_path: Path) -> None:
    """Also while the child is still loading, and for the run() that goes on watching."""
    async with started(model, tmp_path / "engine.log") as engine:
        child = psutil.Process(engine.pid)

        await engine.stop()
        await engine.stop()

        assert has_ended(child)
    assert (0, "stopped") == (engine.restarts, engine.state.phase)


async def test_cancelling_run_ends_the_child(model: Path, tmp_path: Path) -> None:
    engine = EmbeddedEngine(model, CONFIG, tmp_path / "engine.log")
    await engine.start()
    child = psutil.Process(engine.pid)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await engine.run()

    assert has_ended(child)


async def test_a_model_that_cannot_be_used_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>not found</html>")

    for name, problem in [("none.gguf", "No such file or directory"), ("page.gguf", "is not a GGUF file")]:
        with pytest.raises(EngineUnusable, match=rf"{name}.*{problem}.*run `ppai pull smollm2`"):
            await EmbeddedEngine(tmp_path / name, CONFIG, tmp_path / "engine.log").start()


async def test_a_damaged_model_is_reported_and_tried_again(model: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "half.gguf"
    with model.open("rb") as whole:
        damaged.write_bytes(whole.read(10_000_000))

    async with started(damaged, tmp_path / "engine.log") as engine:
        await until(lambda: engine.state.phase == "restarting")

        assert engine.state.reason.startswith(f"exit code 1: llama.cpp cannot serve {damaged}")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("llama.cpp cannot serve x\nsrv: exiting\n\n", "llama.cpp cannot serve x"),
        ("llama.cpp cannot serve x\nllama.cpp cannot be loaded\n", "llama.cpp cannot be loaded"),
        ("llama.cpp cannot serve x\n" + "of a later life\n" * LAST_LINES, "of a later life"),
        ("\n", "no log"),
    ],
)
def test_the_reason_of_a_death_is_what_the_child_said_last(tmp_path: Path, log: str, words: str) -> None:
    """llama.cpp logs from a thread of its own, sometimes after that line."""
    (tmp_path / "engine.log").write_text(log)

    assert words == _last_words(tmp_path / "engine.log")


async def test_the_log_stays_short(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"old line\n" * LOG_LIMIT_BYTES)

    async with started(model, log) as engine:
        await engine.ready()

        assert log.stat().st_size <= LOG_LIMIT_BYTES


@pytest.mark.slow
async def test_an_engine_for_which_there_is_no_process_or_file_is_tried_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start the peer goes on without it; later it counts as one more death."""

    async def no_process(*command: str, **more: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    engine = EmbeddedEngine(model, CONFIG, tmp_path / "log")
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", no_process)
        with pytest.raises(EngineUnusable, match="temporarily unavailable"):
            await engine.start()

    async with started(model, tmp_path / "log") as engine:
        await engine.ready()
        lives = list[int]()
        engine.on_ready = lambda: lives.append(engine.pid or 0)
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "create_subprocess_exec", no_process)
            os.kill(engine.pid, signal.SIGKILL)
            await until(lambda: "cannot be started" in str(engine.state))
        await engine.ready()
        assert [engine.pid] == lives
