"""What only the collector frees is freed once a minute, though it counts few objects."""

import asyncio
import gc
import weakref

from gateway.runtime.garbage import COLLECT_AFTER, COLLECT_S, collect_from_now, collecting


class Circle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


async def test_a_circle_is_freed_once_a_minute() -> None:
    paused = asyncio.Queue[float]()
    go_on = asyncio.Semaphore(0)

    async def pause(seconds: float) -> None:
        paused.put_nowait(seconds)
        await go_on.acquire()

    task = asyncio.create_task(collecting(pause))
    for _ in range(2):
        held = Circle()
        kept = weakref.ref(held)
        for _ in range(2):
            gc.collect(1)  # it comes into the oldest generation, at which the collector hardly ever looks
        del held
        assert COLLECT_S == await paused.get()
        assert kept() is not None
        go_on.release()
        await asyncio.sleep(0)
        assert kept() is None
    task.cancel()


def test_what_was_built_is_not_looked_at_again() -> None:
    before = gc.get_threshold()
    built = Circle()
    try:
        collect_from_now()
        assert gc.isenabled() and COLLECT_AFTER == gc.get_threshold()[0]
        assert not any(each is built for each in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
