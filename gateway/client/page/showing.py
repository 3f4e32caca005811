"""What the page is shown of a running peer, as JSON by key: small values, so that a change sends little.

    me, sharing, engine/NAME, rule/NAME        this machine
    peer/ID, load/ID, good/ID                  who it is, how busy it is, what its agents are good at; ID `me` is ours
    request/NUMBER, invite/ID, tab/ID          the owner's alone

A peer's word, such as its name or why it refuses us, is passed on as it is: the page shows text as text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from discovery.members import Member
from discovery.names import shown_names, spoken
from discovery.records import Agent, PeerId
from gateway.client.owner import tab_row
from gateway.client.running import RunningPeer
from gateway.client.status import engine_rows, known_peer, missing_here
from gateway.client.views import KnownPeer, agent_row, invite_row, peer_row, waiting_lines
from gateway.privacy.rules import checked
from gateway.version import own_version

OWNERS = ("request/", "invite/", "tab/", "rule/")  # keys that only the owner may see
_APART = (
    "age_s",
    "rtt_s",
    "running",
    "waiting",
    "admission",
    "seq",
    "agents",
)  # of a peer's row


def may_see(key: str, *, is_owner: bool) -> bool:
    """Whether a page is told of this key."""
    return is_owner or not key.startswith(OWNERS)


class Showing:
    """Reads the running peer whenever it is asked; what it made of a card is kept until the card changes."""

    def __init__(self, peer: RunningPeer) -> None:
        self._peer = peer
        self._good: dict[PeerId, tuple[tuple[Agent, ...], bytes]] = {}
        categories = peer.dispatcher.decider.reader.gate.categories
        self._names, self._owner = np.unique(np.array(categories), return_inverse=True)

    def loads(self) -> dict[str, tuple[int, int] | None]:
        """(jobs in its engines, jobs that wait) of this machine, as `me`, and of each peer; None where not known."""
        own, found = self._peer.doors.load, dict[str, tuple[int, int] | None]()
        found["me"] = (own.running, own.waiting)
        for member in self._peer.network.gossip.members():
            pulse = member.pulse if member.state == "alive" else None
            found[member.id] = (pulse.running, pulse.waiting) if pulse else None
        return found

    def values(self) -> Iterator[tuple[str, bytes]]:
        """Everything, by key; read as it is asked for, so that whoever asks can pause."""
        peer = self._peer
        yield "me", _json(self._me())
        yield "sharing", _json(_sharing(peer))
        yield from ((f"engine/{row['name'] or 'own'}", _json(row)) for row in engine_rows(peer))
        yield from ((f"rule/{row['name']}", _json(row)) for row in _rules(peer))
        own = peer.doors.load
        yield "load/me", _json([own.running, own.waiting, peer.doors.admission, None])
        yield "good/me", self._good_of(peer.node.me, tuple(peer.node.own_agents))
        members = peer.network.gossip.members()
        approved = [member.id for member in members if peer.network.admission.may(member.id, "answer")]
        waiting = peer.network.waiting()
        shown = shown_names({member.id: member.card.name for member in members}, approved, peer.node.name)
        for member in members:
            known = known_peer(peer, member)
            yield f"peer/{member.id}", _json({**_peer(known, shown[member.id]), "waiting": member.id in waiting})
            yield f"load/{member.id}", _json(_load(member, known))
            yield f"good/{member.id}", self._good_of(member.id, tuple(known.agents))
        there = {peer.node.me, *(member.id for member in members)}
        self._good = {each: kept for each, kept in self._good.items() if each in there}
        for one in peer.route_log.recent.all:
            how = {"is_running": one.is_running, "is_explained": one.decided is not None}
            yield f"request/{one.number}", _json({**one.line, **how})
        for invite in peer.invitations.inviting.all():
            yield f"invite/{invite.id}", _json(invite_row(invite))
        for other, tab in peer.settling.tabs.all().items():
            yield f"tab/{other}", _json(tab_row(peer, other, tab))

    def _me(self) -> dict[str, Any]:
        peer, network = self._peer, self._peer.network
        return {
            "id": peer.node.me,
            "words": spoken(peer.node.me),
            "name": peer.node.name,
            "version": own_version(),
            "url": peer.url,
            "network": network.admission.net,
            "admission": network.admission.mode,
            "addresses": [str(address) for address in network.addresses()],
            "categories": self._names.tolist(),
            "reading": peer.dispatcher.decider.reader.problem,
            "missing": missing_here(peer),
            "say": waiting_lines(network.waiting()),
            "identity_in_use": network.gossip.identity_in_use,
            "slots": peer.doors.load.slots,
        }

    def _good_of(self, peer: PeerId, agents: tuple[Agent, ...]) -> bytes:
        """What each agent is, and by category how good it was measured to be."""
        kept = self._good.get(peer)
        if kept is None or kept[0] != agents:
            kept = self._good[peer] = agents, _json([self._agent(agent) for agent in agents])
        return kept[1]

    def _agent(self, agent: Agent) -> dict[str, Any]:
        row = agent_row(agent)
        capability, evidence = row.pop("capability"), row.pop("evidence")
        row.pop("spaces")
        space = self._peer.dispatcher.decider.reader.gate.space
        if space not in agent.profiles or len(capability) != len(self._owner):
            return {**row, "good": None, "evidence": None}
        return {**row, **by_category(capability, evidence, self._owner)}


def by_category(capability: list[float], evidence: list[int], owner: "np.ndarray[Any, Any]") -> dict[str, list[Any]]:
    """A vector over prototypes, (K,), as means by category, weighed by evidence; None where nothing was measured.

    `owner`: (K,) the category of each prototype, as a number from 0.
    """
    count = np.bincount(owner, evidence)
    total = np.bincount(owner, np.multiply(capability, evidence))
    means = np.divide(total, count, out=np.zeros(len(count)), where=count > 0)
    good = [round(float(mean), 3) if n else None for mean, n in zip(means, count, strict=True)]
    return {"good": good, "evidence": [int(n) for n in count]}


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _peer(known: KnownPeer, shown: str) -> dict[str, Any]:
    """Its row without what is told apart, or moves all the time: that would be news twice a second."""
    row = {key: value for key, value in peer_row(replace(known, agents=())).items() if key not in _APART}
    if trust := row["trust"]:
        is_aside = trust.pop("set_aside_s") > 0
        calm = {key: _two_digits(it) if isinstance(it, float) else it for key, it in trust.items()}
        row["trust"] = {**calm, "is_aside": is_aside}
    return {**row, "shown": shown}


def _load(member: Member, known: KnownPeer) -> list[Any]:
    """[jobs in its engines, jobs that wait, its door, round trip in ms]; of a peer that is silent nothing is known."""
    pulse = member.pulse if member.state == "alive" else None
    rtt_ms = None if known.rtt_s is None or not isfinite(known.rtt_s) else _two_digits(known.rtt_s * 1000)
    return [pulse.running, pulse.waiting, pulse.admission, rtt_ms] if pulse else [None, None, None, rtt_ms]


def _two_digits(value: float) -> float:
    """So that a belief that moves a little is no news."""
    return float(f"{value:.2g}")


def _sharing(peer: RunningPeer) -> dict[str, Any]:
    why, is_draining = peer.sharing.why() or None, peer.sharing.is_draining
    return {"kept_shut": why, "is_draining": is_draining, "others": peer.doors.load.remote_running}


def _rules(peer: RunningPeer) -> Iterator[Mapping[str, Any]]:
    """Each of the owner's privacy rules, and how often it decided how far a request went."""
    leaving = peer.dispatcher.decider.leaving
    for rule in leaving.rules:
        yield {"name": rule.name, "to": rule.to, "when": checked(rule), "held": leaving.held.get(rule.name, 0)}
