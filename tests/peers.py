"""Two peers on loopback in their production parts, one answering, one asking: TLS, signatures, receipts and all.

No gossip runs: they know each other from one hello.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from discovery.admission import Admission
from discovery.details import CONTINUE_FEATURE, encode_details
from discovery.ear import Ear
from discovery.endpoint import Clocks
from discovery.envelopes import seal
from discovery.gossip import Gossip
from discovery.identity import Identity
from discovery.records import Address, Agent, Card, PeerId, Pulse
from discovery.request_auth import Refused
from discovery.sessions import FEATURE as SESSION_FEATURE
from discovery.transport import Transport
from gateway.capacity.allowance import Allowance
from gateway.capacity.door import Door
from gateway.capacity.doors import Doors
from gateway.capacity.limits import Limits
from gateway.capacity.rules import AdmissionConfig
from gateway.engines.local import EngineConfig, LocalEngine
from gateway.peering.card import OwnEngine, own_agents
from gateway.peering.given import Given
from gateway.peering.hop.answers import Answers
from gateway.peering.hop.delegations import Delegations
from gateway.peering.listener import PEER_BOUNDS, PeerApp
from gateway.peering.reach.looks import FEATURE as LOOK_FEATURE
from gateway.peering.reach.looks import LooksForOthers
from gateway.peering.remote import PeerUpstream
from gateway.peering.settling import FEATURE, Settling
from gateway.server.listeners import Server, bind, places_for_peers, server
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import Tracing
from gateway.trust.tabs import Row
from gateway.upstream import Patience
from tests.fakes import ScriptedEngine

NET = "test"
DETAILS = encode_details([Agent("scripted-1", "scripted-1", 4096, untold=("image",), place="here")])
PATIENCE = Patience(first_event_s=5, idle_s=5, whole_s=5)


@dataclass
class Party:
    """One of the two: who it is, and how it reaches others."""

    identity: Identity
    gossip: Gossip
    admission: Admission
    transport: Transport

    @property
    def id(self) -> PeerId:
        return self.identity.id


@dataclass
class AnsweringPeer(Party):
    """A peer listening on `address`, in front of `engine`."""

    address: Address
    door: Door
    doors: Doors
    telemetry: Telemetry
    web: Server
    app: PeerApp
    settling: Settling
    entered: list[str]  # at which of its addresses peers with rights came in


@dataclass
class Pair:
    """`ada` asks, `ben` answers; `failures` is what ada heard of peers that do not answer."""

    ada: Party
    ben: AnsweringPeer
    failures: list[str]

    def upstream(self) -> PeerUpstream:
        """Ben, as ada's forwarder uses him."""
        return PeerUpstream(
            self.ben.id, "ben", self.ada.transport.open_stream, lambda _, why: self.failures.append(why)
        )


@asynccontextmanager
async def two_peers(
    home: Path, engine: ScriptedEngine, *, slots: int = 8, trusted: bool = True, heartbeat_s: float = 1.0
) -> AsyncIterator[Pair]:
    """Ada and ben, who grants her both rights."""
    async with answering_peer(home / "ben", engine, slots, trusted, heartbeat_s) as ben, party(home / "ada") as ada:
        await ada.transport.hello(ben.address)
        ben.admission.approve(ada.id)
        yield Pair(ada, ben, [])


@asynccontextmanager
async def party(home: Path, addresses: tuple[Address, ...] = (), pulse: Door | None = None) -> AsyncIterator[Party]:
    """A peer without a listener: it only asks."""
    identity, admission = Identity.load_or_create(home), Admission("tofu", NET)
    gossip = Gossip(
        identity.id,
        int(time.time()),
        lambda r: seal(r, NET, identity.sign),
        random.Random(7),
        vouched=admission.vouches,
    )

    def idle(now: float) -> Pulse:
        return pulse.pulse(identity.id) if pulse else Pulse(identity.id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "open")

    clocks = Clocks(time.monotonic, time.time)
    transport = Transport(identity, NET, gossip, admission, idle, lambda events, now: None, clocks, on_loopback=True)
    agents = (Agent("scripted-1", "scripted-1", 4096),) if addresses else ()
    head = (identity.id, home.name, 0, 0, "join", 0, addresses, identity.cert_sha256)
    features = (FEATURE, LOOK_FEATURE, SESSION_FEATURE, CONTINUE_FEATURE) if addresses else ()
    card = Card(*head, len(agents), 86400, agents, features=features)  # type: ignore[arg-type]
    gossip.publish(card, time.monotonic())
    async with transport:
        yield Party(identity, gossip, admission, transport)


def tabs_of(
    party: Party,
    rows: Sequence[Row] = (),
    write: Callable[[Sequence[Row]], None] = lambda rows: None,
    wall_clock: Callable[[], float] = time.time,
) -> Settling:
    """The tabs that this party keeps."""
    return Settling(party.gossip, party.transport, party.identity.sign, rows, write, wall_clock)


def all_of_it(peer: PeerId) -> Given:
    """What a peer has that no limit keeps from anything."""
    return Given(peer, Limits())


async def nobody_joins(body: bytes, peer_ip: str) -> bytes:
    raise Refused(403, "no_pin", "nobody is invited")


@asynccontextmanager
async def answering_peer(
    home: Path,
    scripted: ScriptedEngine,
    slots: int,
    trusted: bool,
    heartbeat_s: float,
    tracing: Tracing | None = None,
) -> AsyncIterator[AnsweringPeer]:
    """A peer's whole answering side, in front of a scripted engine that is already serving."""
    listener = bind("127.0.0.1", 0, "--peer-port")
    address = Address("127.0.0.1", listener.getsockname()[1])
    async with ready_engine(scripted, slots) as engine:
        door = Door(engine, AdmissionConfig(), time.monotonic, lambda: 1.0)
        doors = doors_of(door)
        async with party(home, (address,), door) as me:
            telemetry = Telemetry()
            settling, entered = tabs_of(me), list[str]()
            allowance, clock = Allowance(), time.monotonic
            looks = LooksForOthers(me.gossip, me.transport, Ear(clock), clock)
            answers = Answers(me.transport, doors, all_of_it, lambda peer: DETAILS, settling, looks, None, None)
            delegations = Delegations(
                doors, all_of_it, trusted, PATIENCE, allowance, settling, 0.0, me.admission.vouches, telemetry, tracing,
                clock, heartbeat_s,
            )  # fmt: skip
            app = PeerApp(
                me.transport, nobody_joins, me.admission.may, me.identity.sign, answers, delegations, allowance,
                entered.append, telemetry, clock,
            )  # fmt: skip
            web = server(
                app,
                places_for_peers(1024),
                PEER_BOUNDS,
                me.identity.server_ssl_context(),
            )
            serving = asyncio.create_task(web.serve(sockets=[listener]))
            try:
                yield AnsweringPeer(
                    me.identity,
                    me.gossip,
                    me.admission,
                    me.transport,
                    address,
                    door,
                    doors,
                    telemetry,
                    web,
                    app,
                    settling,
                    entered,
                )
            finally:
                web.grace_s = 0.0
                web.stop()
                await serving
                listener.close()


def doors_of(*doors: Door) -> Doors:
    """Doors before engines that were looked at, with the agents that those serve."""
    made = Doors(doors)
    made.note_ready()
    made.admit_waiting()
    own = [OwnEngine(door.engine.name, made.number_of(door), door.engine.state) for door in doors]
    made.serve(own_agents(own, lambda agent, is_shared: {}))
    return made


@asynccontextmanager
async def ready_engine(
    scripted: ScriptedEngine, slots: int = 8, config: EngineConfig | None = None
) -> AsyncIterator[LocalEngine]:
    """The production side of an engine, after its first look at it."""
    async with asyncio.TaskGroup() as tasks:
        config = replace(config or EngineConfig(), url=scripted.url, slots=slots)
        engine = LocalEngine(config, _no_embedded)
        seen = asyncio.Event()
        watch = tasks.create_task(engine.run(tasks, seen.set))
        await seen.wait()
        watch.cancel()
        yield engine
        await engine.stop()


def _no_embedded() -> object:
    raise AssertionError("the engine is given")
