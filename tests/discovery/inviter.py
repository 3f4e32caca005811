"""A machine that invites others, for tests: with a TLS port on loopback, or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from discovery.admission import Admission
from discovery.identity import Identity, verify
from discovery.invites import Invite
from discovery.inviting import Inviting, Place
from discovery.join_messages import JOIN_PATH
from discovery.joining import Joiner
from discovery.records import Address, PeerId
from discovery.request_auth import Refused, refusal_body

NET = "test"
NETWORKS_SECRET = b"9f1c6b0e4d7a23588e5bd0c1f76a2943"


@dataclass(slots=True)
class Inviter:
    """What a test sees of it."""

    identity: Identity
    admission: Admission
    inviting: Inviting
    addresses: list[Address]
    told: list[str] = field(default_factory=list)  # the owner heard
    now: list[float] = field(default_factory=lambda: [1000.0])  # unix s


def inviter(home: Path, secret: bytes = b"", net: str = NET) -> Inviter:
    identity, admission = Identity.load_or_create(home), Admission("tofu", net)
    told, now, addresses = list[str](), [1000.0], [Address("127.0.0.1", 8471)]

    async def let_in(peer: PeerId, invite: Invite) -> None:
        admission.add_rights(peer, invite.rights, mine=invite.mine or None)

    place = Place(net, identity, lambda: home.name, lambda: tuple(addresses), secret)
    inviting = Inviting(
        place, home / "invites.json", lambda: now[0], verify, lambda ip: nullcontext(), let_in,
        lambda peer: bool(admission.rights(peer)), lambda kind, text: told.append(text),
    )  # fmt: skip
    return Inviter(identity, admission, inviting, addresses, told, now)


@asynccontextmanager
async def listening(one: Inviter, cert: Identity | None = None) -> AsyncIterator[Address]:
    """Its peer port, with another certificate where one is given."""

    async def join(request: web.Request) -> web.Response:
        try:
            return web.Response(body=await one.inviting.answer(await request.read(), "127.0.0.1"))
        except Refused as refused:
            return web.Response(status=refused.status, body=refusal_body(refused, 0, 1))

    app = web.Application()
    app.router.add_post(JOIN_PATH, join)
    async with served(app, cert or one.identity) as address:
        one.addresses[:] = [address]
        yield address


@asynccontextmanager
async def served(app: web.Application, cert: Identity) -> AsyncIterator[Address]:
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=cert.server_ssl_context())
        await site.start()
        yield Address("127.0.0.1", runner.addresses[0][1])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def relaying(to: Address, cert: Identity) -> AsyncIterator[tuple[Address, list[bytes]]]:
    """A machine in the middle: it shows a certificate of its own, and passes on whatever it hears, both ways."""
    heard: list[bytes] = []

    async def relay(request: web.Request) -> web.Response:
        heard.append(await request.read())
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"https://{to}{JOIN_PATH}", data=heard[-1], ssl=False) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read())

    app = web.Application()
    app.router.add_post(JOIN_PATH, relay)
    async with served(app, cert) as address:
        yield address, heard


def joiner(home: Path, net: str = NET) -> Joiner:
    return Joiner(Identity.load_or_create(home), net, home.name)
