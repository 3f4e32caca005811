"""The lock of a home: whoever serves from it holds it as long as its process lives, however that ends.

A process number says less: after a reboot, or in a container, another program has it.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_S = 0.2  # s for commands that look at the lock, which they hold for microseconds, to let go of it


class AlreadyHeld(Exception):
    """Another process holds the lock."""


@contextmanager
def held(path: Path, wait_s: float = LOOK_S) -> Iterator[None]:
    """Hold the lock at `path`, which stays there afterwards. Raises AlreadyHeld after `wait_s`, and OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, wait_s)
        yield
    finally:
        os.close(descriptor)  # lets go of it


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock, we ourselves included. Raises OSError, but not where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        _lock(descriptor, shared=True)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(descriptor: int, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            return _lock(descriptor)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise AlreadyHeld from error
        time.sleep(0.005)


if sys.platform == "win32":  # not tried: a lock on the file's first byte, gone with the process as flock's is
    import msvcrt

    def _lock(descriptor: int, *, shared: bool = False) -> None:
        """Raises BlockingIOError where another process holds it. It has no shared locks."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            if shared:
                msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        except OSError as error:
            raise BlockingIOError from error

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool = False) -> None:
        """Raises BlockingIOError where another process holds it."""
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
