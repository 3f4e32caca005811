"""How a tunnel shows at a relay whose it is (P): by a key that the peer got in answer to a signed request.

A pass is `PPAI` + the key's number (8 bytes) + a counter (8 bytes) + HMAC-SHA256 of both under the key. A counter
counts once, so a pass that somebody overheard opens nothing. A ClientHello never begins with `P`.
"""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass

from discovery.records import PeerId

MAGIC = b"PPAI"
PASS_BYTES = len(MAGIC) + 8 + 8 + 32
KEY_BYTES = 32
KEY_S = 600.0  # for which a key opens tunnels; the tunnels stay
KEYS_EACH = 2  # of one peer: the next one is fetched before the last one ends
COUNTERS_KEPT = 64  # passes of one key may overtake each other by so many


@dataclass(slots=True)
class _Key:
    peer: PeerId
    key: bytes
    until: float
    newest: int = 0
    seen: int = 0  # bit k: newest - k came


def new_pass(number: int, key: bytes, counter: int) -> bytes:
    """The pass of one tunnel; each has a greater counter, from 1."""
    head = number.to_bytes(8, "big") + counter.to_bytes(8, "big")
    return MAGIC + head + _mac(key, head)


class Passes:
    """At the relay: which keys are out. Times are seconds of a monotonic clock."""

    def __init__(self, peers: int) -> None:
        """`peers`: how many may have keys at once; beyond them the oldest keys go."""
        self._limit = KEYS_EACH * peers
        self._keys: OrderedDict[int, _Key] = OrderedDict()
        self._next = 1

    def issue(self, peer: PeerId, key: bytes, now: float) -> int:
        """The number of a new key of this peer's. Its oldest one goes where it has too many."""
        for number in [n for n, k in self._keys.items() if k.until < now]:
            del self._keys[number]
        mine = [number for number, known in self._keys.items() if known.peer == peer]
        for number in mine[: len(mine) - KEYS_EACH + 1]:
            del self._keys[number]
        while len(self._keys) >= self._limit:
            self._keys.popitem(last=False)
        number, self._next = self._next, self._next + 1
        self._keys[number] = _Key(peer, key, now + KEY_S)
        return number

    def holder(self, shown: bytes, now: float) -> PeerId | None:
        """Whose tunnel this is; None where the pass is no good, or was shown before."""
        number, counter = int.from_bytes(shown[4:12], "big"), int.from_bytes(shown[12:20], "big")
        known = self._keys.get(number)
        if known is None or now > known.until or len(shown) != PASS_BYTES or shown[:4] != MAGIC:
            return None
        if not hmac.compare_digest(_mac(known.key, shown[4:20]), shown[20:]):
            return None
        return known.peer if _count(known, counter) else None


def _count(known: _Key, counter: int) -> bool:
    """Whether this counter is new, as IPsec's window does it (RFC 4303, 3.4.3)."""
    if counter > known.newest:
        shift = counter - known.newest
        known.seen = (known.seen << shift | 1) & ((1 << COUNTERS_KEPT) - 1) if shift < COUNTERS_KEPT else 1
        known.newest = counter
        return counter > 0
    bit = 1 << (known.newest - counter)
    if known.newest - counter >= COUNTERS_KEPT or known.seen & bit or counter < 1:
        return False
    known.seen |= bit
    return True


def _mac(key: bytes, head: bytes) -> bytes:
    return hmac.new(key, b"ppai/1/tunnel\0" + head, hashlib.sha256).digest()
