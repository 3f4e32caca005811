"""peers.json in the home: what a peer remembers over a restart. Rights, addresses of others, its last generation."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from discovery.envelopes import UNREADABLE
from discovery.private_files import OpenToOthers, read_unchanged, write_private

PEERS_LIMIT = 200  # peers remembered: enough to find the network again


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
    """The content of peers.json. `granted` and `revoked` are what `Admission.state()` returns."""

    gen: int = 0
    granted: dict[str, list[str]] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)
    peers: list[CachedPeer] = field(default_factory=list)
    version: int = 1


def load(path: Path) -> PeerFile:
    """Read peers.json; empty where there is no such file. Raises PeerFileError."""
    try:
        content = msgspec.json.decode(read_unchanged(path), type=PeerFile)
    except FileNotFoundError:
        return PeerFile()
    except OpenToOthers as error:
        raise PeerFileError(str(error)) from error
    except (OSError, *UNREADABLE) as error:
        remedy = "Repair it, or delete it: peers then have to be approved again"
        raise PeerFileError(f"cannot read {path}: {error}. {remedy}") from error
    if content.version != 1:
        raise PeerFileError(f"{path} was written by a newer ppai (version {content.version}): update ppai")
    return content


def save(path: Path, content: PeerFile) -> None:
    """Replace peers.json, whole or not at all. Raises OSError."""
    write_private(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


def newest(peers: Iterable[CachedPeer], approved: Collection[str] = ()) -> list[CachedPeer]:
    """The PEERS_LIMIT peers to remember: the `approved`, then those seen last; strangers push out strangers alone."""
    return sorted(peers, key=lambda peer: (peer.id not in approved, -peer.seen))[:PEERS_LIMIT]
