"""What other peers reach of us: the ASGI app of /peer/1/{hello,sync,probe,delegate}. No other path exists here.

It reads a bounded body, lets discovery authenticate it, asks whether the peer may, and gives the request to whoever
answers it: discovery's transport, probes.py, or delegated.py.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import msgspec

from discovery.admission import Right
from discovery.endpoint import HELLO_LIMIT_BYTES, SYNC_LIMIT_BYTES
from discovery.records import PeerId
from discovery.request_auth import Refused
from discovery.transport import Transport
from gateway.capacity.door import Door
from gateway.peering.delegated import Delegated
from gateway.peering.frames import HEARTBEAT_S, QUEUED
from gateway.peering.probes import encode_load
from gateway.server.connection import Bounds
from gateway.server.edge import AsgiClient, ClientGone, Receive, Scope, Send, headers_of, read_body, until_gone
from gateway.telemetry.metrics import Telemetry
from gateway.upstream import Patience
from gateway.wire.errors import InvalidRequest

log = logging.getLogger(__name__)

BODY_LIMITS_BYTES = {
    "/peer/1/hello": HELLO_LIMIT_BYTES,
    "/peer/1/sync": SYNC_LIMIT_BYTES,
    "/peer/1/probe": 0,
    "/peer/1/delegate": 8 << 20,  # a conversation with images
}
PEER_BOUNDS = Bounds(head_bytes=16 << 10, first_head_s=5.0, body_s=120.0)  # 8 MiB at 70 kB/s


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """The other peers' side."""

    host: str = "0.0.0.0"  # every interface; what comes in is authenticated
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8471  # 0 takes a free one
    # s that a decision waits for fresh load figures, many times what a probe takes on a LAN
    probe_budget_s: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 0.1


class PeerApp:
    """ASGI app of the peer listener."""

    def __init__(
        self,
        transport: Transport,
        door: Door,
        may: Callable[[PeerId, Right], bool],
        trusted: bool,
        sign: Callable[[bytes], bytes],
        telemetry: Telemetry,
        clock: Callable[[], float],
        patience: Patience,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._transport, self._door, self._may, self._trusted = transport, door, may, trusted
        self._sign, self._telemetry, self._clock = sign, telemetry, clock
        self._patience, self._heartbeat_s = patience, heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = AsgiClient(send, {})
        try:
            await self._answer(scope, receive, client)
        except Refused as refused:
            await asyncio.sleep(self._transport.endpoint.pause_s(_ip_of(scope)))
            await _send(client, refused.status, self._transport.endpoint.refusal(refused))
        except ClientGone:
            pass

    async def _answer(self, scope: Scope, receive: Receive, client: AsgiClient) -> None:
        path, headers = scope["path"], headers_of(scope)
        if path not in BODY_LIMITS_BYTES or scope["method"] != "POST":
            raise Refused(404, "not_found", "this is a PPAI peer port: applications use the client port")
        if "content-encoding" in headers or "upgrade" in headers:
            raise Refused(400, "malformed", "no content-encoding, no upgrade")
        caller = _ip_of(scope)
        self._transport.expect(path, headers, caller)
        digest = hashlib.sha256()  # fed as the body comes in: 8 MiB at once would keep everybody else waiting
        body = await _bounded_body(scope, receive, BODY_LIMITS_BYTES[path], digest.update)
        if path == "/peer/1/hello":
            await _send(client, 200, self._transport.handle_hello(body, caller))
            return
        raw_path = scope.get("raw_path", b"").decode("latin-1")
        if query := scope["query_string"].decode("latin-1"):
            raw_path += f"?{query}"
        peer = self._transport.authenticate("POST", raw_path, headers, digest.hexdigest(), caller)
        if path == "/peer/1/sync":
            await _send(client, 200, self._transport.handle_sync(peer, body, caller))
            return
        if not self._may(peer, "ask"):
            raise Refused(403, "not_approved", "this peer does not take your requests: its owner runs `ppai approve`")
        if path == "/peer/1/probe":
            await _send(client, 200, encode_load(self._door.load, self._door.admission, self._door.cold))
        else:
            await until_gone(self._delegate(peer, body, digest.hexdigest(), client), receive)

    async def _delegate(self, peer: PeerId, payload: bytes, payload_sha256: str, client: AsgiClient) -> None:
        """Run another peer's request on our engine, in the hop's framing; silence never lasts."""
        work = Delegated(self._door, payload, payload_sha256, self._trusted, self._patience, self._sign, self._clock)
        await client.start(200, "text/event-stream", {})
        await client.send(QUEUED, more=True)
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(_beat(client, self._heartbeat_s))
            try:
                async with aclosing(work.frames()) as frames:
                    async for frame in frames:
                        await client.send(frame, more=True)
            except Exception:
                log.exception("bug=delegation peer=%s", peer[:10])
            finally:
                beating.cancel()
                self._telemetry.observe_served(work.status, *work.usage)
        await client.send(b"", more=False)


def _ip_of(scope: Scope) -> str:
    """The caller's address; empty where its connection is gone already."""
    return str(scope["client"][0]) if scope.get("client") else ""


async def _bounded_body(scope: Scope, receive: Receive, limit_bytes: int, seen: Callable[[bytes], None]) -> bytes:
    try:
        return await read_body(scope, receive, limit_bytes, seen)
    except InvalidRequest as error:
        raise Refused(413, "too_long", f"at most {limit_bytes} bytes") from error


async def _beat(client: AsgiClient, interval_s: float) -> None:
    """A sign of life after every second in which nothing was sent."""
    while True:
        sent = client.sent
        await asyncio.sleep(interval_s)
        if client.sent == sent:
            await client.send(QUEUED, more=True)


async def _send(client: AsgiClient, status: int, body: bytes) -> None:
    await client.answer(status, "application/json" if status >= 400 else "application/octet-stream", body)
