"""Listening sockets and the uvicorn servers behind them, run inside our own event loop and stopped by us."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import re
import socket
from asyncio import FIRST_COMPLETED
from collections.abc import Iterator
from typing import Any

import uvicorn

from discovery.strangers import site_of
from gateway.server.connection import KEEPALIVE_S, Bounds, Connection, collect
from gateway.server.exchange import Exchange
from gateway.server.places import Place, Places, PlacesConfig
from gateway.server.turns import Turns

log = logging.getLogger(__name__)

GRACE_S = 5  # answers in progress may end when the peer is stopped
SAY_SO_S = 1  # then those that are ended may tell their clients
CHECK_S = 1.0  # between two looks at connections that take too long
REFUSED_AT_ONCE = 16  # refusals in a row; then others have their turn
REFUSED_S = 0.004  # s of that turn: with it at most 4,000 are refused a second
FULL_S = 0.1  # s to wait where the system has no room for another connection
DESCRIPTORS = 8192  # open files that a peer can use
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


def bind(host: str, port: int, flag: str) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises PortTaken naming `flag`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} on {host} is taken; stop the program there or choose another: {flag} N"
            ) from error
        raise PortTaken(f"cannot listen on {host} port {port}: {error.strerror}; choose another: {flag} N") from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Where this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{host}:{port}"


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the runtime, and lets in whom `places` has a place for."""

    def __init__(self, config: uvicorn.Config, places: Places, bounds: Bounds) -> None:
        super().__init__(config)
        self._places, self._bounds, self._turns = places, bounds, Turns[Exchange]()
        self._open = dict[Place, Connection]()
        self._arriving = set[asyncio.Task[None]]()
        self._accepting = list[asyncio.Task[None]]()
        self._stopped = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections ourselves: uvicorn's server would hear of a TLS connection when its handshake is done."""
        assert sockets, "the caller binds"
        self._accepting = [asyncio.create_task(self._accept(listener)) for listener in sockets]
        # uvicorn types them as asyncio's servers, and asks no more of them than _Accepting has
        self.servers = [_Accepting(task) for task in self._accepting]  # type: ignore[misc]
        self.started = True

    def stop(self) -> None:
        """Have `serve` end, which may still be to begin."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Look at the connections until `stop`. Raises the bug that ends accepting: nobody would be let in any more.

        uvicorn's wakes ten times a second, also where nobody asks anything.
        """
        stopped, ended = asyncio.create_task(self._stopped.wait()), set[asyncio.Task[Any]]()
        try:
            while not ended:
                self.check(asyncio.get_running_loop().time())
                ended, _ = await asyncio.wait((stopped, *self._accepting), timeout=CHECK_S, return_when=FIRST_COMPLETED)
        finally:
            stopped.cancel()
        for task in ended:
            task.result()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's: answers in progress have GRACE_S. Those that are ended then have time to say so."""
        await super().shutdown(sockets)
        for arrival in self._arriving:
            arrival.cancel()
        if ending := {*self._arriving, *self.server_state.tasks}:
            await asyncio.wait(ending, timeout=SAY_SO_S)

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
            self.config, self.server_state, self._bounds, place, self._places.vouch, self._left, self._turns, caller
        )  # fmt: skip
        tls = self.config.ssl
        patience = dict.fromkeys(
            ("ssl_handshake_timeout", "ssl_shutdown_timeout"), self._bounds.handshake_s if tls else None
        )
        self._open[place] = connection
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, accepted, ssl=tls, **patience)
        except OSError:  # it left, is no TLS, or did not finish in time
            self._left(place)

    def _left(self, place: Place) -> None:
        self._open.pop(place, None)
        self._places.leave(place)


class _Accepting:
    """What uvicorn closes to accept no more."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def close(self) -> None:
        self._task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.wait([self._task])


def server(app: Any, places: PlacesConfig, bounds: Bounds, **tls: Any) -> Server:
    """A server for `app`, without what costs time on every request (access log, lifespan, websockets)."""
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=Connection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,  # gateway/server/exchange.py writes it
        proxy_headers=False,
        timeout_keep_alive=KEEPALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        **tls,
    )
    return Server(config, Places(places), bounds)


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
