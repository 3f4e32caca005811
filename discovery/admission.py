"""Decides which peers may join our view of the network, and which rights each of them has.

There are two rights, and every machine grants its own: `ask` (the peer may send us work) and `answer` (we may send it
prompts). For example, in mode `tofu` every peer is seen and none has a right until the user runs `ppai approve NAME`.
A peer that was approved may be tagged `mine`: the machine is the same person's. Rules say what may go there.
Knows nothing of sockets.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from discovery.holders import Holders, KnownHolders, read_ids
from discovery.records import Card, InvalidRecord, PeerId, public_key

Mode = Literal["tofu", "secret", "allowlist", "open"]
Right = Literal["ask", "answer"]
RIGHTS: tuple[Right, ...] = ("ask", "answer")
_ALL, _NONE = frozenset(RIGHTS), frozenset[Right]()
SECRET_MIN_BYTES = 16  # everyone can read the proof in a card, and so try to guess a short secret offline
GRANTS_LIMIT = 4096  # peers approved by name


class AdmissionError(ValueError):
    """A mistake of the user's: a secret too short or missing, too many approvals. The text names the remedy."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a peer is kept out; `code` is for programs, `message` for the people on both sides."""

    code: Literal["secret_missing", "secret_wrong", "not_allowed", "revoked"]
    message: str


class Admission:
    """The mode, what the user granted and revoked, and who has proven the network's secret."""

    def __init__(self, mode: Mode, net: str, secret: bytes | None = None, allowed: Iterable[PeerId] = ()) -> None:
        """`secret` is needed in mode `secret` and used by no other. Raises AdmissionError."""
        if mode == "secret" and secret is None:
            raise AdmissionError("admission mode `secret` needs a secret: run `ppai init`, or give --secret-file FILE")
        if secret is not None and len(secret) < SECRET_MIN_BYTES:
            raise AdmissionError(f"the secret has fewer than {SECRET_MIN_BYTES} bytes: let `ppai init` make one")
        self.mode = mode
        self.net = net
        self.holders = Holders(net, secret if mode == "secret" else None)
        self._allowed = frozenset(allowed)
        self._granted: dict[PeerId, frozenset[Right]] = {}
        self._revoked: set[PeerId] = set()
        self._mine: set[PeerId] = set()  # of those granted, the user's own machines
        self._watching: list[Callable[[], None]] = []
        self._relayed: set[PeerId] = set()  # of those granted, who may be reached through us

    def watch(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever the user has granted somebody rights, or taken them away."""
        self._watching.append(tell)

    def proof(self, peer: PeerId, cert: bytes) -> bytes:
        """The proof for `peer`'s card that it knows the secret: see Holders.proof. Empty in other modes."""
        return self.holders.proof(peer, cert)

    def admits(self, card: Card) -> Refusal | None:
        """Why this (verified) card may not join our view of the network; None when it may."""
        if self.mode in ("tofu", "open"):
            return None
        if card.id in self._granted:
            self.holders.note(card)
            return None
        if card.id in self._revoked:
            return Refusal("revoked", "the peer was revoked: its owner may ask for `ppai approve`")
        if self.mode == "allowlist":
            refusal = Refusal("not_allowed", "this network admits listed peers only: its owner runs `ppai approve ID`")
            return None if card.id in self._allowed else refusal
        return self._check_proof(card)

    def rights(self, peer: PeerId) -> frozenset[Right]:
        """The rights of this peer; empty when it was revoked, whatever the mode grants."""
        if peer in self._revoked:
            return _NONE
        if self.mode == "open" or peer in self._allowed or self.holders.has_proven(peer):
            return _ALL
        return self._granted.get(peer, _NONE)

    def vouches(self, peer: PeerId) -> bool:
        """Whether the user, the allow-list or the secret says who this is; else it is a stranger, in mode open too."""
        if peer in self._revoked:
            return False
        return peer in self._granted or peer in self._allowed or self.holders.has_proven(peer)

    def may(self, peer: PeerId, right: Right) -> bool:
        """Whether this peer has `right`."""
        return right in self.rights(peer)

    def is_mine(self, peer: PeerId) -> bool:
        """Whether the user said that this peer is a machine of his own. No secret, list or mode says so."""
        return peer in self._mine

    def may_relay(self, peer: PeerId) -> bool:
        """Whether this peer may be reached through us: the user said so, or that it is his own. No mode says so."""
        return peer in self._relayed or peer in self._mine

    def approve(
        self, peer: PeerId, *, rights: Iterable[Right] = RIGHTS, mine: bool | None = None, relay: bool | None = None
    ) -> None:
        """Grant `rights` to this peer, known or not. `mine`: whether it is the user's own; None: as it was.

        `relay`: whether it may be reached through us, likewise.

        Raises AdmissionError at the limit of grants.
        """
        if peer not in self._granted and len(self._granted) >= GRANTS_LIMIT:
            raise AdmissionError(f"{GRANTS_LIMIT} peers are approved: revoke some, or use admission mode `secret`")
        self._revoked.discard(peer)
        self._granted[peer] = frozenset(rights)
        if mine is not None:
            (self._mine.add if mine else self._mine.discard)(peer)
        if relay is not None:
            (self._relayed.add if relay else self._relayed.discard)(peer)
        self._tell()

    def add_rights(self, peer: PeerId, rights: Iterable[Right], *, mine: bool | None = None) -> None:
        """Grant `rights` besides those that it has; `mine` as for `approve`. Raises AdmissionError at the limit."""
        self.approve(peer, rights=self._granted.get(peer, frozenset()) | set(rights), mine=mine)

    def revoke(self, peer: PeerId) -> None:
        """Take all rights away, whatever the mode would grant.

        In mode `secret`, new ids wait from then on, unless this peer was approved by name and does not know the secret.
        """
        if peer not in self._granted or self.holders.knows(peer):
            self.holders.revoke(peer)
        self._granted.pop(peer, None)
        self._mine.discard(peer)
        self._relayed.discard(peer)
        self._revoked.add(peer)
        self._tell()

    def approved(self) -> frozenset[PeerId]:
        """The peers that the user or the allow-list granted a right by name."""
        return frozenset(self._granted) | self._allowed

    def waiting(self, peers: Iterable[PeerId]) -> tuple[PeerId, ...]:
        """Those of `peers` that have no right yet and wait for the user to approve or revoke them."""
        return tuple(p for p in peers if p not in self._revoked and not self.rights(p))

    def relayed(self) -> list[str]:
        """Who the user said may be reached through us."""
        return sorted(self._relayed)

    def state(self) -> tuple[dict[str, list[str]], list[str], list[str]]:
        """(rights by peer id, revoked ids, ids of the user's own): what the user decided, as peers.json stores it."""
        granted = {str(peer): [*map(str, sorted(rights))] for peer, rights in sorted(self._granted.items())}
        return granted, [str(peer) for peer in sorted(self._revoked)], [str(peer) for peer in sorted(self._mine)]

    def restore(
        self,
        granted: Mapping[str, Iterable[str]],
        revoked: Iterable[str],
        mine: Iterable[str] = (),
        known: KnownHolders | None = None,
        relayed: Iterable[str] = (),
    ) -> None:
        """Take over what `state` returned in an earlier run, and who held the secret (`holders.state()`).

        Raises AdmissionError for an invalid id or right.
        """
        self._granted, self._revoked = read_rights(granted, revoked, known)
        self._mine = {PeerId(peer) for peer in mine} & self._granted.keys()
        self._relayed = {PeerId(peer) for peer in relayed} & self._granted.keys()
        self.holders.restore(known or KnownHolders())
        self._tell()

    def forget(self, peer: PeerId) -> None:
        """Forget that this peer has proven the secret; when it returns, its card must prove it again."""
        self.holders.forget(peer)

    def _tell(self) -> None:
        for tell in self._watching:
            tell()

    def _check_proof(self, card: Card) -> Refusal | None:
        match self.holders.check(card):
            case "missing":
                why = "this network has a secret and the peer shows none: copy the secret file"
                return Refusal("secret_missing", why)
            case "wrong":
                why = "the two peers have different secrets: copy the secret file of one to the other"
                return Refusal("secret_wrong", why)
        return None


def read_rights(
    granted: Mapping[str, Iterable[str]], revoked: Iterable[str], known: KnownHolders | None = None
) -> tuple[dict[PeerId, frozenset[Right]], set[PeerId]]:
    """(rights by peer, revoked peers) of what `Admission.state` returned. Raises AdmissionError."""
    try:
        for peer in (*granted, *revoked):
            public_key(peer)
        read_ids(known.ids if known else ())
    except InvalidRecord as error:
        raise AdmissionError(f"not a peer id: {peer!r}") from error
    if unknown := {right for rights in granted.values() for right in rights} - set(RIGHTS):
        raise AdmissionError(f"not a right: {', '.join(sorted(unknown))}")
    kept = {PeerId(p): frozenset(r for r in RIGHTS if r in set(rights)) for p, rights in granted.items()}
    return kept, {PeerId(peer) for peer in revoked}
