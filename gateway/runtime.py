"""The running peer: the only place that makes tasks, clients, clocks and random numbers, and hands them down."""

import asyncio
import datetime
import gc
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from discovery.membership import Event
from discovery.names import is_taken, looks_like_id
from discovery.records import PeerId, Pulse
from gateway.agent.owned.agents import PersonalAgents
from gateway.agent.owned.opening import Opening
from gateway.beliefs.domains import LIKELY
from gateway.beliefs.domains import alone as likely_alone
from gateway.beliefs.table import Beliefs
from gateway.capacity.allowance import Allowance, AllowanceConfig
from gateway.capacity.door import Door
from gateway.capacity.doors import Doors
from gateway.capacity.hours import read_hours
from gateway.capacity.limits import Limits, Named
from gateway.capacity.sharing import Sharing
from gateway.client.api_keys import ApiKeys, check_reachable
from gateway.client.app import CLIENT_BOUNDS, ClientApp, check_pages
from gateway.client.page.entry import Entry
from gateway.client.page.showing import Showing
from gateway.client.page.watching import Watching as PagesWatching
from gateway.client.pages import pages_app
from gateway.client.running import RunningPeer
from gateway.client.views import engine_line, waiting_lines
from gateway.config import Config
from gateway.doctor import examining
from gateway.doctor.finding import Finding
from gateway.engines.embedded import EmbeddedEngine, ModelMissing
from gateway.engines.fleet import Fleet, check_all
from gateway.engines.local import LocalEngine
from gateway.engines.openai_http import engine_session
from gateway.home.folder import Home, Running
from gateway.home.weights import WeightsMissing, locate
from gateway.measuring.asking import IdleMeasuring
from gateway.measuring.auditing import Auditing, KeptTrust
from gateway.measuring.feedback import Answered, Feedback
from gateway.measuring.owned.domains import Domains
from gateway.measuring.power import is_on_battery
from gateway.measuring.profiles import Profiles
from gateway.measuring.refolding import refold
from gateway.models.published import shipped_priors
from gateway.own_agents import OwnAgents
from gateway.peering import network
from gateway.peering.enquiries import Enquiries
from gateway.peering.given import Given
from gateway.peering.invitations import Invitations
from gateway.peering.listener import PEER_BOUNDS, PeerApp
from gateway.peering.network import Membership, Network, join, peer_name
from gateway.peering.passing import PassingToPeers
from gateway.peering.probes import Peers
from gateway.peering.reach.relay import Relay
from gateway.peering.settling import Settling
from gateway.person.watching import Watching
from gateway.privacy.rules import Rules
from gateway.routing.choice import Candidate
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.worth import Space
from gateway.server.event_loop import call_on_stop, new_event_loop
from gateway.server.listeners import (
    Server,
    bind,
    check_places,
    connections_to_peers,
    places_for_peers,
    places_for_programs,
    raise_descriptor_limit,
    server,
    url_of,
)
from gateway.serving.deciding.decider import Routed
from gateway.serving.dispatch import Dispatcher
from gateway.serving.litellm_adapters import Adapters
from gateway.serving.others import Others
from gateway.telemetry import otel
from gateway.telemetry.kept_log import KeptLog
from gateway.telemetry.log_lines import log_to_stderr
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.notices import Notices, limit_lines
from gateway.telemetry.route_log import RouteLog
from gateway.topics import reader
from gateway.topics.reader import open_reader
from gateway.trust.ledger import Ledger
from gateway.trust.observed import TOPICAL
from gateway.upstream import Patience
from profiler.encoder import Encoder, EncoderError, OpenedOnce, open_encoder

DRAIN_LOOK_S = 0.5  # s between two looks whether others' jobs have ended
DRAIN_OWN_S = 30.0  # s that own jobs get after those, until a drained peer ends
THREAD_TURN_S = 0.001  # after which a thread gives way to the event loop: one that reads a large body holds it up less

Say = Callable[[str], None]


def run_peer(config: Config, home: Home, say: Say) -> None:
    """Serve until SIGTERM or ^C. Raises HomeError, PortTaken."""
    check(config, home)
    log = KeptLog(home.path / "peer.log")
    log_to_stderr(config.log_level, log.handler, config=config.log)
    limit_lines(time.monotonic)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its start and stop are ours to tell
    sys.setswitchinterval(THREAD_TURN_S)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(config, home, say, log))


def check(config: Config, home: Home) -> None:
    """Raises what `run_peer` would raise of this configuration, before anything starts; makes and changes nothing."""
    check_places((config.client.host, config.client.port), (config.peer.host, config.peer.port))
    check_pages(config.client)
    check_reachable(config.client.host, ApiKeys(home.api_keys_file), config.client.api_keys == "open")
    network.check(config.network, home.path)
    check_all(config.own_engines)
    gate = reader.check(config.routing)
    Rules(config.privacy, str(Path.home()), gate.categories)
    read_hours(config.admission.hours)
    otel.check(config.otel)


async def _serve(config: Config, home: Home, say: Say, log: KeptLog) -> None:
    stop = asyncio.Event()
    call_on_stop(asyncio.get_running_loop(), stop.set)
    async with Runtime(config, home, say, log, stop) as runtime:
        gc.collect()
        gc.freeze()  # what was built lives as long as the peer: the collector need not look at it again
        await runtime.run()


class Runtime:
    """One peer's parts, built on entry and closed on exit."""

    def __init__(self, config: Config, home: Home, say: Say, log: KeptLog, stop: asyncio.Event) -> None:
        """`stop`: set by whoever wants the peer to end, the owner's programs included."""
        self._config, self._home, self._log, self._stop = config, home, log, stop
        self._say = log.along(say)
        self._stack = AsyncExitStack()
        self._notices = Notices(self._say, time.monotonic)
        self._encoder = OpenedOnce(self._full_encoder)  # for topics of queries, and for documents

    async def __aenter__(self) -> "Runtime":
        self._home.prepare()
        async with AsyncExitStack() as stack:
            stack.enter_context(self._home.held())
            stack.enter_context(self._log)
            await self._build(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _build(self, stack: AsyncExitStack) -> None:
        config, home = self._config, self._home
        keys = ApiKeys(home.api_keys_file)
        self._descriptors = raise_descriptor_limit()
        check_reachable(config.client.host, keys, config.client.api_keys == "open")
        self._client_listener = _listen(stack, config.client.host, config.client.port, "--port")
        self._peer_listener = _listen(stack, config.peer.host, config.peer.port, "--peer-port")
        relay = config.relay
        self._relay_listener = _listen(stack, relay.host, relay.port, "relay.port:") if relay.serve else None
        membership = join(config.network, home.path)
        for warning in membership.warnings:
            self._say(f"warning: {warning}")
        self._node = Node(
            peer_name(config.name or socket.gethostname()), membership.gossip, membership.admission,
            policy(config.scheduler), Beliefs(config.beliefs), np.random.default_rng(), priors=shipped_priors(),
            alone=config.scheduler if config.scheduler.mode == "default" else None,
        )  # fmt: skip
        await self._build_engines(stack)
        await self._build_network(stack, membership)
        self._build_sides(stack, keys)

    async def _build_engines(self, stack: AsyncExitStack) -> None:
        session = await stack.enter_async_context(engine_session())
        self._fleet = Fleet(self._config.own_engines, session, self._new_embedded)
        stack.push_async_callback(self._fleet.stop)
        self._watching = Watching(self._config.admission, self._are_engines_idle, self._activity_changed)
        self._sharing = Sharing(
            self._config.admission, self._home.path / "paused.json", on_battery=is_on_battery,
            activity=lambda: self._watching.activity,
        )  # fmt: skip
        self._doors = Doors([self._door_to(engine) for engine in self._fleet.engines])
        opening = Opening(self._home.path / "indexes", self._encoder, self._say)
        self._personal = PersonalAgents(self._home.agents, self._say, opening.parts, opening.forget)
        stack.push_async_callback(self._personal.close)
        await self._personal.look()
        self._profiles = Profiles(self._home.path / "profiles.json")
        self._domains = Domains(self._home.path / "domains.json")
        for warning in filter(None, (self._profiles.warning, self._domains.warning)):
            self._say(f"warning: {warning}")

    async def _build_network(self, stack: AsyncExitStack, membership: Membership) -> None:
        self._network = Network(
            membership, self._config.network, self._node.name,
            (self._config.peer.host, self._peer_listener.getsockname()[1]), self._pulse, self._heard,
            connections_to_peers(self._descriptors),
        )  # fmt: skip
        self._own = OwnAgents(
            self._fleet, self._doors, self._node, self._network, self._personal, self._profiles, self._domains,
            self._config.agents.publish,
        )  # fmt: skip
        self._network.may_use = self._own.may_use
        relay = Relay(self._config.relay, self._network.admission.may_relay, time.monotonic)
        self._network.relay = relay if self._relay_listener is not None else None
        self._network.tunnels.changed = self._own.changed
        self._limits = Limits(self._config.admission.limits, lambda: Named(self._network.vouched, self._network.mine))
        await stack.enter_async_context(self._network)
        self._invitations = Invitations(
            self._network, self._home.path, membership.secret, self._node.rights_changed,
            lambda kind, text: self._notices.limited(kind, text, text),
        )  # fmt: skip
        self._network.publish((), 0)
        ledger = Ledger(self._home.path / "ledger.db", self._say)
        stack.callback(ledger.close)
        self._settling = Settling(
            membership.gossip, self._network.transport, membership.identity.sign, ledger.rows, ledger.append,
            time.time, membership.admission.is_mine,
        )  # fmt: skip
        self._enquiries = Enquiries(
            membership.gossip, self._network.transport, lambda peer: membership.admission.may(peer, "answer"),
            self._node.hear_details, time.monotonic,
        )  # fmt: skip

    def _build_sides(self, stack: AsyncExitStack, keys: ApiKeys) -> None:
        """What answers applications and peers, and the home's note that we serve."""
        config, clock, client = self._config, time.monotonic, self._config.client
        patience = Patience(client.first_token_timeout_s, client.idle_timeout_s, client.answer_timeout_s)
        telemetry, route_log = Telemetry(), RouteLog(self._home.path / "route.jsonl")
        stack.callback(route_log.close)
        self._tracing = _tracing(config.otel, self._node.name)
        stack.push_async_callback(self._tracing.close)
        worker = ThreadPoolExecutor(1, "encoder")
        stack.callback(_stop, worker)
        self._reader = open_reader(config.routing, worker, self._encoder, self._home.background)
        gate = self._reader.gate
        self._node.use_space(Space(gate.space, gate.categories, gate.carries_means))
        peers = Peers(self._node, self._network.transport, clock, config.peer.probe_budget_s, self._settling.got)
        stack.push_async_callback(peers.close)
        self._feedback = Feedback(config.learning, self._node.observations.observe, secrets.token_bytes(32))
        rules = Rules(config.privacy, str(Path.home()), gate.categories)
        dispatcher = Dispatcher(
            config.routing, config.course, patience, self._node, self._doors, peers, self._reader, telemetry, route_log,
            clock=clock, wall_clock=time.time, rules=rules, answered=self._answered, keepalive_s=client.keepalive_s,
            adapters=Adapters(), tracing=self._tracing,
        )  # fmt: skip
        self._kept = KeptTrust(self._home.path, self._node.honesty, self._node.observations, clock, time.time)
        for warning in self._kept.warnings:
            self._say(f"warning: {warning}")
        self._audits = Auditing(
            config.trust, self._node, self._doors, dispatcher, self._reader, clock,
            lambda text: self._notices.limited("audits", text, text), self._kept.keep,
        ).audits  # fmt: skip
        passing = PassingToPeers(self._network.transport.open_stream, peers.failed, self._settling.got)
        others = Others(
            config.routing, patience, self._node, self._doors, passing, telemetry, route_log,
            clock=clock, wall_clock=time.time, leaving=dispatcher.decider.leaving, tracing=self._tracing,
        )  # fmt: skip
        url, token = url_of(self._client_listener), secrets.token_urlsafe(32)
        self._measuring = IdleMeasuring(
            config.profile, self._home.path / "profile", self._own.targets, self._profiles, self._reader,
            self._own.changed, clock, domains=self._domains, attracts=self._attracts,
            kept_shut=self._sharing.why,
        )  # fmt: skip
        entry = Entry(token, clock, lambda: secrets.token_urlsafe(32))
        running = RunningPeer(
            self._node, self._network, self._doors, self._profiles, dispatcher, telemetry, route_log,
            url, entry, clock, clock(), self._own.changed, config.routing, self._feedback, self._measuring,
            self._personal, self._own.other_peers, self._invitations, self._sharing, self._settling, self._stop.set,
            partial(self._examine, url),
        )  # fmt: skip
        self._pages = PagesWatching(Showing(running), secrets.token_hex(4), clock)
        self._client_server = server(
            ClientApp(dispatcher, pages_app(running, self._pages), client, keys, entry.is_owner, others),
            places_for_programs(self._descriptors), CLIENT_BOUNDS,
        )  # fmt: skip
        self._peer_server = self._new_peer_server(telemetry, patience)
        self._network.tunnels.adopt = self._peer_server.adopt
        self._home.announce(Running(url=url, pid=os.getpid(), token=token))
        stack.callback(self._home.retire)

    async def run(self) -> None:
        """Serve until the event `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self._client_server.serve(sockets=[self._client_listener]), name="client side")
            to_peers = tasks.create_task(self._peer_server.serve(sockets=[self._peer_listener]), name="peer side")
            watching = tasks.create_task(self._fleet.run(tasks, self._engine_seen), name="engines")
            taking_part = tasks.create_task(self._network.run(), name="network")
            enquiring = tasks.create_task(self._enquiries.run(), name="enquiries")
            settling = tasks.create_task(self._settling.run(), name="tabs")
            looked_at = tasks.create_task(self._network.looks.run(self._own.changed), name="looks")
            reaching = [tasks.create_task(self._network.tunnels.run(), name="tunnels")]
            if self._network.relay is not None and self._relay_listener is not None:
                relaying = self._network.relay.run(self._relay_listener)
                reaching.append(tasks.create_task(relaying, name="relay"))
            measuring = tasks.create_task(self._measuring.run(), name="measuring")
            refolding = tasks.create_task(self._refold(), name="refolding")
            auditing = tasks.create_task(self._audits.run(), name="audits")
            keeping = tasks.create_task(self._kept.run(), name="trust")
            draining = tasks.create_task(self._drained(), name="draining")
            looking = tasks.create_task(self._watching.run(), name="person")
            showing = tasks.create_task(self._pages.run(), name="page")
            following = tasks.create_task(self._personal.run(self._own.changed), name="agents")
            self._greet()
            await self._stop.wait()
            self._say("stopping: answers in progress may end")
            watching.cancel()
            await self._network.transport.leave()
            taking_part.cancel()
            enquiring.cancel()
            looked_at.cancel()
            for one in reaching:
                one.cancel()
            measuring.cancel()
            refolding.cancel()
            auditing.cancel()
            following.cancel()
            looking.cancel()
            showing.cancel()
            self._pages.end()
            draining.cancel()
            self._client_server.should_exit = self._peer_server.should_exit = True
            await asyncio.wait({serving, to_peers})
            settling.cancel()  # the last: they write down what was answered and graded until now
            keeping.cancel()
            await self._fleet.stop()

    def _examine(
        self,
        url: str,
        status: Mapping[str, Any],
        peers: Sequence[Mapping[str, Any]],
        ask: Callable[[Mapping[str, object]], str],
        looks: Sequence[Mapping[str, Any]],
    ) -> list[Finding]:
        """What `ppai doctor` finds, for the page; it blocks."""
        running = examining.Running(url, status, peers, ask, looks)
        return examining.examine(self._home, self._config, running, datetime.datetime.now(datetime.UTC))

    async def _drained(self) -> None:
        """End this peer once the owner has drained it and no job of others is left; own ones get a while, too."""
        since: float | None = None
        while True:
            await asyncio.sleep(DRAIN_LOOK_S)
            load, now = self._doors.load, time.monotonic()
            if not self._sharing.is_draining or load.remote_running:
                since = None
                continue
            since = now if since is None else since
            if not load.ours or now - since >= DRAIN_OWN_S:
                self._stop.set()
                return

    async def _refold(self) -> None:
        await refold(self._home.path / "profile", self._profiles, self._reader, self._own.changed, self._say)

    def _new_peer_server(self, telemetry: Telemetry, patience: Patience) -> Server:
        network, admission = self._network, self._config.admission
        app = PeerApp(
            network.transport, self._invitations.inviting.answer, self._doors, network.admission.may,
            network.admission.mode != "open", network.details_for, network.identity.sign, telemetry, time.monotonic,
            patience, given=lambda peer: Given(peer, self._limits, self._own.may_use), settling=self._settling,
            allowance=Allowance(AllowanceConfig(
                requests_per_s=admission.peer_requests_per_s, tokens_per_s=admission.peer_tokens_per_s
            )),
            exposure_tokens=admission.exposure_tokens, looks=network.looks_for_others, entered=network.looks.entered,
            relay=network.relay,
            tracing=self._tracing,
        )  # fmt: skip
        places = places_for_peers(self._descriptors)
        return server(app, places, PEER_BOUNDS, ssl_context_factory=lambda *_: network.identity.server_ssl_context())

    def _door_to(self, engine: LocalEngine) -> Door:
        return Door(
            engine, self._config.admission, time.monotonic, self._node.own_mean_service_s, self._door_changed,
            loads_for_others=engine.config.load_for_others, kept_shut=self._sharing.why,
            weight=lambda peer: self._settling.weight(peer),
        )  # fmt: skip

    def _new_embedded(self) -> EmbeddedEngine:
        try:
            model = locate("smollm2", self._home.weights)
        except WeightsMissing as error:
            raise ModelMissing(str(error)) from error
        return EmbeddedEngine(model, self._config.embedded, self._home.path / "engine.log")

    def _full_encoder(self) -> Encoder:
        """The configured encoder; the pulled one only if its files are whole. Raises EncoderError."""
        model, weights = self._config.routing.encoder_model, self._home.weights
        try:
            if not model:
                locate("encoder", weights)
        except WeightsMissing as error:
            raise EncoderError(str(error)) from error
        return open_encoder(model, weights)

    def _greet(self) -> None:
        name = self._node.name
        self._say(f"PPAI peer `{name}` serves {url_of(self._client_listener)}/v1")
        if self._config.name not in ("", name):
            self._say(f"the name is `{name}`: at most 64 characters that can be printed are kept of it")
        if is_taken(name) or looks_like_id(name):
            self._say(f"nobody can ask this peer by the name `{name}`, which means something else: give --name NAME")
        addresses = ", ".join(str(address) for address in self._network.addresses())
        mode = self._network.admission.mode
        self._say(f"peers reach it at {addresses} (network `{self._config.network.name}`, admission: {mode})")
        self._say(_names_rule(self._config))
        self._say(_MEASURING[self._config.profile.auto])

    def _answered(self, request_id: str, routed: Routed, by: Candidate, began: float) -> None:
        """A request of our programs got its answer: what is said of it later can be laid to who gave it."""
        if self._audits.is_audit(request_id):
            return
        if not by.local:
            self._audits.answered(by.peer_id, by.agent, routed.query.category, request_id)
        category = TOPICAL if by.likely >= LIKELY else routed.query.category
        answered = Answered(
            request_id, routed.request, by.peer_id, by.agent, category, began, time.monotonic(),
            routed.wishes.is_retry,
        )  # fmt: skip
        self._feedback.answered(answered)

    async def _attracts(self, topics: Sequence[str], texts: Sequence[str]) -> list[float] | None:
        """How likely each text is to come to an agent with these topics; None without an encoder."""
        tails = await self._reader.tails(tuple(topics), texts)
        return None if tails is None else list(map(likely_alone, tails))

    def _pulse(self, me: PeerId) -> Pulse:
        """How we are doing, for the others and for our own beliefs."""
        pulse = self._doors.pulse(me)
        self._node.observe_own_pulse(pulse, time.monotonic())
        return pulse

    def _engine_seen(self) -> None:
        """After every look at one of our engines: the load, and whatever is served now."""
        self._doors.note_ready()
        (jobs, slots, served_tokens), engines = self._doors.own_loads()
        self._node.observe_own_load(jobs, slots, time.monotonic(), served_tokens, engines)
        self._node.observe_cold(self._node.me, self._doors.cold)
        self._doors.admit_waiting()
        self._measuring.seen()
        makes = [(target.agent, target.make) for target in self._own.targets() if target.is_read]
        self._profiles.served(makes)
        self._domains.served(makes)
        self._own.changed()
        self._network.tell_admission(self._doors.admission)
        for door in self._doors.all:
            for line in door.engine.not_adopted:
                self._notices.limited("not adopted", line, f"not adopted: {line}")
        for door in self._doors.shown:
            engine = door.engine  # one that comes and goes all day is told seldom
            self._notices.limited("engine", f"engine {engine.name}", engine_line(engine.origin, engine.state))

    def _are_engines_idle(self) -> bool:
        """Whether none has a job, of whomever."""
        return not any(engine.in_flight or engine.state.others for engine in self._fleet.engines)

    def _activity_changed(self) -> None:
        """The person began or ended something: who waits is let in or turned away, and others hear of it, now."""
        self._sharing.look_again()
        self._doors.admit_waiting()
        self._network.tell_admission(self._doors.admission)

    def _door_changed(self) -> None:
        """The door opened or closed to other peers: they hear of it now, not after the next look at the engine."""
        self._network.tell_admission(self._doors.admission)

    def _heard(self, events: tuple[Event, ...], now: float) -> None:
        theirs = self._node.receive(events, now)
        if any(event.kind == "pulse" for event in theirs):
            self._doors.look_around()
        for event in events:
            if event.kind in ("refused", "equivocation"):
                self._notices.limited(event.kind, event.kind + event.peer, f"{event.kind}: {event.reason}")
            elif event.kind in ("generation", "identity_in_use", "identity_free"):
                self._notices.limited("identity", "identity", event.reason)
        if self._notices.is_due("waiting"):
            for line in waiting_lines(self._network.waiting()):
                self._notices.limited("waiting", "waiting", line)
        if self._limits and self._notices.is_due("limits"):
            for line in self._limits.unmeant():
                self._notices.limited("limits", line, line)
        if theirs and len(self._node.roster) > 1:  # else strangers would have it made anew with each of their events
            self._reader.warm_up()
            self._reader.attend(self._node.roster.topics)
        if self._reader.problem:
            self._notices.limited("gate", "gate", f"routing by load alone, not by topic: {self._reader.problem}")
        elif why := self._reader.full_problem:
            self._notices.limited("gate", "gate", f"the fast encoder alone tells topics apart, less exactly: {why}")


def _tracing(config: otel.OtelConfig, peer: str) -> otel.Tracing:
    """What tells a collector of requests; its library is loaded where one is named. Raises OtelError."""
    otel.check(config)
    if not config.endpoint:
        return otel.Untraced()
    from gateway.telemetry.tracing import OpenTelemetry

    return OpenTelemetry(config, peer)


def _stop(worker: ThreadPoolExecutor) -> None:
    """What waits for the thread when we stop is dropped."""
    worker.shutdown(wait=False, cancel_futures=True)


def _listen(stack: AsyncExitStack, host: str, port: int, flag: str) -> socket.socket:
    listener = bind(host, port, flag)
    stack.callback(listener.close)
    return listener


_MEASURING = {
    "idle": "your models are measured while nobody uses their engine (profile.auto: off ends that)",
    "off": "models are measured only by hand: `ppai-profile` (profile.auto: off)",
}


def _names_rule(config: Config) -> str:
    if config.routing.transparent:
        return "model names: unknown ones and the engine's own are routed like `auto` (--transparent)"
    return "model names: `auto` lets PPAI choose; unknown ones are refused (route them too with --transparent)"
