"""What a peer says about itself when asked: models, readiness, status. Read-only views for people and their tools."""

from math import isfinite
from typing import Any

from discovery.records import Agent
from gateway.capacity.door import Door
from gateway.engines.local import LocalEngine
from gateway.peering.network import Network
from gateway.routing.decision import Decision
from gateway.routing.node import Node
from gateway.wire.request import VIRTUAL_MODEL

ABILITIES = frozenset({"tools", "embeddings"})  # what a card lists beside modalities


def model_entries(node: Node) -> list[dict[str, Any]]:
    """The entries of /v1/models: `auto`, and every model that somebody serves, with who serves it."""
    roster = node.roster
    entries: dict[str, dict[str, Any]] = {}
    serves = roster.local | roster.approved & ~roster.dead
    for index, model in enumerate(roster.models):
        if not serves[index]:
            continue
        entry = entries.setdefault(model, _entry(model))
        _widen(entry, int(roster.context_tokens[index]), roster.modalities[index])
        if roster.peer_names[index] not in entry["ppai"]["peers"]:
            entry["ppai"]["peers"].append(roster.peer_names[index])
    auto = _entry(VIRTUAL_MODEL)
    for entry in entries.values():
        can = frozenset(entry["ppai"]["abilities"])
        _widen(auto, entry["max_model_len"] or 0, can.union(entry["architecture"]["input_modalities"]))
        auto["ppai"]["peers"] += [name for name in entry["ppai"]["peers"] if name not in auto["ppai"]["peers"]]
    return [auto, *entries.values()]


def missing(node: Node, engine: LocalEngine) -> list[str]:
    """What keeps this peer from answering anything; empty while somebody can."""
    roster = node.roster
    if (roster.local | roster.approved & ~roster.dead & ~roster.suspect).any():
        return []
    return [engine.state.problem or "the engine serves no model"]


def engine_status(door: Door) -> dict[str, Any]:
    """The local engine as `ppai status` and the page show it."""
    engine, state, load = door.engine, door.engine.state, door.load
    return {
        "origin": engine.origin,
        "problem": state.problem,
        "family": state.family,
        "models": [
            {"id": model.id, "context_tokens": model.context_tokens, "loaded": model.is_loaded}
            for model in state.models
        ],
        "slots": state.slots,
        "running": state.running,
        "waiting": state.waiting,
        "load_source": state.load_source,
        "in_flight": engine.in_flight,
        "remote_running": load.remote_running,
        "admission": door.admission,
    }


def peer_rows(node: Node, network: Network, now: float) -> list[dict[str, Any]]:
    """Every peer known: who it is, what it runs, how it is, what it may do."""
    rows = []
    for member in network.gossip.members():
        card, pulse = member.card, member.pulse
        age_s = network.gossip.age(member.id, now)
        dialled = network.transport.client.addresses(member.id)
        rows.append(
            {
                "id": member.id,
                "name": card.name,
                "state": member.state,
                "reason": member.reason,
                "rights": sorted(network.admission.rights(member.id)),
                "addresses": [str(address) for address in card.addr],
                "path": str(dialled[0]) if dialled else None,  # the address we dial first; none: it calls us
                "agents": [_agent_row(agent) for agent in card.agents],
                "slots": card.slots,
                "running": pulse.running if pulse else None,
                "waiting": pulse.waiting if pulse else None,
                "admission": pulse.admission if pulse else None,
                "age_s": round(age_s, 3) if isfinite(age_s) else None,
                "rtt_s": round(node.beliefs[member.id].rtt_s, 4) if member.id in node.beliefs else None,
                "gen": card.gen,
                "seq": card.seq,
                "equivocated": member.equivocated,
            }
        )
    return rows


def refused_rows(network: Network) -> list[dict[str, str]]:
    """Peers that were kept out, and why."""
    return [{"id": peer, "name": name, "why": why} for peer, (name, why) in network.transport.endpoint.refused.items()]


def candidate_rows(decision: Decision) -> list[dict[str, Any]]:
    """A decision's columns for a person to read, best first, the excluded ones last."""
    place = {index: number for number, index in enumerate(decision.order)}
    rows = sorted(range(len(decision.excluded)), key=lambda index: place.get(index, len(place) + index))
    return [
        {
            "peer": candidate.peer_name,
            "agent": candidate.agent,
            "model": candidate.model,
            "local": candidate.local,
            "score": round(candidate.score, 4),
            "profiled": not candidate.unprofiled,
            "wait_s": round(candidate.wait_s, 4),
            "service_s": round(candidate.service_s, 4),
            "transit_s": round(candidate.transit_s, 4),
            "risk_s": round(candidate.risk_s, 4),
            "crowding_s": round(candidate.crowding_s, 4),
            "cost_s": round(candidate.cost_s, 4),
            "utility": round(candidate.utility, 5),
            "excluded": candidate.excluded,
        }
        for candidate in map(decision.candidate, rows)
    ]


def waiting_text(names: list[str]) -> str:
    """What is said wherever a person looks while peers wait to be approved."""
    count, shown = len(names), " ".join(sorted(names)[:4])
    peers = "1 peer waits" if count == 1 else f"{count} peers wait"
    return f"{peers} to be approved: run `ppai approve NAME` for whom you trust ({shown})"


def _agent_row(agent: Agent) -> dict[str, Any]:
    profiles = {
        space: {"capability": [value / 255 for value in profile.capability], "evidence": list(profile.evidence)}
        for space, profile in agent.profiles.items()
    }
    newest: dict[str, Any] = list(profiles.values())[-1] if profiles else {"capability": None, "evidence": None}
    return {
        "name": agent.name,
        "model": agent.model,
        "context_tokens": agent.context_tokens,
        "spaces": list(profiles),
        "capability": [round(value, 4) for value in newest["capability"]] if profiles else None,
        "evidence": newest["evidence"],
    }


def _entry(model: str) -> dict[str, Any]:
    return {
        "id": model,
        "object": "model",
        "created": 0,
        "owned_by": "ppai",
        "max_model_len": None,
        "architecture": {"input_modalities": []},
        "metadata": {"context_length": None},
        "ppai": {"peers": [], "abilities": []},
    }


def _widen(entry: dict[str, Any], context_tokens: int, modalities: frozenset[str]) -> None:
    entry["max_model_len"] = max(entry["max_model_len"] or 0, context_tokens) or None
    entry["metadata"]["context_length"] = entry["max_model_len"]
    for shown, named in (
        (entry["architecture"]["input_modalities"], modalities - ABILITIES),
        (entry["ppai"]["abilities"], modalities & ABILITIES),
    ):
        shown[:] = sorted({*shown, *named})
