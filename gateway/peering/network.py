"""Our place among the peers: who we are, whom we deal with, the card and pulses that we publish.

A shell around discovery, which decides: discovery/admission.py who may what, discovery/gossip.py what is believed.
"""

import asyncio
import logging
import random
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from discovery import peer_file, sessions
from discovery.admission import Admission, Right
from discovery.client import RELAYS
from discovery.details import CONTINUE_FEATURE, digest, encode_details
from discovery.ear import Ear
from discovery.endpoint import Clocks
from discovery.envelopes import Signed, seal
from discovery.exchanges import ClientConfig
from discovery.gossip import Gossip
from discovery.identity import Identity
from discovery.interfaces import interfaces
from discovery.membership import Event
from discovery.names import UnknownPeer, find, is_id
from discovery.private_files import read_secret
from discovery.records import (
    ADDRESSES_LIMIT,
    Address,
    AdmissionState,
    Agent,
    Card,
    PeerId,
    Pulse,
    Record,
    check_address,
    printable,
)
from discovery.secret_strength import warning_about
from discovery.transport import Transport, TransportConfig
from discovery.words import Words
from gateway.peering import enquiries, passing, settling
from gateway.peering.card import fit
from gateway.peering.reach import looks
from gateway.peering.reach.direct import DirectWays
from gateway.peering.reach.evidence import Evidence
from gateway.peering.reach.looks import Looks, LooksForOthers
from gateway.peering.reach.punch import punching, quic
from gateway.peering.reach.punch.punching import Punching
from gateway.peering.reach.relay import Relay
from gateway.peering.reach.tunnels import Tunnels
from gateway.version import own_version

log = logging.getLogger(__name__)

_HOST = re.compile(r"[\w.-]+|\[?[0-9a-fA-F:.]+(%[\w.-]+)?\]?")  # a name or an address: no scheme, path or blank
# what may be asked of us beyond what a peer of 0.1.0 answers
FEATURES = (
    enquiries.FEATURE, passing.FEATURE, settling.FEATURE, looks.FEATURE, sessions.FEATURE, CONTINUE_FEATURE,
    "messages", "responses",
)  # fmt: skip
CARD_TTL_S = 86400  # how long others go on looking for us once we are silent


class NetworkConfigError(Exception):
    """A value under `network` cannot be used; the message names its key and the remedy."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Which peers we know and deal with (docs/protocol.md)."""

    name: str = "ppai"  # peers of another network are refused
    admission: Literal["auto", "tofu", "secret", "allowlist", "open"] = (
        "auto"  # auto: secret if there is one, else tofu
    )
    secret: str = ""  # the network's shared secret, at least 64 bits by estimate; PPAI_SECRET in the environment
    secret_file: str = ""  # or a file that holds it; the home's own file `secret` is used if neither is given
    allowlist: tuple[str, ...] = ()  # peer ids, for admission mode allowlist
    mdns: bool = True  # announce ourselves on the local network, and listen for others
    seeds: tuple[str, ...] = ()  # HOST:PORT of peers to stay in touch with, beyond the local network
    advertise: tuple[str, ...] = ()  # IP:PORT where others reach us, if not at our interfaces (containers, VPNs)
    relay: tuple[str, ...] = ()  # HOST:PORT of a peer that lets us be reached through it, if we are not directly


@dataclass(frozen=True, slots=True)
class Membership:
    """What of us is fixed before anything listens: identity, rights, what we know of others and where that is kept."""

    identity: Identity
    admission: Admission
    gossip: Gossip
    remembered: peer_file.PeerFile
    peers_path: Path
    warnings: tuple[str, ...] = ()  # what the owner is to hear: of the network's secret, of a damaged peers.json
    secret: bytes = b""  # of the network; empty where its mode needs none


def join(config: NetworkConfig, folder: Path) -> Membership:
    """Load or make who we are: the identity, peers.json and, unless configured, the secret lie in `folder`.

    Raises IdentityError, AdmissionError, PeerFileError, NetworkConfigError.
    """
    identity, peers_path = Identity.load_or_create(folder), folder / "peers.json"
    warnings: list[str] = []
    remembered = peer_file.load(peers_path, warnings.append)
    admission, secret = _admission(config, folder)

    def sealed(record: Record) -> Signed:
        return seal(record, config.name, identity.sign)

    generation = max(remembered.gen + 1, int(time.time()))
    words = Words(secrets.token_bytes(32))
    gossip = Gossip(identity.id, generation, sealed, random.Random(), vouched=admission.vouches, words=words)
    shared = secret if secret and admission.mode == "secret" else b""
    if shared and (weak := warning_about(shared, own_version())):
        warnings.append(weak)
    return Membership(identity, admission, gossip, remembered, peers_path, tuple(warnings), shared)


def check(config: NetworkConfig, folder: Path) -> str:
    """Raises what `join` and Network would raise of this configuration; makes and changes nothing.

    Returns what the owner is to hear of the network's secret; empty where nothing.
    """
    _, secret = _admission(config, folder)
    warning = warning_about(secret, own_version()) if secret else ""
    for text in config.advertise:
        address_of("network.advertise", text)
    for key, places in (("network.seeds", config.seeds), ("network.relay", config.relay)):
        for text in places:
            _host_port(key, text)
    return warning


def _admission(config: NetworkConfig, folder: Path) -> tuple[Admission, bytes | None]:
    """Whom we let in, and the network's secret, if it has one. Raises AdmissionError, NetworkConfigError."""
    secret = _secret(config, folder / "secret")
    mode = config.admission if config.admission != "auto" else ("secret" if secret else "tofu")
    return Admission(mode, config.name, secret, [_listed(peer) for peer in config.allowlist]), secret


def peer_name(text: str) -> str:
    """What others see of a name that an owner or a host gave: at most 64 characters, each of which can be printed."""
    return printable(text, 64) or "peer"


class Network:
    """The running side of a Membership: what it publishes, and what its owner tells it."""

    def __init__(
        self,
        membership: Membership,
        config: NetworkConfig,
        name: str,
        listener: tuple[str, int],
        pulse: Callable[[PeerId], Pulse],
        on_events: Callable[[tuple[Event, ...], float], None],
        connections: int = 512,
    ) -> None:
        """`listener`: (host, port) that the peer listener is bound to. `connections`: how many we hold to other peers.

        Raises NetworkConfigError.
        """
        self.identity, self.admission, self.gossip = membership.identity, membership.admission, membership.gossip
        self.name = peer_name(name)
        self._config, self._host, self._port = config, *listener
        self._advertised = tuple(address_of("network.advertise", text) for text in config.advertise)
        on_loopback = all(address.ip.startswith("127.") or address.ip == "::1" for address in self.own_addresses())
        self.transport = Transport(
            self.identity, config.name, self.gossip, self.admission,
            lambda now: pulse(self.identity.id), on_events, Clocks(time.monotonic, time.time),
            on_loopback=on_loopback, peers_path=membership.peers_path,
            config=TransportConfig(client=ClientConfig(connections=connections)),
        )  # fmt: skip
        self.ear, evidence, clock = Ear(time.monotonic), Evidence(), time.monotonic
        self.looks = Looks(
            self.gossip, self.transport, self.ear, lambda peer: bool(self.admission.rights(peer)), self.own_addresses,
            self._advertised[0].port if self._advertised else self._port, evidence, clock,
        )  # fmt: skip
        self.tunnels = Tunnels(
            [_host_port("network.relay", text) for text in config.relay], self.transport, lambda: None
        )  # fmt: skip
        if config.relay and quic.is_there():
            self.tunnels.punching = Punching(
                quic.bind, self.transport.client, self.gossip, lambda peer: self.admission.may(peer, "answer"), clock,
                lambda connection, ip: self.tunnels.adopt(connection, ip),
            )  # fmt: skip
        self._direct_ways = DirectWays(self.gossip, self.transport, self.own_addresses, clock)
        self.relay: Relay | None = None  # that we are to others
        self.looks_for_others = LooksForOthers(self.gossip, self.transport, self.ear, clock)
        self.transport.restore(membership.remembered)
        for seed in config.seeds:
            self.transport.add_seed(*_host_port("network.seeds", seed))
        self.may_use: Callable[[str, PeerId], bool] = lambda agent, peer: True  # of agents that are not for all peers
        self._told: dict[tuple[str, ...], bytes] = {}  # what we tell of our agents, by the names of those we tell of
        self._agents: tuple[Agent, ...] = ()
        self.left_out_of_card: tuple[str, ...] = ()  # what it had no room for, in words for the owner
        self._details_key = secrets.token_bytes(16)
        self._published: tuple[object, ...] = ()
        self._digest = b""  # of what we tell of our agents, as others may ask for it

    async def __aenter__(self) -> "Network":
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.transport.__aexit__(kind, error, trace)

    async def run(self) -> None:
        """Take part until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.transport.run(), name="gossip")
            tasks.create_task(self._direct_ways.run(), name="direct ways")
            if self._config.mdns:
                tasks.create_task(self._announce(), name="mdns")

    def addresses(self) -> tuple[Address, ...]:
        """Which addresses others are told: as configured, else those at which we are reached, as far as that is known.

        None where others tried and did not reach us: then we only ask (reach/evidence.py). Relays come last.
        """
        relays = self.tunnels.addresses()
        return (*(self._advertised or self.looks.published())[: ADDRESSES_LIMIT - len(relays)], *relays)

    def own_addresses(self) -> tuple[Address, ...]:
        """Where we listen: as configured, else at our interfaces."""
        if self._advertised:
            return self._advertised
        return tuple(Address(ip, self._port) for ip in interfaces(self._host))[:ADDRESSES_LIMIT]

    def details_for(self, peer: PeerId) -> bytes:
        """What we tell this peer of our agents: of those that it may use."""
        agents = [agent for agent in self._agents if agent.kind == "model" or self.may_use(agent.name, peer)]
        names = tuple(agent.name for agent in agents)
        if names not in self._told:
            self._told[names] = encode_details(agents)
        return self._told[names]

    def publish(
        self,
        agents: tuple[Agent, ...],
        slots: int,
        not_for_all: Collection[str] = (),
        rules: str = "",
        *,
        is_new: bool = False,
    ) -> None:
        """Our card and our details, if what they say has changed: agents and their vectors, slots, addresses.

        `not_for_all`: agents that some approved peer may not use, so that the card does not hold them. `rules` is
        another text whenever somebody may use others than before: who was told asks again then. `is_new`: more will be
        known in a moment, so that nobody is to ask before; who asked may not ask again for some time. What does not fit
        into the card is left out, which is said once while it stays so; each change is tried whole.
        """
        relays = self.tunnels.addresses()
        if not (addresses := self.addresses()):
            agents = ()  # nobody could ask them
        slots = slots if agents else 0
        published = (agents, slots, addresses, relays, frozenset(not_for_all), rules, is_new)
        if self._published == published:
            return
        self._published, self._agents, self._told = published, agents, {}
        in_card = tuple(agent for agent in agents if agent.name not in not_for_all)
        if not agents:
            self._digest = b""
        elif not is_new:
            self._digest = digest(encode_details(agents) + rules.encode(), self._details_key)
        card = Card(
            id=self.identity.id, name=self.name, gen=0, seq=0, flag="join", ts=int(time.time()),
            addr=addresses, cert=self.identity.cert_sha256, slots=slots, ttl_s=CARD_TTL_S, agents=in_card,
            proof=self.admission.proof(self.identity.id, self.identity.cert_sha256),
            features=self._features(), details=self._digest,
            relayed=sum(1 << number for number, address in enumerate(addresses) if address in relays),
        )  # fmt: skip
        fitted = fit(card)
        if fitted.left_out and fitted.left_out != self.left_out_of_card:
            log.warning("card_shortened count=%d first=%r", len(fitted.left_out), fitted.left_out[0])
        self.left_out_of_card = fitted.left_out
        self.transport.publish(fitted.card)

    def _features(self) -> tuple[str, ...]:
        """What may be asked of us beyond what a peer of 0.1.0 answers."""
        is_relay = (RELAYS,) if self.relay else ()
        return (*FEATURES, *((punching.FEATURE,) if self.tunnels.punching else ()), *is_relay)

    def tell_admission(self, admission: AdmissionState) -> None:
        """Whether our door is open is news that does not wait for the next pulse."""
        pulse = self.gossip.own_pulse()
        if pulse is not None and isinstance(pulse.record, Pulse) and pulse.record.admission != admission:
            self.transport.endpoint.pulse_now()

    @property
    def version(self) -> int:
        """The seq of our present card."""
        card = self.gossip.own_card()
        return card.record.seq if card else 0

    async def approve(self, who: str, mine: bool | None = None, relay: bool | None = None) -> PeerId:
        """Grant both rights; `mine`: whether it is the owner's machine, None: as it was.

        `relay`: whether it may be reached through us, likewise.

        Raises UnknownPeer, AmbiguousPeer, AdmissionError.
        """
        peer = find(who, self._known(), self.name)
        if peer == self.identity.id:
            raise UnknownPeer(who, (), "is this peer itself")
        self.admission.approve(peer, mine=mine, relay=relay)
        self.gossip.keep(peer)
        self.transport.endpoint.forget_refusal(peer)
        await self.transport.save()
        return peer

    async def let_in(self, peer: PeerId, rights: Iterable[Right], mine: bool | None, knows_secret: bool) -> None:
        """Grant `rights` to whom an invitation let in, besides those that it has. Raises AdmissionError."""
        self.admission.add_rights(peer, rights, mine=mine)
        if knows_secret:
            self.admission.holders.learn(peer)
        self.gossip.keep(peer)
        self.transport.endpoint.forget_refusal(peer)
        await self.transport.save()

    async def revoke(self, who: str) -> PeerId:
        """Take both rights away. Raises UnknownPeer, AmbiguousPeer.

        A name means a peer that has rights before one that has none: a stranger of the same name protects nobody.
        """
        known = self._known()
        peer = find(who, known, self.name, preferred={peer for peer in known if self.admission.rights(peer)})
        self.admission.revoke(peer)
        self.gossip.keep(peer, kept=False)
        await self.transport.save()
        return peer

    def waiting(self) -> dict[PeerId, str]:
        """Ids and names of the peers that wait to be approved."""
        live = {member.id: member.card.name for member in self.gossip.members() if member.state in ("alive", "suspect")}
        return {peer: live[peer] for peer in self.admission.waiting(live)}

    def name_of(self, peer: PeerId) -> str | None:
        """What the peer calls itself; None where it was not met yet."""
        card = self.gossip.card(peer)
        return card.name if card else None

    @property
    def vouched(self) -> dict[PeerId, str]:
        """Ids and names of the peers that somebody vouches for: the owner, or the network's secret."""
        return {peer: name for peer, name in self._known().items() if self.admission.vouches(peer)}

    @property
    def mine(self) -> frozenset[PeerId]:
        """Those of them that the owner tagged as his own machines."""
        return frozenset(peer for peer in self.vouched if self.admission.is_mine(peer))

    def _known(self) -> dict[PeerId, str]:
        """Whom the owner may mean by a name or the start of an id. Who is kept out is meant by a full id only."""
        remembered = self.transport.remembered_names()
        approved = {peer: remembered.get(peer, "") for peer in self.admission.approved()}
        return {**approved, **{member.id: member.card.name for member in self.gossip.members()}}

    async def _announce(self) -> None:
        from discovery import mdns  # its library is loaded where the settings want it

        announcement = mdns.Announcement(self.identity.id, self._config.name, self.identity.cert_sha256, self._port)
        await mdns.run(announcement, lambda: interfaces(self._host), self.transport.hint, self.ear)


def _secret(config: NetworkConfig, own_file: Path) -> bytes | None:
    """The shared secret: as configured, else from the configured file, else from our own; None where there is none.

    Raises NetworkConfigError, OpenToOthers.
    """
    if config.secret:
        return config.secret.encode()
    file = Path(config.secret_file).expanduser() if config.secret_file else own_file
    if not config.secret_file and not file.exists():
        return None
    try:
        return read_secret(file).strip()
    except OSError as error:
        raise NetworkConfigError(f"cannot read the secret {file}: {error.strerror}; see --secret-file") from error


def _listed(text: str) -> PeerId:
    if not is_id(text):
        raise NetworkConfigError(f"`network.allowlist`: `{text}` is no peer id (52 characters): see ppai peers --json")
    return PeerId(text)


def _host_port(key: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536 or not _HOST.fullmatch(host):
        raise NetworkConfigError(f"`{key}`: `{text}` is not HOST:PORT, e.g. 192.0.2.7:8471")
    return host.strip("[]"), int(port)


def address_of(key: str, text: str) -> Address:
    """The address that `text`, IP:PORT, names under this key or flag. Raises NetworkConfigError."""
    host, port = _host_port(key, text)
    address = Address(host, port)
    try:
        check_address(address)
    except ValueError as error:
        raise NetworkConfigError(f"`{key}`: `{text}`: {error}") from error
    return address
