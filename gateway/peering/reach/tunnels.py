"""Our tunnels to relays: through them others reach this peer, which is behind a NAT or a firewall (relay.py).

1. Each relay of `network.relay` is said hello to, and asked for a key by a signed request.
2. SPARES connections to its port wait there. Over one that is used somebody's TLS begins: it is handed to our own peer
   side, as a connection that was accepted, and another spare is opened.
3. A relay that ends, restarts or moves is met again, after 1, 2, 4 .. 30 s, and every second where it was there lately.
   Our card names the relays at which spares wait, the nearest first, behind the addresses at which we are reached
   directly.

A relay tells from where who uses a tunnel comes. That is believed as far as bounds on callers go, and no further.
"""

import asyncio
import logging
import math
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from discovery.envelopes import UNREADABLE
from discovery.exchanges import PeerUnreachable
from discovery.pinned import why_unreachable
from discovery.records import Address, InvalidRecord, PeerId, check_address
from discovery.request_auth import Refused
from discovery.transport import Transport
from gateway.peering.reach.both_ways import PIECE_BYTES, Adopt, Connection, copy_both_ways, served_here
from gateway.peering.reach.looks import plain
from gateway.peering.reach.passes import KEY_BYTES, new_pass
from gateway.peering.reach.punch.punching import Punching
from gateway.peering.reach.relay import DIAL, HELLO_S, PING, PING_S, PONG_S, REACH_PATH, KeyAsked, TunnelKey

log = logging.getLogger(__name__)

SPARES = 4
SILENT_S = 2 * PING_S + PONG_S  # s without a sign of life after which a spare is given up
PAUSE_S, PAUSE_LIMIT_S = 1.0, 30.0  # until a relay is met again; it doubles
RECENT_S, RECENT_PAUSE_S = 120.0, 1.0  # for so long after it was there it is tried at least so often
NO_ROOM_S = 0.5  # after which another spare is tried where a relay had no room for one
TOLD_LIMIT = 2  # relays that our card names
_FAILURES = (OSError, TimeoutError, asyncio.IncompleteReadError, PeerUnreachable, Refused, ValueError, *UNREADABLE)


@dataclass(slots=True)
class Relayed:
    """How it is with one relay."""

    at: str  # HOST:PORT, as it was typed
    peer: PeerId | None = None
    used: Address | None = None  # its own port, where we reach it
    spares: int = 0  # that wait there
    streams: int = 0  # connections through it
    rtt_s: float = 0.0  # of the last signed request
    is_up: bool = False  # others reach us through it
    problem: str = "not met yet"


class Tunnels:
    """Through which relays we are reached."""

    def __init__(self, relays: Sequence[tuple[str, int]], transport: Transport, changed: Callable[[], None]) -> None:
        """`changed` is called when a relay came or went."""
        self._transport, self.changed = transport, changed
        self.relays = {place: Relayed(f"{place[0]}:{place[1]}") for place in relays}
        self.adopt: Adopt = lambda connection, ip: False  # until our peer side listens
        self.punching: Punching | None = None  # where the extra is installed

    def addresses(self) -> tuple[Address, ...]:
        """Where others reach us through relays, the nearest first."""
        up = sorted((one for one in self.relays.values() if one.is_up), key=lambda one: one.rtt_s)
        return tuple(dict.fromkeys(address for one in up for address in self._at(one)))[:TOLD_LIMIT]

    def rows(self) -> list[dict[str, Any]]:
        """How it is with each, for the owner."""
        return [
            {
                "relay": one.at, "peer": one.peer,
                "at": [str(address) for address in self._at(one)] if one.is_up else [],
                "streams": one.streams, "rtt_s": round(one.rtt_s, 4), "problem": "" if one.is_up else one.problem,
            }
            for one in self.relays.values()
        ]  # fmt: skip

    def _at(self, relay: Relayed) -> list[Address]:
        """Where others dial a relay: where we do, then at the other addresses of its card, e.g. of IPv6."""
        if relay.used is None or relay.peer is None:
            return []
        others = self._transport.client.addresses(relay.peer)
        ips = dict.fromkeys((relay.used.ip, *(address.ip for address in others)))
        return [Address(ip, relay.used.port) for ip in ips]

    async def run(self) -> None:
        """Keep tunnels open until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self.punching is not None and self.relays and await self.punching.prepare():
                tasks.create_task(self.punching.run(), name="punching")
            for (host, port), relay in self.relays.items():
                tasks.create_task(self._follow(host, port, relay, tasks), name=f"relay {relay.at}")

    async def _follow(self, host: str, port: int, relay: Relayed, streams: asyncio.TaskGroup) -> None:
        loop, pause_s, there_at = asyncio.get_running_loop(), PAUSE_S, -math.inf
        while True:
            try:
                await self._meet(host, port, relay)
                await _Connected(
                    relay, self._transport, lambda: self.adopt, self.changed, self.punching, streams
                ).run()  # fmt: skip
            except* _FAILURES as group:
                error = group.exceptions[0]
                while isinstance(error, BaseExceptionGroup):
                    error = error.exceptions[0]
                relay.problem = _why(error)
            if relay.is_up:
                relay.is_up, pause_s, there_at = False, PAUSE_S, loop.time()
                self.changed()
            log.info("relay_lost relay=%s reason=%r", relay.at, relay.problem)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECENT_PAUSE_S if loop.time() - there_at < RECENT_S else PAUSE_LIMIT_S)

    async def _meet(self, host: str, port: int, relay: Relayed) -> None:
        """Say hello to the relay, unless we know it. Raises Refused, PeerUnreachable, OSError, TimeoutError."""
        if relay.peer is not None and self._transport.client.addresses(relay.peer):
            return
        async with asyncio.timeout(HELLO_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        relay.peer = await self._transport.hello(Address(plain(str(found[0][4][0])), port))


class _Connected:
    """One relay while it is there."""

    def __init__(
        self, relay: Relayed, transport: Transport, adopt: Callable[[], Adopt], changed: Callable[[], None],
        punching: Punching | None, streams: asyncio.TaskGroup,
    ) -> None:  # fmt: skip
        """`streams`: holds the tasks of those who came through it, who stay when its tunnels are lost."""
        self._relay, self._transport, self._adopt, self._changed = relay, transport, adopt, changed
        self._punching, self._streams = punching, streams
        self._number, self._key, self._counter = 0, b"", 0

    async def run(self) -> None:
        """Until the relay is lost. Raises what it was lost by."""
        for_s = await self._new_key()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SPARES):
                tasks.create_task(self._spares())
            while True:
                await asyncio.sleep(for_s / 2)
                for_s = await self._new_key()

    async def _new_key(self) -> float:
        """Fetch a key; for how many seconds it is good. Raises Refused, PeerUnreachable, ValueError."""
        relay, loop = self._relay, asyncio.get_running_loop()
        assert relay.peer is not None, "it was met"
        began = loop.time()
        asked = msgspec.json.encode(KeyAsked(self._punching.endpoint if self._punching else ""))
        given = msgspec.json.decode(await self._transport.client.post(relay.peer, REACH_PATH, asked), type=TunnelKey)
        relay.rtt_s = loop.time() - began
        contact = self._transport.client.contacts[relay.peer]
        if contact.good is None:
            raise PeerUnreachable(relay.peer, "it answered, and another request to it failed meanwhile")
        key, used = bytes.fromhex(given.key), Address(contact.good.ip, given.port)
        try:
            check_address(used)
        except InvalidRecord as error:
            raise ValueError(f"the relay's port cannot be told to others: {error}") from error
        if len(key) != KEY_BYTES or not 10 <= given.for_s <= 86400:
            raise ValueError("the relay's answer is out of bounds")
        relay.used, self._number, self._key, self._counter = used, given.number, key, 0
        if self._punching is not None:
            self._punching.offered(used, given.endpoint)
        return given.for_s

    async def _spares(self) -> None:
        """Keep one connection waiting, and open the next when it is used. Raises OSError when the relay is lost.

        It is not while others wait there or are used: then it has no room for this one at the moment.
        """
        while True:
            reader, writer = await self._open()
            try:
                ip = await self._wait(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                if not self._relay.spares and not self._relay.streams:
                    raise
                await asyncio.sleep(NO_ROOM_S)
                continue
            except BaseException:
                writer.close()
                raise
            handing_over = self._streams.create_task(self._hand_over(reader, writer, ip))
            handing_over.add_done_callback(partial(_closed, writer))  # also where it never began

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        relay = self._relay
        where = relay.used
        assert where is not None, "it has given us a key"
        async with asyncio.timeout(HELLO_S):
            reader, writer = await asyncio.open_connection(where.ip, where.port, limit=PIECE_BYTES)
        self._counter += 1
        writer.write(new_pass(self._number, self._key, self._counter))
        return reader, writer

    async def _wait(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Answer pings until somebody dials us: from where. Raises OSError, TimeoutError, IncompleteReadError."""
        relay, waits = self._relay, False
        try:
            while True:
                async with asyncio.timeout(SILENT_S if waits else HELLO_S):
                    said = await reader.readexactly(1)
                if said == DIAL:
                    async with asyncio.timeout(HELLO_S):
                        size = (await reader.readexactly(1))[0]
                        return (await reader.readexactly(size)).decode("ascii", "replace")
                if said != PING:
                    raise OSError("it says what no relay says")
                writer.write(PING)
                if not waits:
                    waits = True
                    relay.spares += 1
                    if not relay.is_up:
                        log.info("relay_reached relay=%s at=%s", relay.at, relay.used)
                        relay.is_up = True
                        self._changed()
        finally:
            relay.spares -= waits

    async def _hand_over(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ip: str) -> None:
        """Let our peer side serve who came, and copy both ways until either ends."""
        self._relay.streams += 1
        try:
            if near := await served_here(self._adopt(), ip):
                await copy_both_ways(Connection(reader, writer), near)
        except OSError as error:  # no more sockets
            log.warning("tunnel_not_served relay=%s reason=%r", self._relay.at, str(error))
        finally:
            self._relay.streams -= 1


def _closed(writer: asyncio.StreamWriter, _: object) -> None:
    writer.close()


def _why(error: BaseException) -> str:
    """What a relay was lost by, in words for its user."""
    if isinstance(error, PeerUnreachable):
        return f"it cannot be reached: {error.reason}"
    if isinstance(error, Refused):
        return error.message
    if isinstance(error, asyncio.IncompleteReadError):
        return "it closed our tunnels"
    return why_unreachable(error)
