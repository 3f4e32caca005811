"""The shell around gossip: carries its messages over HTTPS and remembers peers on disk.

`run()` is the one coroutine to start; everything it begins ends with it. What to say and to whom is decided elsewhere
(gossip.py), what to let in likewise (endpoint.py, admission.py), whom to call first in dialler.py.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import aiohttp

from discovery import peer_file
from discovery.admission import Admission
from discovery.client import ClientConfig, PeerClient, PeerUnreachable
from discovery.dialler import Dialler, DiallerConfig
from discovery.endpoint import Clocks, Endpoint, EndpointConfig
from discovery.envelopes import MalformedMessage
from discovery.gossip import Gossip, Send, Step
from discovery.identity import Identity, verify
from discovery.membership import Event
from discovery.messages import decode, encode
from discovery.peer_file import CachedPeer, PeerFile
from discovery.records import Address, Card, PeerId, Pulse
from discovery.request_auth import Refused

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """How much is carried at once, and how often remembered."""

    sends_at_once: int = 64  # gossip exchanges in flight; beyond it news waits for a later round
    save_interval_s: float = 10.0  # s between writes of peers.json, when something changed
    leave_s: float = 1.0  # s given to saying goodbye
    dialler: DiallerConfig = field(default_factory=DiallerConfig)
    client: ClientConfig = field(default_factory=ClientConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)


class Transport:
    """Our place in the network of peers: use as an async context manager, and run `run()` meanwhile."""

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
        """`pulse(now)` draws up our load, `on_events` hears what happens.

        `on_loopback`: our own listener is bound to loopback. `peers_path`: where peers.json is kept, if anywhere.
        """
        self.config = c = config or TransportConfig()
        self._net, self._gossip, self._admission = net, gossip, admission
        self._on_events, self._clocks, self._peers_path = on_events, clocks, peers_path
        self.endpoint = Endpoint(net, gossip, admission, verify, pulse, self.carry_out, clocks, c.endpoint)
        self.client = PeerClient(gossip, identity.sign, clocks, on_loopback=on_loopback, config=c.client)
        place = (net, gossip, self.endpoint, self.client, verify, self.carry_out, clocks)
        self.dialler = Dialler(*place, on_loopback=on_loopback, config=c.dialler)
        self._outbox: asyncio.Queue[Send] = asyncio.Queue(4 * c.sends_at_once)
        self._cached: dict[str, CachedPeer] = {}
        self._saved: PeerFile | None = None

    async def __aenter__(self) -> "Transport":
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.__aexit__(kind, error, trace)

    # --- for the gateway ---

    def hint(self, address: Address, peer: PeerId | None = None) -> None:
        """Follow up, soon, that a peer may listen at `address`. Never waits, never fails."""
        self.dialler.hint(address, peer)

    def add_seed(self, host: str, port: int) -> None:
        """Keep in touch with whoever listens there (a name is resolved at every attempt)."""
        self.dialler.add_seed(host, port)

    def restore(self, remembered: PeerFile) -> None:
        """Take up what peers.json held: the rights, and hints where the others were. Raises AdmissionError."""
        self._admission.restore(remembered.granted, remembered.revoked)
        for peer in self._admission.approved():
            self._gossip.keep(peer)
        for cached in reversed(peer_file.newest(remembered.peers)):
            self._cached[cached.id] = cached
            for ip, port in cached.addr:
                self.hint(Address(ip, port), PeerId(cached.id))

    def authenticate(self, method: str, raw_path: str, headers: Mapping[str, str], body: bytes) -> PeerId:
        """See Endpoint.authenticate."""
        return self.endpoint.authenticate(method, raw_path, headers, body)

    def handle_hello(self, body: bytes, peer_ip: str) -> bytes:
        """See Endpoint.handle_hello."""
        return self.endpoint.handle_hello(body, peer_ip)

    def handle_sync(self, peer: PeerId, body: bytes) -> bytes:
        """See Endpoint.handle_sync."""
        return self.endpoint.handle_sync(peer, body)

    def open_stream(
        self, peer: PeerId, path: str, body: bytes, headers: Mapping[str, str] | None = None, answer_s: float = 10.0
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """See PeerClient.stream. Whoever uses it says how it went: `answered` or `suspect`."""
        return self.client.stream(peer, path, body, headers, answer_s)

    def carry_out(self, step: Step) -> None:
        """Queue the messages of a step of gossip, and pass on what happened. Never waits."""
        for send in step.sends:
            with suppress(asyncio.QueueFull):  # losing gossip is harmless: a later round repeats it
                self._outbox.put_nowait(send)
        for event in step.events:
            if event.kind != "pulse":
                log.info("peer event=%s peer=%s reason=%r", event.kind, event.peer[:10], event.reason)
        if step.events:
            self._on_events(step.events, self._clocks.monotonic())

    def publish(self, draft: Card | Pulse) -> None:
        """Publish a new card or pulse of ours and spread it. Raises InvalidRecord."""
        self.carry_out(self._gossip.publish(draft, self._clocks.monotonic()))

    def answered(self, peer: PeerId) -> None:
        """A request of ours was served by this peer: it lives."""
        self.carry_out(self._gossip.answered(peer, self._clocks.monotonic()))

    def suspect(self, peer: PeerId, reason: str) -> None:
        """A request of ours to this peer failed: it is probed, and no candidate until it answers."""
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
        """Write peers.json, if it would change. A full disk is a warning."""
        content = self._content()
        if self._peers_path is None or content == self._saved:
            return
        try:
            await asyncio.to_thread(peer_file.save, self._peers_path, content)
            self._saved = content
        except OSError as error:
            log.warning("peers_not_saved path=%s reason=%r", self._peers_path, error.strerror)

    async def run(self) -> None:
        """Take part in the network until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick())
            tasks.create_task(self._empty_outbox(tasks))
            tasks.create_task(self.dialler.follow_hints())
            tasks.create_task(self.dialler.dial_seeds())
            tasks.create_task(self._save_often())

    # --- the loops ---

    async def _tick(self) -> None:
        while True:
            now = self._clocks.monotonic()
            if self._gossip.pulse_due(now):
                self.endpoint.pulse_now()
            self.carry_out(self._gossip.tick(now))
            await asyncio.sleep(self._gossip.config.tick_s)

    async def _empty_outbox(self, tasks: asyncio.TaskGroup) -> None:
        room = asyncio.Semaphore(self.config.sends_at_once)

        async def deliver(send: Send) -> None:
            try:
                await self._deliver(send)
            except Exception:
                log.exception("deliver_failed peer=%s", send.to[:10])
            finally:
                room.release()

        while True:
            send = await self._outbox.get()
            await room.acquire()
            tasks.create_task(deliver(send))

    async def _save_often(self) -> None:
        while True:
            await self.save()
            await asyncio.sleep(self.config.save_interval_s)

    # --- their steps ---

    async def _deliver(self, send: Send) -> None:
        """Carry one message to a peer and its answer back; a peer that forgot us is greeted first."""
        if not self.client.addresses(send.to):
            return  # it only asks; its news reaches us when it calls
        body = encode(send.message, self._net)
        try:
            try:
                answer = await self.client.post(send.to, "/peer/1/sync", body)
            except Refused as refused:
                if refused.code != "unknown_peer" or not await self.dialler.greet(send.to):
                    raise
                answer = await self.client.post(send.to, "/peer/1/sync", body)
            reply = decode(answer, self._net, self.endpoint.opener()) if answer else None
        except PeerUnreachable as error:
            self.suspect(send.to, error.reason)
            return
        except (Refused, MalformedMessage) as error:
            log.info("sync_failed peer=%s reason=%r", send.to[:10], str(error))
            return
        self.answered(send.to)
        if reply is not None:
            self.carry_out(self._gossip.receive(reply, send.to, self._clocks.monotonic()))

    def _content(self) -> PeerFile:
        """What peers.json should hold now; `seen` to the hour, so that a quiet network writes nothing."""
        seen = int(self._clocks.unix()) // 3600 * 3600
        for member in self._gossip.members():
            if member.state == "alive" and member.card.addr:
                addr = [(address.ip, address.port) for address in member.card.addr]
                self._cached[member.id] = CachedPeer(member.id, member.card.name, addr, seen)
        peers = peer_file.newest(self._cached.values())
        self._cached = {peer.id: peer for peer in peers}
        return PeerFile(self._gossip.gen, *self._admission.state(), peers)
