"""What of another peer's stream passes as it came, and what is looked at event by event.

All else of reading an answer is in tests/gateway/peering/test_remote.py, over the same scripted peer.
"""

import asyncio
import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.identity import Identity
from gateway.peering.allowance import WIDEST, Allowance
from gateway.peering.frames import QUEUED, Refusal, encode_refusal
from gateway.upstream import Patience, UpstreamError
from gateway.wire.events import DONE, encode_event
from tests.gateway.peering.test_remote import (
    ANSWER,
    BODY,
    HELLO,
    PATIENCE,
    SILENCE_S,
    WHOLE,
    WORLD,
    ScriptedPeer,
    receipt_for,
)


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity.load_or_create(tmp_path)


BULK = HELLO + WORLD + HELLO


async def poured(
    identity: Identity, scripted: ScriptedPeer, patience: Patience = PATIENCE
) -> tuple[list[bytes], list[list[bytes]]]:
    """What was taken as it came, and what came out besides, those together that came together."""
    taken, came = list[bytes](), list[list[bytes]]()

    def take(piece: bytes, count: int) -> bool:
        assert count == piece.count(b"\n\n")
        taken.append(piece)
        return True

    async with (
        scripted.serving(identity.id) as upstream,
        upstream.open("chat/completions", (BODY,), {}, stream=True, patience=patience) as reply,
    ):
        async for events in reply.reads(take):
            came.append([event.raw for event in events])
        assert reply.receipt is not None
    return taken, came


async def test_plain_events_pass_as_they_came_under_the_same_receipt(identity: Identity) -> None:
    frames = (HELLO, BULK, BULK, DONE)
    script = (HELLO, 0.05, BULK, 0.05, BULK, 0.05, DONE + receipt_for(identity, *frames))

    assert ([BULK, BULK], [[HELLO], [DONE]]) == await poured(identity, ScriptedPeer(script))


@pytest.mark.parametrize("frames", [(WHOLE,), ANSWER], ids=["whole", "poured"])
async def test_a_reply_that_has_ended_is_freed_at_once(identity: Identity, frames: tuple[bytes, ...]) -> None:
    """With it goes the request that was passed on, and who asked it."""
    is_stream = frames is ANSWER
    scripted = ScriptedPeer((*frames, receipt_for(identity, *frames)))
    async with scripted.serving(identity.id) as upstream:
        gc.collect()
        gc.disable()
        try:
            opened = upstream.open("chat/completions", (BODY,), {}, stream=is_stream, patience=PATIENCE)
            async with opened as reply:
                if is_stream:
                    assert [_ async for _ in reply.reads(lambda piece, count: False)]
                else:
                    assert b"" != await reply.read()
            assert reply.receipt is not None
            kept = weakref.ref(reply)
            del opened, reply
            await asyncio.sleep(0)
            assert kept() is None
        finally:
            gc.enable()


async def test_events_that_pass_as_they_came_are_signs_of_life(identity: Identity) -> None:
    """Each is, for both waits: all of them take longer than either, and a sign without an event comes in between."""
    patience = replace(PATIENCE, idle_s=1.5 * SILENCE_S)
    bulks = [piece for _ in range(6) for piece in (BULK, SILENCE_S / 2)]
    frames = (HELLO, *(6 * [BULK]), WORLD, DONE)
    script = (HELLO, 0.05, *bulks, QUEUED, SILENCE_S / 2, WORLD + DONE + receipt_for(identity, *frames))

    assert 6 * [BULK] == (await poured(identity, ScriptedPeer(script), patience))[0]


CALLING = encode_event(b'{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}')


@pytest.mark.parametrize(
    ("bulk", "allowed"),
    [
        pytest.param(HELLO + CALLING, WIDEST, id="a call nobody asked for"),
        pytest.param(BULK, replace(WIDEST, events=3), id="events"),
        pytest.param(BULK, replace(WIDEST, limit_bytes=len(HELLO) + 20), id="bytes"),
        pytest.param(encode_event(b"{}", "x.delta"), WIDEST, id="a name"),
        pytest.param(HELLO + encode_event(b"{]"), WIDEST, id="no object"),
    ],
)
async def test_what_would_not_pass_alone_does_not_pass_as_it_came(
    identity: Identity, bulk: bytes, allowed: Allowance
) -> None:
    taken: list[bytes] = []
    scripted = ScriptedPeer((HELLO, 0.05, bulk, 0.05, DONE), allowed=allowed)

    with pytest.raises(UpstreamError) as caught:
        async with (
            scripted.serving(identity.id) as upstream,
            upstream.open("chat/completions", (BODY,), {}, stream=True, patience=PATIENCE) as reply,
        ):
            async for _ in reply.reads(lambda piece, count: not taken.append(piece)):
                pass

    assert ("peer_broke", []) == (caught.value.code, taken)


async def test_what_came_before_a_failure_comes_out_before_it(identity: Identity) -> None:
    came: list[bytes] = []
    scripted = ScriptedPeer((HELLO + WORLD + encode_refusal(Refusal(502, "engine_failed", "x"), "broke"),))

    with pytest.raises(UpstreamError):
        async with (
            scripted.serving(identity.id) as upstream,
            upstream.open("chat/completions", (BODY,), {}, stream=True, patience=PATIENCE) as reply,
        ):
            async for events in reply.reads():
                came += [event.raw for event in events]

    assert [HELLO, WORLD] == came
