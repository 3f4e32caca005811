"""Who may be asked for an endpoint beside chat, and in which order (P): nothing is scored, few machines have one.

1. Our own agents whose engine says that it has the endpoint; a last resort comes after the others.
2. Our own agents whose engine does not say what it has: they may be tried.
3. Agents of other peers that say that they have it. Nobody else is tried over the network.

Whoever has it and may not be asked is in the list, too, with the reason: an error names who would have it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from discovery.records import Agent, PeerId, Place
from gateway.privacy.rules import Reach


class Other(NamedTuple):
    """Another peer, as far as this is concerned."""

    peer: PeerId
    name: str  # as it is shown
    state: str
    may_answer: bool  # it is approved
    knows: bool  # its version of PPAI answers such requests
    agents: Collection[Agent]
    is_mine: bool = False  # a machine of the owner's
    is_vouched: bool = True  # the owner, his list or his secret says who it is


class Wanted(NamedTuple):
    """What is asked for, and of whom."""

    endpoint: str
    models: frozenset[str] | None  # names that will do; None: any
    pin: PeerId | str | None = None  # `local`, or a peer
    stays_here: bool = False  # it may not leave this machine
    reach: Reach = "anyone"  # how far the owner's rules let it go
    rule: str = ""  # the rule that says so, as "privacy:NAME"


@dataclass(frozen=True, slots=True)
class Having:
    """An agent that has the endpoint, or may have it: `excluded` says why it is not asked."""

    peer: PeerId
    name: str
    agent: Agent
    is_own: bool
    excluded: str = ""
    is_told: bool = True  # whether it is said that it has it; else it may be tried


def who_has(wanted: Wanted, me: PeerId, name: str, own: Iterable[Agent], others: Iterable[Other]) -> list[Having]:
    """All agents that have the endpoint and the model, or may be tried for it, in the order in which they are asked."""
    found = [
        Having(me, name, agent, True, _why_not_ours(wanted, agent), wanted.endpoint in agent.endpoints)
        for agent in _named(wanted, own)
        if wanted.endpoint in agent.endpoints or not agent.endpoints
    ]
    found.sort(key=lambda each: (not each.is_told, each.agent.last_resort))
    return found + [
        Having(other.peer, other.name, agent, False, _why_not_theirs(wanted, other, agent))
        for other in others
        for agent in _named(wanted, other.agents)
        if wanted.endpoint in agent.endpoints
    ]


_PLACES: Mapping[Reach, tuple[Place, ...]] = {  # where an agent must be said to run; "": it does not say
    "this machine": ("here",),
    "my machines": ("here",),
    "approved": ("here", "other host"),
    "anyone": ("here", "other host", "cloud", ""),
}


def _named(wanted: Wanted, agents: Iterable[Agent]) -> list[Agent]:
    return [agent for agent in agents if wanted.models is None or {agent.name, agent.model} & wanted.models]


def _why_not_ours(wanted: Wanted, agent: Agent) -> str:
    if wanted.pin not in (None, "local"):
        return "pinned"
    if wanted.stays_here and (agent.place != "here" or agent.last_resort):
        return "place"
    return "" if agent.place in _PLACES[wanted.reach] else wanted.rule or "privacy"


def _why_not_theirs(wanted: Wanted, other: Other, agent: Agent) -> str:
    counts = {"this machine": False, "my machines": other.is_mine, "approved": other.is_vouched}.get(wanted.reach, True)
    if not counts or agent.place not in _PLACES[wanted.reach]:
        return wanted.rule or "privacy"
    if wanted.stays_here or wanted.pin not in (None, other.peer):
        return "pinned"
    if other.state != "alive":
        return other.state
    if not other.may_answer:
        return "not_approved"
    return "" if other.knows else "version"
