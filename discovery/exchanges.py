"""One request to a peer at one address: on which connection it goes, and what proves who makes it.

Connections are kept, each pinned to the peer's certificate. A request is signed, or made in the session of its
connection (sessions.py), which is opened when a connection is used again.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

import msgspec

from discovery.connection import Answer, Connection, ConnectionBroken, NothingCame
from discovery.connections import Connections
from discovery.contacts import Contacts
from discovery.endpoint import Clocks
from discovery.envelopes import Sign
from discovery.gossip import Gossip
from discovery.identity import verify
from discovery.pinned import Pin, why_unreachable
from discovery.records import Address, Card
from discovery.request_auth import NONCE_BYTES, Audience, HashedBody, hashed, sign_request
from discovery.room import Room
from discovery.sessions import (
    FEATURE,
    LIMIT_BYTES,
    RENEW_S,
    SESSION_PATH,
    SESSION_S,
    InvalidSession,
    Session,
    offer,
    opened,
)
from discovery.uploads import LOOKS, while_it_moves

HEADERS = {"accept-encoding": "identity", "user-agent": "ppai/1"}  # of requests outside of sessions
AT_ONCE_BYTES = 1 << 13  # of a body: it leaves in one flight, so that nobody need look how much of it was taken
ADDRESSES_KEPT = 1024  # of which it is known how many of our requests are there
NO_SESSION_S = 60.0  # s for which a peer that refused a session is asked for none
SessionUse = Literal["never", "kept", "opened"]  # a request's: none, one that is there, one that is opened for it


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """How long we wait for other peers, and how many connections we hold."""

    connect_s: float = 2.0  # s for TCP and TLS to one address
    answer_s: float = 3.0  # s for a whole gossip exchange, and for every 16 KiB of it one more
    keepalive_s: float = 60.0  # s an idle connection is kept; the server must keep it longer (75 s)
    connections: int = 512  # connections to all peers together
    contacts_limit: int = 2048  # peers of whom we remember where they answered: twice as many as are alive
    connections_each: int = 128  # connections to one peer; each running stream needs one
    # requests to one peer whose answer has not begun: it closes connections beyond 32 on which nobody proved himself
    opening_each: int = 24


class PeerUnreachable(Exception):
    """No address of a peer could be reached; `reason` says why, address by address."""

    SAID = "is unreachable"

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(f"peer {peer[:10]} {self.SAID}: {reason}")
        self.peer = peer
        self.reason = reason


class Request(msgspec.Struct, frozen=True):
    """What is posted, and to whom it is signed; a hello is not."""

    path: str
    body: HashedBody
    headers: Mapping[str, str] = {}
    audience: Audience | None = None
    session: SessionUse = "never"


class _Places:
    """How many connections we may have to one address, of all that we may have."""

    def __init__(self, config: ClientConfig, of_all: Room) -> None:
        """`of_all`: the places of all addresses together."""
        self.opening, self.used = Room(config.opening_each), 0
        self._running, self._of_all = Room(config.connections_each), of_all

    async def enter(self) -> None:
        """Wait for a place."""
        self.used += 1
        try:
            if not self._of_all.take():
                await self._of_all.enter()
            if not self._running.take():
                await self._wait_here()
        except BaseException:
            self.used -= 1
            raise

    async def _wait_here(self) -> None:
        try:
            await self._running.enter()
        except BaseException:
            self._of_all.leave()
            raise

    def leave(self) -> None:
        """Give the place back."""
        self.used -= 1
        self._running.leave()
        self._of_all.leave()


class Exchanges:
    """Our requests to peers, and the connections that they go on."""

    def __init__(
        self, net: str, gossip: Gossip, sign: Sign, clocks: Clocks, contacts: Contacts[Pin], config: ClientConfig
    ) -> None:
        self._net, self._gossip, self._sign, self._clocks = net, gossip, sign, clocks
        self._contacts, self._config = contacts, config
        self._opened = set[Connection]()  # while they are
        self._running = Room(config.connections)
        self._places: dict[Address, _Places] = {}

    async def close(self) -> None:
        """Close all connections."""
        for connection in tuple(self._opened):
            connection.abort()
        await asyncio.sleep(0)  # in which the event loop closes them

    async def ask(
        self, peer: str, address: Address, pin: Pin, request: Request, answer_s: float, name: str | None
    ) -> Answer:
        """The answer, once its head is here; released, it gives back its place.

        `name`: what TLS is asked for, where several peers are behind the address. Raises PeerUnreachable.
        """
        places = self._places.get(address) or self._places_at(address)
        way = pin.way(address, name, self._config.connect_s, self._config.keepalive_s, self._opened)
        await places.enter()
        try:
            answer = await self._asked(way, places, request, answer_s)
        except BaseException as error:
            places.leave()
            if isinstance(error, ConnectionBroken | TimeoutError | OSError):
                raise PeerUnreachable(peer, why_unreachable(error)) from error
            raise
        answer.ended = places.leave
        if answer.headers.get("content-encoding", "identity") != "identity":
            answer.release()
            raise PeerUnreachable(peer, "it answers in an encoding nobody asked for")
        return answer

    def _places_at(self, address: Address) -> _Places:
        if len(self._places) >= ADDRESSES_KEPT:
            self._places = {at: places for at, places in self._places.items() if places.used}
        places = self._places[address] = _Places(self._config, self._running)
        return places

    async def _asked(self, way: Connections, places: _Places, request: Request, answer_s: float) -> Answer:
        """Ask on a kept connection where there is one, unless the peer had closed it by then, else on a fresh one.

        Raises ConnectionBroken, TimeoutError, OSError.
        """
        if (kept := way.kept()) is not None:
            try:
                session = self._session_on(kept, request)
                if session is None and request.session == "opened" and self._may_open(request):
                    await self._open_session(kept, way, request, answer_s)
                    kept = way.kept()
                    session = None if kept is None else self._session_on(kept, request)
                if kept is not None:
                    return await self._on(kept, session, way, request, answer_s)
            except NothingCame:
                pass
        if not places.opening.take():
            await places.opening.enter()
        try:
            connection = way.kept() or await way.dial()
            return await self._on(connection, self._session_on(connection, request), way, request, answer_s)
        finally:
            places.opening.leave()

    async def _on(
        self, connection: Connection, session: Session | None, way: Connections, request: Request, answer_s: float
    ) -> Answer:
        """Ask on this connection, in this session of it. Raises ConnectionBroken, TimeoutError."""
        pieces = request.body.pieces
        said = HEADERS if session is None else {}
        lines = way.lines(request.path, {**said, **request.headers, **self._proof(request, session)})
        answer, now = connection.ask(lines, pieces), asyncio.get_running_loop().time()
        answer.asked_at = now
        is_large = sum(map(len, pieces)) > AT_ONCE_BYTES
        if is_large and not await answer.begins(now + answer_s / LOOKS):  # most have begun by then
            connection.count_taken()
            async with while_it_moves(connection.taken_bytes, answer_s):
                await answer.begun(inf)
        else:
            await answer.begun(now + answer_s)
        answer.seal = session.sealer() if session else None
        return answer

    def _proof(self, request: Request, session: Session | None) -> Mapping[str, str]:
        """The headers that say who asks."""
        if session is not None:
            return session.headers(request.path, request.body.sha256)
        audience = request.audience
        if audience is None:
            return {}
        contact = self._contacts.get(audience.id)
        time_ms = int(self._clocks.unix() * 1000) + (contact.skew_ms if contact else 0)
        nonce = secrets.token_bytes(NONCE_BYTES)
        return sign_request(
            self._gossip.id, self._sign, audience, "POST", request.path, request.body.sha256, time_ms, nonce
        )

    # --- sessions ---

    def _session_on(self, connection: Connection, request: Request) -> Session | None:
        """The session on this connection that this request may be made in; None: it is to be signed."""
        session = connection.session
        if request.session == "never" or not isinstance(session, Session):
            return None
        is_ours = session.answerer == request.audience and session.asker.gen == self._gossip.gen
        return session if is_ours and self._clocks.monotonic() < session.until else None

    def _may_open(self, request: Request) -> bool:
        """Whether the peer knows sessions, and has refused none of late."""
        assert request.audience is not None, "a hello has no session"
        card, contact = self._gossip.card(request.audience.id), self._contacts.get(request.audience.id)
        if card is None or FEATURE not in card.features or self._gossip.own_card() is None:
            return False
        return contact is None or self._clocks.monotonic() >= contact.no_session_until

    async def _open_session(self, connection: Connection, way: Connections, request: Request, answer_s: float) -> None:
        """Open a session on this connection, which is kept again afterwards; a refused one leaves it as it was.

        Raises ConnectionBroken, also where who answers is not the peer of the card; TimeoutError.
        """
        own, answerer = self._gossip.own_card(), request.audience
        assert own is not None and isinstance(own.record, Card) and answerer is not None, "see _may_open"
        asker = Audience(self._gossip.id, self._gossip.gen, own.record.cert)
        ours, body = offer(asker)
        until = self._clocks.monotonic() + SESSION_S - RENEW_S
        offered = Request(SESSION_PATH, hashed(body), audience=answerer)
        with await self._on(connection, None, way, offered, answer_s) as answer:
            said = await answer.read(LIMIT_BYTES, answer_s)
        if answer.status != 200:
            self._contacts[answerer.id].no_session_until = self._clocks.monotonic() + NO_SESSION_S
            return
        try:
            connection.session = opened(self._net, asker, answerer, ours, said, verify, until)
        except InvalidSession as error:
            connection.abort()
            raise ConnectionBroken(str(error)) from error
