"""Who knows the network's secret (P): each holder is listed, and can be revoked alone.

A revoked machine still knows the secret and could return under another id. So once a holder was revoked, ids that had
not shown before that they know the secret get no right by it: they wait for the user, until there is a new secret.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from discovery.records import Card, PeerId, public_key

HOLDERS_LIMIT = 1024  # holders remembered, the last that were heard of first
PROVEN_LIMIT = 4096  # peers known to have proven the secret, several times as many as are alive


@dataclass(frozen=True, slots=True)
class KnownHolders:
    """What peers.json keeps of a secret: ids that have shown that they know it, and whether new ones wait."""

    mark: str = ""  # tells this secret from another; nobody can find the secret by it
    ids: list[str] = field(default_factory=list)
    closed: bool = False


class Holders:
    """Of one secret of one network, or of none."""

    def __init__(self, net: str, secret: bytes | None) -> None:
        self._net = net
        self._key = _derive(secret, "join") if secret is not None else None
        self._mark = _derive(secret, "mark")[:8].hex() if secret is not None else ""
        self._proven: dict[PeerId, None] = {}  # with rights by the secret, the oldest first
        self._holders: dict[PeerId, None] = {}  # those of earlier runs, too
        self.is_closed = False

    def proof(self, peer: PeerId, cert: bytes) -> bytes:
        """The proof that `peer`, whose certificate hashes to `cert` (32,), knows the secret: (32,), for its card.

        Empty without a secret. HMAC-SHA256 under a key derived for this purpose alone (RFC 5869). It covers id and
        certificate, so nobody can use it in another card. Raises InvalidRecord when `peer` is no id.
        """
        if self._key is None:
            return b""
        return hmac.digest(self._key, b"\0".join((self._net.encode(), public_key(peer), cert)), "sha256")

    def check(self, card: Card) -> Literal["missing", "wrong", "proven", "waits"]:
        """Whether this (verified) card proves the secret. One that `waits` proves it, and is new after a revocation."""
        if not card.proof:
            return "missing"
        self._proven.pop(card.id, None)
        if not hmac.compare_digest(card.proof, self.proof(card.id, card.cert)):
            return "wrong"
        if self.is_closed and card.id not in self._holders:
            return "waits"
        _note(self._proven, card.id, PROVEN_LIMIT)  # whoever is forgotten proves it again with its next request
        self.learn(card.id)
        return "proven"

    def note(self, card: Card) -> None:
        """Remember, of a peer that has its rights otherwise, whether its card proves the secret."""
        if card.proof and hmac.compare_digest(card.proof, self.proof(card.id, card.cert)):
            self.learn(card.id)

    def learn(self, peer: PeerId) -> None:
        """We gave this peer the secret, or saw that it has it. That alone gives it no right."""
        _note(self._holders, peer, HOLDERS_LIMIT)

    def has_proven(self, peer: PeerId) -> bool:
        """Whether this peer has a right by the secret now."""
        return peer in self._proven

    def knows(self, peer: PeerId) -> bool:
        """Whether this peer knows the secret of now, as far as we know."""
        return peer in self._holders

    def forget(self, peer: PeerId) -> None:
        """When it returns, its card must prove the secret again."""
        self._proven.pop(peer, None)

    def revoke(self, peer: PeerId) -> None:
        """This holder has no right any more; new ids wait from now on, since it could be any of them."""
        self._proven.pop(peer, None)
        self._holders.pop(peer, None)
        self.is_closed = self._key is not None

    def all(self) -> tuple[PeerId, ...]:
        """Everybody who has shown that he knows the secret, and was not revoked."""
        return tuple(sorted(self._holders))

    def state(self) -> KnownHolders:
        return KnownHolders(self._mark, [str(peer) for peer in self.all()], self.is_closed)

    def restore(self, known: KnownHolders) -> None:
        """Take over what `state` returned in an earlier run. What is known of another secret does not count."""
        if known.mark == self._mark and self._mark:
            self._holders, self.is_closed = dict.fromkeys(read_ids(known.ids)), known.closed


def read_ids(ids: Iterable[str]) -> list[PeerId]:
    """Raises InvalidRecord."""
    for peer in ids:
        public_key(peer)
    return [PeerId(peer) for peer in ids]


def _note(peers: dict[PeerId, None], peer: PeerId, limit: int) -> None:
    """The newest last; the oldest goes."""
    peers.pop(peer, None)
    peers[peer] = None
    while len(peers) > limit:
        del peers[next(iter(peers))]


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=f"ppai/1/{purpose}".encode()).derive(secret)
