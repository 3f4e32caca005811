"""Where others reached us, and which of our addresses they are told (P).

1. A *look* is what another peer found when it dialled us back at the address that it sees us from (looks.py). An
   *entry* is a peer that said hello, or has rights, and came in at one of our addresses. Both count for an hour.
2. Before anybody looked, others are told all addresses of our interfaces.
3. Once one of them was reached, they are told those that were; and those outside of this machine (a router's that
   forwards the port) at which two peers reached us, or the only one that looks.
4. Where two peers looked, or the only one that can, and none reached us anywhere, they are told no address: this peer
   *asks only*. So nobody waits for a dial that cannot succeed.

Another interface is another place: `forget` what was found at the old one. Times are seconds of a monotonic clock.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from discovery.records import ADDRESSES_LIMIT, Address, PeerId

KEPT_S = 3600.0  # s for which a look or an entry counts
LOOKS_LIMIT, ENTRIES_LIMIT = 64, 16  # peers, and addresses of ours, that are remembered
AGREEING = 2  # peers whose looks settle what one of them could be wrong about

State = Literal["unknown", "reached", "asks only"]


@dataclass(frozen=True, slots=True)
class Look:
    """What one peer found when it dialled us back."""

    peer: PeerId
    ip: str  # as it sees us
    port: int  # where it dialled
    why: str  # it did not reach us there, in words; empty where it did
    at: float
    hears_us: bool | None = None  # it heard our mDNS; None: it does not listen, or did not tell
    heard: bool | None = None  # we heard its, likewise
    keeps_port: bool | None = None  # it saw our request come from the port that we sent it from; None: not told

    @property
    def is_reached(self) -> bool:
        """Whether it reached us."""
        return not self.why


class Evidence:
    """What is known of where we are reached."""

    def __init__(self) -> None:
        self._looks: dict[PeerId, Look] = {}  # the newest of each peer, the oldest first
        self._entries: dict[str, float] = {}  # our own IP -> when a peer came in there last

    def looked(self, look: Look) -> None:
        """A peer has looked."""
        self._looks.pop(look.peer, None)
        self._looks[look.peer] = look
        while len(self._looks) > LOOKS_LIMIT:
            del self._looks[next(iter(self._looks))]

    def entered(self, ip: str, now: float) -> None:
        """A peer came in at our address `ip`."""
        if ip in self._entries or len(self._entries) < ENTRIES_LIMIT:
            self._entries[ip] = now

    def forget(self) -> None:
        """We are somewhere else now."""
        self._looks.clear()
        self._entries.clear()

    def look_of(self, peer: PeerId) -> Look | None:
        """What this peer found last, if it is remembered."""
        return self._looks.get(peer)

    def looks(self, now: float) -> list[Look]:
        """Those that count, the newest last."""
        return [look for look in self._looks.values() if now - look.at < KEPT_S]

    def published(
        self, own: tuple[Address, ...], lookers: int, now: float, may_publish: Callable[[Address], bool]
    ) -> tuple[Address, ...]:
        """Which addresses others are told: see the module. `own`: those of our interfaces; `lookers`: who could look.

        `may_publish`: whether an address outside of this machine may stand in a card.
        """
        looks, ours = self.looks(now), {address.ip for address in own}
        worked = {look.ip for look in looks if look.is_reached}
        worked |= {ip for ip, at in self._entries.items() if now - at < KEPT_S}
        enough = min(AGREEING, max(lookers, 1))
        outside = [address for address in _outside(looks, ours, enough) if may_publish(address)]
        if found := [*(address for address in own if address.ip in worked), *outside][:ADDRESSES_LIMIT]:
            return tuple(found)
        return () if not worked and len(looks) >= enough else own

    def state(self, own: tuple[Address, ...], lookers: int, now: float) -> State:
        """In a word, for people."""
        if not self.published(own, lookers, now, lambda address: True):
            return "asks only" if own else "unknown"
        has_entered = any(now - at < KEPT_S for at in self._entries.values())
        return "reached" if has_entered or any(look.is_reached for look in self.looks(now)) else "unknown"


def _outside(looks: Collection[Look], ours: Collection[str], enough: int) -> list[Address]:
    """Addresses that are none of our interfaces', at which `enough` peers reached us, the newest first."""
    by_address: dict[Address, int] = {}
    for look in reversed([look for look in looks if look.is_reached and look.ip not in ours]):
        address = Address(look.ip, look.port)
        by_address[address] = by_address.get(address, 0) + 1
    return [address for address, count in by_address.items() if count >= enough]
