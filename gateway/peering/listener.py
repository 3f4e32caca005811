"""What other peers reach of us: the ASGI app of the paths below /peer/1/. No other path exists here.

It lets discovery authenticate a request, asks whether the peer may, reads the bounded body, and gives the request to
whoever answers it: hop/answers.py, or hop/delegations.py where an engine is asked. A peer of 0.1.0 does not tell its
body's hash in the head; then the body is read before the signature is verified, and only so many of those at once.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import msgspec

from discovery.admission import Right
from discovery.contacts import SYNC_PATH
from discovery.endpoint import HELLO_LIMIT_BYTES, HELLO_PATH, SYNC_LIMIT_BYTES
from discovery.envelopes import Sign
from discovery.join_messages import JOIN_LIMIT_BYTES, JOIN_PATH
from discovery.records import PeerId
from discovery.request_auth import BODY_HEADER, Refused
from discovery.sessions import LIMIT_BYTES as SESSION_LIMIT_BYTES
from discovery.sessions import NUMBER_HEADER, SESSION_PATH, Session
from discovery.transport import Transport
from gateway.capacity.allowance import UNPROVED, Allowance
from gateway.peering.enquiries import AGENTS_PATH
from gateway.peering.hop.answers import Answers, Question
from gateway.peering.hop.delegations import Call, Delegations
from gateway.peering.passing import OTHER_PATH
from gateway.peering.probes import PROBE_PATH
from gateway.peering.reach.looks import LIMIT_BYTES as LOOK_LIMIT_BYTES
from gateway.peering.reach.looks import LOOK_PATH
from gateway.peering.reach.punch.punching import LIMIT_BYTES as PUNCH_LIMIT_BYTES
from gateway.peering.reach.punch.punching import PUNCH_PATH
from gateway.peering.reach.relay import REACH_LIMIT_BYTES, REACH_PATH
from gateway.peering.remote import DELEGATE_PATH
from gateway.peering.settling import LIMIT_BYTES as TAB_LIMIT_BYTES
from gateway.peering.settling import TAB_PATH
from gateway.server.answering import AsgiClient, Send
from gateway.server.connection import Bounds, connection_of
from gateway.server.edge import (
    ClientGone,
    Receive,
    Scope,
    client_of,
    headers_of,
    read_body,
)
from gateway.server.spool import spooled
from gateway.telemetry.metrics import Telemetry

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
        may: Callable[[PeerId, Right], bool],
        sign: Sign,
        answers: Answers,
        delegations: Delegations,
        allowance: Allowance,
        entered: Callable[[str], None],
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        """`join(body, ip)` answers who comes with an invitation (discovery/inviting.py).

        `sign` signs receipts outside of sessions. `entered(ip)` is told at which of our addresses a peer came in.
        """
        self._transport, self._endpoint = transport, transport.endpoint
        self._join, self._may, self._sign = join, may, sign
        self._answers, self._delegations = answers, delegations
        self._entered, self._telemetry, self._clock = entered, telemetry, clock
        self._allowance = allowance
        self._may_ask = {
            PROBE_PATH: allowance.may_probe,
            AGENTS_PATH: allowance.may_enquire,
            TAB_PATH: allowance.may_state,
            LOOK_PATH: allowance.may_look,
            SESSION_PATH: allowance.may_open,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = client_of(scope, send, {})
        try:
            await self._answer(scope, receive, client)
        except Refused as refused:
            self._telemetry.observe_turned_away(refused.code)
            await asyncio.sleep(self._endpoint.pause_s(_place_of(scope)[0]))
            await _send(client, refused.status, self._endpoint.refusal(refused))
        except ClientGone:
            pass

    async def _answer(self, scope: Scope, receive: Receive, client: AsgiClient) -> None:
        path, headers = scope["path"], headers_of(scope)
        if path not in BODY_LIMITS_BYTES or scope["method"] != "POST":
            raise Refused(404, "not_found", "this is a PPAI peer port: applications use the client port")
        if "content-encoding" in headers or "upgrade" in headers:
            raise Refused(400, "malformed", "no content-encoding, no upgrade")
        ip, port = _place_of(scope)
        in_session = NUMBER_HEADER in headers and path in IN_SESSIONS
        if not in_session:
            self._endpoint.expect(path, headers, ip)
        size = _size(headers, BODY_LIMITS_BYTES[path])
        if path in (HELLO_PATH, JOIN_PATH):
            body, _ = await _read(scope, receive, size)
            await _send(client, 200, await self._meet(path, body, ip, scope))
            return
        raw_path = scope.get("raw_path", b"").decode("latin-1")
        if query := scope["query_string"].decode("latin-1"):
            raw_path += f"?{query}"
        claimed, peer, sign = headers.get(BODY_HEADER), UNPROVED, self._sign
        if in_session:
            session = self._in_session(scope, raw_path, headers)
            peer, sign = session.asker.id, session.sealer()
            self._see_to(peer, path, scope)
        elif claimed is not None:
            peer = self._let_in(path, raw_path, headers, claimed, scope)
        if path == OTHER_PATH:
            await self._answer_other(Call(peer, ip, sign, scope, receive, client), size, claimed)
            return
        with self._held(_voucher(scope, headers) if claimed is None else peer, size):
            body, sha256 = await _read(scope, receive, size)
            if claimed is None:
                peer = self._let_in(path, raw_path, headers, sha256, scope)
            else:
                self._check_body(peer, claimed, sha256)
            if path == DELEGATE_PATH:
                await self._delegations.answer(Call(peer, ip, sign, scope, receive, client), body, sha256)
            elif path == SESSION_PATH:
                await _send(client, 200, self._open_session(peer, body, scope))
            else:
                await _send(client, 200, await self._answers.to(path, Question(peer, ip, port, body)))

    async def _answer_other(self, call: Call, size: int, claimed: str | None) -> None:
        """A request beside chat, whose body lies in a file while it is answered. Raises Refused."""
        if claimed is None:
            raise Refused(400, "malformed", f"{OTHER_PATH} needs {BODY_HEADER}")
        digest = hashlib.sha256()
        with self._held(call.peer, size):
            async with spooled(call.receive, size, digest.update) as body:
                self._check_body(call.peer, claimed, digest.hexdigest())
                await self._delegations.answer_other(call, body, claimed)

    async def _meet(self, path: str, body: bytes, ip: str, scope: Scope) -> bytes:
        """The answer to somebody who has proved nothing yet. Raises Refused."""
        if path == JOIN_PATH:
            return await self._join(body, ip)
        answer = self._endpoint.handle_hello(body, ip)
        self._note_entry(scope)
        return answer

    # --- who asks ---

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
                    self._endpoint.note_forgery(session.asker.id)
            raise

    def _open_session(self, peer: PeerId, body: bytes, scope: Scope) -> bytes:
        """Open a session on this connection. Raises Refused."""
        connection = connection_of(scope)
        if connection is None:
            raise Refused(404, "not_found", "no sessions are held here")
        answer, connection.session = self._transport.open_session(peer, body)
        return answer

    def _let_in(self, path: str, raw_path: str, headers: Mapping[str, str], sha256: str, scope: Scope) -> PeerId:
        """Who signed this request, and may make it. Raises Refused."""
        peer = self._endpoint.authenticate("POST", raw_path, headers, sha256, _place_of(scope)[0])
        self._see_to(peer, path, scope)
        return peer

    def _check_body(self, peer: PeerId, claimed: str, sha256: str) -> None:
        """Whether the body that came is the one that was proved to be this peer's. Raises Refused."""
        if claimed != sha256:
            self._endpoint.note_forgery(peer)
            raise Refused(401, "bad_signature", "the body is another than the one that was signed")

    # --- whether it may ---

    def _see_to(self, peer: PeerId, path: str, scope: Scope) -> None:
        """Whether this peer, which proved itself, may make this request. Raises Refused."""
        if self._may(peer, "ask"):
            self._see_in(scope, peer)
        elif path != SYNC_PATH:
            raise Refused(403, "not_approved", "this peer does not take your requests: its owner runs `ppai approve`")
        if path in (DELEGATE_PATH, OTHER_PATH):
            self._delegations.admit(peer, _place_of(scope)[0])
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

    @contextmanager
    def _held(self, sender: PeerId, size: int) -> Iterator[None]:
        """Room for a body while it is read and answered. Raises Refused."""
        if not self._allowance.hold(sender, size):
            raise Refused(429, "busy", "there is no room for a request of that size now: try again")
        try:
            yield
        finally:
            self._allowance.release(sender, size)


def _place_of(scope: Scope) -> tuple[str, int]:
    """The caller's (address, port); ("", 0) where its connection is gone already."""
    ip, port = scope.get("client") or ("", 0)
    return str(ip), int(port)


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


async def _send(client: AsgiClient, status: int, body: bytes) -> None:
    await client.answer(status, "application/json" if status >= 400 else "application/octet-stream", body)
