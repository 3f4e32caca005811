"""All checks, in the order in which they are shown: this machine, its engines, its network."""

import asyncio
import datetime
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from discovery.interfaces import interfaces
from gateway.config import Config
from gateway.doctor.engines import Row, engine_findings
from gateway.doctor.finding import Finding
from gateway.doctor.looking import TOKEN, look
from gateway.doctor.machine import home_findings, identity_findings, port_finding, weights_findings
from gateway.doctor.network import network_findings
from gateway.doctor.reach import reach_findings
from gateway.doctor.surroundings import firewall_finding, is_container, mdns_findings
from gateway.home.folder import Home
from gateway.peering import network

CONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class Running:
    """The peer that serves from the home, by its pages."""

    url: str
    status: Mapping[str, Any]
    peers: Sequence[Mapping[str, Any]]
    ask: Callable[[Mapping[str, object]], str]  # a chat request for our own engine: what went wrong, or ""
    looks: Sequence[Mapping[str, Any]] | None = None  # what peers found who dialled it back; None: it has none asked


def examine(
    home: Home,
    settings: Config | str,
    peer: Running | str | None,
    now: datetime.datetime,
) -> list[Finding]:
    """Everything that is found. `settings`: those in force, or why a peer does not start with them.

    `peer`: the one that runs; None where none does; a text says why one that runs does not answer.
    """
    found = home_findings(home)
    config = None if isinstance(settings, str) else settings
    if isinstance(settings, str):
        found.append(Finding("config", False, "a peer does not start with these settings", settings))
    else:
        found += [Finding("config", True, "the settings are valid"), _secret(settings, home)]
    found += [*identity_findings(home, now), *weights_findings(home), _peer(peer)]
    if isinstance(peer, Running):
        return found + _of_running(peer, config)
    if config is None:
        return [*found, Finding("engine-found", None, "engines were not looked at: the settings are not valid")]
    if peer is None:
        found.append(port_finding("port-client", config.client.host, config.client.port, "--port"))
        found.append(port_finding("port-peer", config.peer.host, config.peer.port, "--peer-port"))
    found += asyncio.run(look(config.own_engines, home))
    found += _surroundings(config, config.peer.port)
    return [*found, Finding("network-peers", None, "the network was not looked at: no peer runs here", "ppai serve")]


def _secret(config: Config, home: Home) -> Finding:
    """Whether the network's secret is good enough; settings that are valid have one where they need it."""
    if weak := network.check(config.network, home.path):
        return Finding("secret", False, "the network's secret is weak", weak)
    return Finding("secret", True, "the network's secret, if there is one, cannot be guessed")


def _peer(peer: Running | str | None) -> Finding:
    if peer is None:
        return Finding("peer", None, "no peer runs from this home", "ppai serve")
    if isinstance(peer, str):
        return Finding("peer", False, "a peer runs from this home and does not answer", peer)
    if missing := peer.status["missing"]:
        return Finding("peer", False, "the peer runs, and nobody can answer requests", "; ".join(missing))
    return Finding("peer", True, f"the peer runs, PPAI {peer.status['version']}, and answers at {peer.url}")


def _of_running(peer: Running, config: Config | None) -> list[Finding]:
    status = peer.status

    def ask(row: Row, model: str) -> str:
        return peer.ask({"model": model, **TOKEN})

    gate = status["gate"]
    lacks = gate["problem"] or gate["lacking"]
    read = Finding("gate", None if lacks else True, lacks or f"topics are told apart by the gate {gate['space']}")
    found = [read, *_workers(status), *map(_connected, status["network"]["addresses"])]
    found += engine_findings(status.get("engines") or [status["engine"]], ask)
    wanted = config.network.mdns if config else None
    found += network_findings(status, peer.peers, mdns=wanted, in_container=is_container())
    if peer.looks is not None:
        found += reach_findings(peer.looks)
    ports = [urlsplit(f"//{address}").port for address in status["network"]["addresses"]]
    return found + (_surroundings(config, next(filter(None, ports), config.peer.port)) if config else [])


def _workers(status: Mapping[str, Any]) -> list[Finding]:
    """Whether all workers are there that `client.workers` wants; nothing where none is wanted."""
    if (workers := status.get("workers")) is None:
        return []
    said = f"{workers['running']} of {workers['wanted']} workers pass answers on, and {workers['ended']} ended"
    if workers["running"] < workers["wanted"]:
        return [Finding("workers", False, said, "read in `ppai logs` why they end; `client.workers: 1` does without")]
    return [Finding("workers", True, said)]


def _connected(address: str) -> Finding:
    """Whether our own peer side takes a connection at an address that it tells others."""
    parts = urlsplit(f"//{address}")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), CONNECT_S).close()
    except OSError as error:
        said = f"no connection from this machine to {address}, which others are told: {error.strerror or error}"
        return Finding("port-peer", None, said, "try it from another machine; if it fails there too: network.advertise")
    return Finding("port-peer", True, f"a connection from this machine to {address} is taken")


def _surroundings(config: Config, port: int) -> list[Finding]:
    ips = interfaces(config.peer.host)
    return [*mdns_findings(ips, wanted=config.network.mdns), firewall_finding(port)]
