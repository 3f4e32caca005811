"""The process that reads documents: `python -I -c BOOT`. It is asked by lines of JSON, and answers each with one.

It has no rights that its user has not; its limits are for files that take time or memory without end. One process reads
many files, until one of them ends it: reading.py then starts another. It ends with the process that started it.
"""

import contextlib
import json
import os
import stat
import sys
from hashlib import blake2b
from typing import Any

from gateway.agent.knowledge.formats import FILE_BYTES, Unreadable, blocks_of, too_large
from gateway.agent.knowledge.pieces import pieces_of

MEMORY_BYTES = 1 << 30
CPU_S = 30  # for one file
READ_BYTES = 16 << 20  # after which the process makes room for a new one: what libraries have not given back ends so


def main() -> None:
    """Answer until there is no more to be read."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # what a library prints is no answer
        os.dup2(nowhere, descriptor)
    _end_with_parent(int(sys.argv[1]))
    _limit_memory()
    read = 0
    for line in asked:
        _limit_time()
        found = answer(**json.loads(line))
        read += found.pop("size", 0)
        found["is_last"] = read >= READ_BYTES
        answers.write(json.dumps(found).encode() + b"\n")
        answers.flush()
        if found["is_last"]:
            break


def answer(path: str, known: str) -> dict[str, Any]:
    """The document at this path: its `digest`, and unless that is `known` its `pieces`; or the `problem` that it has.

    `size`: the bytes that were read. A link is not followed: it may lead out of the folder.
    """
    try:
        content = _content(path)
        size, digest = len(content), blake2b(content, digest_size=16).hexdigest()
        if digest == known:
            return {"digest": digest, "size": size}
        return {"digest": digest, "size": size, "pieces": pieces_of(blocks_of(path, content))}
    except Unreadable as error:
        return {"problem": str(error), "passes": error.passes}
    except MemoryError:
        return {"problem": f"it needs over {MEMORY_BYTES >> 30} GiB of memory to be read: split it"}
    except OSError as error:
        return {"problem": f"it cannot be opened ({error.strerror}): let this user read it", "passes": True}
    except Exception as error:  # a format's library, or a document that nobody thought of
        return {"problem": f"it is damaged ({type(error).__name__}): open it and save it anew"}


def _content(path: str) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("it is no file: leave it out by knowledge.patterns")
        if status.st_size > FILE_BYTES:
            raise Unreadable(too_large(status.st_size))
        return file.read(FILE_BYTES + 1)


def _end_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG: SIGKILL
        if os.getppid() != parent:
            os._exit(0)


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no limits, macOS none on memory
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _limit_time() -> None:
    """CPU_S more from now on."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + CPU_S, hard))
