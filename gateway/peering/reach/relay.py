"""A relay: peers that others cannot reach keep tunnels open to it, and who dials one of them is put through.

1. A peer that may be reached through us (`ppai approve NAME --relay`, or a machine of the owner's) gets a key by a
   signed POST /peer/1/reach, and opens tunnels to the relay's port with passes made of it (passes.py).
2. Whoever dials that port with TLS says in his ClientHello which peer he means: its id is the name asked for. He is
   put through by one of its tunnels, and bytes are copied both ways. Who names nobody gets the only peer there is.
3. The TLS is between the two peers, with the certificate of the card: a relay reads nothing, and answers for nobody. It
   sees who is connected with whom, when, and how many bytes.
4. Everything is bounded: peers, tunnels, streams, bytes an hour of each peer, how long nothing may move, and what comes
   from one site. Who is refused is counted, and shown to the relay's owner.
"""

import asyncio
import logging
import secrets
import socket
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from discovery.envelopes import UNREADABLE
from discovery.records import Address, PeerId
from discovery.request_auth import Refused
from discovery.strangers import site_of
from discovery.throttle import Throttle
from gateway.peering.reach.both_ways import PIECE_BYTES, Connection, copy_both_ways
from gateway.peering.reach.client_hello import HELLO_LIMIT_BYTES, Incomplete, NoHello, name_asked
from gateway.peering.reach.passes import KEY_BYTES, KEY_S, MAGIC, PASS_BYTES, Passes
from gateway.peering.reach.punch.quic import Bind
from gateway.peering.reach.punch.rendezvous import Rendezvous
from gateway.server.places import Place, Places, PlacesConfig

log = logging.getLogger(__name__)

REACH_PATH = "/peer/1/reach"
REACH_LIMIT_BYTES = 256
HELLO_S = 5.0  # s for a ClientHello or a pass
WAIT_S = 3.0  # s that who dials waits for a tunnel: another one is on its way
PING_S, PONG_S = 5.0, 5.0  # between two signs of life of a tunnel that waits, and how long its answer may take
PING, DIAL = b"\0", b"\1"
TUNNELS_EACH = 16  # of one peer that wait


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Put others through to peers that they cannot reach (docs/operations.md#beyond-one-network)."""

    serve: bool = False  # the owner's own machines may be reached through this peer, and `ppai approve NAME --relay`
    host: str = "0.0.0.0"  # every interface
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8472  # must be open to everybody; 0 takes a free one
    peers: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64  # that are reached through this one at once
    streams_each: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 128  # connections to one of them at once
    streams: Annotated[int, msgspec.Meta(ge=1, le=8192)] = 512  # to all of them
    gib_per_hour: Annotated[float, msgspec.Meta(gt=0)] = 10.0  # that are put through to and from one of them
    idle_s: Annotated[float, msgspec.Meta(gt=0)] = 120.0  # s after which a connection on which nothing moves is closed


class KeyAsked(msgspec.Struct):
    """What a peer asks of a relay; what a later version asks besides is passed over."""

    endpoint: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64})?\Z")] = ""  # that it punches holes with


class TunnelKey(msgspec.Struct):
    """What a relay gives it."""

    port: int  # of the relay
    number: int
    key: str  # hexadecimal
    for_s: float
    endpoint: str = ""  # of the rendezvous at the relay's port, by UDP; "": there is none


@dataclass(slots=True, eq=False)
class _Tunnel:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Behind:
    """One peer that is reached through us."""

    waiting: deque[_Tunnel] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    tunnels: int = 0  # that wait or are in use
    streams: int = 0
    bytes: int = 0
    refused: int = 0  # who dialled it and was not put through


class Relay:
    """See the module."""

    def __init__(self, config: RelayConfig, may: Callable[[PeerId], bool], clock: Callable[[], float]) -> None:
        """`may`: whether a peer may be reached through us."""
        self._config, self._may, self._clock = config, may, clock
        self._port = config.port
        self._passes, self._behind = Passes(config.peers), dict[PeerId, _Behind]()
        self._keys = Throttle(1.0, 16.0)
        per_hour = config.gib_per_hour * (1 << 30)
        self._quota = Throttle(per_hour / 3600, per_hour / 6)
        # Each dial uses up a tunnel, and a peer may open 20 a second (below): who dials without end must not make it
        # lose the relay.
        self._dials, self._dials_of_site = Throttle(10.0, 128.0), Throttle(2.0, 48.0)
        each = config.streams_each + TUNNELS_EACH
        self._places = Places(PlacesConfig(
            in_all=2 * config.streams + 256, for_strangers=config.streams + 128, for_a_site=config.streams_each + 32,
            for_a_peer=each, new_per_s=100.0, new_burst=512.0, site_new_per_s=20.0, site_new_burst=256.0,
        ))  # fmt: skip
        self._open = dict[Place, asyncio.StreamWriter]()
        self._serving = set[asyncio.Task[None]]()
        self.rendezvous = Rendezvous(may, config.peers)
        self.refused = Counter[str]()  # why, of whom nobody knows whom he meant

    def admit(self, peer: PeerId, body: bytes) -> bytes:
        """A key for tunnels of this peer's. Raises Refused."""
        if not self._may(peer):
            said = "this relay is not for you: its owner runs `ppai approve NAME --relay` for this peer"
            raise Refused(409, "no_relay", said)
        try:
            asked = msgspec.json.decode(body or b"{}", type=KeyAsked)
        except UNREADABLE as error:
            raise Refused(400, "malformed", "expected a JSON object") from error
        now = self._clock()
        if not self._keys.allow(peer, now):
            raise Refused(429, "too_many_requests", "slow down")
        if peer not in self._behind and len(self._behind) >= self._config.peers:
            raise Refused(503, "full", f"this relay serves {self._config.peers} peers already (relay.peers)")
        key = secrets.token_bytes(KEY_BYTES)
        if asked.endpoint:
            self.rendezvous.expect(peer, asked.endpoint)
        given = TunnelKey(
            self._port, self._passes.issue(peer, key, now), key.hex(), KEY_S, self.rendezvous.endpoint
        )  # fmt: skip
        return msgspec.json.encode(given)

    async def run(self, listener: socket.socket, bind: Bind | None = None) -> None:
        """Serve on this listening socket until cancelled; where we may `bind`, as a rendezvous by UDP, too."""
        self._port = int(listener.getsockname()[1])
        async with asyncio.TaskGroup() as tasks:
            if bind is not None:
                tasks.create_task(self.rendezvous.run(bind, Address(self._config.host, self._port)))
            tasks.create_task(self._put_all_through(listener))

    async def _put_all_through(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._come, sock=listener, limit=PIECE_BYTES)
        try:
            await server.serve_forever()
        finally:
            for one in tuple(self._serving):
                one.cancel()
            for writer in tuple(self._open.values()):
                writer.transport.abort()

    def rows(self) -> list[dict[str, Any]]:
        """Who is reached through us, for the owner."""
        return [
            {
                "peer": peer,
                "tunnels": one.tunnels,
                "streams": one.streams,
                "bytes": one.bytes,
                "refused": one.refused,
            }
            for peer, one in self._behind.items()
        ]

    # --- who comes in ---

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to the relay's port: a tunnel, or somebody who dials."""
        ip = str((writer.get_extra_info("peername") or ("",))[0])
        place, evicted = self._places.take(site_of(ip), self._clock())
        if evicted is not None and (old := self._open.pop(evicted, None)):
            old.transport.abort()
        if place is None:
            self._refuse("too many connections", writer)
            return
        self._open[place], place.idle_since = writer, self._clock()
        task = asyncio.current_task()
        assert task is not None, "asyncio's server makes a task of each connection"
        self._serving.add(task)
        try:
            await self._serve(reader, writer, place, ip)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # asyncio's server logs a handler that was cancelled, as run() does, for a bug
        finally:
            self._serving.discard(task)
            self._open.pop(place, None)
            self._places.leave(place)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place, ip: str) -> None:
        async with asyncio.timeout(HELLO_S):
            first = await reader.readexactly(1)
            if first == MAGIC[:1]:
                shown, hello, name = first + await reader.readexactly(PASS_BYTES - 1), b"", ""
            else:
                shown, (hello, name) = b"", await _read_hello(first, reader)
        place.idle_since = None
        if shown:
            await self._keep(_Tunnel(reader, writer), shown, place)
        elif (peer := self._meant(name)) is None:
            self._refuse("nobody of that name is here", writer)
        else:
            await self._put_through(reader, writer, peer, ip, hello)

    def _meant(self, name: str) -> PeerId | None:
        """Whom a name means: the peer of that id; without a name, the only one there is."""
        if not name and len(self._behind) == 1:
            return next(iter(self._behind))
        peer = PeerId(name)
        return peer if peer in self._behind else None

    def _refuse(self, why: str, writer: asyncio.StreamWriter) -> None:
        self.refused[why] += 1
        writer.close()

    # --- tunnels ---

    async def _keep(self, tunnel: _Tunnel, shown: bytes, place: Place) -> None:
        """Hold a tunnel until it is used and that is over, or it is dead."""
        peer = self._passes.holder(shown, self._clock())
        if peer is None or not self._may(peer) or not self._places.vouch(place, peer):
            self._refuse("a tunnel without a good pass", tunnel.writer)
            return
        behind = self._behind.setdefault(peer, _Behind())
        if len(behind.waiting) >= TUNNELS_EACH or len(self._behind) > self._config.peers:
            self._forget_if_gone(peer, behind)
            self._refuse("too many tunnels", tunnel.writer)
            return
        behind.tunnels += 1
        if behind.tunnels == 1:
            log.info("relay_serves peer=%s", peer[:10])
        try:
            while self._may(peer) and await self._is_alive(tunnel):
                behind.waiting.append(tunnel)
                behind.news.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(PING_S):
                        await tunnel.taken.wait()
                if tunnel.taken.is_set():
                    await tunnel.done.wait()
                    break
                behind.waiting.remove(tunnel)
        finally:
            with suppress(ValueError):
                behind.waiting.remove(tunnel)
            behind.tunnels -= 1
            self._forget_if_gone(peer, behind)

    def _forget_if_gone(self, peer: PeerId, behind: _Behind) -> None:
        if not behind.tunnels and self._behind.get(peer) is behind:
            del self._behind[peer]

    async def _is_alive(self, tunnel: _Tunnel) -> bool:
        """Whether the other end answers a ping."""
        try:
            async with asyncio.timeout(PONG_S):
                tunnel.writer.write(PING)
                await tunnel.writer.drain()
                return await tunnel.reader.readexactly(1) == PING
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False

    # --- who dials ---

    async def _put_through(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: PeerId, ip: str, hello: bytes
    ) -> None:
        behind, config = self._behind[peer], self._config
        all_streams = sum(one.streams for one in self._behind.values())
        is_over = not self._quota.has_room(peer, self._clock())
        if not self._may_dial(peer, ip):
            behind.refused += 1
            return
        if is_over or behind.streams >= config.streams_each or all_streams >= config.streams:
            behind.refused += 1
            why = "has had its bytes of this hour" if is_over else "has as many connections as it may"
            log.info("relay_refused peer=%s reason=%r", peer[:10], why)
            return
        behind.streams += 1
        try:
            tunnel = await self._take(behind)
            if tunnel is None:
                behind.refused += 1
                return
            try:
                caller = ip.encode("ascii")
                tunnel.writer.write(DIAL + bytes([len(caller)]) + caller + hello)
                await self._copy(Connection(reader, writer), Connection(tunnel.reader, tunnel.writer), peer, behind)
            finally:
                tunnel.done.set()
        finally:
            behind.streams -= 1

    def _may_dial(self, peer: PeerId, ip: str) -> bool:
        """Whether this peer may be dialled from there once more; if so, it is counted."""
        now = self._clock()
        return self._dials_of_site.allow(f"{peer} {site_of(ip)}", now) and self._dials.allow(peer, now)

    async def _take(self, behind: _Behind) -> _Tunnel | None:
        """A tunnel that waits, or the next that comes; None where none does in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while True:
                    while behind.waiting:
                        tunnel = behind.waiting.popleft()
                        tunnel.taken.set()
                        if not tunnel.reader.at_eof() and not tunnel.writer.is_closing():
                            return tunnel
                        tunnel.done.set()
                    behind.news.clear()
                    await behind.news.wait()
        return None

    async def _copy(self, one: Connection, other: Connection, peer: PeerId, behind: _Behind) -> None:
        """Copy until both have ended, nothing moved for too long, or the quota is used up."""
        loop, idle_s = asyncio.get_running_loop(), self._config.idle_s

        def moved(size: int) -> None:
            behind.bytes += size
            self._quota.spend(peer, size, self._clock())
            if not self._quota.has_room(peer, self._clock()):
                raise OSError("its bytes of this hour are used up")
            limit.reschedule(loop.time() + idle_s)

        with suppress(TimeoutError):
            async with asyncio.timeout(idle_s) as limit:
                await copy_both_ways(one, other, moved)


async def _read_hello(first: bytes, reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """(what was read, the name in it). Raises OSError where it is no ClientHello."""
    received = first
    while True:
        try:
            return received, name_asked(received)
        except Incomplete:
            more = await reader.read(HELLO_LIMIT_BYTES)
            if not more or len(received) > HELLO_LIMIT_BYTES + 5:
                raise OSError("no hello") from None
            received += more
        except NoHello as error:
            raise OSError(str(error)) from error
