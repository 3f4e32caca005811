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

from discovery.answer import Answer, ConnectionBroken, NothingCame
from discovery.connection import Connection
from discovery.connections import Shared
from discovery.contacts import Contacts
from discovery.endpoint import Clocks
from discovery.envelopes import Sign
from discovery.gossip import Gossip
from discovery.identity import verify
from discovery.pinned import Pin, why_unreachable
from discovery.records import Address, Card
from discovery.request_auth import NONCE_BYTES, Audience, HashedBody, hashed, sign_request
from discovery.roads import PlacesOf, Road
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
    """What is posted."""

    path: str
    body: HashedBody
    headers: Mapping[str, str] = {}
    session: SessionUse = "never"


class Exchanges:
    """Our requests to peers, and the connections that they go on."""

    def __init__(
        self, net: str, gossip: Gossip, sign: Sign, clocks: Clocks, contacts: Contacts[Pin], config: ClientConfig
    ) -> None:
        self._net, self._gossip, self._sign, self._clocks = net, gossip, sign, clocks
        self._contacts, self._config = contacts, config
        self._shared = Shared()
        self._places = PlacesOf(config.connections, config.connections_each, config.opening_each)

    async def close(self) -> None:
        """Close all connections."""
        for connection in tuple(self._shared.opened):
            connection.abort()
        await asyncio.sleep(0)  # in which the event loop closes them

    def road(self, peer: str, address: Address, pin: Pin, audience: Audience | None, name: str | None) -> Road:
        """The road to whom the pin belongs. `name`: what TLS is asked for, where several peers are at the address."""
        config = self._config
        way = pin.way(address, name, config.connect_s, config.keepalive_s, self._shared)
        return Road(peer, address, audience, way, self._places.at(address))

    async def ask(self, road: Road, request: Request, answer_s: float) -> Answer:
        """The answer, once its head is here; released, it gives back its place. Raises PeerUnreachable.

        It is asked for on a kept connection where there is one, unless the peer had closed it by then.
        """
        places, kept, answer = road.places, road.way.kept, None
        if not places.take():
            await places.enter()
        try:
            if (connection := kept()) is not None:
                session = self._session_on(connection, road, request)
                try:
                    if session is None or request.body.size_bytes > AT_ONCE_BYTES:
                        answer = await self._on_kept(connection, session, road, request, answer_s)
                    else:  # as nearly always
                        answer = self._send(connection, session, road, request)
                        await answer.begun(answer.asked_at + answer_s)
                except NothingCame:
                    answer = None
            if answer is None:
                answer = await self._on_fresh(road, request, answer_s)
        except BaseException as error:
            places.leave()
            if isinstance(error, ConnectionBroken | TimeoutError | OSError):
                raise PeerUnreachable(road.peer, why_unreachable(error)) from error
            raise
        answer.ended = places.leave
        if answer.headers.get("content-encoding", "identity") != "identity":
            answer.release()
            raise PeerUnreachable(road.peer, "it answers in an encoding nobody asked for")
        return answer

    async def _on_kept(
        self, connection: Connection, session: Session | None, road: Road, request: Request, answer_s: float
    ) -> Answer | None:
        """Ask on a kept connection, in a session that is opened where it has none. None: it was closed meanwhile.

        Raises ConnectionBroken, TimeoutError.
        """
        kept: Connection | None = connection
        if session is None and request.session == "opened" and self._may_open(road):
            await self._open_session(connection, road, answer_s)
            kept = road.way.kept()
            session = None if kept is None else self._session_on(kept, road, request)
        return None if kept is None else await self._on(kept, session, road, request, answer_s)

    async def _on_fresh(self, road: Road, request: Request, answer_s: float) -> Answer:
        """Ask on a connection that is dialled, unless another request has left one by then.

        Raises ConnectionBroken, TimeoutError, OSError.
        """
        opening = road.places.opening
        await opening.enter()
        try:
            connection = road.way.kept() or await road.way.dial()
            session = self._session_on(connection, road, request)
            return await self._on(connection, session, road, request, answer_s)
        finally:
            opening.leave()

    async def _on(
        self, connection: Connection, session: Session | None, road: Road, request: Request, answer_s: float
    ) -> Answer:
        """Ask on this connection, in this session of it. Raises ConnectionBroken, TimeoutError."""
        answer = self._send(connection, session, road, request)
        is_large = request.body.size_bytes > AT_ONCE_BYTES
        if is_large and not await answer.begins(answer.asked_at + answer_s / LOOKS):  # most have begun by then
            connection.count_taken()
            async with while_it_moves(connection.taken_bytes, answer_s):
                await answer.begun(inf)
        else:
            await answer.begun(answer.asked_at + answer_s)
        return answer

    def _send(self, connection: Connection, session: Session | None, road: Road, request: Request) -> Answer:
        """The request is on its way: the answer that is to be awaited."""
        path, body, headers = request.path, request.body, request.headers
        if session is None:
            lines = road.way.lines(path, {**HEADERS, **headers, **self._signature(road.audience, path, body)})
        else:
            lines = road.way.lines(path, headers) + session.lines(path, body.sha256)
        answer = connection.ask(lines, body.pieces)
        answer.asked_at = connection.loop.time()
        if session is not None:
            answer.seal = session.sealer()
        return answer

    def _signature(self, audience: Audience | None, path: str, body: HashedBody) -> Mapping[str, str]:
        """The headers that say who asks, outside of sessions."""
        if audience is None:
            return {}
        contact = self._contacts.get(audience.id)
        time_ms = int(self._clocks.unix() * 1000) + (contact.skew_ms if contact else 0)
        nonce = secrets.token_bytes(NONCE_BYTES)
        return sign_request(self._gossip.id, self._sign, audience, "POST", path, body.sha256, time_ms, nonce)

    # --- sessions ---

    def _session_on(self, connection: Connection, road: Road, request: Request) -> Session | None:
        """The session on this connection that this request may be made in; None: it is to be signed."""
        session = connection.session
        if request.session == "never" or not isinstance(session, Session):
            return None
        is_ours = session.answerer == road.audience and session.asker.gen == self._gossip.gen
        return session if is_ours and self._clocks.monotonic() < session.until else None

    def _may_open(self, road: Road) -> bool:
        """Whether the peer knows sessions, and has refused none of late."""
        assert road.audience is not None, "a hello has no session"
        card, contact = self._gossip.card(road.audience.id), self._contacts.get(road.audience.id)
        if card is None or FEATURE not in card.features or self._gossip.own_card() is None:
            return False
        return contact is None or self._clocks.monotonic() >= contact.no_session_until

    async def _open_session(self, connection: Connection, road: Road, answer_s: float) -> None:
        """Open a session on this connection, which is kept again afterwards; a refused one leaves it as it was.

        Raises ConnectionBroken, also where who answers is not the peer of the card; TimeoutError.
        """
        own, answerer = self._gossip.own_card(), road.audience
        assert own is not None and isinstance(own.record, Card) and answerer is not None, "see _may_open"
        asker = Audience(self._gossip.id, self._gossip.gen, own.record.cert)
        ours, body = offer(asker)
        until = self._clocks.monotonic() + SESSION_S - RENEW_S
        with await self._on(connection, None, road, Request(SESSION_PATH, hashed(body)), answer_s) as answer:
            said = await answer.read(LIMIT_BYTES, answer_s)
        if answer.status != 200:
            self._contacts[answerer.id].no_session_until = self._clocks.monotonic() + NO_SESSION_S
            return
        try:
            connection.session = opened(self._net, asker, answerer, ours, said, verify, until)
        except InvalidSession as error:
            connection.abort()
            raise ConnectionBroken(str(error)) from error
