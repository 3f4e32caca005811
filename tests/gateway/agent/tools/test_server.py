"""Servers of tools that hang, crash, print garbage or never end: each is bounded, said, and ended with all of it."""

import asyncio
import gc
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.agent.settings import ToolSettings
from gateway.agent.tools.results import RESULT_BYTES
from gateway.agent.tools.server import Server, problems_of

BAD = Path(__file__).parent / "bad_server.py"


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """What was not closed warns when it is collected, and warnings are errors."""
    yield
    gc.collect()


def settings(mode: str, *more: str, **other: object) -> ToolSettings:
    return ToolSettings("bad", command=shlex.join([sys.executable, "-I", str(BAD), mode, *more]), **other)


@asynccontextmanager
async def running(mode: str, *more: str, connect_s: float = 10.0, **other: object) -> AsyncIterator[Server]:
    server = Server(settings(mode, *more, **other), "nora", connect_s=connect_s, pause_s=0.01)
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(is_so: Callable[[], object], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_its_tools_are_called_with_its_environment_and_no_more_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    async with running("good", env={"TOKEN": "t"}) as server:
        await until(lambda: server.tools)
        result = await server.call("echo", {"a": 1})

        assert 'echo {"a": 1} t' == result.text and not result.is_error
        assert [("echo", True), ("write", False)] == [(tool.name, tool.only_reads) for tool in server.tools]
        assert server.problem is None


async def test_words_for_people_between_messages_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running("garbage") as server:
            await until(lambda: server.tools)

            assert "echo" in (await server.call("echo", {"a": "private words"})).text

    assert not [r for r in caplog.records if "Welcome" in r.getMessage() or "private words" in r.getMessage()]


@pytest.mark.slow
async def test_a_call_that_hangs_can_be_left_and_the_next_one_runs() -> None:
    async with running("hang") as server:
        await until(lambda: server.tools)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await server.call("echo", {})


async def test_a_crash_is_known_at_once_and_it_is_started_again() -> None:
    async with running("crash") as server:
        await until(lambda: server.tools)
        began = time.monotonic()
        result = await server.call("echo", {})

        assert result.is_error and time.monotonic() - began < 2
        await until(lambda: server.tools)


async def test_what_keeps_crashing_is_disabled_with_its_last_words_and_the_remedy() -> None:
    async with running("dead") as server:
        await until(lambda: server.problem and "disabled" in server.problem)

        (problem,) = problems_of([server])
        assert "bad: disabled: " in problem and "no configuration found" in problem and "agents/nora.yaml" in problem
        assert (await server.call("echo", {})).is_error


async def test_a_server_that_ends_after_every_call_comes_back() -> None:
    async with running("once") as server:
        await until(lambda: server.tools)
        assert not (await server.call("echo", {})).is_error
        await until(lambda: not server.tools)
        await until(lambda: server.tools)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["mute", "hang-list"])
async def test_one_that_never_connects_is_left_after_a_time(mode: str) -> None:
    async with running(mode, connect_s=0.7) as server:
        await until(lambda: server.problem and "within 0.7 s" in server.problem)


async def test_ten_megabytes_in_one_result_are_refused_and_it_goes_on() -> None:
    async with running("big") as server:
        await until(lambda: server.tools)
        result = await server.call("echo", {})

        assert result.is_error and "over 1 MiB" in result.text
        assert server.tools


async def test_a_long_result_is_cut() -> None:
    async with running("long") as server:
        await until(lambda: server.tools)

        result = await server.call("echo", {})

    assert len(result.text) < RESULT_BYTES + 100 and "[cut: 500000 bytes" in result.text


@pytest.mark.parametrize("mode", ["endless", pytest.param("flood", marks=pytest.mark.slow)])
async def test_one_that_never_ends_is_ended_and_costs_little_memory(mode: str) -> None:
    def peak_mib() -> float:
        (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    async with running(mode) as server:
        await until(lambda: server.tools)
        before = peak_mib()
        result = await server.call("echo", {})

        assert result.is_error and peak_mib() - before < 40
        await until(lambda: server.problem and "without being asked" in server.problem)


async def test_an_error_of_a_tool_is_told_to_the_model_and_the_server_stays() -> None:
    async with running("error") as server:
        await until(lambda: server.tools)
        result = await server.call("echo", {})

        assert result.is_error and "no such city" in result.text and server.tools


async def test_a_program_that_is_not_there_is_said_with_the_remedy() -> None:
    for command, said in (("no-such-program-here x", "there is no program `no-such-program-here`: install it"),
                          ("'unclosed", "cannot be split")):  # fmt: skip
        server = Server(ToolSettings("bad", command=command), "nora", pause_s=0.01)
        await server.run()

        assert server.problem and said in server.problem and "disabled" in server.problem


@pytest.mark.parametrize(
    "mode", ["good", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("deaf", "escape", "hang"))]
)
async def test_when_it_is_left_nothing_of_it_is_left(mode: str, tmp_path: Path) -> None:
    """Also of one that takes no notice of SIGTERM, and of helpers that left its group."""
    async with running(mode, str(tmp_path / "pids")) as server:
        await until(lambda: server.tools)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert all(map(is_alive, pids))

    await until(lambda: not any(map(is_alive, pids)), within_s=5)


@pytest.mark.parametrize("mode", ["crash", pytest.param("escape", marks=pytest.mark.slow)])
async def test_helpers_of_one_that_ends_by_itself_end_with_it(mode: str, tmp_path: Path) -> None:
    async with running(mode, str(tmp_path / "pids")) as server:
        await until(lambda: server.tools)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        if mode == "crash":
            await server.call("echo", {})
        else:
            os.kill(pids[0], signal.SIGKILL)

        await until(lambda: not any(map(is_alive, pids)), within_s=5)


PEER = """
import asyncio, sys
from gateway.agent.settings import ToolSettings
from gateway.agent.tools.server import Server
server = Server(ToolSettings("bad", command=sys.argv[1]), "nora")
async def main():
    asyncio.create_task(server.run())
    while not server.tools:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "mode", ["escape", pytest.param("deaf", marks=pytest.mark.slow), pytest.param("hang-call", marks=pytest.mark.slow)]
)
async def test_a_peer_that_is_killed_leaves_nothing_running(mode: str, tmp_path: Path) -> None:
    """kill -9: nobody can clean up, and the server does not listen."""
    command = settings(mode, str(tmp_path / "pids")).command
    peer = subprocess.Popen([sys.executable, "-c", PEER, command], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    try:
        assert peer.stdout and "ready" in await asyncio.to_thread(peer.stdout.readline)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert all(map(is_alive, pids))
    finally:
        peer.kill()
        peer.wait()
        peer.stdout.close()

    await until(lambda: not any(map(is_alive, pids)), within_s=5)
