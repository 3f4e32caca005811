"""Runs code that a model wrote against a question's assertions, in a process of its own.

The process keeps a mistake (an endless loop, a full memory, a stray file) from harming this machine. It is not a
security boundary: the code runs as this user and can read what this user can read. Where unprivileged namespaces are
allowed, as on most Linux, the code has no network, and every process that it starts ends with it. Elsewhere a process
that starts a session of its own outlives the time limit. Profile engines that you trust, or leave out code questions.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile

TIMEOUT_S = 10.0
MEMORY_BYTES = 512 * 2**20

# Runs in the child. Passing is a token on the real stdout, which the code never sees: code that exits early fails.
_RUNNER = """
import json, os, sys
job = json.load(sys.stdin)
for limit, value in (("CPU", job["cpu_s"]), ("AS", job["memory"]), ("FSIZE", 2**20), ("NOFILE", 64), ("CORE", 0)):
    try:
        import resource
        resource.setrlimit(getattr(resource, "RLIMIT_" + limit), (value, value))
    except (ImportError, ValueError, OSError):  # Windows has none of them, macOS no limit on memory
        pass
try:
    import ctypes
    libc = ctypes.CDLL(None)
    if libc.unshare(0x10000000 | 0x40000000 | 0x20000000) == 0:  # CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID
        if child := os.fork():
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
        libc.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: the first process of a namespace takes all others with it
except (OSError, AttributeError, TypeError):
    pass
verdict = os.dup(1)
nowhere = os.open(os.devnull, os.O_RDWR)
for descriptor in (0, 1, 2):
    os.dup2(nowhere, descriptor)
token = job.pop("token")
space = {"__name__": "__answer__"}
exec(compile(job["code"], "answer", "exec"), space)
exec(compile(job["tests"], "tests", "exec"), space)
os.write(verdict, token.encode())
"""


def passes(code: str, tests: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the assertions in `tests` hold after `code` ran, within the time and 512 MiB. Blocking."""
    token = secrets.token_hex(16)
    job = {"code": code, "tests": tests, "token": token, "cpu_s": int(timeout_s) + 1, "memory": MEMORY_BYTES}
    with tempfile.TemporaryDirectory(prefix="ppai-code-") as folder:
        child = subprocess.Popen(
            [sys.executable, "-I", "-c", _RUNNER],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            out, _ = child.communicate(json.dumps(job).encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            out = b""
        finally:
            _end(child)
    return out == token.encode()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill the child and all processes of its group, which the code may have left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
