"""What other peers reach of us: the ASGI app of the paths below /peer/1/. No other path exists here.

It lets discovery authenticate a request, asks whether the peer may, reads the bounded body, and gives the request to
whoever answers it: discovery's transport, probes.py, or delegated.py. A peer of 0.1.0 does not tell its body's hash in
the head; then the body is read before the signature is verified, and only so many of those at once.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import msgspec

from discovery.admission import Right
from discovery.endpoint import HELLO_LIMIT_BYTES, HELLO_PATH, SYNC_LIMIT_BYTES
from discovery.envelopes import Sign
from discovery.join_messages import JOIN_LIMIT_BYTES, JOIN_PATH
from discovery.records import PeerId
from discovery.request_auth import BODY_HEADER, Refused
from discovery.sessions import LIMIT_BYTES as SESSION_LIMIT_BYTES
from discovery.sessions import NUMBER_HEADER, SESSION_PATH, Session
from discovery.strangers import site_of
from discovery.transport import Transport
from gateway.capacity.allowance import UNPROVED, Allowance
from gateway.capacity.doors import Doors
from gateway.capacity.limits import Limits
from gateway.peering.delegated import Delegated
from gateway.peering.enquiries import AGENTS_PATH
from gateway.peering.frames import FIRST_SIGN_S, HEARTBEAT_S, encode_refusal, queued, refusal_of
from gateway.peering.given import Given
from gateway.peering.passing import OTHER_PATH, PassedOn
from gateway.peering.probes import encode_load
from gateway.peering.reach.looks import LIMIT_BYTES as LOOK_LIMIT_BYTES
from gateway.peering.reach.looks import LOOK_PATH, LooksForOthers
from gateway.peering.reach.punch.punching import LIMIT_BYTES as PUNCH_LIMIT_BYTES
from gateway.peering.reach.punch.punching import PUNCH_PATH, Punching
from gateway.peering.reach.relay import REACH_LIMIT_BYTES, REACH_PATH, Relay
from gateway.peering.settling import LIMIT_BYTES as TAB_LIMIT_BYTES
from gateway.peering.settling import TAB_PATH, Settling
from gateway.server.connection import Bounds, connection_of
from gateway.server.edge import (
    AsgiClient,
    ClientGone,
    Receive,
    Scope,
    Send,
    client_of,
    headers_of,
    read_body,
    until_gone,
)
from gateway.server.spool import spooled
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import Ended, Tracing, Untraced
from gateway.upstream import Patience

log = logging.getLogger(__name__)

SYNC_PATH, PROBE_PATH, DELEGATE_PATH = "/peer/1/sync", "/peer/1/probe", "/peer/1/delegate"
BODY_LIMITS_BYTES = {
    HELLO_PATH: HELLO_LIMIT_BYTES,
    JOIN_PATH: JOIN_LIMIT_BYTES,
    SYNC_PATH: SYNC_LIMIT_BYTES,
    PROBE_PATH: 0,
    AGENTS_PATH: 0,
    TAB_PATH: TAB_LIMIT_BYTES,
    LOOK_PATH: LOOK_LIMIT_BYTES,
    REACH_PATH: REACH_LIMIT_BYTES,
    PUNCH_PATH: PUNCH_LIMIT_BYTES,
    SESSION_PATH: SESSION_LIMIT_BYTES,
    DELEGATE_PATH: 8 << 20,  # a conversation with images
    OTHER_PATH: 32 << 20,  # a recording, which is kept in a file
}
IN_SESSIONS = frozenset({PROBE_PATH, DELEGATE_PATH, OTHER_PATH})  # what may be asked by a MAC instead of a signature
PEER_BOUNDS = Bounds(
    head_bytes=16 << 10,
    first_head_s=5.0,
    body_s=120.0,  # 8 MiB at 70 kB/s
    unread_bytes=64 << 10,
)


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
        join: Callable[[bytes, str], Awaitable[bytes]],
        doors: Doors,
        may: Callable[[PeerId, Right], bool],
        trusted: bool,
        details: Callable[[PeerId], bytes],
        sign: Callable[[bytes], bytes],
        telemetry: Telemetry,
        clock: Callable[[], float],
        patience: Patience,
        heartbeat_s: float = HEARTBEAT_S,
        given: Callable[[PeerId], Given] = lambda peer: Given(peer, Limits()),
        settling: Settling | None = None,
        allowance: Allowance | None = None,
        exposure_tokens: float = 0.0,
        tracing: Tracing | None = None,
        looks: LooksForOthers | None = None,
        entered: Callable[[str], None] = lambda ip: None,
        relay: Relay | None = None,
        punching: Punching | None = None,
    ) -> None:
        """`join(body, ip)` answers who comes with an invitation (discovery/inviting.py).

        `details(peer)`: what we tell this peer of our agents (discovery/details.py).
        `given(peer)`: what of our agents this peer may have. `settling` keeps what each had; one that had
        `exposure_tokens` more than it gave is served while nobody waits (0: no limit). `looks` dials back who asks for
        it; `entered(ip)` is told at which of our addresses a peer came in. `relay` puts others through; `punching` lets
        them reach us through our NAT.
        """
        self._transport, self._join, self._doors = transport, join, doors
        self._may, self._trusted = may, trusted
        self._details, self._given = details, given
        self._sign, self._telemetry, self._clock = sign, telemetry, clock
        self._patience, self._heartbeat_s = patience, heartbeat_s
        self._settling, self._exposure_tokens = settling, exposure_tokens
        self._looks, self._entered, self._relay, self._punching = looks, entered, relay, punching
        self._allowance, self._tracing = allowance or Allowance(), tracing or Untraced()
        self._may_ask = {
            PROBE_PATH: self._allowance.may_probe,
            AGENTS_PATH: self._allowance.may_enquire,
            TAB_PATH: self._allowance.may_state,
            LOOK_PATH: self._allowance.may_look,
            SESSION_PATH: self._allowance.may_open,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = client_of(scope, send, {})
        try:
            await self._answer(scope, receive, client)
        except Refused as refused:
            self._telemetry.observe_turned_away(refused.code)
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
        in_session = NUMBER_HEADER in headers and path in IN_SESSIONS
        if not in_session:
            self._transport.expect(path, headers, caller)
        size = _size(headers, BODY_LIMITS_BYTES[path])
        if path == HELLO_PATH:
            body, _ = await _read(scope, receive, size)
            answer = self._transport.handle_hello(body, caller)
            self._note_entry(scope)
            await _send(client, 200, answer)
            return
        if path == JOIN_PATH:
            body, _ = await _read(scope, receive, size)
            await _send(client, 200, await self._join(body, caller))
            return
        raw_path = scope.get("raw_path", b"").decode("latin-1")
        if query := scope["query_string"].decode("latin-1"):
            raw_path += f"?{query}"
        claimed, peer = headers.get(BODY_HEADER), UNPROVED
        sign = self._sign
        if in_session:
            session = self._in_session(scope, raw_path, headers)
            claimed, peer, sign = headers[BODY_HEADER], session.asker.id, session.sealer()
            self._see_to(peer, path, scope)
        elif claimed is not None:
            peer = self._let_in(path, raw_path, headers, claimed, scope)
        if path == OTHER_PATH:
            await self._answer_other(peer, size, claimed, sign, scope, receive, client)
            return
        with self._held(_voucher(scope, headers) if claimed is None else peer, size):
            body, sha256 = await _read(scope, receive, size)
            if claimed is None:
                peer = self._let_in(path, raw_path, headers, sha256, scope)
            elif claimed != sha256:
                self._transport.endpoint.note_forgery(peer)
                raise Refused(401, "bad_signature", "the body is another than the one that was signed")
            await self._answer_peer(peer, path, body, sha256, sign, receive, client, scope)

    def _in_session(self, scope: Scope, raw_path: str, headers: Mapping[str, str]) -> Session:
        """The session of this connection, in which this request is made. Raises Refused; there is none then."""
        connection = connection_of(scope)
        session = connection.session if connection is not None else None
        try:
            return self._transport.sessions.check(session if isinstance(session, Session) else None, raw_path, headers)
        except Refused as refused:
            if isinstance(session, Session) and connection is not None:
                connection.session = None
                if refused.code == "bad_signature":
                    self._transport.endpoint.note_forgery(session.asker.id)
            raise

    def _let_in(self, path: str, raw_path: str, headers: Mapping[str, str], sha256: str, scope: Scope) -> PeerId:
        """Who signed this request, and may make it. Raises Refused."""
        peer = self._transport.authenticate("POST", raw_path, headers, sha256, _ip_of(scope))
        self._see_to(peer, path, scope)
        return peer

    def _see_to(self, peer: PeerId, path: str, scope: Scope) -> None:
        """Whether this peer, which proved itself, may make this request. Raises Refused."""
        if self._may(peer, "ask"):
            self._see_in(scope, peer)
        elif path != SYNC_PATH:
            raise Refused(403, "not_approved", "this peer does not take your requests: its owner runs `ppai approve`")
        if path in (DELEGATE_PATH, OTHER_PATH):
            self._see_to_share(peer, _ip_of(scope))
        if path in self._may_ask and not self._may_ask[path](peer, self._clock()):
            raise Refused(429, "too_many_requests", "slow down")

    def _see_in(self, scope: Scope, peer: PeerId) -> None:
        """A peer with rights makes a request on this connection. Raises Refused."""
        connection = connection_of(scope)
        if connection is None or connection.vouched_by == peer:
            return
        if not connection.vouch(peer):
            raise Refused(429, "too_many_requests", "you have too many connections to this peer")
        self._note_entry(scope)

    def _note_entry(self, scope: Scope) -> None:
        if scope.get("server"):
            self._entered(str(scope["server"][0]))

    def _see_to_share(self, peer: PeerId, ip: str) -> None:
        """Count one more delegation. Raises Refused where this peer has had as much as it may for now."""
        now, site, allowance = self._clock(), site_of(ip), self._allowance
        if not allowance.may_delegate(peer, now):
            raise Refused(429, "too_many_requests", "too many of your requests came to nothing: slow down")
        if not allowance.is_within_quota(peer, site, now):
            raise Refused(429, "too_many_requests", "you asked for more than one peer may: slow down")
        over = self._settling is not None and 0 < self._exposure_tokens < self._settling.exposure(peer)
        if over and self._doors.admission != "open":
            raise Refused(429, "too_many_requests", "you had much more than you gave: ask while nobody waits here")
        allowance.spend(peer, site, 1, 0.0, now)

    async def _answer_other(
        self,
        peer: PeerId,
        size: int,
        claimed: str | None,
        sign: Sign,
        scope: Scope,
        receive: Receive,
        client: AsgiClient,
    ) -> None:
        """A request beside chat, whose body lies in a file while it is answered. Raises Refused."""
        if claimed is None:
            raise Refused(400, "malformed", f"{OTHER_PATH} needs {BODY_HEADER}")
        digest = hashlib.sha256()
        with self._held(peer, size):
            async with spooled(receive, size, digest.update) as body:
                if claimed != digest.hexdigest():
                    self._transport.endpoint.note_forgery(peer)
                    raise Refused(401, "bad_signature", "the body is another than the one that was signed")
                asked = (
                    self._doors,
                    self._given(peer),
                    scope["query_string"],
                    body,
                    claimed,
                    self._patience,
                    sign,
                    self._clock,
                )
                await self._run(peer, PassedOn(*asked), receive, client, scope)

    @contextmanager
    def _held(self, sender: PeerId, size: int) -> Iterator[None]:
        """Room for a body while it is read and answered. Raises Refused."""
        if not self._allowance.hold(sender, size):
            raise Refused(429, "busy", "there is no room for a request of that size now: try again")
        try:
            yield
        finally:
            self._allowance.release(sender, size)

    async def _answer_peer(
        self,
        peer: PeerId,
        path: str,
        body: bytes,
        sha256: str,
        sign: Sign,
        receive: Receive,
        client: AsgiClient,
        scope: Scope,
    ) -> None:
        caller = _ip_of(scope)
        if path == SYNC_PATH:
            await _send(client, 200, self._transport.handle_sync(peer, body, caller))
        elif path == PROBE_PATH:
            doors = self._doors
            cold, kept = self._given(peer).cold(doors)
            await _send(client, 200, encode_load(doors.load, doors.admission, cold, doors.loads, kept))
        elif path == TAB_PATH:
            if self._settling is None:
                raise Refused(404, "not_found", "no tabs are kept here")
            await _send(client, 200, self._settling.answer(peer, body))
        elif path == LOOK_PATH:
            if self._looks is None or not caller:
                raise Refused(404, "not_found", "nobody is dialled back from here")
            if not scope["client"][1]:  # a relay says where it comes from
                raise Refused(409, "relayed", "who asks through a relay is not dialled back")
            await _send(client, 200, await self._looks.answer(peer, caller, int(scope["client"][1]), body))
        elif path == REACH_PATH:
            if self._relay is None:
                raise Refused(409, "no_relay", "this peer is no relay: its owner sets `relay.serve`")
            await _send(client, 200, self._relay.admit(peer, body))
        elif path == PUNCH_PATH:
            if self._punching is None:
                raise Refused(409, "no_punch", "this peer has no relay, or not the extra: pip install 'ppai[punch]'")
            await _send(client, 200, self._punching.answer(peer, caller, body))
        elif path == SESSION_PATH:
            connection = connection_of(scope)
            if connection is None:
                raise Refused(404, "not_found", "no sessions are held here")
            answer, connection.session = self._transport.open_session(peer, body)
            await _send(client, 200, answer)
        elif path == AGENTS_PATH:
            await _send(client, 200, self._details(peer))
        else:
            trusted, patience = self._trusted, self._patience
            work = Delegated(
                self._doors, self._given(peer), body, sha256, trusted, patience, sign, self._clock
            )  # fmt: skip
            await self._run(peer, work, receive, client, scope)

    async def _run(
        self, peer: PeerId, work: Delegated | PassedOn, receive: Receive, client: AsgiClient, scope: Scope
    ) -> None:
        try:
            await until_gone(self._delegate(peer, work, client, scope), scope, receive)
        except asyncio.CancelledError:  # not the asking peer's hanging up: we are being stopped
            log.warning("answer_ended_by_stop peer=%s", peer[:10])
            stopping = encode_refusal(refusal_of(503, "stopping", None), "broke" if work.has_begun else "refused")
            await client.send(stopping, more=False)
            raise

    async def _delegate(self, peer: PeerId, work: Delegated | PassedOn, client: AsgiClient, scope: Scope) -> None:
        """Run another peer's request on our engine, in the hop's framing; silence never lasts."""
        trace = self._tracing.served(headers_of(scope), is_known=self._transport.vouches(peer))
        began, first_at = self._clock(), None

        async def send(frame: bytes) -> None:
            nonlocal first_at
            first_at = first_at or self._clock()
            await client.send(frame, more=True)

        await client.start(200, "text/event-stream", {})
        beat = _Beat(client, self._heartbeat_s, work)
        try:
            await work.run(send, client.push)
        except Exception:  # a bug: the stream ends without a receipt, and the asking peer asks another
            log.exception("bug=delegation peer=%s", peer[:10])
        finally:
            beat.stop()
            now, sums = self._clock(), work.sums
            self._telemetry.observe_served(work.status, *work.usage)
            ttft_s = (first_at or now) - began if work.has_begun and work.is_stream else None
            trace.ended(work.endpoint, work.agent, Ended(work.status, None, ttft_s, now - began, *work.usage))
            self._allowance.spend(peer, site_of(_ip_of(scope)), 0, sums.work, now)
            if self._settling is not None:
                self._settling.given(peer, sums)
            if work.is_in_vain:
                self._allowance.failed(peer, now)
        await client.send(work.last, more=False)  # with the body's end, so that the connection is free at once


def _ip_of(scope: Scope) -> str:
    """The caller's address; empty where its connection is gone already."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _size(headers: Mapping[str, str], limit_bytes: int) -> int:
    """How long the body will be. Raises Refused where the head does not tell, or it is too long."""
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise Refused(411, "malformed", "a body needs a content-length")
    if len(length) > 9 or int(length) > limit_bytes:
        raise Refused(413, "too_long", f"at most {limit_bytes} bytes")
    return int(length)


async def _read(scope: Scope, receive: Receive, size: int) -> tuple[bytes, str]:
    """The body and its SHA-256, fed as it comes in: 8 MiB at once would keep everybody else waiting."""
    digest = hashlib.sha256()
    body = await read_body(scope, receive, size, digest.update)
    return body, digest.hexdigest()


def _voucher(scope: Scope, headers: Mapping[str, str]) -> PeerId:
    """Whose body this will be, as far as we know before it is read: who proved himself on this connection before."""
    connection = connection_of(scope)
    is_same = connection is not None and connection.vouched_by == headers.get("ppai-id")
    return PeerId(headers["ppai-id"]) if is_same else UNPROVED


class _Beat:
    """A sign of life after every second in which nothing was sent, and nothing waits to be sent; the first sooner.

    An answer that is there by then goes with its head in one write.
    """

    def __init__(self, client: AsgiClient, interval_s: float, work: Delegated | PassedOn) -> None:
        self._client, self._interval_s, self._work, self._sent = client, interval_s, work, client.sent
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(min(FIRST_SIGN_S, interval_s), self._look)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._client.sent == self._sent:
            self._client.push(queued(self._work.loading), 1)
        self._sent = self._client.sent
        self._timer = self._loop.call_later(self._interval_s, self._look)


async def _send(client: AsgiClient, status: int, body: bytes) -> None:
    await client.answer(status, "application/json" if status >= 400 else "application/octet-stream", body)
