"""peers.json in the home: what a peer remembers over a restart. Rights, addresses of others, its last generation.

The running peer alone writes it. peers.json.copy holds the same since rights changed last: where peers.json does not
parse (a disk that failed, a slip of an editor), it is set aside and the copy is taken, so that nobody has to be
approved again and nobody who was revoked returns.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from discovery.admission import AdmissionError, read_rights
from discovery.envelopes import UNREADABLE
from discovery.holders import KnownHolders
from discovery.private_files import OpenToOthers, read_unchanged, set_aside, write_private

log = logging.getLogger(__name__)

PEERS_LIMIT = 200  # peers remembered: enough to find the network again
Stamp = tuple[int, int, int]  # of a file as it was written: inode, time of change in ns, bytes


class PeerFileError(Exception):
    """peers.json cannot be used; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class CachedPeer:
    """A peer that was alive: the next start says hello to it once."""

    id: str
    name: str
    addr: list[tuple[str, int]]
    seen: int  # unix seconds


@dataclass(frozen=True, slots=True)
class PeerFile:
    """The content of peers.json. `granted`, `revoked` and `mine` are what `Admission.state()` returns."""

    gen: int = 0
    granted: dict[str, list[str]] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)
    peers: list[CachedPeer] = field(default_factory=list)
    version: int = 1
    mine: list[str] = field(default_factory=list)
    secret: KnownHolders = field(default_factory=KnownHolders)  # who knows the network's; not the secret
    relayed: list[str] = field(default_factory=list)  # who may be reached through us

    @property
    def decided(self) -> tuple[dict[str, list[str]], list[str], list[str], KnownHolders, list[str]]:
        """What the user decided, and who knows the secret: what `Admission.restore` takes."""
        return self.granted, self.revoked, self.mine, self.secret, self.relayed


def load(path: Path, tell: Callable[[str], None] = log.warning) -> PeerFile:
    """Read peers.json; empty where there is no such file. Raises PeerFileError.

    One that does not parse is set aside, and what is known otherwise is taken; `tell` is given the words for the user.
    """
    try:
        data = read_unchanged(path)
    except FileNotFoundError:
        return PeerFile()
    except OpenToOthers as error:
        raise PeerFileError(str(error)) from error
    except OSError as error:
        raise PeerFileError(f"cannot read {path}: {error.strerror}. It must belong to the user running ppai") from error
    try:
        return _parsed(path, data)
    except (*UNREADABLE, AdmissionError) as error:
        return _rebuilt(path, data, str(error), tell)


def save(path: Path, content: PeerFile) -> Stamp:
    """Replace peers.json, whole or not at all, and its copy where rights changed. Raises OSError."""
    data = msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
    write_private(path, data)
    copy = _copied(path)
    if copy is None or copy.decided != content.decided:
        write_private(copy_of(path), data)
    return stamp_of(path)


def stamp_of(path: Path) -> Stamp:
    """What changes when another program writes the file; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def copy_of(path: Path) -> Path:
    """Where the copy of peers.json is."""
    return path.with_name(f"{path.name}.copy")


def newest(peers: Iterable[CachedPeer], approved: Collection[str] = ()) -> list[CachedPeer]:
    """The PEERS_LIMIT peers to remember: the `approved`, then those seen last; strangers push out strangers alone."""
    return sorted(peers, key=lambda peer: (peer.id not in approved, -peer.seen))[:PEERS_LIMIT]


def _parsed(path: Path, data: bytes) -> PeerFile:
    content = msgspec.json.decode(data, type=PeerFile)
    if content.version != 1:
        raise PeerFileError(f"{path} was written by a newer ppai (version {content.version}): update ppai")
    read_rights(content.granted, content.revoked)
    return content


def _copied(path: Path) -> PeerFile | None:
    try:
        return _parsed(path, read_unchanged(copy_of(path)))
    except (OSError, OpenToOthers, PeerFileError, AdmissionError, *UNREADABLE):
        return None


def _rebuilt(path: Path, data: bytes, why: str, tell: Callable[[str], None]) -> PeerFile:
    """What is known where peers.json, which holds `data`, does not parse. Raises PeerFileError."""
    try:
        aside = set_aside(path)
    except OSError as error:
        raise PeerFileError(f"{path} cannot be read ({why}) nor renamed ({error.strerror}): repair it") from error
    if copy := _copied(path):
        tell(f"{path} does not parse ({why}): it is {aside.name} now; approvals and revocations are those of its copy")
        return copy
    found = _salvaged(data)
    rights = f"{len(found.granted)} approvals and {len(found.revoked)} revocations could be read from it"
    tell(f"{path} does not parse ({why}), and has no copy: it is {aside.name} now; {rights}")
    return found


def _salvaged(data: bytes) -> PeerFile:
    """The rights in a peers.json that is cut off or damaged elsewhere."""
    text, content = data.decode(errors="replace"), PeerFile()
    for key in ("granted", "revoked", "mine", "secret", "relayed"):
        try:
            found: Any = json.JSONDecoder().raw_decode(text, text.index(f'"{key}": ') + len(key) + 4)[0]
            content = _parsed(Path(), msgspec.json.encode(replace(content, **{key: found})))
        except (ValueError, TypeError, AdmissionError, RecursionError, *UNREADABLE):
            continue
    return content
