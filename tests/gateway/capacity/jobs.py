"""A door before an idle engine, and jobs of our own and of other peers that come to it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from discovery.records import PeerId
from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.upstream import Patience, Reply
from gateway.wire.codec import Pieces

ME = PeerId("me")


@dataclass
class IdleEngine:
    """An engine in memory: its state is given, and who asks it stays inside as long as he likes."""

    state: EngineState = field(default_factory=lambda: ready(slots=2))
    name: str = "idle"
    is_there: bool = True
    origin: str = "an engine in memory"
    not_adopted: tuple[str, ...] = ()
    in_flight: int = 0

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        yield None  # type: ignore[misc]  # the door does not look at replies


def ready(slots: int, **more: object) -> EngineState:
    return EngineState(None, "vllm", (EngineModel("m"),), slots, **more)  # type: ignore[arg-type]


def door_of(
    slots: int, *, reserve: int = 1, queue_per_slot: float = 2.0, now: list[float] | None = None, **state: object
) -> Door:
    """A door before an idle engine, which was looked at; `now[0]` is its clock."""
    clock = now or [0.0]
    config = AdmissionConfig(reserve, queue_per_slot)
    door = Door(IdleEngine(ready(slots, **state)), config, lambda: clock[0], lambda: 4.0)  # type: ignore[arg-type]
    door.admit_waiting()
    return door


class Job:
    """One job, local or remote, that can be told to end."""

    usage = 0, 0  # tokens that it read and wrote

    def __init__(self, door: Door, *, remote: bool) -> None:
        self._door, self._end = door, asyncio.Event()
        self.is_inside = False
        self.task = asyncio.create_task(self._remote() if remote else self._local())

    async def _remote(self) -> None:
        with await self._door.remote_turn() as turn:
            await self._stay()
            turn.usage = self.usage

    async def _local(self) -> None:
        with await self._door.own_turn(0.0):
            await self._stay()

    async def _stay(self) -> None:
        self.is_inside = True
        try:
            await self._end.wait()
        finally:
            self.is_inside = False

    async def end(self) -> None:
        self._end.set()
        await asyncio.wait([self.task])

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(4):
        await asyncio.sleep(0)


async def jobs(door: Door, number: int, *, remote: bool) -> list[Job]:
    started = [Job(door, remote=remote) for _ in range(number)]
    await settle()
    return started


async def end_all(*groups: list[Job]) -> None:
    for job in [job for group in groups for job in group]:
        await job.cancel()
