"""What Python's garbage collector looks at, and when. What refers to itself in a circle is freed by nothing else."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

COLLECT_AFTER = 10_000  # objects made and not freed; Python's 700 is some ten requests that are under way
COLLECT_S = 60.0  # and this often: it counts objects, and not what they hold


def collect_from_now() -> None:
    """Leave out what was loaded and built, which lives as long as the peer, and look at what comes."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(COLLECT_AFTER)


async def collecting(pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Free every COLLECT_S what nothing else frees, until cancelled. It takes some milliseconds.

    Nothing of ours that ends leaves such circles (tests/garbage.py). uvloop leaves one, with TLS's buffers, where
    whoever dials another peer leaves in the moment in which it is reached.
    """
    while True:
        await pause(COLLECT_S)
        gc.collect()
