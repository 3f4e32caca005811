"""Tries to get out of where it runs. sandbox.py runs this text as if a model had written it, to prove the wall."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

INSIDE = (  # what leads no further than a process namespace of one's own: open where programs may be started
    *("signals its group", "starts a process", "starts a program", "starts a thread", "leaves its session"),
)


def ways_out(folder: str, port: int, parent: int) -> list[str]:
    """Which ways are open: to a folder with `secret` and `socket`, a port of loopback, a process outside."""
    ways: dict[str, Callable[[], object]] = {
        "reads a file of yours": lambda: Path(folder, "secret").read_text(),
        "sees your files": lambda: os.scandir(folder),
        "writes outside": lambda: Path(folder, "written").write_text("x"),
        "writes Python's libraries": lambda: Path(tempfile.mkstemp(dir=Path(os.__file__).parent)[1]).unlink(),
        "reads the system's settings": lambda: Path("/etc/passwd").read_text(),
        "reads other processes": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "reaches a socket file": lambda: socket.socket(socket.AF_UNIX).connect(f"{folder}/socket"),
        "reaches the network": lambda: socket.create_connection(("127.0.0.1", port), timeout=1),
        "signals other processes": lambda: os.kill(parent, 0),
        "signals its group": lambda: os.killpg(0, signal.SIGCONT),
        "starts a process": lambda: os.fork() or os._exit(0),
        "starts a program": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        "starts a thread": lambda: threading.Thread(target=int).start(),
        "leaves its session": lambda: os.setsid(),
        "makes namespaces": lambda: called("unshare", 0x10000000),
        "mounts": lambda: called("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "changes its root": lambda: os.chroot("/tmp"),
        "clears the signal of its end": lambda: called("prctl", 1, 0, 0, 0, 0),
        "takes memory without end": lambda: bytearray(2**30),
        "writes a file without end": lambda: Path("large").write_bytes(bytes(2**22)),
    }
    return [way for way, go in ways.items() if is_open(go)]


def is_open(go: Callable[[], object]) -> bool:
    """Whether a way leads out."""
    try:
        go()
    except (OSError, RuntimeError, MemoryError):  # RuntimeError: can't start new thread
        return False
    return True


def called(name: str, *arguments: object) -> None:
    """The C library's function; raises OSError where it fails."""
    if getattr(ctypes.CDLL(None), name)(*arguments) != 0:
        raise OSError(name)
