"""Files of a peer's home: written so that only their owner can read them, read only where nobody else may change them.

A file is replaced whole or not at all: a power cut leaves the old one or the new one. Whoever may change `peers.json`
approves peers, and whoever may change `api_keys.json` makes keys: a file that other users of the machine may write is
refused where it is read. It loads no cryptography, so that short commands start fast.
"""

import os
import secrets
import shlex
import stat
from contextlib import suppress
from pathlib import Path

DAMAGED_LIMIT = 10  # files of one name that are set aside; then the first is replaced


class OpenToOthers(Exception):
    """Other users of this machine may change a file of ours, or read a secret one; the message names the remedy."""


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by a file that only its owner can read, whole or not at all. Raises OSError.

    Two writers at once do not mix: one of the two contents is there afterwards.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # a full disk is not made fuller
        raise
    _sync_folder(path.parent)


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be used, so that a new one can be written and nothing is lost: where it is now.

    Raises OSError.
    """
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in range(DAMAGED_LIMIT))
    aside = next((name for name in names if not name.exists()), path.with_name(f"{path.name}.damaged"))
    return path.replace(aside)


def read_unchanged(path: Path) -> bytes:
    """The content of a file that nobody but its owner may change. Raises OpenToOthers, OSError."""
    return _read(path, may_be_read=True)


def read_secret(path: Path) -> bytes:
    """The content of a file that nobody but its owner may read or change. Raises OpenToOthers, OSError."""
    return _read(path, may_be_read=False)


def require_unchanged(path: Path, found: os.stat_result) -> None:
    """Raises OpenToOthers where somebody besides us and root may change what is at `path`. `found`: its stat or lstat.

    Devices and pipes hold nothing that could be changed. A group counts unless it is our own or root's, and nobody else
    is in it.
    """
    if os.name != "posix" or stat.S_IFMT(found.st_mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        return
    if found.st_uid not in (0, os.geteuid()):
        owner, us = _user(found.st_uid), _user(os.geteuid())
        chown = "chown -h" if stat.S_ISLNK(found.st_mode) else "chown"
        raise OpenToOthers(
            f"{path} belongs to {owner}, who may change it: run ppai as {owner}, or check what it holds,"
            f" then run as root: {chown} {us} {shlex.quote(str(path))}"
        )
    if stat.S_ISLNK(found.st_mode):
        return  # a link has no mode of its own: whoever may write its folder, or owns it, changes it
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _has_no_other_member(found.st_gid)):
        raise OpenToOthers(
            f"{path} can be changed by other users of this machine (mode {mode:03o}):"
            f" check what it holds, then run: chmod go-w {shlex.quote(str(path))}"
        )


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: else a power cut may bring the old file back."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, *, may_be_read: bool) -> bytes:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())  # of what is read, whatever lies at `path` by now
        require_unchanged(path, found)
        mode = stat.S_IMODE(found.st_mode)
        if os.name == "posix" and mode & 0o077 and not may_be_read:
            raise OpenToOthers(
                f"{path} can be read by others (mode {mode:03o}). Run: chmod 600 {shlex.quote(str(path))}"
            )
        return file.read()


def _has_no_other_member(gid: int) -> bool:
    """Whether a group is our user's own or root's, and nobody else is in it.

    Most Linux systems make a group of his name for each user, and let it write whatever he creates (umask 002).
    """
    import grp  # POSIX only
    import pwd

    for uid in (0, os.geteuid()):
        with suppress(KeyError):  # a number without an account, as in containers
            group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
            if gid == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}:
                return True
    return False


def _user(uid: int) -> str:
    import pwd  # POSIX only

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
