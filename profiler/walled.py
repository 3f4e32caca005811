"""What runs behind the wall: `python -c BOOT ROLE JOB FOLDER CPU_S WALLED PROGRAMS`, twice; sandbox.py starts both.

The process of role "code" runs what a model wrote, and answers for it. The process of role "tests" runs the assertions,
and tells the verdict: no foreign code runs in it, and none can reach it but through a `Link`.
"""

import ast
import builtins
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from profiler.link import OPERATIONS, Link, LinkBroken
from profiler.wall import limit, stand

PASSED = "passed"
NO_WALL = "no wall: "


def main() -> None:
    """Run one of the two roles, by this process's arguments."""
    role, job, folder, cpu_s, walled, programs = sys.argv[1:]
    text = Path(job).read_text(encoding="utf-8")
    reading, writing, verdict = _own_pipes()
    try:
        if walled == "True":
            stand(Path(folder), int(cpu_s), programs == "True")
        else:
            limit(int(cpu_s))
    except OSError as error:
        reason = NO_WALL + str(error)
    else:
        reason = answer(text, reading, writing) if role == "code" else judge(text, reading, writing)
    with contextlib.suppress(OSError):
        os.write(verdict, json.dumps(reason).encode())
    os._exit(0)  # not through whatever the code has left to be done at exit


def answer(code: str, reading: BinaryIO, writing: BinaryIO) -> str:
    """Run the code, and then do what the other side asks of it."""
    space: dict[str, Any] = {"__name__": "__answer__"}

    def run(names: list[str]) -> dict[str, Any]:
        exec(compile(code, "answer", "exec"), space)
        return {name: space[name] for name in names if name in space}

    Link(reading, writing, {**OPERATIONS, "run": run}, names=lambda value: True).serve()
    return "the tests have ended"


def judge(tests: str, reading: BinaryIO, writing: BinaryIO) -> str:
    """PASSED where the assertions hold for the code of the other side, else why not.

    The names that they use are the code's, except Python's own: a `len` or an AssertionError of the code is not meant.
    """
    link = Link(reading, writing, {"__call__": OPERATIONS["__call__"]}, names=callable)
    try:
        used = {node.id for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Name)}
        defined = link.ask("run", sorted(used - vars(builtins).keys()))
        exec(compile(tests, "tests", "exec"), {"__name__": "__tests__", **defined})
    except LinkBroken as error:
        return f"the code ended: {error}"
    except BaseException as error:
        return _reason(error)
    return PASSED


def _reason(error: BaseException) -> str:
    try:
        return repr(error)[:500]
    except BaseException:  # what an assertion holds may be an object of the code
        return type(error).__name__


def _own_pipes() -> tuple[BinaryIO, BinaryIO, int]:
    """Standard input, output and error as pipes that `print` and `input` do not reach."""
    reading, writing, verdict = os.dup(0), os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb"), verdict
