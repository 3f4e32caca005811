"""What a peer remembers of others beyond their cards (P): which fields of a request they have refused.

Peers of an older version do not know all the fields that we send, and those of an open network take fewer. Their cards
do not say so; their refusals do. Knows nothing of what the fields mean.
"""

from discovery.records import PeerId

PEERS_LIMIT = 1024  # that are remembered, the newest
SETS_LIMIT = 16  # of one peer, the newest


class RefusedFields:
    """Which sets of fields each peer has refused, until it starts again: it may be of another version then."""

    def __init__(self) -> None:
        self._refused: dict[tuple[PeerId, int], list[frozenset[str]]] = {}

    def note(self, peer: PeerId, gen: int, fields: frozenset[str]) -> None:
        """A request with these fields was refused there; `gen` is the generation of the peer's card."""
        if not fields:
            return
        sets = self._refused.pop((peer, gen), [])
        self._refused[peer, gen] = [*(known for known in sets if not fields <= known), fields][-SETS_LIMIT:]
        while len(self._refused) > PEERS_LIMIT:
            del self._refused[next(iter(self._refused))]

    def refuses(self, peer: PeerId, gen: int, fields: frozenset[str]) -> bool:
        """Whether the peer has refused these fields, or some of them. More fields are no more welcome than fewer."""
        return any(known <= fields for known in self._refused.get((peer, gen), ()))

    def __bool__(self) -> bool:
        return bool(self._refused)
