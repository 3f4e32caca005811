"""Who may use a personal agent (P): what the owner's file says under `use`, and who asks.

A peer has to have the right `ask` in any case (discovery/admission.py); `use` makes it narrower. For example a peer
that was approved may ask for models, and may use an agent with `use: approved`, but none with `use: mine`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from discovery.names import meant
from discovery.records import PeerId

WORDS: Mapping[str, str] = {
    "me": "programs of this machine alone",
    "mine": "peers tagged by `ppai approve NAME --mine`",
    "approved": "peers that you approved, or that know the network's secret",
    "anyone": "everybody who may ask this peer",
}
_FOR_ALL = frozenset({"approved", "anyone"})  # every approved peer may use it


@dataclass(frozen=True, slots=True)
class Others:
    """The peers that the owner may mean."""

    approved: Mapping[PeerId, str] = field(default_factory=dict)  # id -> name of those that somebody vouches for
    mine: frozenset[PeerId] = frozenset()


def may_use(use: Collection[str], peer: PeerId, others: Others) -> bool:
    """Whether a peer that has the right `ask` may use an agent. A name that several approved peers have means none."""
    if "anyone" in use:
        return True
    if peer not in others.approved:
        return False
    if "approved" in use or ("mine" in use and peer in others.mine):
        return True
    return any(peer in who and len(who) == 1 for who in (named(name, others) for name in use))


def named(name: str, others: Others) -> tuple[PeerId, ...]:
    """The approved peers that a name or id under `use` means: one, or it counts for nobody. A word means no peer."""
    return () if name in WORDS else tuple(peer for peer in meant(name, others.approved) if peer in others.approved)


def unmeant(use: Collection[str], others: Others) -> list[str]:
    """What is wrong with names under `use`, for their owner: a name that means nobody lets nobody in."""
    found = {name: named(name, others) for name in use if name not in WORDS}
    lines = [f"`use`: no approved peer is called `{name}`: see ppai peers" for name, who in found.items() if not who]
    several = {name: who for name, who in found.items() if len(who) > 1}
    return lines + [
        f"`use`: {len(who)} peers are called `{name}`, and none is let in: write an id, {' or '.join(sorted(who))}"
        for name, who in several.items()
    ]


def is_for_all(use: Collection[str]) -> bool:
    """Whether every approved peer may use it, so that the card, which strangers read too, may name it."""
    return not _FOR_ALL.isdisjoint(use)
