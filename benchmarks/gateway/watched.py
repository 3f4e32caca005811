"""A peer that is watched: `python watched.py WHAT FILE serve ...` is `ppai serve ...` of the folder it runs in.

WHAT says what FILE gets a line for, each beginning with when it was, by time.monotonic(), which processes share:

    stalls  each stall of its event loop: when it ended, its length in seconds, and how many of them the loop's thread
            worked; else the system had other work. A stall is the time between two beats of a timer that is due every
            millisecond.
    stacks  each sample, one in so many milliseconds of CPU time: the functions under way, the innermost first, as
            `file:function`. What C code does without a function of Python's below it, such as the event loop's own
            work, is met in the function that it calls next; what other threads do, in what the loop is at meanwhile.
    steps   each SIGUSR2: by function, as `file:function`, its calls and the interpreter's steps since SIGUSR1, as JSON.
            The thread of the event loop alone is counted, and takes some thirty times as long meanwhile.

Its workers are watched for the same, each with a file of its own: FILE, a dot and its process id.
"""

import asyncio
import json
import os
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

BEAT_S = 0.001
LEAST_S = 0.002  # shorter stalls are the timer's own
SAMPLE_S = 0.002  # of CPU time; Linux looks at such timers at each tick, 100 to 1000 times a second
FRAMES = 24  # of a sample: from the innermost function to the task that runs it
WORKER = "gateway.workers.process"  # the module that runs in a worker


def main(what: str, file: str, *arguments: str) -> None:
    is_worker = arguments[0] == WORKER
    lines = os.open(f"{file}.{os.getpid()}" if is_worker else file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    run, start = asyncio.Runner.run, asyncio.create_subprocess_exec
    watch = {"stalls": _watch_stalls, "stacks": _watch_stacks, "steps": _watch_steps}[what]

    def run_watched(runner: asyncio.Runner, *given: Any, **named: Any) -> Any:
        watch(runner.get_loop(), lambda line: os.write(lines, line))
        return run(runner, *given, **named)

    async def start_watched(*command: str, **named: Any) -> Any:
        if WORKER in command:
            given = command[command.index(WORKER) :]
            command = (command[0], __file__, what, file, *given)
        return await start(*command, **named)

    asyncio.Runner.run = run_watched  # type: ignore[method-assign, assignment]  # ppai itself is not changed
    asyncio.create_subprocess_exec = start_watched  # type: ignore[assignment]  # nor is how it starts workers
    folder = str(Path(__file__).parent)
    sys.path[:] = [str(Path.cwd()), *(path for path in sys.path if path != folder)]
    sys.argv = [*arguments] if is_worker else ["ppai", *arguments]
    runpy.run_module(WORKER if is_worker else "gateway.cli", run_name="__main__", alter_sys=True)


def _watch_stalls(loop: asyncio.AbstractEventLoop, say: Callable[[bytes], object]) -> None:
    last, worked = time.monotonic(), 0.0

    def beat() -> None:
        nonlocal last, worked
        now, work = time.monotonic(), time.thread_time()
        if now - last > LEAST_S:
            say(b"%.6f %.6f %.6f\n" % (now, now - last, work - worked))
        last, worked = now, work
        loop.call_later(BEAT_S, beat)

    loop.call_soon(beat)


def _watch_stacks(loop: asyncio.AbstractEventLoop, say: Callable[[bytes], object]) -> None:
    def sample(number: int, frame: FrameType | None) -> None:
        functions = list[str]()
        while frame is not None and len(functions) < FRAMES:
            functions.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
            frame = frame.f_back
        say(f"{time.monotonic():.6f} {' '.join(functions)}\n".encode())

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)


def _watch_steps(loop: asyncio.AbstractEventLoop, say: Callable[[bytes], object]) -> None:
    calls, steps = Counter[str](), Counter[str]()

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        function = f"{frame.f_code.co_filename}:{frame.f_code.co_name}"
        calls[function] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False

        def step(_: FrameType, event: str, __: object) -> Callable[..., Any]:
            steps[function] += event == "opcode"
            return step

        return step

    def begin() -> None:
        calls.clear()
        steps.clear()
        sys.settrace(trace)

    def end() -> None:
        sys.settrace(None)
        found = {function: (calls[function], steps[function]) for function in calls}
        say(f"{time.monotonic():.6f} {json.dumps(found)}\n".encode())

    loop.add_signal_handler(signal.SIGUSR1, begin)
    loop.add_signal_handler(signal.SIGUSR2, end)


if __name__ == "__main__":
    main(*sys.argv[1:])
