"""Runs one server of tools and ends with whoever started it: the server, and whatever that started, too.

    python -I -S warden.py FD COMMAND...

FD is a pipe that nobody writes to. It ends when the parent closes it, and also when the parent is killed. Then the
server has a second to end by itself. What a server leaves behind when it ends by itself is ended as well. Standard
library alone, and no import of PPAI: it is started once for each server.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 1.0  # from SIGTERM to SIGKILL
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # Linux


def main() -> None:
    life, command = int(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGTERM, lambda *_: None)  # it is of the group that it ends; a handler is not passed on
    prctl = _prctl()
    prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what leaves the group, and whose parent ends, becomes our child
    try:
        server = subprocess.Popen(command, preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")
    _let_go_of_its_pipes()
    threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
    status = server.wait()
    _kill_the_rest()
    os._exit(status if status >= 0 else 128 - status)


def _prctl() -> Callable[[int, int], int]:
    """Linux's prctl; nothing elsewhere."""
    try:
        prctl: Callable[[int, int], int] = ctypes.CDLL(None).prctl
    except AttributeError:
        return lambda option, value: 0
    return prctl


def _let_go_of_its_pipes() -> None:
    """So that who reads them sees when the server closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def _end_with_parent(life: int) -> None:
    while os.read(life, 4096):
        pass
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(0, signal.SIGTERM)
    time.sleep(PATIENCE_S)
    _kill_the_rest()
    os.killpg(0, signal.SIGKILL)


def _kill_the_rest() -> None:
    """Kill all children, and those who become ours when their parents die, until none is left."""
    for _ in range(1000):
        children = _children()
        if not children:
            break
        for child in children:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.002)
    if not sys.platform.startswith("linux"):
        os.killpg(0, signal.SIGKILL)


def _children() -> list[int]:
    """The processes whose parent we are, of all threads; none where the system does not tell."""
    found = list[int]()
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, listed.read_text().split())
    return found


if __name__ == "__main__":
    main()
