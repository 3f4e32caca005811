"""What a peer tells of itself, as JSON-able values (P): models, its engine, other peers, candidates."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np

from discovery.admission import Right
from discovery.invites import PIN_TRIES, Invite
from discovery.members import Member
from discovery.names import spoken, with_id
from discovery.records import Address, AdmissionState, Agent, Kind, PeerId
from gateway.capacity.rules import EngineLoad, most_open
from gateway.engines.engine_state import EngineState
from gateway.models.claims import claim
from gateway.models.same import model_key
from gateway.routing.choice import Candidate, Choice
from gateway.routing.roster import Roster
from gateway.routing.worth import Basis
from gateway.trust.honesty import Standing
from gateway.wire.request import VIRTUAL_MODEL

ABILITIES = frozenset({"tools", "embeddings"})  # what a card lists beside modalities
Untold = Callable[[PeerId, str], frozenset[str]]


def model_entries(roster: Roster, untold: Untold = lambda peer, agent: frozenset()) -> list[dict[str, Any]]:
    """The entries of /v1/models: `auto`, and every model that somebody serves, with who serves it.

    `untold`: what an agent may be tried for, though its engine does not tell that it can. A model is one entry
    however its servers call it, by our own engine's name, else by the one that most of them use.
    """
    serves = roster.local | roster.approved & ~roster.dead
    groups: dict[tuple[str, Kind], list[int]] = {}
    for index in np.flatnonzero(serves).tolist():
        kind: Kind = "agent" if roster.personal and roster.personal[index] else "model"
        groups.setdefault((model_key(roster.models[index]), kind), []).append(index)
    entries = [_entry(VIRTUAL_MODEL, "virtual", roster, np.flatnonzero(serves).tolist(), untold)]
    return entries + [
        _entry(_usual_name(roster, rows), kind, roster, rows, untold)
        for (key, kind), rows in groups.items()
        if key != VIRTUAL_MODEL  # a model of this name cannot be asked for
    ]


def model_entry(name: str, roster: Roster, untold: Untold = lambda peer, agent: frozenset()) -> dict[str, Any] | None:
    """The entry of the model that a name means; None where nobody serves it."""
    entries = {entry["id"]: entry for entry in model_entries(roster, untold)}
    same = (entry for entry in entries.values() if model_key(entry["id"]) == model_key(name))
    return entries.get(name) or next(same, None)


def engines_status(engines: Sequence[Mapping[str, Any]], load: EngineLoad, problem: str | None) -> dict[str, Any]:
    """All our engines together, from the rows of `engine_status`: that of the only one, or their sum.

    `problem`: why none answers; None while one does.
    """
    if len(engines) == 1:
        return dict(engines[0])
    up = [engine for engine in engines if not engine["problem"]]
    models = {model["id"]: model for engine in reversed(up) for model in reversed(engine["models"])}
    return {
        **(up or engines)[0],
        "name": "",
        "origin": f"{len(engines)} engines",
        "not_adopted": list(dict.fromkeys(line for engine in engines for line in engine["not_adopted"])),
        "problem": problem,
        "models": list(reversed(models.values())),
        **{key: sum(engine[key] for engine in up) for key in ("slots", "running", "waiting", "in_flight")},
        "remote_running": load.remote_running,
        "admission": most_open(engine["admission"] for engine in engines),
    }


def engine_status(
    name: str,
    origin: str,
    not_adopted: tuple[str, ...],
    state: EngineState,
    in_flight: int,
    load: EngineLoad,
    admission: AdmissionState,
    profiled: Collection[str],
    agents: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One of our engines as `ppai status` shows it; `in_flight` requests of ours are open at it.

    `profiled`: names of the agents that have a capability vector in our gate's space. `agents`: what the network calls
    its models, by their names, where that is another name.
    """
    shown = agents or {}
    return {
        "name": name,
        "origin": origin,
        "not_adopted": list(not_adopted),
        "problem": state.problem,
        "family": state.family,
        "place": state.place,
        "models": [
            {
                "id": shown.get(model.name, model.id),
                "context_tokens": model.context_tokens,
                "loaded": model.is_loaded,
                "loading": None if model.loading is None else round(model.loading, 2),
                "abilities": sorted(model.modalities),
                "profiled": shown.get(model.name, model.name) in profiled,
                "parameters": model.parameters or None,
                "quantisation": model.quantisation or None,
            }
            for model in state.models
        ],
        "slots": state.slots,
        "running": state.running,
        "waiting": state.waiting,
        "load_source": state.load_source,
        "in_flight": in_flight,
        "remote_running": load.remote_running,
        "admission": admission,
    }


def engine_line(origin: str, state: EngineState) -> str:
    """What `ppai serve` says of an engine whenever that changes."""
    if not state.is_ready:
        return f"engine: {state.problem}"
    models = ", ".join(model.id for model in state.models)
    return f"engine: {origin}, serving {models}, {state.slots} slots"


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """A peer as gossip knows it, with what admission, transport and beliefs add."""

    member: Member
    agents: Sequence[Agent]  # those of its card and the others that it told us of
    rights: Collection[Right]
    dialled: Sequence[Address]  # where we reach it, the address we dial first at the front; none: it calls us
    age_s: float  # since its newest sign of life; infinite where there was none
    rtt_s: float | None  # a round trip to it, as we believe
    refuses_us: str = ""  # why it does not take our requests; empty where it does, or was not asked
    is_mine: bool = False  # the owner said that it is a machine of his own
    standing: Standing | None = None  # what audits said of it
    is_relayed: bool = False  # a relay is between us
    punched: Address | None = None  # where its NAT lets us in, to whom it let us in


def peer_rows(peers: Iterable[KnownPeer]) -> list[dict[str, Any]]:
    """Every peer known: who it is, what it runs, how it is, what it may do."""
    return [peer_row(peer) for peer in peers]


def refused_rows(refused: Mapping[PeerId, tuple[str, str]]) -> list[dict[str, str]]:
    """Peers that were kept out, with (name, why)."""
    return [{"id": peer, "name": name, "why": why} for peer, (name, why) in refused.items()]


def candidate_rows(choice: Choice) -> list[dict[str, Any]]:
    """A choice for a person to read, best first, those who are not asked last."""
    return [
        {
            "peer": candidate.peer_name,
            "agent": candidate.agent,
            "model": candidate.model,
            "local": candidate.local,
            "score": round(candidate.score, 4),
            "profiled": not candidate.unprofiled,
            "basis": candidate.basis,
            **personal_fields(candidate),
            "wait_s": round(candidate.wait_s, 4),
            "service_s": round(candidate.service_s, 4),
            "transit_s": round(candidate.transit_s, 4),
            "risk_s": round(candidate.risk_s, 4),
            "crowding_s": round(candidate.crowding_s, 4),
            "cost_s": round(candidate.cost_s, 4),
            "utility": round(candidate.utility, 5),
            "excluded": candidate.excluded,
        }
        for candidate in (*choice.order, *choice.rest)
    ]


def personal_fields(candidate: Candidate) -> dict[str, Any]:
    """What a candidate is, and of a personal agent what it has before which model."""
    personal = candidate.personal
    if personal is None:
        return {"kind": "model", "base": None, "tools": []}
    return {"kind": "agent", "base": personal.base or None, "tools": list(personal.tools)}


def waiting_lines(waiting: Mapping[PeerId, str]) -> list[str]:
    """What is said wherever a person looks while peers (id -> name) wait to be approved; nothing where nobody does.

    The command takes an id: a name is the stranger's own choice, and may be another's, or words for a shell.
    """
    if not waiting:
        return []
    count, names = len(waiting), sorted((name, peer) for peer, name in waiting.items())
    shown = ", ".join(with_id(name, peer) for name, peer in names[:4]) + (", ..." if count > 4 else "")
    peers = "1 peer waits" if count == 1 else f"{count} peers wait"
    return [f"{peers} to be approved: run `ppai approve ID` for whom you trust: {shown}"]


def peer_row(peer: KnownPeer) -> dict[str, Any]:
    """Who a peer is, what it runs, how it is, what it may do."""
    member, card, pulse = peer.member, peer.member.card, peer.member.pulse
    return {
        "id": member.id,
        "name": card.name,
        "words": spoken(member.id),
        "state": member.state,
        "reason": member.reason,
        "rights": sorted(peer.rights),
        "mine": peer.is_mine,
        "refuses_us": peer.refuses_us or None,
        "addresses": [str(address) for address in card.addr],
        "path": str(peer.punched or peer.dialled[0]) if peer.dialled else None,
        "relayed": peer.is_relayed,
        "punched": peer.punched is not None,
        "agents": [agent_row(agent) for agent in peer.agents],
        "slots": card.slots,
        "running": pulse.running if pulse else None,
        "waiting": pulse.waiting if pulse else None,
        "admission": pulse.admission if pulse else None,
        "age_s": round(peer.age_s, 3) if isfinite(peer.age_s) else None,
        "rtt_s": None if peer.rtt_s is None else round(peer.rtt_s, 4),
        "gen": card.gen,
        "seq": card.seq,
        "equivocated": member.equivocated,
        "trust": _trust(peer.standing),
    }


def _trust(standing: Standing | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    shown = {
        name: round(getattr(standing, name), 3)
        for name in ("right", "weight", "share", "set_aside_s", "compared", "alike")
    }
    return {"verdict": standing.verdict, "words": standing.words, "asked": standing.asked, **shown}


def agent_row(agent: Agent) -> dict[str, Any]:
    """What is told of an agent, and its newest capability vector."""
    profiles = {
        space: {"capability": [value / 255 for value in profile.capability], "evidence": list(profile.evidence)}
        for space, profile in agent.profiles.items()
    }
    newest: dict[str, Any] = list(profiles.values())[-1] if profiles else {"capability": None, "evidence": None}
    return {
        "name": agent.name,
        "model": agent.model,
        "kind": agent.kind,
        "base": agent.base or None,
        "tools": list(agent.tools),
        "topics": list(agent.topics),
        "domain": asdict(agent.domain) if agent.domain.questions else None,
        "description": agent.description,
        "context_tokens": agent.context_tokens,
        "modalities": list(agent.modalities),
        "untold": list(agent.untold),
        "continues": list(agent.continues),
        "place": agent.place or None,
        "embedded": agent.is_embedded,
        "parameters": agent.parameters or None,
        "quantisation": agent.quantisation or None,
        "prior": Basis(
            claim(agent.base or agent.model, agent.parameters, agent.quantisation).words, agent.parameters > 0
        ).words(""),
        "spaces": list(profiles),
        "capability": [round(value, 4) for value in newest["capability"]] if profiles else None,
        "evidence": newest["evidence"],
    }


def _usual_name(roster: Roster, rows: Sequence[int]) -> str:
    own = [roster.models[row] for row in rows if roster.local[row]]
    used = Counter(roster.models[row] for row in rows)
    return own[0] if own else min(used, key=lambda name: (-used[name], name))


def _personal(roster: Roster, rows: Sequence[int]) -> dict[str, Any]:
    """What is told of personal agents of one name: the models that they ask, and kinds of their tools."""
    agents = [agent for row in rows if (agent := roster.personal[row]) is not None]
    kinds = dict.fromkeys(kind for agent in agents for kind in agent.tools)
    said = next((agent.description for agent in agents if agent.description), "")
    models = list(dict.fromkeys(agent.base for agent in agents if agent.base))
    return {"description": said, "models": models, "tools": list(kinds)}


def _entry(name: str, kind: str, roster: Roster, rows: Sequence[int], untold: Untold) -> dict[str, Any]:
    """One entry of /v1/models; the widest context and all modalities of those who serve it count."""
    tried = {row: untold(roster.peer_ids[row], roster.agents[row]) for row in rows}
    context = max((int(roster.context_tokens[row]) for row in rows), default=0) or None
    modalities = frozenset[str]().union(*(roster.modalities[row] - tried[row] for row in rows))
    names = {roster.models[row]: None for row in rows} if kind != "virtual" else {}
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "ppai",
        "max_model_len": context,
        "context_length": context,
        "architecture": {"input_modalities": sorted(modalities - ABILITIES)},
        "metadata": {"context_length": context},
        "ppai": {
            "kind": kind,
            **(_personal(roster, rows) if kind == "agent" else {}),
            "names": list(names),
            "peers": list(dict.fromkeys(roster.peer_names[row] for row in rows)),
            "abilities": sorted(modalities & ABILITIES),
            "untold": sorted(frozenset[str]().union(*tried.values()) - modalities),
        },
    }


def invite_row(invite: Invite) -> dict[str, Any]:
    """An invitation as its owner sees it, without what lets somebody in."""
    return {
        "id": invite.id,
        "for": invite.label or None,
        "by": "pin" if invite.pin else "line",
        "state": invite.state,
        "expires": invite.expires,
        "rights": list(invite.rights),
        "mine": invite.mine,
        "gives_secret": invite.gives_secret,
        "refused": invite.refused,
        "used_by": {"peer": invite.by, "name": invite.by_name} if invite.by else None,
        "tries_left": max(0, PIN_TRIES - invite.tries) if invite.pin else None,
    }
