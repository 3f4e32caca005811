"""What requests to other peers have taught us: where each answers, how its clock differs, whether it takes ours. Pure.

A bounded number of peers is remembered, those asked last. Times are seconds of the caller's monotonic clock.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from discovery.records import Address, PeerId

SYNC_PATH = "/peer/1/sync"
NOT_APPROVED = "it does not take our requests: its owner has to run `ppai approve` for this peer"
FORGED = "it finds that our signature is not ours: does something sit between us?"

Pin = TypeVar("Pin")
Way = Literal["direct", "relay", "punched"]  # to a peer: to its machine, through a relay, through both NATs


@dataclass(slots=True)
class Contact(Generic[Pin]):
    """One peer."""

    pin: Pin | None = None  # the certificate that it may present, as the client checks it
    good: Address | None = None  # where it answered last; None once it failed there
    failed: dict[Address, float] = field(default_factory=dict)  # when each address failed, since the last success
    named: set[Address] = field(default_factory=set)  # where it was met by asking TLS for its name
    met: Address | None = None  # where it answered our hello: its card may not know of it; None once it failed there
    way: Address | None = None  # a port of ours that leads to it through both NATs
    skew_ms: int = 0  # its wall clock minus ours
    gen: int = 0  # the generation that a refusal told us, where it is newer than the peer's card
    no_session_until: float = -math.inf  # it refused a session, and is asked for none before
    refuses: str = ""  # why it does not take our requests, in words for the user
    road: object = None  # to where it answered last, which the client keeps for as long as it holds
    by_admission: bool = False  # it keeps us out altogether: a gossip message that it answers says that it does no more

    def note_success(self, address: Address) -> None:
        """It answered there."""
        self.good = address
        self.failed.clear()

    def note_failure(self, address: Address, known: list[Address], now: float) -> None:
        """It did not answer there; `known` are the addresses of its card."""
        self.good = None if self.good == address else self.good
        self.met = None if self.met == address else self.met
        self.way = None if self.way == address else self.way
        self.failed = {**{a: at for a, at in self.failed.items() if a in known}, address: now}


class Contacts(Generic[Pin]):
    """All peers that we have asked, up to a limit."""

    def __init__(self, limit: int, on_refusal: Callable[[PeerId, str], None]) -> None:
        """`on_refusal(peer, why)` is called when a peer begins to refuse our requests, or changes its reason."""
        self._limit, self._on_refusal = limit, on_refusal
        self._contacts: OrderedDict[PeerId, Contact[Pin]] = OrderedDict()  # who was asked longest ago first

    def __len__(self) -> int:
        return len(self._contacts)

    def __getitem__(self, peer: PeerId) -> Contact[Pin]:
        """What is remembered of a peer, which counts as asked now."""
        contact = self._contacts.get(peer)
        if contact is None:
            contact = self._contacts[peer] = Contact()
            while len(self._contacts) > self._limit:
                self._contacts.popitem(last=False)
        else:
            self._contacts.move_to_end(peer)
        return contact

    def get(self, peer: PeerId | None) -> Contact[Pin] | None:
        """The same, where there is something; nothing is counted."""
        return self._contacts.get(peer) if peer else None

    def refusal(self, peer: PeerId) -> str:
        """Why this peer does not take our requests, in words for the user; empty where it does, or was not asked."""
        contact = self._contacts.get(peer)
        return contact.refuses if contact else ""

    def note_refusal(self, peer: PeerId, why: str, *, by_admission: bool = False) -> None:
        """This peer does not take our requests; `by_admission`: it keeps us out of its view, and the user knows."""
        contact = self[peer]
        is_news, contact.refuses, contact.by_admission = contact.refuses != why, why, by_admission
        if is_news and not by_admission:
            self._on_refusal(peer, why)

    def note_status(self, peer: PeerId, path: str, status: int) -> None:
        """Learn from an answer whether this peer takes our requests; gossip it takes from whom it has not approved."""
        if status == 403 and path != SYNC_PATH:
            self.note_refusal(peer, NOT_APPROVED)
            return
        contact = self.get(peer)
        if contact and contact.refuses and status < 300 and (path != SYNC_PATH or contact.by_admission):
            contact.refuses, contact.by_admission = "", False
