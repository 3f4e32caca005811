"""How the peer is doing: alive, ready, its status, the peers that it knows."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from discovery.members import Member
from discovery.names import spoken
from gateway.capacity.door import Door
from gateway.client.calls import Calls, json_response
from gateway.client.openapi import openapi_page
from gateway.client.running import RunningPeer
from gateway.client.views import KnownPeer, engine_status, engines_status, peer_rows, refused_rows, waiting_lines
from gateway.serving.refusals import missing
from gateway.version import own_version

KEY_TELLS = "ask with an API key to hear what"


def add_status_pages(calls: Calls, peer: RunningPeer) -> None:
    @calls.get("/health")
    async def health(_: Request) -> dict[str, str]:
        return {"status": "ok"}

    @calls.get("/ready")
    async def ready(request: Request) -> Response:
        absent = missing_here(peer)
        is_stranger = getattr(request.state, "is_stranger", False)  # he hears whether, not what our engine lacks
        shown = [KEY_TELLS] if absent and is_stranger else absent
        return json_response({"ready": not absent, "missing": shown}, 503 if absent else 200)

    @calls.get("/openapi.json")
    async def openapi(_: Request) -> dict[str, Any]:
        return openapi_page(own_version())

    @calls.get("/ppai/v1/status")
    async def status(_: Request) -> dict[str, Any]:
        return status_of(peer)

    @calls.get("/ppai/v1/peers")
    async def peers(_: Request) -> list[dict[str, Any]]:
        return peers_of(peer)


def status_of(peer: RunningPeer) -> dict[str, Any]:
    """How the peer is doing, as `ppai status --json` shows it."""
    waiting = peer.network.waiting()
    return {
        "id": peer.node.me,
        "name": peer.node.name,
        "words": spoken(peer.node.me),
        "version": own_version(),
        "url": peer.url,
        "uptime_s": round(peer.clock() - peer.began, 1),
        "workers": None if (workers := peer.workers()) is None else asdict(workers),
        **_engines_status(peer),
        "network": _network_status(peer, list(waiting.values())),
        "gate": _gate_status(peer),
        "measuring": peer.measuring.progress(),
        "kept_shut": peer.sharing.why() or None,
        "say": waiting_lines(waiting),
        "missing": missing_here(peer),
    }


def peers_of(peer: RunningPeer) -> list[dict[str, Any]]:
    """Every peer that is known, as `ppai peers --json` shows it."""
    return peer_rows(_known_peers(peer))


def missing_here(peer: RunningPeer) -> list[str]:
    """What is lacking so that nobody can answer; empty: somebody can."""
    return missing(peer.node.roster, peer.doors.problem)


def _engines_status(peer: RunningPeer) -> dict[str, Any]:
    """`engine`: our engines together; `engines`: each of them."""
    each = engine_rows(peer)
    return {"engine": engines_status(each, peer.doors.load, peer.doors.problem), "engines": each}


def engine_rows(peer: RunningPeer) -> list[dict[str, Any]]:
    """Each of our engines."""
    space = peer.dispatcher.decider.reader.gate.space
    profiled = {agent.name for agent in peer.node.own_agents if space in agent.profiles}
    return [_engine_status(peer, door, profiled) for door in peer.doors.shown]


def _engine_status(peer: RunningPeer, door: Door, profiled: Collection[str]) -> dict[str, Any]:
    number, engine = peer.doors.number_of(door), door.engine
    called = {agent.model: agent.name for agent in peer.node.own_agents if agent.engine == number}
    agents = {model: name for model, name in called.items() if model != name}
    return engine_status(
        engine.name, engine.origin, engine.not_adopted, engine.state, engine.in_flight, door.load, door.admission,
        profiled, agents,
    )  # fmt: skip


def _network_status(peer: RunningPeer, waiting: list[str]) -> dict[str, Any]:
    network = peer.network
    return {
        "name": network.admission.net,
        "admission": network.admission.mode,
        **_secret_status(peer),
        "addresses": [str(address) for address in network.addresses()],
        "reach": network.looks.state(),
        "relays": network.tunnels.rows(),
        "punching": network.tunnels.punching.state() if network.tunnels.punching else None,
        "relayed": network.relay.rows() if network.relay else [],
        "relay_refused": dict(network.relay.refused) if network.relay else {},
        "peers": sum(member.state in ("alive", "suspect") for member in network.gossip.members()),
        "waiting": waiting,
        "refusing": [known.member.card.name for known in _known_peers(peer) if known.refuses_us],
        "refused": refused_rows(network.transport.endpoint.refused),
        "left_out_of_card": list(network.left_out_of_card),
        "identity_in_use": network.gossip.identity_in_use,
    }


def _secret_status(peer: RunningPeer) -> dict[str, Any]:
    """Who knows the network's secret, and whether others who show it wait since one of them was revoked."""
    network = peer.network
    names = network.transport.remembered_names()
    return {
        "holders": [
            {"peer": holder, "name": network.name_of(holder) or names.get(holder)}
            for holder in network.admission.holders.all()
        ],
        "new_ids_wait": network.admission.holders.is_closed,
    }


def _gate_status(peer: RunningPeer) -> dict[str, Any]:
    """Which gate, and who reads for it; `folder` is empty for the shipped one."""
    reader, config = peer.dispatcher.decider.reader, peer.gate
    return {
        "space": reader.gate.space,
        "prototypes": reader.gate.K,
        "folder": str(Path(config.gate).expanduser().resolve()) if config.gate else "",
        "encoder_model": config.encoder_model,
        "encoders": reader.encoders,
        "problem": reader.problem,
        "lacking": reader.full_problem,
    }


def _known_peers(peer: RunningPeer) -> list[KnownPeer]:
    return [known_peer(peer, member) for member in peer.network.gossip.members()]


def known_peer(peer: RunningPeer, member: Member) -> KnownPeer:
    """A peer as gossip knows it, with what else we know of it."""
    network, beliefs, now = peer.network, peer.node.beliefs, peer.clock()
    client = network.transport.client
    return KnownPeer(
        member,
        peer.node.agents_of(member),
        network.admission.rights(member.id),
        client.addresses(member.id),
        network.gossip.age(member.id, now),
        beliefs[member.id].ways.rtt_s if member.id in beliefs else None,
        client.contacts.refusal(member.id) if member.state in ("alive", "suspect") else "",
        network.admission.is_mine(member.id),
        peer.node.honesty.standing(member.id, now),
        network.transport.client.is_relayed(member.id),
        network.tunnels.punching.address_of(member.id) if network.tunnels.punching else None,
    )
