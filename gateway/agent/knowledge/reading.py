"""Has documents read by another process (reader.py), so that no file can stop, fill or break this one."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import msgspec

from gateway.agent.knowledge.pieces import Piece
from gateway.agent.knowledge.reader import CPU_S

WALL_S = 60.0  # for one file
ANSWER_BYTES = 128 << 20  # of a line of JSON: DOCUMENT_CHARS, most of them escaped, with their headings

_ROOT = Path(__file__).parents[3]
_BOOT = f"import sys; sys.path.append({str(_ROOT)!r}); from gateway.agent.knowledge.reader import main; main()"


class Document(msgspec.Struct, frozen=True):
    """What was read. Without `pieces` it is as it was; with a `problem` it has none, and the problem names the remedy.

    `passes`: the problem may be gone although the file did not change. `is_last`: its process reads no other.
    """

    digest: Annotated[str, msgspec.Meta(max_length=64)] = ""
    pieces: list[Piece] | None = None
    problem: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    passes: bool = False
    is_last: bool = False


class Reading:
    """Reads one document after another. Of one thread; `close` ends the process."""

    def __init__(self, wall_s: float = WALL_S, boot: str = _BOOT) -> None:
        self._wall_s, self._boot = wall_s, boot
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path, known: str = "") -> Document:
        """The document; without its pieces where its digest is `known`. Blocking; never raises for what is in it."""
        process = self._running()
        assert process.stdin and process.stdout, "both are pipes"
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        clock = threading.Timer(self._wall_s, end)
        clock.start()
        line = b""
        try:
            process.stdin.write(json.dumps({"path": str(path), "known": known}).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline(ANSWER_BYTES)
        except OSError:
            pass  # it has ended; why is read off below
        finally:
            clock.cancel()
        try:
            found = msgspec.json.decode(line, type=Document)
            if found.is_last:
                self.close()
            return found
        except msgspec.DecodeError:
            return Document(problem=self._why_ended(process, late.is_set()))

    def end(self) -> None:
        """End what is being read, from another thread; `read` then returns a problem that means nothing."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", self._boot, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", **_needed()},
            )
        return self._process

    def _why_ended(self, process: "subprocess.Popen[bytes]", is_late: bool) -> str:
        process.kill()
        status = process.wait()
        self.close()
        if is_late or status == -getattr(signal, "SIGXCPU", 0):
            return f"it takes over {CPU_S} s to be read: split it, or move it out of the folder"
        return (
            "it broke the program that reads it, or needs over 1 GiB of memory: open it and save it anew, "
            "or move it out of the folder"
        )


def _needed() -> dict[str, Any]:
    return {key: value for key, value in os.environ.items() if key == "SYSTEMROOT"}  # Windows starts nothing without
