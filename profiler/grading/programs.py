"""Programs in replies: Python, SQL, and commands of a shell, each as a job for the sandbox. Pure: nothing is run here.

A job is Python of our own in which the program stands as a text, and assertions about what came of it.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from profiler.grading.reply import code_of

_SQL = """
import sqlite3
db = sqlite3.connect(":memory:")
db.executescript({setup!r})
if {after!r}:
    db.executescript({program!r})
found = [list(row) for row in db.execute({after!r} or {program!r}).fetchall()]
"""

_SAME_ROWS = """
assert list(map(len, found)) == list(map(len, rows)), found
for row, wanted in zip(found, rows):
    for x, y in zip(row, wanted):
        assert abs(x - y) < 1e-6 if isinstance(x, float) and isinstance(y, float | int) else x == y, found
"""

_SHELL = """
import os, subprocess, threading, time
from pathlib import Path

def newest():
    thread = threading.Thread(target=int)  # threads and processes are numbered together, from 1 in this namespace
    thread.start()
    thread.join()
    return thread.native_id

def alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True

def end_all():
    try:
        os.kill(-1, 9)  # everybody else in this namespace
    except ProcessLookupError:
        pass

def too_many():
    try:
        last = newest()
    except RuntimeError:  # the system starts no more
        return True
    return last > {most} and sum(map(alive, range(1, last))) > {most}

work = Path("work")
work.mkdir()
for name, text in {files!r}.items():
    path = work / name
    (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
    if not name.endswith("/"):
        path.write_text(text)
shell = next(path for path in ("/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh") if os.path.exists(path))
names = {{"LC_ALL": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": os.getcwd()}}
with open("printed", "wb") as printed:
    running = subprocess.Popen(
        [shell, "-c", {program!r}], cwd=work, env=names, stdin=subprocess.DEVNULL, stdout=printed,
        stderr=subprocess.DEVNULL, preexec_fn=lambda: os.nice(19),  # so that who counts goes first
    )
    while running.poll() is None:
        time.sleep(0.005)
        if too_many():
            end_all()
end_all()
printed = Path("printed").read_text("utf-8", "replace").splitlines()
output = [" ".join(line.split()).removeprefix("./") for line in printed if line.strip()]
after = {{}}
for path in sorted(work.rglob("*")):
    name = str(path.relative_to(work))
    after[name + "/" if path.is_dir() else name] = "" if path.is_dir() else path.read_text("utf-8", "replace").rstrip()
"""

MOST_PROCESSES = 64  # more than so many at once are no answer, and end


@dataclass(frozen=True, slots=True)
class Job:
    """What the sandbox runs: the assertions must hold for the code."""

    code: str
    tests: str
    programs: bool = False  # whether the code starts programs, which wants a wall that holds those, too


class Sql(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A small SQLite database and what the statement makes of it."""

    setup: str  # the statements that make it
    rows: list[list[Any]]  # what the statement gives; with `after`, what that gives afterwards
    ordered: bool = False  # whether their order counts
    after: str = ""  # a query that shows what a statement changed


class Shell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder and what the command makes of it. A name that ends with "/" is a folder."""

    files: dict[str, str]  # name: text
    output: list[str] | None = None  # the lines that it prints, blanks squeezed; None: whatever
    ordered: bool = True  # whether their order counts
    after: dict[str, str | None] = {}  # name: text afterwards, without blanks at the end; null: it is gone
    only: list[str] | None = None  # every name that is left; None: whatever


def python_job(reply: str, tests: str) -> Job:
    """The program in the reply, and the question's assertions."""
    return Job(code_of(reply), tests)


def sql_job(reply: str, wanted: Sql) -> Job:
    """The statement in the reply, on a database in memory."""
    code = _SQL.format(setup=wanted.setup, program=code_of(reply), after=wanted.after)
    order = "" if wanted.ordered else "found.sort(key=repr)\n"
    rows = wanted.rows if wanted.ordered else sorted(wanted.rows, key=repr)
    return Job(code, f"{order}rows = {rows!r}\n{_SAME_ROWS}")


def shell_job(reply: str, wanted: Shell) -> Job:
    """The command in the reply, in a folder of its own."""
    code = _SHELL.format(files=wanted.files, program=code_of(reply), most=MOST_PROCESSES)
    tests = []
    if wanted.output is not None:
        lines = wanted.output if wanted.ordered else sorted(wanted.output)
        tests.append(f"assert {'output' if wanted.ordered else 'sorted(output)'} == {lines!r}, output")
    for name, text in wanted.after.items():
        tests.append(f"assert after.get({name!r}) == {text!r}, after")
    if wanted.only is not None:
        tests.append(f"assert sorted(after) == {sorted(wanted.only)!r}, after")
    return Job(code, "\n".join(tests), programs=True)
