"""The embedded engine: runs llama.cpp with a small model on this CPU as a child process, and restarts it when it dies.

The child ends when this process ends. This file sends it no requests: `gateway/engines/openai_http.py` does, at `url`
with `api_key`, as to any other engine. While the child is down its port refuses connections, as a dead engine's does.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec

from gateway.engines.llamacpp.server import CANNOT

DEFAULT_NAME = "smollm2-135m-instruct"

LOG_LIMIT_BYTES = 256 * 1024  # holds months: at the level of warnings llama.cpp writes a line for each problem
LAST_LINES = 5  # of the log, where the reason of a death is looked for
# HTTP threads beyond the slots. Each request holds one, waiting requests too; where all are taken, /metrics has to wait
# for one (docs/results/gateway.md#llamacpp-and-the-embedded-engine).
HTTP_THREADS_SPARE = 64
STOP_PATIENCE_S = 3.0  # s from SIGTERM to SIGKILL
POLL_STARTING_S = 0.05  # s between two checks of a child that starts
POLL_READY_S = 2.0  # s between two checks of a child that is ready
HEALTH_TIMEOUT_S = 5.0  # s
HUNG_AFTER_S = 30.0  # s of silence of a ready child until it is killed; /health needs no slot, so load is no excuse
LOAD_PATIENCE_S = 300.0  # s of silence of a child that loads, as a large model from a slow disk
HEALTHY_AFTER_S = 60.0  # s that a child must have been ready for the back-off to start anew

_SIGNAL_HINTS = {
    signal.SIGILL: "; the processor lacks AVX2, which this build of llama.cpp needs",
    signal.SIGKILL: "; memory may have run out",
}

_log = logging.getLogger(__name__)


class ModelMissing(Exception):
    """There is no model for the embedded engine; the message names the command that fetches it."""


class EngineUnusable(Exception):
    """The embedded engine cannot be started until somebody changes something; the message says what."""


@dataclass(frozen=True, slots=True)
class EmbeddedConfig:
    """The small model on this CPU, for machines without an engine."""

    slots: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2  # requests decoded at once; they share one thread's speed
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1  # on shared cores 2 are slower (docs/results/gateway.md)
    context_tokens: Annotated[int, msgspec.Meta(ge=256, le=131072)] = 2048  # a slot; SmolLM2 knows up to 8192


@dataclass(frozen=True, slots=True)
class ChildState:
    phase: Literal["stopped", "starting", "ready", "restarting"]
    reason: str = ""  # why it is restarting, and when

    def __str__(self) -> str:
        return f"{self.phase}: {self.reason}" if self.reason else self.phase


def backoff_s(failures: int) -> float:
    """Seconds to wait before the next start, after this many short lives in a row: 1, 2, 4 ... 30."""
    return float(min(30, 2 ** min(failures - 1, 5)))


class EmbeddedEngine:
    """The supervisor. `start()`, then `run()` in a TaskGroup until `stop()`."""

    def __init__(self, model: Path, config: EmbeddedConfig, log: Path, name: str = DEFAULT_NAME) -> None:
        """`model`: a GGUF file; `log`: where llama.cpp's own output goes; `name`: what /v1/models calls the model."""
        self.name = name
        self.url: str | None = None  # the same over restarts; None before start() and after stop()
        # Loopback is open to every user of the machine and to every web page (llama.cpp allows all origins).
        self.api_key = secrets.token_urlsafe(32)
        self.state = ChildState("stopped")
        self.restarts = 0
        self._model = model
        self._log_file = log
        self._config = config
        self._held_port: socket.socket | None = None
        self._port = 0
        self._child: Process | None = None
        self.on_ready: Callable[[], None] = lambda: None  # called whenever it begins to answer
        self._unborn = ""  # why the last attempt made no child
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The child's process id while there is a child."""
        return self._child.pid if self._child and self._child.returncode is None else None

    async def start(self) -> None:
        """Hold a port and start the child; does not wait until it is ready. Raises EngineUnusable."""
        _check_model(self._model)
        self._held_port = _hold_port()
        self._port = self._held_port.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        try:
            await self._spawn()
        except OSError as error:
            await self.stop()
            raise EngineUnusable(f"the embedded engine cannot be started ({error}): it is tried again") from error

    async def ready(self) -> None:
        """Return once the engine answers."""
        await self._ready.wait()

    async def run(self) -> None:
        """Keep the engine up until stop() or cancellation; however it dies, this does not raise."""
        failures = 0
        try:
            while not self._stopping.is_set():
                reason, healthy_s = await self._watch()
                if self._stopping.is_set():
                    break
                failures = 1 if healthy_s >= HEALTHY_AFTER_S else failures + 1
                delay_s = backoff_s(failures)
                self.state = ChildState("restarting", f"{reason}; next try in {delay_s:.0f} s, log in {self._log_file}")
                _log.warning("embedded_engine_died reason=%r next_try_s=%.0f", reason, delay_s)
                if await self._is_stopped_within(delay_s):
                    break
                self.restarts += 1
                try:
                    await self._spawn()
                except OSError as error:  # no process, file or room for its log now: perhaps later
                    self._unborn = f"it cannot be started: {error}"
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End the child: SIGTERM, and SIGKILL for one that is still there after 3 s. May be called again."""
        self._stopping.set()
        self._ready.clear()
        await self._end_child()
        if self._held_port:
            self._held_port.close()
        self.url, self.state = None, ChildState("stopped")

    async def _spawn(self) -> None:
        assert self._held_port, "call start() before run()"
        if sys.platform != "linux":
            self._held_port.close()  # only Linux is known to let the child listen while we hold the port
        if self.state.phase == "stopped":
            self.state = ChildState("starting")
        command = [sys.executable, "-P", "-m", "gateway.engines.llamacpp.server"]
        command += ["--model", str(self._model), "--name", self.name, "--port", str(self._port)]
        command += ["--slots", str(self._config.slots), "--context-tokens", str(self._config.context_tokens)]
        command += ["--threads", str(self._config.threads)]
        command += ["--http-threads", str(self._config.slots + HTTP_THREADS_SPARE)]
        # OpenMP threads that spin while they wait take the speed on shared cores (docs/results/gateway.md).
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(self._config.threads)}
        with _open_log(self._log_file) as log:
            self._child = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,  # the child ends when it closes, so however we end
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches only us: we let requests end before we stop the child
            )
        assert self._child.stdin
        with suppress(ConnectionError):  # the child has died already; _watch() reports it
            self._child.stdin.write(f"{self.api_key}\n".encode())
            await self._child.stdin.drain()
        _log.info("embedded_engine_started pid=%d port=%d", self._child.pid, self._port)

    async def _watch(self) -> tuple[str, float]:
        """Follow one life of the child to its end: (why it ended, seconds since it was first ready)."""
        if self._unborn:
            reason, self._unborn = self._unborn, ""
            return reason, 0.0
        clock = asyncio.get_running_loop().time
        born = answered = clock()
        ready_at: float | None = None
        while not await self._is_dead_within(POLL_READY_S if ready_at else POLL_STARTING_S):
            _trim(self._log_file)
            if await self._is_healthy():
                answered = clock()
                if ready_at is None:
                    ready_at = answered
                    self.state = ChildState("ready")
                    self._ready.set()
                    self.on_ready()
                    _log.info("embedded_engine_ready after_s=%.1f", ready_at - born)
            elif clock() - answered > (patience_s := HUNG_AFTER_S if ready_at else LOAD_PATIENCE_S):
                self._ready.clear()
                await self._end_child()
                return f"no answer for {patience_s:.0f} s", answered - ready_at if ready_at else 0.0
        self._ready.clear()
        return self._death(), clock() - ready_at if ready_at else 0.0

    async def _is_dead_within(self, patience_s: float) -> bool:
        assert self._child
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._child.wait()
        return self._child.returncode is not None

    async def _is_stopped_within(self, patience_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _is_healthy(self) -> bool:
        """Whether GET /health answers 200. It is sent by hand: a pooled connection would hold an HTTP thread."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(b"GET /health HTTP/1.0\r\n\r\n")
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (TimeoutError, OSError):
            return False

    def _death(self) -> str:
        assert self._child and self._child.returncode is not None
        code = self._child.returncode
        if code < 0:
            return f"killed by {signal.Signals(-code).name}{_SIGNAL_HINTS.get(signal.Signals(-code), '')}"
        return f"exit code {code}: {_last_words(self._log_file)}"

    async def _end_child(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        try:
            with suppress(ProcessLookupError, TimeoutError):
                child.terminate()
                async with asyncio.timeout(STOP_PATIENCE_S):
                    await child.wait()
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
        await child.wait()


def _check_model(model: Path) -> None:
    try:
        with model.open("rb") as file:
            magic = file.read(4)
    except OSError as e:
        raise EngineUnusable(f"cannot read {model} ({e.strerror}): run `ppai pull smollm2`") from e
    if magic != b"GGUF":
        raise EngineUnusable(f"{model} is not a GGUF file: run `ppai pull smollm2`, which repairs it")


def _hold_port() -> socket.socket:
    """A socket that holds a free loopback port for us.

    It is bound and does not listen, so the port refuses connections until the child listens on it as well
    (SO_REUSEPORT, same user only), and again after the child ends. Raises EngineUnusable.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise EngineUnusable("the embedded engine needs Linux or macOS: give another engine with --engine URL")
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


# --- llama.cpp's log: the child appends to it, this process cuts it


def _open_log(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _trim(path: Path) -> None:
    """Cut a log over LOG_LIMIT_BYTES to its newer half, in place, since the child has it open."""
    with suppress(OSError):  # a full disk costs the log, not the engine
        if path.stat().st_size > LOG_LIMIT_BYTES:
            path.write_bytes(path.read_bytes()[-LOG_LIMIT_BYTES // 2 :])


def _last_words(path: Path) -> str:
    """What the child said of itself, else the log's last line: llama.cpp's own thread may write after it."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return "no log"
    newest = [line.strip() for line in reversed(lines) if line.strip()][:LAST_LINES]
    return next((line for line in newest if line.startswith(CANNOT)), newest[0] if newest else "no log")
