"""A peer whose event loop is watched: `python watched.py FILE serve ...` is `ppai serve ...` of the folder it runs in.

FILE gets a line for each stall: when it ended (time.monotonic(), which processes share) and its length, in seconds. A
stall is the time between two beats of a timer that is due every millisecond.
"""

import asyncio
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

BEAT_S = 0.001
LEAST_S = 0.002  # shorter ones are the timer's own


def main(file: str, *arguments: str) -> None:
    stalls, run = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), asyncio.Runner.run

    def run_watched(runner: asyncio.Runner, *given: Any, **named: Any) -> Any:
        _watch(runner.get_loop(), stalls)
        return run(runner, *given, **named)

    asyncio.Runner.run = run_watched  # type: ignore[method-assign, assignment]  # ppai itself is not changed
    folder = str(Path(__file__).parent)
    sys.path[:] = [str(Path.cwd()), *(path for path in sys.path if path != folder)]
    sys.argv = ["ppai", *arguments]
    runpy.run_module("gateway.cli", run_name="__main__", alter_sys=True)


def _watch(loop: asyncio.AbstractEventLoop, stalls: int) -> None:
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > LEAST_S:
            os.write(stalls, b"%.6f %.6f\n" % (now, now - last))
        last = now
        loop.call_later(BEAT_S, beat)

    loop.call_soon(beat)


if __name__ == "__main__":
    main(*sys.argv[1:])
