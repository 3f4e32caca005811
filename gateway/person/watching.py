"""Looks once a second at what the person at this machine is doing, as far as a rule of his asks for it.

A graphics card does not tell whose work it does. So it counts as busy with other work where it is busy at two looks in
a row while no engine of ours has a job; and then until it is not for GPU_S. While ours work nothing new is concluded.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.capacity.rules import USED_S, Activity, AdmissionConfig
from gateway.person.full_screen import is_full_screen
from gateway.person.graphics import busy_percent
from gateway.person.hands import untouched_s

LOOK_S = 1.0
UNTOLD_S = 60.0  # until what was not told is asked for again
GPU_BUSY = 50  # percent: a desktop and a film take less, a game and a computation more
GPU_S = 10.0
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads each; None: it is not told here. They block, for seconds at worst."""

    untouched_s: Callable[[], float | None] = untouched_s
    is_full_screen: Callable[[], bool | None] = is_full_screen
    busy_percent: Callable[[], int | None] = busy_percent


class Watching:
    """What was seen last."""

    def __init__(
        self,
        config: AdmissionConfig,
        are_ours_idle: Callable[[], bool],
        changed: Callable[[], None],
        readers: Readers = Readers(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`are_ours_idle`: whether no engine of ours has a job. `changed` is called where something else may follow."""
        self._are_ours_idle, self._changed, self._readers, self._clock = are_ours_idle, changed, readers, clock
        self._config, self.activity = config, Activity()
        self._ask_at: dict[str, float] = {}  # by what was not told
        self._was_busy, self._busy_until = False, -math.inf

    async def run(self) -> None:
        """Look until cancelled; not at all where no rule asks for it."""
        while self._is_wanted:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """See what a rule asks for."""
        c, before, readers = self._config, self.activity, self._readers
        used = None if c.while_used else await self._read("hands", readers.untouched_s)
        full = None if c.while_full_screen else await self._read("screen", readers.is_full_screen)
        percent = None if c.while_gpu_busy else await self._read("graphics", readers.busy_percent)
        self.activity = Activity(used, full, self._is_gpu_busy(percent))
        if _what_counts(before) != _what_counts(self.activity):
            self._changed()

    @property
    def _is_wanted(self) -> bool:
        return not (self._config.while_used and self._config.while_full_screen and self._config.while_gpu_busy)

    async def _read(self, what: str, read: Callable[[], Found | None]) -> Found | None:
        if self._clock() < self._ask_at.get(what, -math.inf):
            return None
        found = await asyncio.to_thread(read)
        if found is None:
            self._ask_at[what] = self._clock() + UNTOLD_S
        return found

    def _is_gpu_busy(self, percent: int | None) -> bool | None:
        if percent is None:
            return None
        now = self._clock()
        if self._are_ours_idle():
            is_busy = percent >= GPU_BUSY
            if is_busy and self._was_busy:
                self._busy_until = now + GPU_S
            self._was_busy = is_busy
        elif now < self._busy_until:
            self._busy_until = now + GPU_S
        return now < self._busy_until


def _what_counts(activity: Activity) -> tuple[bool, bool | None, bool | None]:
    is_used = activity.used_s is not None and activity.used_s < USED_S
    return is_used, activity.is_full_screen, activity.is_gpu_busy
