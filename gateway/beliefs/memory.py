"""What a peer remembers of others beyond their cards (P): fields that they refused, models that they served or load.

Peers of an older version do not know all the fields that we send, and those of an open network take fewer. Their cards
do not say so; their refusals do. A peer whose engine died has a card without a model; mostly the engine comes back.
Knows nothing of what the fields mean.
"""

from collections.abc import Container, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from discovery.records import PeerId

PEERS_LIMIT = 1024  # that are remembered, the newest
SETS_LIMIT = 16  # of one peer, the newest
FORMER_S = 600.0  # s for which models are remembered: an engine of 100 GB is loaded within
KEPT_S = 2.0  # s for which a peer's word counts that it does not load a model for us


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


class _Said(NamedTuple):
    """What one peer said of its agents, at `at`."""

    cold: frozenset[str]
    kept: frozenset[str]
    at: float


class Loading:
    """Whose model would have to be loaded first, and whose is not loaded because we ask; of our own agents, too.

    The first costs seconds. The second is no candidate at all, as long as that was told within KEPT_S: its owner may
    load it any moment, so that then the peer is asked anew.
    """

    def __init__(self) -> None:
        self._said: dict[PeerId, _Said] = {}

    def tell(self, peer: PeerId, cold: Set[str], kept: Set[str], now: float) -> None:
        """Agents whose model has to be loaded first, and others whose model is not loaded because we ask."""
        self._said.pop(peer, None)
        if cold or kept:
            self._said[peer] = _Said(frozenset(cold | kept), frozenset(kept), now)

    def keep(self, known: Container[PeerId]) -> None:
        """Forget all others."""
        self._said = {peer: one for peer, one in self._said.items() if peer in known}

    def __bool__(self) -> bool:
        return bool(self._said)

    def is_cold(self, peer: PeerId, agent: str) -> bool:
        """Whether the model of this one has to be loaded first."""
        return peer in self._said and agent in self._said[peer].cold

    def cold(self, peers: Sequence[PeerId], agents: Sequence[str]) -> NDArray[np.bool_] | None:
        """(N,) whose model has to be loaded first; None where nobody's has. `peers`, `agents`: (N,) pairs."""
        return _rows(peers, agents, {peer: one.cold for peer, one in self._said.items()})

    def keeps_any(self, peer: PeerId) -> bool:
        """Whether a peer said of some agent that its model is not loaded because we ask, however long ago."""
        return peer in self._said and bool(self._said[peer].kept)

    def kept(self, peers: Sequence[PeerId], agents: Sequence[str], now: float) -> NDArray[np.bool_] | None:
        """(N,) whose model is not loaded because we ask; None where there is nobody. `peers`, `agents`: (N,) pairs."""
        fresh = ((peer, one) for peer, one in self._said.items() if one.kept and now - one.at <= KEPT_S)
        return _rows(peers, agents, {peer: one.kept for peer, one in fresh})


def _rows(
    peers: Sequence[PeerId], agents: Sequence[str], said: Mapping[PeerId, frozenset[str]]
) -> NDArray[np.bool_] | None:
    if not said:
        return None
    pairs = zip(peers, agents, strict=True)
    return np.array([agent in said.get(peer, ()) for peer, agent in pairs], dtype=np.bool_)
