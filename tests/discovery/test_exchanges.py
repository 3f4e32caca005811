"""How a request is proved on its connection: by signature at first, in a session from its second use on, over TLS."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from discovery.connection import Connection
from discovery.endpoint import Endpoint
from discovery.exchanges import PeerUnreachable
from discovery.identity import Identity
from discovery.records import Card
from discovery.request_auth import HashedBody, Refused, hashed
from discovery.sessions import MAC_HEADER, NUMBER_HEADER, Session
from discovery.throttle import Throttle
from tests.discovery.loopback import raw_post
from tests.discovery.test_sessions import in_session
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import ask, delegated
from tests.peers import Pair, two_peers

DELEGATE = "/peer/1/delegate"


@dataclass
class Seen:
    """What ben's side was shown: paths of signed requests, and the codes of what it refused."""

    signed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@contextlib.contextmanager
def watched(pair: Pair) -> Iterator[Seen]:
    seen, ben = Seen(), pair.ben
    with pytest.MonkeyPatch.context() as patch:
        authenticate, turned_away = Endpoint.authenticate, ben.telemetry.observe_turned_away

        def note(self: Endpoint, method: str, raw_path: str, *more: object) -> object:
            seen.signed.append(raw_path.removeprefix("/peer/1/"))
            return authenticate(self, method, raw_path, *more)  # type: ignore[arg-type]

        def note_refusal(code: str) -> None:
            seen.refused.append(code)
            turned_away(code)

        patch.setattr(Endpoint, "authenticate", note)
        patch.setattr(ben.telemetry, "observe_turned_away", note_refusal)
        yield seen


def kept(pair: Pair) -> Connection:
    """Ada's one connection to ben."""
    pin = pair.ada.transport.client.contacts[pair.ben.id].pin
    assert pin is not None
    (way,) = pin._ways.values()
    (connection,) = way._idle
    return connection


def session_of(pair: Pair) -> Session:
    session = kept(pair).session
    assert isinstance(session, Session)
    return session


@contextlib.contextmanager
def unlike(pair: Pair, **changes: object) -> Iterator[None]:
    """Ben's card says something else."""
    card = pair.ben.gossip.own_card()
    assert card and isinstance(card.record, Card)
    pair.ben.transport.publish(replace(card.record, **changes))
    pair.ada.gossip.learn([pair.ben.gossip.own_card()], 0.0)
    yield


async def test_a_connection_that_is_used_again_has_a_session(tmp_path: Path) -> None:
    """One signature for the hello's, none for those after it: whole answers and streams have their receipts."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        with watched(pair) as seen:
            for number in range(6):
                reply, _ = await ask(pair, delegated(stream=number % 2 == 0), stream=number % 2 == 0)
                assert reply.receipt is not None and 64 == len(reply.receipt.signature)
            with await pair.ada.transport.open_stream(pair.ben.id, "/peer/1/probe", b"", session="kept") as probe:
                status = probe.status
                await probe.read(1 << 16, 5)

        assert (200, ["session"], []) == (status, seen.signed, seen.refused)
        assert 7 == session_of(pair).number
        assert [] == pair.failures


@pytest.mark.parametrize("features", [(), ("agents", "tab")])
async def test_a_peer_without_the_feature_is_asked_by_signature(tmp_path: Path, features: tuple[str, ...]) -> None:
    """A peer of 0.1.0, whose card names none, and one of a later version without sessions."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        with unlike(pair, features=features), watched(pair) as seen:
            replies = [(await ask(pair, delegated()))[0] for _ in range(3)]

    assert 3 * ["delegate"] == seen.signed
    assert all(reply.receipt and 128 == len(reply.receipt.signature) for reply in replies)


async def test_a_peer_that_knows_no_sessions_is_answered(tmp_path: Path) -> None:
    """It signs each request, on a connection with or without a session, and its receipt is signed."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        with watched(pair) as seen, await pair.ada.transport.open_stream(pair.ben.id, DELEGATE, delegated()) as answer:
            said = await answer.read(1 << 20, 5)

    assert ["delegate"] == seen.signed
    assert 128 == len(said.partition(b'"signature":"')[2].partition(b'"')[0])


async def test_gossip_stays_signed(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        session, body = session_of(pair), hashed(b"")
        status, said = await on_its_connection(pair, "/peer/1/sync", in_session(session, "/peer/1/sync", body.sha256))

    assert (401, b"unsigned" in said) == (status, True)


async def on_its_connection(pair: Pair, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """(status, answer) of a request with these headers on ada's connection."""
    pin = pair.ada.transport.client.contacts[pair.ben.id].pin
    assert pin is not None
    (way,) = pin._ways.values()
    with await way.post(path, headers, (body,), keep=True, within_s=5) as answer:
        return answer.status, await answer.read(1 << 20, 5)


async def test_a_request_of_a_session_counts_once_and_on_its_connection_alone(tmp_path: Path) -> None:
    """Whoever could read it and had a connection of his own would repeat it in vain; the owner of the session, too."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        body = delegated(seed=3)
        headers = in_session(session_of(pair), DELEGATE, hashed(body).sha256)

        elsewhere = await raw_post(pair.ben, DELEGATE, body, headers)  # type: ignore[arg-type]
        first = await on_its_connection(pair, DELEGATE, headers, body)
        again = await on_its_connection(pair, DELEGATE, headers, body)
        after = await on_its_connection(
            pair, DELEGATE, in_session(session_of(pair), DELEGATE, hashed(body).sha256), body
        )

        assert (401, 200, 401, 401) == (elsewhere[0], first[0], again[0], after[0])
        assert b"no_session" in elsewhere[1] and b"replayed" in again[1]
        assert b"no_session" in after[1]  # what was repeated has ended it
        assert 3 == len(engine.asked)


async def test_another_body_than_the_one_of_the_mac_reaches_no_engine(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        forged = HashedBody((body := delegated(seed=1),), hashed(delegated(seed=2)).sha256, len(body))
        with pytest.raises(Refused, match="bad_signature"):
            await pair.ada.transport.open_stream(pair.ben.id, DELEGATE, forged, session="opened")

        assert 2 == len(engine.asked)


@pytest.mark.parametrize("whose", ["ours", "theirs"])
async def test_after_an_hour_another_session_is_opened(tmp_path: Path, whose: str) -> None:
    """Where the answering side ends it first, the request is signed, and answered all the same."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        before = session_of(pair)
        if whose == "ours":
            before.until = 0.0
        else:
            held_by(pair).until = 0.0
        with watched(pair) as seen:
            for _ in range(2):
                await ask(pair, delegated())

        assert before is not session_of(pair)
        assert (["session"] if whose == "ours" else ["delegate", "session"]) == seen.signed
        assert ([] if whose == "ours" else ["no_session"]) == seen.refused


def held_by(pair: Pair) -> Session:
    """The session as ben holds it."""
    (connection,) = pair.ben.web.server_state.connections
    assert isinstance(connection.session, Session)  # type: ignore[attr-defined]
    return connection.session  # type: ignore[attr-defined,no-any-return]


async def test_a_revocation_ends_a_session_at_the_next_request(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        pair.ben.admission.revoke(pair.ada.id)
        with watched(pair) as seen, pytest.raises(Exception, match="ppai approve"):
            await ask(pair, delegated())

        assert ["no_session", "not_approved"] == seen.refused
        assert 2 == len(engine.asked)


async def test_a_generation_of_ours_ends_our_sessions(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        before = session_of(pair)
        pair.ada.gossip._own.gen += 1
        with watched(pair) as seen:
            await ask(pair, delegated())

        assert (["session"], pair.ada.gossip.gen) == (seen.signed, session_of(pair).asker.gen)
        assert before is not session_of(pair)


async def test_who_may_not_ask_opens_no_session(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.admission.revoke(pair.ada.id)
        for _ in range(2):
            with pytest.raises(Exception, match="ppai approve"):
                await ask(pair, delegated())

        assert kept(pair).session is None
        assert pair.ada.transport.client.contacts[pair.ben.id].no_session_until > 0


async def test_a_refused_session_is_not_asked_for_again_at_once(tmp_path: Path) -> None:
    """The requests are signed meanwhile."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.app._allowance._sessions = Throttle(0.001, 0.5)
        with watched(pair) as seen:
            for _ in range(4):
                await ask(pair, delegated())

    assert ["session", "delegate", "delegate", "delegate", "delegate"] == sorted(seen.signed, reverse=True)
    assert ["too_many_requests"] == seen.refused


async def test_who_cannot_sign_for_the_peer_of_the_card_opens_no_session(tmp_path: Path) -> None:
    """Though it has the certificate and its key: nothing is asked of it."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.transport.sessions._sign = Identity.load_or_create(tmp_path / "other").sign
        with pytest.raises(PeerUnreachable, match="not the peer of the card"):
            await pair.ada.transport.open_stream(pair.ben.id, DELEGATE, delegated(), session="opened")

    assert [] == engine.asked


async def test_a_session_has_the_headers_of_a_session_and_no_signature(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(2):
            await ask(pair, delegated())
        headers = in_session(session_of(pair), DELEGATE, "00")

    assert {NUMBER_HEADER, MAC_HEADER, "ppai-sha256"} == set(headers)
