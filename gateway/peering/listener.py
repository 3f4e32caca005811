"""The other peers' side: /peer/1/{hello,sync,probe,delegate} over TLS. No other path exists here.

A delegated request is run on the local engine or refused; it is never delegated again.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import msgspec

from discovery.admission import Right
from discovery.endpoint import HELLO_LIMIT_BYTES, SYNC_LIMIT_BYTES
from discovery.records import AdmissionState, PeerId
from discovery.request_auth import Refused
from discovery.transport import Transport
from gateway.capacity.door import Door
from gateway.peering.frames import (
    HEARTBEAT_S,
    QUEUED,
    Receipt,
    Refusal,
    encode_receipt,
    encode_refusal,
    encode_reply,
    sha256_hex,
)
from gateway.privacy.fields import Unacceptable, read_delegation
from gateway.server.edge import AsgiClient, ClientGone, Receive, Scope, Send, headers_of, read_body, until_gone
from gateway.serving.forward import RETRYABLE
from gateway.telemetry.metrics import Telemetry
from gateway.upstream import Patience, UpstreamError
from gateway.wire.request import InvalidRequest, read_request, with_model
from gateway.wire.tokens import usage_of

log = logging.getLogger(__name__)

BODY_LIMITS_BYTES = {
    "/peer/1/hello": HELLO_LIMIT_BYTES,
    "/peer/1/sync": SYNC_LIMIT_BYTES,
    "/peer/1/probe": 0,
    "/peer/1/delegate": 8 << 20,  # a conversation with images
}


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """The other peers' side."""

    host: str = "0.0.0.0"  # every interface; what comes in is authenticated
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8471  # 0 takes a free one
    # how long a decision waits for fresh load figures; a probe takes 2-8 ms on a LAN
    probe_budget_s: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 0.1


class ProbeAnswer(msgspec.Struct, frozen=True):
    """How we are doing this moment. Power-of-two buckets, so that a peer cannot read our use off it job by job."""

    running: int
    waiting: int
    slots: int
    admission: AdmissionState
    cold: tuple[str, ...] = ()  # agents whose model would have to be loaded first


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
            await _send(client, refused.status, self._transport.endpoint.refusal(refused))
        except ClientGone:
            pass

    async def _answer(self, scope: Scope, receive: Receive, client: AsgiClient) -> None:
        path, headers = scope["path"], headers_of(scope)
        if path not in BODY_LIMITS_BYTES or scope["method"] != "POST":
            raise Refused(404, "not_found", "this is a PPAI peer port: applications use the client port")
        if "content-encoding" in headers or "upgrade" in headers:
            raise Refused(400, "malformed", "no content-encoding, no upgrade")
        body = await _bounded_body(scope, receive, BODY_LIMITS_BYTES[path])
        if path == "/peer/1/hello":
            await _send(client, 200, self._transport.handle_hello(body, scope["client"][0]))
            return
        raw_path = scope.get("raw_path", b"").decode("latin-1")
        if query := scope["query_string"].decode("latin-1"):
            raw_path += f"?{query}"
        peer = self._transport.authenticate("POST", raw_path, headers, body)
        if path == "/peer/1/sync":
            await _send(client, 200, self._transport.handle_sync(peer, body))
            return
        if not self._may(peer, "ask"):
            raise Refused(403, "not_approved", "this peer does not take your requests: its owner runs `ppai approve`")
        if path == "/peer/1/probe":
            await _send(client, 200, msgspec.json.encode(self._load()))
        else:
            await until_gone(self._delegate(peer, body, client), receive)

    def _load(self) -> ProbeAnswer:
        load = self._door.load
        return ProbeAnswer(
            _bucket(load.running), _bucket(load.waiting), load.slots, self._door.admission, self._door.cold
        )

    async def _delegate(self, peer: PeerId, payload: bytes, client: AsgiClient) -> None:
        """Run another peer's request on our engine, in the hop's framing; silence never lasts."""
        work = _Work(self._door, payload, self._trusted, self._patience, self._sign, self._clock)
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


class _Work:
    """One delegated request on our engine: its frames, and what it came to."""

    def __init__(
        self,
        door: Door,
        payload: bytes,
        trusted: bool,
        patience: Patience,
        sign: Callable[[bytes], bytes],
        clock: Callable[[], float],
    ) -> None:
        self.status = "cancelled"
        self._door, self._payload, self._trusted, self._patience = door, payload, trusted, patience
        self._sign, self._clock = sign, clock
        self._sent, self._has_begun = hashlib.sha256(), False
        self._estimate, self._events = 0, 0
        self._usage: tuple[int, int] | None = None

    @property
    def usage(self) -> tuple[int, int]:
        """(prompt, completion) tokens: as the engine counted them, else estimated as Forwarder does."""
        return self._usage or (self._estimate, max(0, self._events - 3))

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """What is sent back: an answer and its receipt, or a refusal, or an answer that says it broke."""
        began = self._clock()
        try:
            endpoint, agent, body = read_delegation(self._payload, trusted=self._trusted)
            request = read_request(endpoint, body)
            if agent not in [model.name for model in self._door.engine.state.models]:
                raise UpstreamError(f"there is no agent `{agent[:80]}` here", status=404, code="no_agent")
            self._estimate = request.prompt_tokens
            async with self._door.remote_turn():
                started = self._clock()
                async with aclosing(self._run(endpoint, with_model(body, agent), request.stream)) as answer:
                    async for frame in answer:
                        self._sent.update(frame)
                        self._has_begun = True
                        yield frame
            self.status = "ok"
            self._door.count_tokens(*self.usage)
            yield self._receipt(agent, began, started)
        except (Unacceptable, InvalidRequest) as error:
            self.status = "refused"
            yield encode_refusal(Refusal(400, "unacceptable", str(error)))
        except UpstreamError as error:
            self.status = "failed" if self._has_begun else "refused"
            refusal = Refusal(error.status, error.code, error.message, error.retry_after_s)
            yield encode_refusal(refusal, "broke" if self._has_begun else "refused")

    async def _run(self, endpoint: str, body: bytes, stream: bool) -> AsyncGenerator[bytes, None]:
        """The engine's answer in frames. Raises UpstreamError."""
        opened = self._door.engine.open(endpoint, body, {}, stream=stream, patience=self._patience)
        async with opened as reply:
            if reply.status in RETRYABLE:
                status = reply.status if reply.status in (429, 503) else 502
                raise UpstreamError(f"its engine answered {reply.status}", status=status, code="engine_refused")
            if reply.is_stream and reply.status == 200:
                async for event in reply.events():
                    self._meter(event.data)
                    yield event.raw
            else:
                answer = await reply.read()
                self._usage = usage_of(answer)
                yield encode_reply(reply.status, answer)

    def _meter(self, event: bytes) -> None:
        self._events += 1
        if b'"usage"' in event and (usage := usage_of(event)):
            self._usage = usage

    def _receipt(self, agent: str, began: float, started: float) -> bytes:
        prompt_tokens, tokens = self.usage
        receipt = Receipt(
            request_sha256=sha256_hex(self._payload),
            reply_sha256=self._sent.hexdigest(),
            model=agent,
            prompt_tokens=prompt_tokens,
            tokens=tokens,
            queued_ms=int((started - began) * 1000),
            served_ms=int((self._clock() - started) * 1000),
        )
        return encode_receipt(receipt, self._sign)


async def _bounded_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    try:
        return await read_body(scope, receive, limit_bytes)
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


def _bucket(jobs: int) -> int:
    """The largest power of two not above `jobs`; 0 for none."""
    return 1 << (jobs.bit_length() - 1) if jobs > 0 else 0
