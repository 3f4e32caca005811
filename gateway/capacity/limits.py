"""What one other peer may have of one agent at once, and whether a model is loaded for it (P): `admission.limits`.

The first limit that is for a peer and an agent counts for them, and no other. For example

    - {peer: ben, agents: [coder], at_once: 2, cold: false}
    - {peer: anyone, agents: [coder], at_once: 0}

lets ben have two requests at coder at a time, of a model that is loaded already, and nobody else any. A limit for
several peers or agents bounds what one peer has of all of these agents together, each peer for itself.

A name is one that its peer chose: where several approved peers have it, none of them gets anything by that limit. Who
must not slip out of a limit by another name is written by his id, or met by a last limit for `anyone`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec

from discovery.names import meant
from discovery.records import PeerId

WORDS = frozenset({"anyone", "mine"})  # what `peer` means without naming one

# What is said to a request: it may come; its peer has all that it may have at once; it may have none at all.
Said = Literal["yes", "all", "none"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One of the owner's limits."""

    peer: str  # its name or id | mine: peers tagged as the owner's own | anyone: every other peer
    agents: tuple[str, ...] = ()  # names of agents or models, such as "coder*"; (): all
    at_once: Annotated[int, msgspec.Meta(ge=0, le=4096)] | None = None  # its requests here; None: as many as fit
    cold: bool | None = None  # whether a model is loaded because it asks; None: as engine.load_for_others says


@dataclass(frozen=True, slots=True)
class Named:
    """The peers that the owner may mean."""

    approved: Mapping[PeerId, str] = field(default_factory=dict)  # id -> name of those that somebody vouches for
    mine: Collection[PeerId] = ()


class Limits:
    """The owner's limits, and what each peer has at present."""

    def __init__(self, limits: Sequence[Limit] = (), named: Callable[[], Named] = Named) -> None:
        self._limits, self._named = tuple(limits), named
        self._held = Counter[tuple[int, PeerId]]()  # by the limit's number and the peer

    def loads(self, peer: PeerId, agent: str, by_engine: bool) -> bool:
        """Whether the agent's model is loaded because this peer asks; `by_engine`: what its engine's settings say."""
        number = self._of(peer, agent)
        cold = None if number is None else self._limits[number].cold
        return by_engine if cold is None else cold

    def take(self, peer: PeerId, agent: str) -> tuple[Said, Callable[[], None]]:
        """Whether one more request may come, and what to call when it has gone."""
        number = self._of(peer, agent)
        if number is None:
            return "yes", _nothing
        limit, key = self._limits[number], (number, peer)
        at_once = 0 if self._is_ambiguous(limit.peer) else limit.at_once
        if at_once is not None and self._held[key] >= at_once:
            return "all" if at_once else "none", _nothing
        self._held[key] += 1
        return "yes", lambda: self._release(key)

    def unmeant(self) -> list[str]:
        """What is wrong with the names, in words for the owner."""
        named, lines = self._named(), list[str]()
        for name in dict.fromkeys(limit.peer for limit in self._limits if limit.peer not in WORDS):
            who = sorted(meant(name, named.approved))
            if not who:
                lines.append(f"admission.limits: no approved peer is called `{name}` now: see ppai peers")
            elif len(who) > 1:
                ids = " or ".join(who)
                lines.append(f"admission.limits: {len(who)} peers are called `{name}`, none gets any: write {ids}")
        return lines

    def __bool__(self) -> bool:
        return bool(self._limits)

    def _of(self, peer: PeerId, agent: str) -> int | None:
        """The number of the limit that counts; None where none is for them."""
        if not self._limits:
            return None
        named, name = self._named(), agent.casefold()
        for number, limit in enumerate(self._limits):
            if _is_for(limit.peer, peer, named) and (not limit.agents or _is_among(name, limit.agents)):
                return number
        return None

    def _is_ambiguous(self, who: str) -> bool:
        return who not in WORDS and len(meant(who, self._named().approved)) > 1

    def _release(self, key: tuple[int, PeerId]) -> None:
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]


def _is_for(who: str, peer: PeerId, named: Named) -> bool:
    if who in WORDS:
        return who == "anyone" or peer in named.mine
    return peer in meant(who, named.approved)


def _is_among(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns)


def _nothing() -> None:
    pass
