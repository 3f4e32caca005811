"""Listening sockets and the servers behind them, run inside our own event loop and stopped by us."""

import asyncio
import errno
import ipaddress
import logging
import re
import socket
import ssl
from asyncio import FIRST_COMPLETED
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from discovery.buffered import Buffered
from discovery.heads import KnownHeads
from discovery.strangers import site_of
from gateway.server.bounds import Bounds
from gateway.server.connection import KEEPALIVE_S, Connection, ServerState, collect
from gateway.server.places import Place, Places, PlacesConfig
from gateway.server.turns import Turns, meeting

log = logging.getLogger(__name__)

GRACE_S = 5.0  # answers in progress may end when the peer is stopped
SAY_SO_S = 1.0  # then those that are ended may tell their clients
CHECK_S = 1.0  # between two looks at connections that take too long
LOOK_S = 0.05  # between two looks whether all answers in progress have ended
REFUSED_AT_ONCE = 16  # refusals in a row; then others have their turn
REFUSED_S = 0.004  # s of that turn: with it at most 4,000 are refused a second
FULL_S = 0.1  # s to wait where the system has no room for another connection
DESCRIPTORS = 8192  # open files that a peer can use
CLIENT_BOUNDS = Bounds(
    head_bytes=64 << 10,
    first_head_s=KEEPALIVE_S,  # programs open connections ahead of need
    dropped_bytes=8 << 20,  # many programs listen for a refusal only when they have sent all
    heads=KnownHeads,
)
_NAME = re.compile(r"[\w.-]+")  # of a host: no scheme, port, path or blank


class PortTaken(Exception):
    """Another program listens there; the message names the remedy."""


class PlaceError(Exception):
    """A host and port cannot be listened on; the message names the key and the remedy."""


def check_places(client: tuple[str, int], peer: tuple[str, int]) -> None:
    """Raises PlaceError where one of these is no host, or both are one place. Nothing is looked up or opened."""
    for key, (host, _) in (("client.host", client), ("peer.host", peer)):
        if not (_NAME.fullmatch(host) or _is_address(host)):
            raise PlaceError(
                f"`{key}` is `{host}`, which is no address or name alone; expected e.g. 127.0.0.1, 0.0.0.0 or ::1, and"
                f" the port in `{key.removesuffix('host')}port`"
            )
    everywhere = {"0.0.0.0", "::"}
    if client[1] == peer[1] != 0 and (client[0] == peer[0] or everywhere & {client[0], peer[0]}):
        raise PlaceError(f"`client.port` and `peer.port` are both {peer[1]}: give one of them another (8470 and 8471)")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def bind(host: str, port: int, flag: str, *, is_shared: bool = False) -> socket.socket:
    """A listening socket; port 0 takes a free one. `is_shared`: one of several there, of which each gets its share.

    Raises PortTaken naming `flag`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} on {host} is taken; stop the program there or choose another: {flag} N"
            ) from error
        raise PortTaken(f"cannot listen on {host} port {port}: {error.strerror}; choose another: {flag} N") from error
    listener.setblocking(False)
    return listener


def bind_shared(host: str, port: int, flag: str, number: int) -> list[socket.socket]:
    """So many listening sockets at one place, among which the system divides connections (Linux). Raises PortTaken."""
    if port:  # sharing is with anybody who would share: so first see that nobody is there
        bind(host, port, flag).close()
    with ExitStack() as stack:
        listeners = list[socket.socket]()
        for _ in range(number):
            listeners.append(stack.enter_context(bind(host, port, flag, is_shared=True)))
            port = listeners[0].getsockname()[1]
        stack.pop_all()  # all are there: the caller closes them
    return listeners


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Where this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{host}:{port}"


class Server:
    """Lets in whom `places` has a place for, and has `app` answer, until it is to stop."""

    def __init__(self, app: Any, places: Places, bounds: Bounds, tls: ssl.SSLContext | None) -> None:
        self.grace_s = GRACE_S
        self.server_state = ServerState(heads=(bounds.heads or KnownHeads)(bounds.head_bytes))
        self._meet, self._tls = meeting(app), tls
        self._places, self._bounds, self._turns = places, bounds, Turns()
        self._open = dict[Place, Connection]()
        self._arriving = set[asyncio.Task[None]]()
        self._stopped = asyncio.Event()

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on `sockets` until `stop`, then end as `_end` has it.

        Raises the bug that ended accepting: a server that lets nobody in any more must not go on as if it did.
        """
        stopped = asyncio.create_task(self._stopped.wait())
        ended, accepting = set[asyncio.Task[Any]](), [asyncio.create_task(self._accept(each)) for each in sockets]
        try:
            while not ended:
                self.check(asyncio.get_running_loop().time())
                ended, _ = await asyncio.wait((stopped, *accepting), timeout=CHECK_S, return_when=FIRST_COMPLETED)
        finally:
            for task in (stopped, *accepting):
                task.cancel()
        for task in ended:
            task.result()
        await asyncio.wait(accepting)
        await self._end(sockets)

    def stop(self) -> None:
        """Have `serve` end, which may still be to begin."""
        self._stopped.set()

    async def _end(self, sockets: Sequence[socket.socket]) -> None:
        """Answers in progress have `grace_s`; those that are ended then have time to say so; who is left is cut off."""
        state = self.server_state
        for listener in sockets:
            listener.close()
        for connection in tuple(state.connections):
            connection.shutdown()
        await self._until_left(self.grace_s)
        if ending := {*state.tasks, *self._arriving}:
            for under_way in ending:
                under_way.cancel()
            await asyncio.wait(ending, timeout=SAY_SO_S)
            await self._until_left(SAY_SO_S)
        for connection in tuple(state.connections):  # such as one over TLS whose other side never says goodbye
            connection.transport.abort()
        await self._until_left(SAY_SO_S)

    async def _until_left(self, within_s: float) -> None:
        """Wait until nobody is connected, at most so long."""
        loop, state = asyncio.get_running_loop(), self.server_state
        until = loop.time() + within_s
        await asyncio.sleep(0)  # a connection that is closed is told so in a later turn
        while (state.connections or state.tasks) and loop.time() < until:
            await asyncio.sleep(LOOK_S)

    def check(self, now: float) -> None:
        """End every connection that has taken too long. Called every CHECK_S."""
        for connection in tuple(self._open.values()):
            connection.check(now)

    async def _accept(self, listener: socket.socket) -> None:
        loop, refused = asyncio.get_running_loop(), 0
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an event is sent when it is written
                if self._bounds.unread_bytes is not None:
                    collect(accepted, self._bounds.unread_bytes)
            except OSError as error:  # no room for another connection, or this one was reset meanwhile
                log.warning("not_accepted reason=%r", error.strerror)
                await asyncio.sleep(FULL_S)
                continue
            if not self._seat(accepted, address[0]):
                refused += 1
                await asyncio.sleep(REFUSED_S if refused % REFUSED_AT_ONCE == 0 else 0)
                continue
            await asyncio.sleep(0)

    def adopt(self, accepted: socket.socket, caller: str) -> bool:
        """Take a connection that came another way, of who is at the address `caller`; closed where no place is left."""
        return self._seat(accepted, caller, caller)

    def _seat(self, accepted: socket.socket, ip: str, caller: str | None = None) -> bool:
        place, evicted = self._places.take(site_of(ip), asyncio.get_running_loop().time())
        if evicted is not None and (connection := self._open.pop(evicted, None)):
            connection.transport.abort()
        if place is None:
            accepted.close()
            return False
        arrival = asyncio.create_task(self._arrive(accepted, place, caller))
        self._arriving.add(arrival)
        arrival.add_done_callback(self._arriving.discard)
        return True

    async def _arrive(self, accepted: socket.socket, place: Place, caller: str | None) -> None:
        """Make a connection of an accepted socket."""
        connection = Connection(
            self._meet, self.server_state, self._bounds, place, self._places.vouch, self._left, self._turns, caller
        )  # fmt: skip
        patience = dict.fromkeys(
            ("ssl_handshake_timeout", "ssl_shutdown_timeout"), self._bounds.handshake_s if self._tls else None
        )
        self._open[place] = connection
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Buffered(connection) if self._tls else connection, accepted, ssl=self._tls, **patience
            )
        except OSError:  # it left, is no TLS, or did not finish in time
            self._left(place)

    def _left(self, place: Place) -> None:
        self._open.pop(place, None)
        self._places.leave(place)


def server(app: Any, places: PlacesConfig, bounds: Bounds, tls: ssl.SSLContext | None = None) -> Server:
    """A server for `app`, over TLS where `tls` says how."""
    return Server(app, Places(places), bounds, tls)


def places_for_peers(descriptors: int) -> PlacesConfig:
    """Of the files that we may open, a fifth are other peers' connections: the rest is left to the owner."""
    in_all = min(1024, descriptors // 5)
    return PlacesConfig(in_all, min(192, in_all * 3 // 4), min(32, in_all // 4), in_all // 2)


def places_for_programs(descriptors: int) -> PlacesConfig:
    """A quarter are connections of programs, each of which may need another one to an engine or a peer."""
    in_all = descriptors // 4
    return PlacesConfig(in_all, in_all // 2, in_all // 4, in_all, loopback_is_ours=True)


def connections_to_peers(descriptors: int) -> int:
    """How many connections of our own to other peers, who may make us dial: an eighth."""
    return min(512, descriptors // 8)


def raise_descriptor_limit() -> int:
    """Take as many open files as the system lets us have, up to DESCRIPTORS: how many that is."""
    try:
        import resource
    except ImportError:  # Windows: no such limit for sockets
        return DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(soft, wanted)
