"""Another peer as an upstream: who is asked, and what becomes of a request that does not begin there or is left."""

import asyncio

import pytest

from discovery.answer import Answer
from discovery.exchanges import PeerUnreachable
from discovery.identity import Identity
from discovery.request_auth import Refused
from gateway.peering.frames import QUEUED
from gateway.peering.remote import PeerUpstream
from gateway.upstream import UpstreamError
from tests.gateway.peering.scripted import (
    BODY,
    HELLO,
    PATIENCE,
    ScriptedPeer,
    error_of,
)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            403,
            b'{"error":{"code":"not_approved","message":"run ppai approve","time_ms":1,"gen":1}}',
            "run ppai approve",
        ),
        (503, b"", "it answered 503"),
        (502, b"<html>\xff", "it answered 502"),
    ],
)
async def test_a_peer_that_turns_us_away_is_passed_by(identity: Identity, status: int, body: bytes, said: str) -> None:
    error, scripted = await error_of(identity, body, status=status)

    assert (503, f"bob: {said}") == (error.status, error.message)
    assert error.code.startswith("peer_")
    assert [] == scripted.failures


async def test_a_peer_that_turns_us_away_without_end_is_not_waited_for(identity: Identity) -> None:
    error, _ = await error_of(identity, None, status=403)

    assert 503 == error.status


@pytest.mark.parametrize("when", ["waiting", "streaming"])
async def test_leaving_hangs_up(identity: Identity, when: str) -> None:
    """Which cancels the work at the peer: see test_delegated.py."""
    scripted = ScriptedPeer((QUEUED, *((HELLO,) if when == "streaming" else ()), None))
    async with scripted.serving(identity.id) as upstream:

        async def read() -> None:
            async with upstream.open("chat/completions", (BODY,), {}, stream=True, patience=PATIENCE) as reply:
                async for _ in reply.events():
                    reading.set()

        reading = asyncio.Event()
        work = asyncio.create_task(read())
        async with asyncio.timeout(5):
            while not scripted.asked or (when == "streaming" and not reading.is_set()):
                await asyncio.sleep(0.001)
        work.cancel()

        async with asyncio.timeout(5):
            await scripted.hung_up.wait()
        assert not scripted.failures


@pytest.mark.parametrize(
    ("raised", "status", "code", "failures"),
    [
        (PeerUnreachable("p", "connection refused"), 502, "peer_unreachable", ["connection refused"]),
        (Refused(401, "clock_skew", "set the time"), 503, "peer_clock_skew", []),
    ],
)
async def test_a_peer_that_cannot_be_dialled(
    identity: Identity, raised: Exception, status: int, code: str, failures: list[str]
) -> None:
    told: list[str] = []

    async def open_stream(*args: object, **kwargs: object) -> Answer:
        raise raised

    upstream = PeerUpstream(identity.id, "bob", open_stream, lambda _, reason: told.append(reason))
    with pytest.raises(UpstreamError) as caught:
        async with upstream.open("chat/completions", (BODY,), {}, stream=True, patience=PATIENCE):
            pass

    assert (status, code, failures) == (caught.value.status, caught.value.code, told)
    assert 1 == caught.value.message.count("connection refused" if failures else "set the time")
