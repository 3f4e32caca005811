"""A peer's parts: the only place that makes tasks, clients, clocks and random numbers, and hands them down."""

import asyncio
import datetime
import os
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from discovery.membership import Event
from discovery.records import PeerId, Pulse
from gateway.agent.owned.agents import PersonalAgents
from gateway.agent.owned.opening import Opening
from gateway.beliefs.domains import LIKELY
from gateway.beliefs.domains import alone as likely_alone
from gateway.beliefs.table import Beliefs
from gateway.capacity.allowance import Allowance, AllowanceConfig
from gateway.capacity.door import Door
from gateway.capacity.doors import Doors
from gateway.capacity.limits import Limits, Named
from gateway.capacity.sharing import Sharing
from gateway.client.api_keys import ApiKeys, check_reachable
from gateway.client.app import ClientApp
from gateway.client.page.entry import Entry
from gateway.client.page.showing import Showing
from gateway.client.page.watching import Watching as PagesWatching
from gateway.client.pages import pages_app
from gateway.client.running import RunningPeer, Workers
from gateway.config import Config
from gateway.doctor.finding import Finding
from gateway.engines.fleet import Fleet
from gateway.engines.local import LocalEngine
from gateway.home.folder import Home, Running
from gateway.measuring.asking import IdleMeasuring
from gateway.measuring.auditing import Auditing, KeptTrust
from gateway.measuring.feedback import Answered, Feedback
from gateway.measuring.owned.domains import Domains
from gateway.measuring.power import is_on_battery
from gateway.measuring.profiles import Profiles
from gateway.measuring.refolding import refold
from gateway.models.published import shipped_priors
from gateway.own_agents import OwnAgents
from gateway.peering.enquiries import Enquiries
from gateway.peering.given import Given
from gateway.peering.hop.answers import Answers
from gateway.peering.hop.delegations import Delegations
from gateway.peering.invitations import Invitations
from gateway.peering.listener import PEER_BOUNDS, PeerApp
from gateway.peering.network import Membership, Network, join, peer_name
from gateway.peering.passing import PassingToPeers
from gateway.peering.probes import Peers
from gateway.peering.reach.punch import quic
from gateway.peering.reach.relay import Relay
from gateway.peering.settling import Settling
from gateway.person.watching import Watching
from gateway.privacy.rules import Rules
from gateway.routing.choice import Candidate
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.worth import Space
from gateway.runtime.greeting import greeting
from gateway.runtime.lots import OwnLots
from gateway.runtime.opening import embedded_engine, full_encoder, tracing
from gateway.runtime.telling import Telling
from gateway.server.event_loop import collecting
from gateway.server.listeners import (
    CLIENT_BOUNDS,
    Server,
    bind,
    bind_shared,
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
from gateway.telemetry.kept_log import KeptLog
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.notices import Notices
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import open_reader
from gateway.trust.ledger import Ledger
from gateway.trust.observed import TOPICAL
from gateway.upstream import Patience
from gateway.workers.crew import Crew, how_many
from gateway.workers.frames import LetsIn
from gateway.workers.lending import Lending
from profiler.encoder import OpenedOnce
from profiler.qagate import QAGate

DRAIN_LOOK_S = 0.5  # s between two looks whether others' jobs have ended
DRAIN_OWN_S = 30.0  # s that own jobs get after those, until a drained peer ends

Say = Callable[[str], None]


class Runtime:
    """One peer's parts, built on entry and closed on exit."""

    def __init__(self, config: Config, home: Home, gate: QAGate, say: Say, log: KeptLog, stop: asyncio.Event) -> None:
        """`gate`: the configured one. `stop`: set by whoever wants the peer to end, the owner's programs included."""
        self._config, self._home, self._gate, self._log, self._stop = config, home, gate, log, stop
        self._say = log.along(say)
        self._stack = AsyncExitStack()
        self._telling = Telling(Notices(self._say, time.monotonic))
        # for topics of queries, and for documents
        self._encoder = OpenedOnce(partial(full_encoder, config.routing.encoder_model, home))

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
        self._workers = how_many(config.client.workers)
        if self._workers == 1 and config.client.workers not in (1, "auto"):
            self._say("warning: client.workers is for Linux; here one process does all")
        self._client_listeners = _listen_shared(stack, config.client.host, config.client.port, self._workers)
        self._peer_listener = _listen(stack, config.peer.host, config.peer.port, "--peer-port")
        relay = config.relay
        self._relay_listener = _listen(stack, relay.host, relay.port, "relay.port:") if relay.serve else None
        membership = join(config.network, home.path)
        for warning in membership.warnings:
            self._say(f"warning: {warning}")
        self._node = Node(
            peer_name(config.name or socket.gethostname()), membership.gossip, membership.admission,
            policy(config.scheduler), Beliefs(config.beliefs), OwnLots(), priors=shipped_priors(),
            alone=config.scheduler if config.scheduler.mode == "default" else None,
        )  # fmt: skip
        await self._build_engines(stack)
        await self._build_network(stack, membership)
        self._build_sides(stack, keys)

    async def _build_engines(self, stack: AsyncExitStack) -> None:
        embedded = partial(embedded_engine, self._config.embedded, self._home)
        self._fleet = Fleet(self._config.own_engines, embedded)
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
        self._invitations = Invitations(self._network, self._home.path, membership.secret, self._telling.limited)
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
        self._tracing = tracing(config.otel, self._node.name)
        if self._tracing is not None:
            stack.push_async_callback(self._tracing.close)
        worker = ThreadPoolExecutor(1, "encoder")
        stack.callback(_stop, worker)
        self._reader = open_reader(config.routing, self._gate, worker, self._encoder, self._home.background)
        gate = self._gate
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
            partial(self._telling.limited, "audits"), self._kept.keep,
        ).audits  # fmt: skip
        passing = PassingToPeers(self._network.transport.open_stream, peers.failed, self._settling.got)
        others = Others(
            config.routing, patience, self._node, self._doors, passing, telemetry, route_log,
            clock=clock, wall_clock=time.time, leaving=dispatcher.decider.leaving, tracing=self._tracing,
        )  # fmt: skip
        url, token = url_of(self._client_listeners[0]), secrets.token_urlsafe(32)
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
            partial(self._examine, url), self._workers_now,
        )  # fmt: skip
        self._pages = PagesWatching(Showing(running), secrets.token_hex(4), clock)
        app = ClientApp(dispatcher, pages_app(running, self._pages), client, keys, entry.is_owner, others)
        self._lending = self._new_lending(dispatcher)
        self._client_server = (
            server(app, places_for_programs(self._descriptors), CLIENT_BOUNDS) if self._workers == 1
            else Crew(app, self._descriptors, config.log_level, self._say, self._lets_in(), self._lending)
        )  # fmt: skip
        self._peer_server = self._new_peer_server(telemetry, patience)
        self._network.tunnels.adopt = self._peer_server.adopt
        self._home.announce(Running(url=url, pid=os.getpid(), token=token))
        stack.callback(self._home.retire)

    async def run(self) -> None:
        """Serve until the event `stop` is set."""
        network = self._network
        async with asyncio.TaskGroup() as tasks:

            def begun(**work: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
                return [tasks.create_task(each, name=name) for name, each in work.items()]

            serving = [
                tasks.create_task(self._client_server.serve(self._client_listeners), name="client side"),
                tasks.create_task(self._peer_server.serve([self._peer_listener]), name="peer side"),
            ]
            watching = tasks.create_task(self._fleet.run(tasks, self._engine_seen), name="engines")
            meanwhile = begun(
                network=network.run(),
                enquiries=self._enquiries.run(),
                looks=network.looks.run(self._own.changed),
                tunnels=network.tunnels.run(),
                measuring=self._measuring.run(),
                refolding=self._refold(),
                audits=self._audits.run(),
                draining=self._drained(),
                person=self._watching.run(),
                page=self._pages.run(),
                garbage=collecting(),
                agents=self._personal.run(self._own.changed),
            )
            if network.relay is not None and self._relay_listener is not None:
                bind = quic.bind if quic.is_there() else None
                meanwhile += begun(relay=network.relay.run(self._relay_listener, bind))
            keeping = begun(tabs=self._settling.run(), trust=self._kept.run())
            url = url_of(self._client_listeners[0])
            for line in greeting(self._config, self._node.name, url, network.addresses(), network.admission.mode):
                self._say(line)
            await self._stop.wait()
            self._say("stopping: answers in progress may end")
            watching.cancel()
            await network.transport.leave()
            for task in meanwhile:
                task.cancel()
            self._pages.end()
            self._client_server.stop()
            self._peer_server.stop()
            await asyncio.wait(serving)
            for task in keeping:  # the last: they write down what was answered and graded until now
                task.cancel()
            await self._fleet.stop()

    def _lets_in(self) -> LetsIn:
        """What workers are told."""
        client = self._config.client
        return LetsIn(0, client.callers, str(self._home.api_keys_file), client.body_limit_bytes)

    def _new_lending(self, dispatcher: Dispatcher) -> Lending | None:
        """Whoever gives workers standing orders; None where something has to see each request as it comes."""
        if self._workers == 1 or self._config.learning.signs or self._tracing is not None:
            return None
        lending = Lending(dispatcher.by_order, self._workers)
        self._network.gossip.watch(lending.look_again)
        self._network.admission.watch(lending.look_again)
        return lending

    def _workers_now(self) -> Workers | None:
        crew = self._client_server
        return Workers(crew.wanted, len(crew.pids), crew.ended) if isinstance(crew, Crew) else None

    def _examine(
        self,
        url: str,
        status: Mapping[str, Any],
        peers: Sequence[Mapping[str, Any]],
        ask: Callable[[Mapping[str, object]], str],
        looks: Sequence[Mapping[str, Any]],
    ) -> list[Finding]:
        """What `ppai doctor` finds, for the page; it blocks."""
        from gateway.doctor import examining  # loaded when the page asks for it

        running = examining.Running(url, status, peers, ask, looks)
        return examining.examine(self._home, self._config, running, datetime.datetime.now(datetime.UTC))

    async def _drained(self) -> None:
        """End this peer once the owner has drained it and no job of others is left; own ones get a while, too."""
        since: float | None = None
        while True:
            await asyncio.sleep(DRAIN_LOOK_S)
            if not self._sharing.is_draining or (load := self._doors.load).remote_running:
                since = None
                continue
            now = time.monotonic()
            since = now if since is None else since
            if not load.ours or now - since >= DRAIN_OWN_S:
                self._stop.set()
                return

    async def _refold(self) -> None:
        await refold(self._home.path / "profile", self._profiles, self._reader, self._own.changed, self._say)

    def _new_peer_server(self, telemetry: Telemetry, patience: Patience) -> Server:
        network, admission = self._network, self._config.admission
        transport, doors, settling, clock = network.transport, self._doors, self._settling, time.monotonic
        allowance = Allowance(
            AllowanceConfig(requests_per_s=admission.peer_requests_per_s, tokens_per_s=admission.peer_tokens_per_s)
        )

        def given(peer: PeerId) -> Given:
            return Given(peer, self._limits, self._own.may_use)

        answers = Answers(
            transport, doors, given, network.details_for, settling, network.looks_for_others, network.relay,
            network.tunnels.punching,
        )  # fmt: skip
        delegations = Delegations(
            doors, given, network.admission.mode != "open", patience, allowance, settling, admission.exposure_tokens,
            network.admission.vouches, telemetry, self._tracing, clock,
        )  # fmt: skip
        app = PeerApp(
            transport, self._invitations.inviting.answer, network.admission.may, network.identity.sign, answers,
            delegations, allowance, network.looks.entered, telemetry, clock,
        )  # fmt: skip
        places = places_for_peers(self._descriptors)
        return server(app, places, PEER_BOUNDS, network.identity.server_ssl_context())

    def _door_to(self, engine: LocalEngine) -> Door:
        return Door(
            engine, self._config.admission, time.monotonic, self._node.own_mean_service_s, self._door_changed,
            loads_for_others=engine.config.load_for_others, kept_shut=self._sharing.why,
            weight=lambda peer: self._settling.weight(peer),
        )  # fmt: skip

    def _answered(self, request_id: str, routed: Routed, by: Candidate, began: float) -> None:
        """A request of our programs got its answer: what is said of it later can be laid to who gave it."""
        if self._audits.is_audit(request_id):
            return
        if not by.local:
            self._audits.answered(by.peer_id, by.agent, routed.query.category, request_id)
        category = TOPICAL if by.likely >= LIKELY else routed.query.category
        feedback, now = self._feedback, time.monotonic()
        if feedback.reads_signs:
            is_retry = routed.wishes.is_retry
            feedback.read(Answered(request_id, routed.request, by.peer_id, by.agent, category, began, now, is_retry))
        feedback.remember(request_id, by.peer_id, by.agent, category, now)

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
        self._node.count_own(self._doors.doing, time.monotonic())
        self._node.observe_cold(self._node.me, self._doors.cold)
        self._doors.admit_waiting()
        self._measuring.seen()
        makes = [(target.agent, target.make) for target in self._own.targets() if target.is_read]
        self._profiles.served(makes)
        self._domains.served(makes)
        self._own.changed()
        self._network.tell_admission(self._doors.admission)
        self._telling.engines(self._doors)
        if self._lending is not None:
            self._lending.look_again()

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
        self._telling.events(events)
        self._telling.waiting(self._network.waiting)
        self._telling.limits(self._limits)
        if theirs and len(self._node.roster) > 1:  # else strangers would have it made anew with each of their events
            self._reader.warm_up()
            self._reader.attend(self._node.roster.topics)
        self._telling.topics(self._reader)


def _stop(worker: ThreadPoolExecutor) -> None:
    """What waits for the thread when we stop is dropped."""
    worker.shutdown(wait=False, cancel_futures=True)


def _listen_shared(stack: AsyncExitStack, host: str, port: int, number: int) -> list[socket.socket]:
    """The client side's listeners, one for each process that serves it."""
    if number == 1:
        return [_listen(stack, host, port, "--port")]
    listeners = bind_shared(host, port, "--port", number)
    for listener in listeners:
        stack.callback(listener.close)
    return listeners


def _listen(stack: AsyncExitStack, host: str, port: int, flag: str) -> socket.socket:
    listener = bind(host, port, flag)
    stack.callback(listener.close)
    return listener
