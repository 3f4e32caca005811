"""What other peers reach of us: the app of the paths below /peer/1/. No other path exists here.

It lets discovery authenticate a request, asks whether the peer may, reads the bounded body, and gives the request to
whoever answers it: hop/answers.py, or hop/delegations.py where an engine is asked. A peer of 0.1.0 does not tell its
body's hash in the head; then the body is read before the signature is verified, and only so many of those at once.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
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
from discovery.session_heads import SessionHeads
from discovery.sessions import LIMIT_BYTES as SESSION_LIMIT_BYTES
from discovery.sessions import NUMBER_HEADER, SESSION_PATH, Session
from discovery.transport import Transport
from gateway.capacity.allowance import UNPROVED, Allowance, Spending
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
from gateway.server.bounds import Bounds
from gateway.server.connection import Connection
from gateway.server.edge import ClientGone, read_pieces
from gateway.server.exchange import Exchange
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
    heads=SessionHeads,
)


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """The other peers' side."""

    host: str = "0.0.0.0"  # every interface; what comes in is authenticated
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8471  # 0 takes a free one
    # s that a decision waits for fresh load figures, many times what a probe takes on a LAN
    probe_budget_s: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 0.1


class PeerApp:
    """The app of the peer listener (gateway.server.turns.meeting)."""

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

    async def meet(self, asked: Exchange) -> None:
        """Answer another peer's request, or say why it is not answered."""
        try:
            await self._answer(asked)
        except Refused as refused:
            self._telemetry.observe_turned_away(refused.code)
            await asyncio.sleep(self._endpoint.pause_s(asked.ip))
            await asked.answer(refused.status, "application/json", self._endpoint.refusal(refused))
        except ClientGone:
            pass

    async def _answer(self, asked: Exchange) -> None:
        aim, headers = asked.head.kept or _aim(asked), asked.headers
        path = aim.path
        if not aim.in_session:
            asked.learn = None  # maybe of a stranger, who could push out what peers send
            self._endpoint.expect(path, headers, asked.ip)
        size = _size(headers, aim.limit_bytes)
        if path in (HELLO_PATH, JOIN_PATH):
            body, _ = await _read(asked, size)
            await _send(asked, await self._welcome(body, asked))
            return
        claimed, peer, sign, spending = headers.get(BODY_HEADER), UNPROVED, self._sign, None
        if aim.in_session:
            session = self._in_session(asked, aim.raw_path)
            peer, sign = session.asker.id, session.sealer()
            spending = self._see_to(peer, asked, may_ask=True)
        elif claimed is not None:
            peer, spending = self._let_in(asked, claimed)
        if path == OTHER_PATH:
            await self._answer_other(Call(peer, sign, asked, spending), size, claimed)
            return
        holder = _voucher(asked) if claimed is None else peer
        self._hold(holder, size)
        try:
            came = asked.body(size)
            body, sha256 = await _read(asked, size) if came is None else (came, hashlib.sha256(came).hexdigest())
            if claimed is None:
                peer, spending = self._let_in(asked, sha256)
            else:
                self._check_body(peer, claimed, sha256)
            if path == DELEGATE_PATH:
                await self._delegations.answer(Call(peer, sign, asked, spending), body, sha256)
            elif path == SESSION_PATH:
                await _send(asked, self._open_session(peer, body, asked))
            else:
                ip, port = asked.connection.client or ("", 0)
                await _send(asked, await self._answers.to(path, Question(peer, ip, port, body)))
        finally:
            self._allowance.release(holder, size)

    async def _answer_other(self, call: Call, size: int, claimed: str | None) -> None:
        """A request beside chat, whose body lies in a file while it is answered. Raises Refused."""
        if claimed is None:
            raise Refused(400, "malformed", f"{OTHER_PATH} needs {BODY_HEADER}")
        digest = hashlib.sha256()
        self._hold(call.peer, size)
        try:
            async with spooled(call.asked.receive, size, digest.update) as body:
                self._check_body(call.peer, claimed, digest.hexdigest())
                await self._delegations.answer_other(call, body, claimed)
        finally:
            self._allowance.release(call.peer, size)

    async def _welcome(self, body: bytes, asked: Exchange) -> bytes:
        """The answer to somebody who has proved nothing yet. Raises Refused."""
        if asked.path == JOIN_PATH:
            return await self._join(body, asked.ip)
        answer = self._endpoint.handle_hello(body, asked.ip)
        self._note_entry(asked)
        return answer

    # --- who asks ---

    def _in_session(self, asked: Exchange, raw_path: str) -> Session:
        """The session of this connection, in which a peer that may ask makes this request.

        Raises Refused; there is none then.
        """
        connection = _connection_of(asked)
        session = connection.session
        try:
            return self._transport.sessions.check(
                session if isinstance(session, Session) else None, raw_path, asked.headers
            )
        except Refused as refused:
            if isinstance(session, Session):
                connection.session = None
                if refused.code == "bad_signature":
                    self._endpoint.note_forgery(session.asker.id)
            raise

    def _open_session(self, peer: PeerId, body: bytes, asked: Exchange) -> bytes:
        """Open a session on this connection. Raises Refused."""
        answer, _connection_of(asked).session = self._transport.open_session(peer, body)
        return answer

    def _let_in(self, asked: Exchange, sha256: str) -> tuple[PeerId, Spending | None]:
        """Who signed this request, and may make it, and what it counts for. Raises Refused."""
        peer = self._endpoint.authenticate("POST", asked.raw_path, asked.headers, sha256, asked.ip)
        return peer, self._see_to(peer, asked, may_ask=self._may(peer, "ask"))

    def _check_body(self, peer: PeerId, claimed: str, sha256: str) -> None:
        """Whether the body that came is the one that was proved to be this peer's. Raises Refused."""
        if claimed != sha256:
            self._endpoint.note_forgery(peer)
            raise Refused(401, "bad_signature", "the body is another than the one that was signed")

    # --- whether it may ---

    def _see_to(self, peer: PeerId, asked: Exchange, *, may_ask: bool) -> Spending | None:
        """What the request of this peer, which proved itself, counts for. Raises Refused where it may not make it."""
        path = asked.path
        if may_ask:
            self._see_in(asked, peer)
        elif path != SYNC_PATH:
            raise Refused(403, "not_approved", "this peer does not take your requests: its owner runs `ppai approve`")
        if path in (DELEGATE_PATH, OTHER_PATH):
            return self._delegations.admit(peer, asked.ip)
        if path in self._may_ask and not self._may_ask[path](peer, self._clock()):
            raise Refused(429, "too_many_requests", "slow down")
        return None

    def _see_in(self, asked: Exchange, peer: PeerId) -> None:
        """A peer with rights makes a request on this connection. Raises Refused."""
        connection = _connection_of(asked)
        if connection.vouched_by == peer:
            return
        if not connection.vouch(peer):
            raise Refused(429, "too_many_requests", "you have too many connections to this peer")
        self._note_entry(asked)

    def _note_entry(self, asked: Exchange) -> None:
        if asked.connection.server:
            self._entered(asked.connection.server[0])

    def _hold(self, sender: PeerId, size: int) -> None:
        """Room for a body while it is read and answered: to be released. Raises Refused."""
        if not self._allowance.hold(sender, size):
            raise Refused(429, "busy", "there is no room for a request of that size now: try again")


def _connection_of(asked: Exchange) -> Connection:
    assert isinstance(asked.connection, Connection), "no worker stands before this listener"
    return asked.connection


class _Aim(msgspec.Struct, frozen=True):
    """What a request is for, as all of its head says but what proves it and the body's length."""

    path: str
    raw_path: str
    limit_bytes: int
    in_session: bool


def _aim(asked: Exchange) -> _Aim:
    """What this one is for, which is kept where its head is known. Raises Refused."""
    path, headers = asked.path, asked.headers
    if path not in BODY_LIMITS_BYTES or asked.method != "POST":
        raise Refused(404, "not_found", "this is a PPAI peer port: applications use the client port")
    if "content-encoding" in headers or "upgrade" in headers:
        raise Refused(400, "malformed", "no content-encoding, no upgrade")
    in_session = NUMBER_HEADER in headers and path in IN_SESSIONS
    aim = asked.head.kept = _Aim(path, asked.raw_path, BODY_LIMITS_BYTES[path], in_session)
    return aim


def _size(headers: Mapping[str, str], limit_bytes: int) -> int:
    """How long the body will be. Raises Refused where the head does not tell, or it is too long."""
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise Refused(411, "malformed", "a body needs a content-length")
    size = int(length[:10])
    if len(length) > 9 or size > limit_bytes:
        raise Refused(413, "too_long", f"at most {limit_bytes} bytes")
    return size


async def _read(asked: Exchange, size: int) -> tuple[bytes, str]:
    """The body and its SHA-256, fed as it comes in: 8 MiB at once would keep everybody else waiting."""
    digest = hashlib.sha256()
    body = await read_pieces(asked.receive, size, digest.update)
    return body, digest.hexdigest()


def _voucher(asked: Exchange) -> PeerId:
    """Whose body this will be, as far as we know before it is read: who proved himself on this connection before."""
    claimed = asked.headers.get("ppai-id")
    return PeerId(claimed) if claimed is not None and claimed == _connection_of(asked).vouched_by else UNPROVED


async def _send(asked: Exchange, body: bytes) -> None:
    await asked.answer(200, "application/octet-stream", body)
