"""The workers of a peer, as their owner keeps them: started, replaced where one ends, and told when it is enough."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.server.edge import AsgiApp
from gateway.server.listeners import CLIENT_BOUNDS, GRACE_S, SAY_SO_S, Server, places_for_programs, server
from gateway.server.turns import Turns, meeting
from gateway.workers.answering import Answering
from gateway.workers.frames import LetsIn, Stop
from gateway.workers.lending import Lending

AUTO_CORES, AUTO_WORKERS = 8, 4  # from so many cores on `auto` means so many workers
AGAIN_S = 0.1  # s until one that ended is replaced; twice as long each time, until one lives
LIVES_S = 60.0  # s after which it does
TRIES = 4  # of which none lived, after which the owner does a worker's work itself
END_S = 2.0  # s for a process to end that has nobody left to tell it what to do
_ROOT = Path(__file__).parents[2]


def how_many(wanted: int | Literal["auto"]) -> int:
    """How many processes pass answers on, as `client.workers` has it; 1: the owner does that itself."""
    if sys.platform != "linux":  # elsewhere listeners of one place do not share what comes there
        return 1
    if wanted == "auto":
        return AUTO_WORKERS if len(os.sched_getaffinity(0)) >= AUTO_CORES else 1
    return wanted


def _where_modules_are() -> str:
    """Where a worker finds this code first, and then what this process finds: not in the folder where it runs."""
    return os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))


class Crew:
    """As many workers as there are listeners; it serves as a Server does (gateway/server/listeners.py)."""

    def __init__(
        self,
        app: AsgiApp,
        descriptors: int,
        level: str,
        say: Callable[[str], None],
        lets_in: LetsIn | None = None,
        lending: Lending | None = None,
    ) -> None:
        """`descriptors`: how many files a worker may open. `say` tells the person at this machine.

        `lets_in`: who may ask, so that workers can let them in and read what they ask; None: the app does. `lending`:
        whoever gives them standing orders.
        """
        self._stopped = asyncio.Event()
        self.wanted = self.ended = 0
        self._app, self._meet, self._descriptors, self._level, self._say = app, meeting(app), descriptors, level, say
        self._turns, self._lets_in, self._lending = Turns(), lets_in, lending
        self._workers = set[_Worker]()
        self._here = dict[socket.socket, Server]()  # by listener, where no worker lived

    @property
    def pids(self) -> list[int]:
        """The processes that serve now."""
        return sorted(worker.process.pid for worker in self._workers)

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Have one worker for each listener, until `stop`; answers in progress have GRACE_S then.

        Raises the bug that ended keeping them.
        """
        self.wanted = len(sockets)
        stopped = asyncio.create_task(self._stopped.wait())
        keeping = [asyncio.create_task(self._keep(listener), name="worker") for listener in sockets]
        try:
            ended, _ = await asyncio.wait((stopped, *keeping), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._stopped.set()
            for listener in sockets:  # whoever connects now is refused, and does not wait for a worker
                if listener in self._here:
                    self._here[listener].stop()
                else:
                    listener.close()
            await self._end()
            for listener, task in zip(sockets, keeping, strict=True):
                if listener in self._here:  # it ends as a Server does
                    await asyncio.wait((task,))
                task.cancel()
            stopped.cancel()
            await asyncio.wait(keeping)

    def stop(self) -> None:
        """Have `serve` end, which may still be to begin."""
        self._stopped.set()

    async def _keep(self, listener: socket.socket) -> None:
        """Have a worker for this listener: whoever connects while there is none waits for the next.

        Where none lives, we serve there: as well as a peer without workers does.
        """
        loop, tries = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            why = await self._run(listener)
            if self._stopped.is_set():
                return
            self.ended += 1
            tries = 1 if loop.time() - began > LIVES_S else tries + 1
            if tries == TRIES:
                break
            again_s = AGAIN_S * 2**tries
            self._say(f"warning: a worker ended ({why}), another one takes its place in {again_s:g} s")
            await asyncio.sleep(again_s)
        self._say(
            f"warning: a worker ends again and again ({why}): until the next start the peer does its work itself;"
            " `client.workers: 1` does without"
        )
        here = self._here[listener] = server(
            self._app, places_for_programs(self._descriptors // self.wanted), CLIENT_BOUNDS
        )
        await here.serve([listener])

    async def _run(self, listener: socket.socket) -> str:
        """Have a worker until it ends: with which code, or why there is none."""
        try:
            worker = await self._started(listener)
        except (OSError, ValueError) as error:  # no memory for another process, perhaps, or the listener is closed
            return str(error)
        self._workers.add(worker)
        try:
            return str(await worker.process.wait())
        finally:
            self._workers.discard(worker)
            if worker.process.returncode is None:
                worker.process.kill()
                await worker.process.wait()

    async def _started(self, listener: socket.socket) -> "_Worker":
        """A worker at this listener, with a stream of messages to it. Raises OSError, ValueError."""
        answering = Answering(self._meet, self._turns, self._lending)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            await asyncio.get_running_loop().create_connection(lambda: answering.link, sock=ours)
            inherited = (listener.fileno(), theirs.fileno())
            given = [*map(str, inherited), str(self._descriptors), self._level]
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "gateway.workers.process", *given),
                    pass_fds=inherited, stdin=asyncio.subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": _where_modules_are()},
                )  # fmt: skip
            except BaseException:
                answering.link.close()
                raise
        if self._lets_in is not None:
            answering.link.say(self._lets_in)
        return _Worker(process, answering)

    async def _end(self) -> None:
        """Workers end once all is answered and taken, for which they have GRACE_S; then what is left breaks off."""
        if not (workers := tuple(self._workers)):
            return
        for worker in workers:
            worker.answering.link.say(Stop(0))
        ending = [asyncio.create_task(worker.process.wait()) for worker in workers]
        await asyncio.wait(ending, timeout=GRACE_S)
        if late := [task for worker in workers for task in worker.answering.tasks]:
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=SAY_SO_S)
        if all(one.done() for one in ending):  # what they said last is heard
            await asyncio.wait(
                [asyncio.create_task(worker.answering.has_ended()) for worker in workers], timeout=SAY_SO_S
            )
        for worker in workers:
            worker.answering.link.close()
        await asyncio.wait(ending, timeout=END_S)


@dataclass(frozen=True, eq=False)
class _Worker:
    """One process, and what it hands over."""

    process: asyncio.subprocess.Process
    answering: Answering
