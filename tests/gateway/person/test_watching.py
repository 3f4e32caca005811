"""What is concluded from what was read, by made-up readings."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gateway.capacity.rules import USED_S, Activity, AdmissionConfig
from gateway.person.watching import GPU_S, LOOK_S, UNTOLD_S, Readers, Watching

WATCHFUL = AdmissionConfig(while_used=False)
Found = TypeVar("Found")


@dataclass
class Desk:
    """What somebody does at it, and what was asked."""

    used_s: float | None = None
    is_full: bool | None = None
    percent: int | None = None
    is_ours: bool = False  # an engine of ours has a job
    now: float = 0.0
    asked: list[str] = field(default_factory=list)
    changes: int = 0

    def watching(self, config: AdmissionConfig = WATCHFUL) -> Watching:
        readers = Readers(
            self._read("hands", lambda: self.used_s),
            self._read("screen", lambda: self.is_full),
            self._read("graphics", lambda: self.percent),
        )
        return Watching(config, lambda: not self.is_ours, self._change, readers, lambda: self.now)

    async def look(self, watching: Watching) -> Activity:
        """After another second."""
        self.now += LOOK_S
        await watching.look()
        return watching.activity

    def _read(self, what: str, read: Callable[[], Found]) -> Callable[[], Found]:
        def reading() -> Found:
            self.asked.append(what)
            return read()

        return reading

    def _change(self) -> None:
        self.changes += 1


async def test_hands_and_screen_are_seen_at_the_next_look_and_told_when_something_follows() -> None:
    desk = Desk(used_s=USED_S + 1, is_full=False)
    watching = desk.watching()
    await desk.look(watching)
    quiet = desk.changes
    desk.used_s, desk.is_full = 2.0, True
    seen = await desk.look(watching)
    desk.used_s = 3.0
    await desk.look(watching)

    assert (2.0, True, None) == seen
    assert (1, 1) == (quiet, desk.changes - quiet), "the first reading of a screen is news, too"


async def test_a_card_is_busy_with_other_work_after_two_looks_while_no_engine_of_ours_has_a_job() -> None:
    desk = Desk(percent=90)
    watching = desk.watching()
    looks = [(await desk.look(watching)).is_gpu_busy for _ in range(2)]
    desk.percent = 5
    still = (await desk.look(watching)).is_gpu_busy
    desk.now += GPU_S
    after = (await desk.look(watching)).is_gpu_busy

    assert ([False, True], True, False) == (looks, still, after)


async def test_while_our_engines_work_nothing_is_concluded() -> None:
    """Neither that somebody else does, nor that he has ended."""
    desk = Desk(percent=100, is_ours=True)
    watching = desk.watching()
    ours = {(await desk.look(watching)).is_gpu_busy for _ in range(30)}
    desk.is_ours = False
    game = [(await desk.look(watching)).is_gpu_busy for _ in range(2)]
    desk.is_ours = True
    both = {(await desk.look(watching)).is_gpu_busy for _ in range(30)}

    assert ({False}, [False, True], {True}) == (ours, game, both)


async def test_what_is_not_told_keeps_nobody_out_and_is_asked_seldom() -> None:
    desk = Desk()
    watching = desk.watching()
    seen = {await desk.look(watching) for _ in range(30)}
    once = sorted(desk.asked)
    desk.now += UNTOLD_S
    await desk.look(watching)

    assert ({Activity()}, ["graphics", "hands", "screen"]) == (seen, once)
    assert (6, 0) == (len(desk.asked), desk.changes)


async def test_what_no_rule_asks_for_is_not_read() -> None:
    desk = Desk(used_s=0.0, is_full=True, percent=100)
    nothing = AdmissionConfig(while_used=True, while_full_screen=True, while_gpu_busy=True)

    await desk.watching(nothing).run()  # which ends at once
    await desk.watching(replace(nothing, while_full_screen=False)).look()

    assert ["screen"] == desk.asked
