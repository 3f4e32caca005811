"""A server of tools that is a program: started with its group, spoken with by lines, and ended with all it started.

What the SDK's own transport does not bound is bounded here: the length of a line, what comes unasked, what the program
says on stderr, and how long it outlives us. What it prints that is no message is passed over, and logged nowhere.
"""

import asyncio
import os
import shlex
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from gateway.agent.tools import warden
from gateway.agent.tools.lines import LINE_BYTES, LineSplitter, TooLong
from gateway.wire.text import visible

GRACE_S = 2.0  # s from the end of its input until it is told to end
UNASKED_BYTES = 16 << 20  # that it may send after the last message to it
_PIECE_BYTES = 1 << 16
_SLOW_BYTES, _SLOW_S = 1 << 20, 0.02  # a pause after so much: one server does not keep everybody else waiting
_LAST_WORDS = 300  # characters of what it said on stderr
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME")

Received = SessionMessage | Exception


_Heard = MemoryObjectReceiveStream[Received]
_Said = MemoryObjectSendStream[SessionMessage]


class Unusable(Exception):
    """The server cannot be reached as it is configured; the message says why, and what to do."""


class Program:
    """One run of the program (a transport of the SDK): `async with program.streams() as (read, write)`."""

    def __init__(self, command: str, env: Mapping[str, str]) -> None:
        """`command`: as a shell would split it. Raises Unusable where there is no such program."""
        self.command = _split(command)
        self.env = {**{name: os.environ[name] for name in _INHERITED if name in os.environ}, **env}
        self.gone = asyncio.Event()  # it sends no more
        self.problem = ""  # why that is, where it is told
        self._hurry = asyncio.Event()  # it is left at once, without a time of grace
        self._unasked = 0
        self._last_words: deque[str] = deque(maxlen=3)

    def last_words(self) -> str:
        """What it said last to people, in one line; empty where it said nothing."""
        return visible(" ".join(self._last_words))[-_LAST_WORDS:]

    @asynccontextmanager
    async def streams(
        self,
    ) -> AsyncIterator[tuple[_Heard, _Said]]:
        """What it says and what it is told, while it runs; it has ended when this is left."""
        process, kept = await self._start()
        to_us, heard = anyio.create_memory_object_stream[Received](0)
        said, to_it = anyio.create_memory_object_stream[SessionMessage](0)
        pumps = [self._read(process, to_us), self._write(process, to_it), self._listen(process)]
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            yield heard, said
        finally:
            for stream in (heard, said):
                stream.close()
            ending = asyncio.create_task(self._end(process, tasks, kept))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                self._hurry.set()
                await ending
                raise
            finally:
                to_us.close()
                to_it.close()

    async def _start(self) -> tuple[asyncio.subprocess.Process, int]:
        """The program, and the pipe whose closing ends it."""
        life, kept = os.pipe()
        starting = asyncio.create_task(
            asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", warden.__file__, str(life), *self.command,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env=self.env, cwd=Path.home(), pass_fds=(life,), start_new_session=True,
            )
        )  # fmt: skip
        try:
            return await asyncio.shield(starting), kept
        except asyncio.CancelledError:  # a start that is cancelled leaves its pipes open
            process = await starting
            self._hurry.set()
            await self._end(process, [], kept)
            raise
        except OSError:
            os.close(kept)
            raise
        finally:
            os.close(life)

    async def _end(self, process: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[None]], kept: int) -> None:
        """Have it end, and what it started: by the end of its input, and then by the warden."""
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError, RuntimeError):
            process.stdin.close()
        ended, hurry = asyncio.create_task(process.wait()), asyncio.create_task(self._hurry.wait())
        if not self.problem:
            await asyncio.wait([ended, hurry], timeout=GRACE_S, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        os.close(kept)  # from here on it ends without us
        if not tasks:
            tasks = [asyncio.create_task(_drained(pipe)) for pipe in (process.stdout, process.stderr)]
        _, left = await asyncio.wait([*tasks, ended], timeout=warden.PATIENCE_S + GRACE_S)
        for task in left:
            task.cancel()

    async def _read(self, process: asyncio.subprocess.Process, to_us: MemoryObjectSendStream[Received]) -> None:
        splitter, since_pause = LineSplitter(), 0
        assert process.stdout is not None
        while piece := await process.stdout.read(_PIECE_BYTES):
            self._unasked += len(piece)
            since_pause += len(piece)
            if self._unasked > UNASKED_BYTES and not self.gone.is_set():
                self.problem = f"it sent more than {UNASKED_BYTES >> 20} MiB without being asked"
                self._lose(to_us)
            if not self.gone.is_set():  # else it is read to its end, and nothing of it kept
                try:
                    for message in filter(None, map(_message, splitter.feed(piece))):
                        await to_us.send(message)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    self._lose(to_us)
            if since_pause > _SLOW_BYTES:
                since_pause = 0
                await asyncio.sleep(_SLOW_S)
        self._lose(to_us)

    def _lose(self, to_us: MemoryObjectSendStream[Received]) -> None:
        to_us.close()
        self.gone.set()

    async def _write(
        self, process: asyncio.subprocess.Process, to_it: MemoryObjectReceiveStream[SessionMessage]
    ) -> None:
        assert process.stdin is not None
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, ConnectionError, RuntimeError):
            async for message in to_it:
                self._unasked = 0
                process.stdin.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                await process.stdin.drain()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep its last words, and no more of what it says to people."""
        assert process.stderr is not None
        while piece := await process.stderr.read(_PIECE_BYTES):
            lines = piece.decode("utf-8", "replace").splitlines()
            self._last_words.extend(line.strip()[:_LAST_WORDS] for line in lines[-3:] if line.strip())


async def _drained(pipe: asyncio.StreamReader | None) -> None:
    while pipe is not None and await pipe.read(_PIECE_BYTES):
        pass


def _split(command: str) -> list[str]:
    if sys.platform == "win32":
        raise Unusable("programs are run on Linux and macOS alone: give the url of a server that speaks HTTP")
    try:
        words = shlex.split(os.path.expandvars(command))
    except ValueError as error:
        raise Unusable(f"`command` cannot be split as a shell does: {error}") from error
    words = [str(Path(word).expanduser()) if word.startswith("~") else word for word in words]
    if not words:
        raise Unusable("`command` is empty")
    if shutil.which(words[0]) is None:
        raise Unusable(f"there is no program `{words[0]}`: install it, or give its whole path")
    return words


def _message(line: bytes | TooLong) -> SessionMessage | None:
    """The message in a line; None for what is none, such as words that a program prints for people."""
    if isinstance(line, TooLong):
        if line.id is None:
            return None
        said = mcp_types.ErrorData(code=mcp_types.INTERNAL_ERROR, message=f"the result is over {LINE_BYTES >> 20} MiB")
        return SessionMessage(mcp_types.JSONRPCError(jsonrpc="2.0", id=line.id, error=said))
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None
