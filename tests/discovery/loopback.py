"""A whole peer on loopback for tests: identity, gossip, transport, and a TLS server in front of its endpoint."""

import asyncio
import os
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from discovery import peer_file
from discovery.admission import Admission, Mode
from discovery.endpoint import Clocks
from discovery.envelopes import seal
from discovery.gossip import Gossip, GossipConfig
from discovery.identity import Identity
from discovery.membership import Event
from discovery.messages import Message, encode
from discovery.records import Address, Agent, Card, Pulse
from discovery.request_auth import Audience, Refused, hashed, sign_request
from discovery.transport import Transport

NET = "test"


@dataclass(slots=True)
class Peer:
    """A running peer and what a test may want to look at."""

    identity: Identity
    gossip: Gossip
    admission: Admission
    transport: Transport
    address: Address
    events: list[Event] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)  # accepted, each after one TLS handshake
    served: list[str] = field(default_factory=list)  # paths, with the name of who asked
    refused: list[str] = field(default_factory=list)  # codes of what it refused
    unix_offset_s: float = 0.0


@asynccontextmanager
async def running_peer(
    home: Path,
    *,
    mode: Mode = "open",
    secret: bytes | None = None,
    net: str = NET,
    allowed: Iterable[str] = (),
    unix_offset_s: float = 0.0,
    gossip_config: GossipConfig | None = None,
    on_loopback: bool = True,
    loops: bool = True,
    restore: bool = False,
    port: int = 0,
    gen_ahead: int = 0,
) -> AsyncIterator[Peer]:
    """A peer on 127.0.0.1 (a free port unless one is given); `unix_offset_s` turns its wall clock."""
    identity = Identity.load_or_create(home)
    admission = Admission(mode, net, secret, allowed)  # type: ignore[arg-type]
    peer: Peer

    def sealed(record: Card | Pulse):  # type: ignore[no-untyped-def]
        return seal(record, net, identity.sign)

    def pulse(now: float) -> Pulse:
        return Pulse(identity.id, 0, 0, 0, 0, 1, 0, 0, 0, int(now * 1000), 0, 0, "open")

    remembered = peer_file.load(home / "peers.json")
    gen = max(int(time.time()) + gen_ahead, remembered.gen + 1)
    gossip = Gossip(identity.id, gen, sealed, random.Random(7), gossip_config, admission.vouches)
    clocks = Clocks(time.monotonic, lambda: time.time() + peer.unix_offset_s)
    transport = Transport(
        identity,
        net,
        gossip,
        admission,
        pulse,
        lambda events, now: peer.events.extend(events),
        clocks,
        on_loopback=on_loopback,
        peers_path=home / "peers.json",
    )
    peer = Peer(identity, gossip, admission, transport, Address("127.0.0.1", 0), unix_offset_s=unix_offset_s)
    async with AsyncExitStack() as stack:
        bound = await stack.enter_async_context(_server(peer, port))
        peer.address = Address("127.0.0.1", bound)
        agent = Agent("small", "test/small", 4096)
        proof = admission.proof(identity.id, identity.cert_sha256)
        addresses = (peer.address,)
        head = (identity.id, home.name, 0, 0, "join", int(time.time()), addresses, identity.cert_sha256)
        gossip.publish(Card(*head, 1, 86400, (agent,), proof), time.monotonic())  # type: ignore[arg-type]
        await stack.enter_async_context(transport)
        if restore:
            transport.restore(remembered)
        if loops:
            task = asyncio.create_task(transport.run())
            stack.push_async_callback(_cancel, task)
        yield peer


@asynccontextmanager
async def garbage_server(
    identity: Identity,
    answer: bytes | None,
    context: ssl.SSLContext | None = None,
    asked: Callable[[bytes], None] = lambda first: None,
) -> AsyncIterator[Address]:
    """A TLS server that answers anything with `answer` and hangs up, or says nothing at all.

    `asked` is called with the first bytes of each request.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            asked(await reader.read(100))
            if answer is None:
                await reader.read()
            writer.write(answer or b"")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context or identity.server_ssl_context())
    async with server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])


def state(peer: Peer, of: Peer) -> str | None:
    """What `peer` holds the other for; None where it does not know it."""
    member = peer.gossip.member(of.identity.id)
    return member.state if member else None


async def ask(peer: Peer, to: Peer, body: bytes = b"?") -> bytes:
    """A signed request by the production client, and its answer."""
    with await peer.transport.open_stream(to.identity.id, "/peer/1/delegate", body) as response:
        return await response.read(1 << 24, 5)


def own_card(peer: Peer) -> Card:
    card = peer.gossip.own_card().record
    assert isinstance(card, Card)
    return card


async def post(peer: Peer, to: Peer, message: Message) -> bytes:
    """One gossip exchange, and its answer."""
    return await peer.transport.client.post(to.identity.id, "/peer/1/sync", encode(message, NET))


def headers(peer: Peer, to: Peer, path: str, body: bytes, by: Identity | None = None) -> dict[str, str]:
    """What makes a request `peer`'s, if it is signed `by` it."""
    audience = Audience(to.identity.id, to.gossip.gen, to.identity.cert_sha256)
    what = (audience, "POST", path, hashed(body).sha256, int(1000 * time.time()), os.urandom(16))
    return sign_request(peer.identity.id, (by or peer.identity).sign, *what)


async def raw_post(to: Peer, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """(status, answer) of a POST by anybody at all."""
    async with aiohttp.ClientSession() as session:
        url = f"https://{to.address}{path}"
        async with session.post(url, data=body, headers=headers, ssl=False) as response:
            return response.status, await response.read()


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait for `condition`; TimeoutError when it does not come true."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def _server(peer: Peer, port: int) -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        peer.connections.add(request.transport)
        transport = peer.transport
        try:
            if request.path == "/peer/1/hello":
                return web.Response(body=transport.endpoint.handle_hello(body, request.remote or ""))
            headers = {name.lower(): value for name, value in request.headers.items()}
            caller = request.remote or ""
            sender = transport.endpoint.authenticate(
                request.method, request.raw_path, headers, hashed(body).sha256, caller
            )
            peer.served.append(f"{request.path} {sender}")
            if request.path == "/peer/1/sync":
                return web.Response(body=transport.handle_sync(sender, body, caller))
            return web.Response(body=b"served:" + body)
        except Refused as refused:
            peer.refused.append(refused.code)
            return web.Response(status=refused.status, body=transport.endpoint.refusal(refused))

    context = peer.identity.server_ssl_context()
    runner = web.AppRunner(web.Application(), keepalive_timeout=75)
    runner.app.router.add_route("*", "/{path:.*}", answer)
    await runner.setup()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    try:
        await web.SockSite(runner, listener, ssl_context=context).start()
        yield int(listener.getsockname()[1])
    finally:
        await runner.cleanup()
