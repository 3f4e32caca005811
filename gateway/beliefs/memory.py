"""What a peer remembers of others beyond their cards (P): fields that they refused, models that they served.

Peers of an older version do not know all the fields that we send, and those of an open network take fewer. Their cards
do not say so; their refusals do. A peer whose engine died has a card without a model; mostly the engine comes back.
Knows nothing of what the fields mean.
"""

from collections.abc import Mapping
from typing import NamedTuple

from discovery.records import PeerId

PEERS_LIMIT = 1024  # that are remembered, the newest
SETS_LIMIT = 16  # of one peer, the newest
FORMER_S = 600.0  # s for which models are remembered: an engine of 100 GB is loaded within


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


class Serving(NamedTuple):
    """What a peer serves: its name as it is shown, and every name of its models and agents."""

    shown: str
    names: frozenset[str]


class FormerModels:
    """What engines served until recently that serve nothing any more; who serves others has dropped the rest.

    Peers are told apart by their queues: a peer with several engines has one for each.
    """

    def __init__(self) -> None:
        self._serving: Mapping[PeerId, Serving] = {}
        self._gone: dict[PeerId, tuple[float, Serving]] = {}

    def seen(self, serving: Mapping[PeerId, Serving], now: float) -> None:
        """Who serves what now: all that do."""
        for peer in self._serving.keys() - serving.keys():
            self._gone[peer] = now, self._serving[peer]
        for peer in self._gone.keys() & serving.keys():
            del self._gone[peer]
        while len(self._gone) > PEERS_LIMIT:
            del self._gone[next(iter(self._gone))]
        self._serving = serving

    def served_by(self, now: float) -> Mapping[str, str]:
        """By the name of a model or agent: who served it within FORMER_S, and serves nothing now."""
        if not self._gone:
            return {}
        self._gone = {peer: gone for peer, gone in self._gone.items() if now - gone[0] <= FORMER_S}
        return {name: serving.shown for _, serving in self._gone.values() for name in serving.names}
