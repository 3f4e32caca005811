"""The shell around gossip: carries its messages over HTTPS and writes peers.json.

Start `run()`; every task it begins ends with it. It decides nothing: gossip.py says what to send to whom, endpoint.py
and admission.py say what to let in, dialler.py makes first contact.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from types import TracebackType

from discovery import peer_file
from discovery.admission import Admission
from discovery.answer import Answer
from discovery.client import DialledLately, PeerClient
from discovery.contacts import SYNC_PATH
from discovery.dialler import Dialler, DiallerConfig
from discovery.endpoint import Clocks, Endpoint, EndpointConfig
from discovery.envelopes import MalformedMessage
from discovery.exchanges import ClientConfig, PeerUnreachable, SessionUse
from discovery.gossip import Gossip, Send, Step
from discovery.identity import Identity, verify
from discovery.membership import Event
from discovery.messages import encode
from discovery.names import with_id
from discovery.peer_file import CachedPeer, PeerFile
from discovery.private_files import set_aside
from discovery.records import Address, Card, PeerId, Pulse
from discovery.request_auth import HashedBody, Refused
from discovery.sessions import Session, Sessions
from discovery.traffic import Traffic

log = logging.getLogger(__name__)

NEWS_S, ANSWERED_LIMIT = 0.2, 1024  # s for which it is no news that a peer has answered; peers


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """How many messages are carried at once, and how often peers.json is written."""

    sends_at_once: int = 64  # gossip exchanges in flight; more wait, and what the queue cannot hold is dropped
    strangers_at_once: int = 16  # the same with strangers, who have places of their own: they keep nobody else waiting
    save_interval_s: float = 10.0  # s between writes of peers.json, when something changed
    leave_s: float = 1.0  # s for saying goodbye
    dialler: DiallerConfig = field(default_factory=DiallerConfig)
    client: ClientConfig = field(default_factory=ClientConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)


class Transport:
    """This peer's part in the network of peers. Use it as an async context manager, and run `run()` inside."""

    def __init__(
        self,
        identity: Identity,
        net: str,
        gossip: Gossip,
        admission: Admission,
        pulse: Callable[[float], Pulse],
        on_events: Callable[[tuple[Event, ...], float], None],
        clocks: Clocks,
        *,
        on_loopback: bool,
        peers_path: Path | None = None,
        config: TransportConfig | None = None,
    ) -> None:
        """`pulse(now)` returns our present load; `on_events` is called with the events and `now`.

        `on_loopback`: our own listener is bound to loopback. `peers_path`: where peers.json is; None: it is not kept.
        """
        self.config = c = config or TransportConfig()
        self._net, self._gossip, self._admission = net, gossip, admission
        self._on_events, self._clocks, self._peers_path = on_events, clocks, peers_path
        self.endpoint = Endpoint(net, gossip, admission, verify, pulse, self.carry_out, clocks, c.endpoint)
        self.client = PeerClient(
            net, gossip, identity.sign, clocks, self._refused_by, on_loopback=on_loopback, config=c.client
        )  # fmt: skip
        self.sessions = Sessions(
            net, gossip, identity.sign, self.endpoint.standing, lambda peer: admission.may(peer, "ask"),
            clocks.monotonic,
        )  # fmt: skip
        place = (net, gossip, self.endpoint, self.client, verify, self.carry_out, clocks)
        self.dialler = Dialler(*place, on_loopback=on_loopback, config=c.dialler)
        self.traffic = Traffic()
        self._outbox: asyncio.Queue[Send] = asyncio.Queue(4 * c.sends_at_once)
        self._to_strangers: asyncio.Queue[Send] = asyncio.Queue(4 * c.strangers_at_once)
        self._cached: dict[str, CachedPeer] = {}
        self._saved: PeerFile | None = None
        self._stamp: peer_file.Stamp | None = None  # of peers.json as we wrote it
        self._saving = asyncio.Lock()
        self._answered_at: dict[PeerId, float] = {}  # when each peer was last reported to be alive

    async def __aenter__(self) -> "Transport":
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.__aexit__(kind, error, trace)

    # --- for the gateway ---

    def hint(self, address: Address, peer: PeerId | None = None) -> None:
        """See Dialler.hint."""
        self.dialler.hint(address, peer)

    def add_seed(self, host: str, port: int) -> None:
        """See Dialler.add_seed."""
        self.dialler.add_seed(host, port)

    def restore(self, remembered: PeerFile) -> None:
        """Take over what peers.json held: rights, and the other peers' addresses as hints. Raises AdmissionError."""
        self._admission.restore(*remembered.decided)
        for peer in self._admission.approved():
            self._gossip.keep(peer)
        for cached in reversed(peer_file.newest(remembered.peers)):
            self._cached[cached.id] = cached
            for ip, port in cached.addr:
                self.hint(Address(ip, port), PeerId(cached.id))

    def remembered_names(self) -> dict[PeerId, str]:
        """What the peers of peers.json called themselves when they were alive last: id -> name."""
        return {PeerId(cached.id): cached.name for cached in self._cached.values()}

    def open_session(self, peer: PeerId, body: bytes) -> tuple[bytes, Session]:
        """See Sessions.open."""
        return self.sessions.open(peer, body, self.endpoint.audience())

    def handle_sync(self, peer: PeerId, body: bytes, peer_ip: str = "") -> bytes:
        """See Endpoint.handle_sync."""
        is_relayed = self.client.is_relayed(peer)
        self.traffic.came(body, is_relayed=is_relayed)
        answer = self.endpoint.handle_sync(peer, body, peer_ip)
        self.traffic.out(answer, is_relayed=is_relayed)
        return answer

    def open_stream(
        self,
        peer: PeerId,
        path: str,
        body: bytes | HashedBody,
        headers: Mapping[str, str] | None = None,
        answer_s: float = 10.0,
        session: SessionUse = "never",
    ) -> Awaitable[Answer]:
        """See PeerClient.stream. The caller must report how it went, by `answered` or `suspect`."""
        return self.client.stream(peer, path, body, headers, answer_s=answer_s, session=session)

    def carry_out(self, step: Step) -> None:
        """Queue the messages of a step of gossip, log its events and hand them to `on_events`. Never waits."""
        for send in step.sends:
            outbox = self._to_strangers if self._gossip.is_stranger(send.to) else self._outbox
            with suppress(asyncio.QueueFull):  # a lost message does no harm: a later round repeats what it said
                outbox.put_nowait(send)
        for event in step.events:
            if event.kind == "pulse":
                continue
            if self._gossip.is_stranger(event.peer):
                log.info("stranger event=%s peer=%s reason=%r", event.kind, event.peer[:10], event.reason)
            else:  # a line of its own, so that a flood of the other kind, which is limited, does not hide it
                log.info("peer event=%s peer=%s reason=%r", event.kind, event.peer[:10], event.reason)
        if step.events:
            self._on_events(step.events, self._clocks.monotonic())

    def publish(self, draft: Card | Pulse) -> None:
        """Publish a new card or pulse of ours and spread it. Raises InvalidRecord."""
        self.carry_out(self._gossip.publish(draft, self._clocks.monotonic()))

    def answered(self, peer: PeerId) -> None:
        """Report that this peer served a request of ours: it is alive. Said again at once, it is no news."""
        now = self._clocks.monotonic()
        if now - self._answered_at.get(peer, -inf) < NEWS_S:
            return
        if len(self._answered_at) >= ANSWERED_LIMIT:
            self._answered_at.clear()
        self._answered_at[peer] = now
        self.carry_out(self._gossip.answered(peer, now, far=self.client.is_far(peer)))

    def suspect(self, peer: PeerId, reason: str) -> None:
        """Report that a request of ours to this peer failed: it is probed, and no candidate until it answers."""
        self._answered_at.pop(peer, None)
        self.carry_out(self._gossip.suspect(peer, self._clocks.monotonic(), reason))

    async def hello(self, address: Address, expected: PeerId | None = None) -> PeerId:
        """See Dialler.hello."""
        return await self.dialler.hello(address, expected)

    async def leave(self) -> None:
        """Say goodbye to some peers and write peers.json. Call before `run()` is cancelled."""
        step = self._gossip.leave(self._clocks.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.leave_s), asyncio.TaskGroup() as tasks:
                for send in step.sends:
                    tasks.create_task(self._deliver(send))
        await self.save()

    async def save(self) -> None:
        """Write peers.json, if it would change, or was changed by somebody else. Nobody else writes it.

        Where it cannot be written, a warning is logged, and the next call tries again.
        """
        if self._peers_path is None:
            return
        async with self._saving:  # else an older content could be written over a newer one
            content, stamp = self._content(), peer_file.stamp_of(self._peers_path)
            if (content, stamp) == (self._saved, self._stamp):
                return
            try:
                if self._stamp is not None and stamp != self._stamp and any(stamp):
                    aside = set_aside(self._peers_path)
                    log.warning("peers_changed_by_others kept_as=%s: use `ppai approve` and `ppai revoke`", aside)
                self._stamp = await asyncio.to_thread(peer_file.save, self._peers_path, content)
                self._saved = content
            except OSError as error:
                log.warning("peers_not_saved path=%s reason=%r", self._peers_path, error.strerror)

    async def run(self) -> None:
        """Take part in the network until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick())
            tasks.create_task(self._empty(self._outbox, self.config.sends_at_once, tasks))
            tasks.create_task(self._empty(self._to_strangers, self.config.strangers_at_once, tasks))
            tasks.create_task(self.dialler.follow_hints())
            tasks.create_task(self.dialler.dial_seeds())
            tasks.create_task(self._save_often())

    def _refused_by(self, peer: PeerId, why: str) -> None:
        card = self._gossip.card(peer)
        reason = f"{with_id(card.name if card else '', peer)}: {why}"
        self.carry_out(Step(events=(Event("refused", peer, reason),)))

    # --- the loops ---

    async def _tick(self) -> None:
        while True:
            now = self._clocks.monotonic()
            if self._gossip.pulse_due(now):
                self.endpoint.pulse_now()
            self.carry_out(self._gossip.tick(now))
            await asyncio.sleep(self._gossip.config.rounds.tick_s)

    async def _empty(self, outbox: "asyncio.Queue[Send]", at_once: int, tasks: asyncio.TaskGroup) -> None:
        room = asyncio.Semaphore(at_once)

        async def deliver(send: Send) -> None:
            try:
                await self._deliver(send)
            except Exception:  # a bug in one exchange must not end the others' task group
                log.exception("deliver_failed peer=%s", send.to[:10])
            finally:
                room.release()

        while True:
            send = await outbox.get()
            await room.acquire()
            tasks.create_task(deliver(send))

    async def _save_often(self) -> None:
        while True:
            await self.save()
            await asyncio.sleep(self.config.save_interval_s)

    # --- their steps ---

    async def _deliver(self, send: Send) -> None:
        """Carry one message to a peer and take its answer. To a peer that forgot us it says hello first."""
        if not self.client.addresses(send.to):
            return  # it has no address and only asks; its records reach us when it calls
        body = encode(send.message, self._net)
        self.traffic.out(body, is_relayed=self.client.is_relayed(send.to))
        try:
            try:
                answer = await self.client.post(send.to, SYNC_PATH, body)
            except Refused as refused:
                if refused.code != "unknown_peer" or not await self.dialler.greet(send.to):
                    raise
                answer = await self.client.post(send.to, SYNC_PATH, body)
            self.traffic.came(answer, is_relayed=self.client.is_relayed(send.to))
            if answer:
                self.endpoint.take_answer(send.to, answer)
        except DialledLately:
            return
        except PeerUnreachable as error:
            self.suspect(send.to, error.reason)
            return
        except (Refused, MalformedMessage) as error:
            log.info("sync_failed peer=%s reason=%r", send.to[:10], str(error))
            return
        self.answered(send.to)

    def _content(self) -> PeerFile:
        """What peers.json should hold now. `seen` is cut to the hour, so that a quiet network writes once an hour.

        Of strangers only those that have answered us.
        """
        seen = int(self._clocks.unix()) // 3600 * 3600
        approved = self._admission.approved()
        for member in self._gossip.members():
            if member.state == "alive" and (member.id in approved or (member.card.addr and member.relayed)):
                addr = [(address.ip, address.port) for address in member.card.addr]
                self._cached[member.id] = CachedPeer(member.id, member.card.name, addr, seen)
        peers = peer_file.newest(self._cached.values(), approved)
        self._cached = {peer.id: peer for peer in peers}
        granted, revoked, mine = self._admission.state()
        secret = self._admission.holders.state()
        relayed = self._admission.relayed()
        return PeerFile(self._gossip.gen, granted, revoked, peers, mine=mine, secret=secret, relayed=relayed)
