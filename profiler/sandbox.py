"""Grades code that a model wrote by a question's assertions: two processes behind a wall (wall.py), and a clock.

One process runs the code, the other the assertions (walled.py). So the code can neither read what is asserted nor say
that it holds: it is asked for values, which the other process compares. `problem` tries to break out.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from profiler.breakout import INSIDE
from profiler.walled import NO_WALL, PASSED

TIMEOUT_S = 10.0

Pipe = int | IO[bytes] | None

_ROOM = Path(__file__).parent
_BOOT = f"import sys; sys.path.append({str(_ROOM.parent)!r}); from profiler.walled import main; main()"


class NoWall(RuntimeError):
    """No wall stands, so nothing was run; the message says which step was refused."""


def passes(code: str, tests: str, timeout_s: float = TIMEOUT_S, walled: bool = True, programs: bool = False) -> bool:
    """Whether the assertions in `tests` hold for `code`, within the time and 512 MiB. Blocking.

    Without a wall (`walled` False) the code runs as this user and can do what this user can. With `programs` it may
    start the system's programs, each within 512 MiB, and runs behind a wall in any case: a shell's mistake deletes
    files. Raises NoWall where a wall is wanted and none stands.
    """
    reason = verdict(code, tests, timeout_s, walled or programs, programs)
    if reason.startswith(NO_WALL):
        raise NoWall(reason)
    return reason == PASSED


def problem(programs: bool = False) -> str:
    """Why no wall stands here, with the remedy where there is one; "" where none of the ways out was found open.

    `programs`: a wall behind which a shell may start programs, and signal them.
    """
    if sys.platform != "linux":
        return f"a wall is made of what only Linux has, and this is {sys.platform}"
    with tempfile.TemporaryDirectory(prefix="ppai-wall-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "secret").write_text(secrets.token_hex())
        unix, server = socket.socket(socket.AF_UNIX), socket.create_server(("127.0.0.1", 0))
        stack.enter_context(unix)
        stack.enter_context(server)
        unix.bind(str(folder / "socket"))
        unix.listen()
        arguments = f"{name!r}, {server.getsockname()[1]}, {os.getpid()}"
        tests = f"left = [way for way in ways_out({arguments}) if way not in {INSIDE if programs else ()}]"
        found = verdict((_ROOM / "breakout.py").read_text(), f"{tests}\nassert left == [], left", programs=programs)
    if found.startswith(NO_WALL):
        return found.removeprefix(NO_WALL)
    return "" if found == PASSED else f"it does not hold: {found}"


def verdict(code: str, tests: str, timeout_s: float = TIMEOUT_S, walled: bool = True, programs: bool = False) -> str:
    """PASSED, or why not."""
    with tempfile.TemporaryDirectory(prefix="ppai-code-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        asked, asking = os.pipe()
        bounds = [str(int(timeout_s) + 1), str(walled)]
        of_code, of_tests = [*bounds, str(programs)], [*bounds, "False"]
        answering = _start("code", code, folder, of_code, asked, subprocess.PIPE, subprocess.DEVNULL)
        judging = _start("tests", tests, folder, of_tests, answering.stdout, asking, subprocess.PIPE)
        os.close(asked)
        os.close(asking)
        try:
            _, reason = judging.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            reason = b'"the time is up"'
        finally:
            _end(judging)
            _end(answering)
    try:
        return str(json.loads(reason))
    except ValueError:
        return f"the process of the tests ended: {reason[:200]!r}"


def _start(
    role: str, text: str, folder: Path, bounds: list[str], reading: Pipe, writing: Pipe, telling: Pipe
) -> "subprocess.Popen[bytes]":
    own, job = folder / role, folder / f"{role}.py"
    own.mkdir()
    job.write_text(text, encoding="utf-8", errors="replace")
    kept = {key: value for key, value in os.environ.items() if key == "SYSTEMROOT"}  # Windows starts nothing without
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _BOOT, role, str(job), str(own), *bounds],
        cwd=own,
        env={"PATH": os.defpath, "HOME": str(own), "TMPDIR": str(own), "OPENBLAS_NUM_THREADS": "1", **kept},
        stdin=reading,
        stdout=writing,
        stderr=telling,
        start_new_session=True,
    )


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill the child and all processes of its group, which code without a wall may have left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
