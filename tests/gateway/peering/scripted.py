"""A peer that is played by a script on a real socket: what it sends is known to the byte."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
from aiohttp import web

from discovery.answer import Answer
from discovery.connections import Connections
from discovery.identity import Identity
from discovery.records import PeerId
from discovery.request_auth import HashedBody, hashed
from gateway.peering.allowance import WIDEST, Allowance
from gateway.peering.frames import Receipt, encode_receipt, encode_reply
from gateway.peering.hop.reply import PeerReply
from gateway.peering.remote import PeerUpstream
from gateway.upstream import Patience, UpstreamError
from gateway.wire.events import DONE, Event, encode_event

PATIENCE = Patience(first_event_s=5, idle_s=5, whole_s=5)
SILENCE_S = 0.2
BODY = b'{"endpoint":"chat/completions","agent":"m","body":{}}'
HELLO, WORLD = encode_event(b'{"choices":[1]}'), encode_event(b'{"choices":[2]}')
ANSWER = (HELLO, WORLD, DONE)
WHOLE = encode_reply(200, b'{"choices":[]}')


def receipt_for(identity: Identity, *frames: bytes, asked: bytes = BODY, **changes: object) -> bytes:
    """What an honest peer sends last, with `changes` made before it signs."""
    honest = Receipt(hashed(asked).sha256, hashlib.sha256(b"".join(frames)).hexdigest(), "m", 7, 2, 0, 5)
    return encode_receipt(msgspec.structs.replace(honest, **changes), identity.sign)


@dataclass
class ScriptedPeer:
    """A peer that sends `script`, each piece as it stands; a number is a pause in seconds, None waits for ever."""

    script: tuple[bytes | float | None, ...] = ()
    status: int = 200
    allowed: Allowance = WIDEST
    seal: Callable[[bytes], bytes] | None = None
    asked: list[bytes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serving(self, peer: PeerId) -> AsyncIterator[PeerUpstream]:
        app = web.Application()
        app.router.add_post("/peer/1/delegate", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connections = Connections(f"http://127.0.0.1:{runner.addresses[0][1]}", connect_s=2, keep_s=5)
        try:

            async def open_stream(
                peer: PeerId, path: str, body: HashedBody, headers: object, answer_s: float = 10, session: str = ""
            ) -> Answer:
                answer = await connections.post(path, {}, body.pieces, keep=True, within_s=answer_s)
                answer.seal = self.seal
                return answer

            yield PeerUpstream(
                peer, "bob", open_stream, lambda _, reason: self.failures.append(reason), self.allowed, SILENCE_S
            )
        finally:
            connections.close()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.read())
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        try:
            for piece in self.script:
                if isinstance(piece, bytes):
                    await response.write(piece)
                else:
                    await asyncio.sleep(60 if piece is None else piece)
        except (asyncio.CancelledError, ConnectionResetError):
            self.hung_up.set()
            raise
        return response


async def ask(
    scripted: ScriptedPeer,
    identity: Identity,
    *,
    stream: bool = True,
    patience: Patience = PATIENCE,
    taken: Callable[[Event], None] = lambda event: None,
) -> tuple[PeerReply, list[bytes]]:
    """The reply, and its events or its one body. Raises UpstreamError."""
    async with (
        scripted.serving(identity.id) as upstream,
        upstream.open("chat/completions", (BODY,), {}, stream=stream, patience=patience) as reply,
    ):
        if not reply.is_stream:
            return reply, [await reply.read()]
        events = []
        async for event in reply.events():
            taken(event)
            events.append(event.raw)
        return reply, events


async def error_of(
    identity: Identity,
    *script: bytes | float | None,
    status: int = 200,
    stream: bool = True,
    allowed: Allowance = WIDEST,
    **more: object,
) -> tuple[UpstreamError, ScriptedPeer]:
    scripted = ScriptedPeer(script, status, allowed)
    with pytest.raises(UpstreamError) as caught:
        await ask(scripted, identity, stream=stream, **more)  # type: ignore[arg-type]
    return caught.value, scripted
