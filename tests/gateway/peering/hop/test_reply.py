"""How another peer's answer is read: what passes, how long it is waited for, what its end means."""

import asyncio
import gc
import time
import weakref
from dataclasses import replace

import pytest
from msgspec import structs

from discovery.identity import Identity
from gateway.peering.allowance import WIDEST, Allowance
from gateway.peering.frames import QUEUED, Refusal, encode_refusal
from gateway.peering.hop.reply import FIELDS_REFUSED
from gateway.upstream import Patience, UpstreamError
from gateway.wire.events import DONE, Event, encode_event
from gateway.wire.streams.pour import Pour
from tests.gateway.peering.scripted import (
    ANSWER,
    BODY,
    HELLO,
    PATIENCE,
    SILENCE_S,
    WHOLE,
    WORLD,
    ScriptedPeer,
    ask,
    error_of,
    receipt_for,
)


async def test_a_streamed_answer_passes_with_its_receipt(identity: Identity) -> None:
    scripted = ScriptedPeer((QUEUED, *ANSWER, receipt_for(identity, *ANSWER)))

    reply, events = await ask(scripted, identity)

    assert [*ANSWER] == events
    assert [BODY] == scripted.asked
    assert ("m", 7, 2) == (reply.receipt.model, reply.receipt.prompt_tokens, reply.receipt.tokens)
    assert [] == scripted.failures


async def test_a_whole_answer_passes_with_its_receipt(identity: Identity) -> None:
    scripted = ScriptedPeer((QUEUED, WHOLE, receipt_for(identity, WHOLE)))

    reply, bodies = await ask(scripted, identity, stream=False)

    assert (200, [b'{"choices":[]}']) == (reply.status, bodies)
    assert reply.receipt


async def test_pieces_of_any_size_make_the_same_answer(identity: Identity) -> None:
    """A network cuts where it likes."""
    sent = QUEUED + b"".join(ANSWER) + receipt_for(identity, *ANSWER)

    _, events = await ask(ScriptedPeer(tuple(sent[i : i + 7] for i in range(0, len(sent), 7))), identity)

    assert [*ANSWER] == events


async def test_queued_keeps_a_waiting_request_alive(identity: Identity) -> None:
    """Each pause is shorter than the silence that is borne; all together are longer."""
    waiting = (QUEUED, SILENCE_S / 4) * 6

    _, events = await ask(ScriptedPeer((*waiting, *ANSWER, receipt_for(identity, *ANSWER))), identity)

    assert [*ANSWER] == events


@pytest.mark.parametrize("before", [(), (QUEUED,), (HELLO,), (HELLO, DONE)], ids=["at once", "queued", "event", "done"])
async def test_silence_means_the_peer_is_gone(identity: Identity, before: tuple[bytes, ...]) -> None:
    """In every phase; it is told, so that the peer is suspected."""
    error, scripted = await error_of(identity, *before, None)

    assert "peer_unreachable" == error.code
    assert 1 == len(scripted.failures)


@pytest.mark.parametrize("before", [(), (QUEUED,), (HELLO,), (*ANSWER,), (WHOLE,)], ids=str)
async def test_a_connection_that_ends_early_means_the_peer_is_gone(
    identity: Identity, before: tuple[bytes, ...]
) -> None:
    error, scripted = await error_of(identity, *before)

    assert "peer_unreachable" == error.code
    assert ["it closed the connection"] == scripted.failures


async def test_a_refusal_is_the_next_candidates_chance(identity: Identity) -> None:
    refusal = Refusal(429, "busy", "this peer is busy", 3.0)

    error, scripted = await error_of(identity, QUEUED, encode_refusal(refusal))

    assert (429, "peer_refused", 3.0) == (error.status, error.code, error.retry_after_s)
    assert "bob: this peer is busy" == error.message
    assert [] == scripted.failures  # it lives


@pytest.mark.parametrize("status", [400, 401, 404, 500, 200, 0, 99999])
async def test_a_refusal_of_another_kind_is_a_502(identity: Identity, status: int) -> None:
    """What a peer says of itself must not look like our client's mistake."""
    error, _ = await error_of(identity, encode_refusal(Refusal(status, "c", "m")))

    assert 502 == error.status


async def test_who_may_not_be_sent_a_field_cannot_take_the_request_and_is_no_worse_for_it(identity: Identity) -> None:
    """A peer of 0.1.0 does not know all fields. No program tries a 422 again by itself."""
    error, scripted = await error_of(
        identity, encode_refusal(Refusal(400, "unacceptable", "field `top_k` may not travel"))
    )

    assert (422, FIELDS_REFUSED, True, False) == (error.status, error.code, error.is_unsuited, error.by_engine)
    assert "bob: field `top_k` may not travel (" in error.message
    assert [] == scripted.failures


async def test_an_answer_that_breaks_says_why(identity: Identity) -> None:
    taken: list[Event] = []
    broke = encode_refusal(Refusal(502, "stream_cut_short", "the engine ended its answer too early"), "broke")

    error, scripted = await error_of(identity, HELLO, broke, taken=taken.append)

    assert ("peer_broke", 1) == (error.code, len(taken))
    assert "too early" in error.message
    assert [] == scripted.failures


@pytest.mark.parametrize(
    ("before", "patience", "stream"),
    [
        ((), Patience(first_event_s=0.15, idle_s=9, whole_s=9), True),
        ((), Patience(first_event_s=9, idle_s=9, whole_s=0.15), False),
        ((HELLO,), Patience(first_event_s=9, idle_s=0.15, whole_s=9), True),
        ((*ANSWER,), Patience(first_event_s=9, idle_s=0.15, whole_s=9), True),
        ((WHOLE,), Patience(first_event_s=9, idle_s=0.15, whole_s=9), False),
    ],
    ids=["first event", "whole answer", "between events", "receipt", "receipt of a whole answer"],
)
async def test_signs_of_life_do_not_make_us_wait_for_ever(
    identity: Identity, before: tuple[bytes, ...], patience: Patience, stream: bool
) -> None:
    beating = (QUEUED, SILENCE_S / 4) * 30

    error, scripted = await error_of(identity, *before, *beating, stream=stream, patience=patience)

    assert "peer_timeout" == error.code
    assert [] == scripted.failures  # it lives


@pytest.mark.parametrize(("wait_s", "taken_s"), [(-1, 0), (1e300, 86400), (90000, 86400)])
async def test_the_wait_that_a_refusal_names_is_clipped(identity: Identity, wait_s: float, taken_s: float) -> None:
    error, _ = await error_of(identity, encode_refusal(Refusal(429, "busy", "m", wait_s)))

    assert (429, taken_s) == (error.status, error.retry_after_s)


async def test_an_engine_without_the_endpoint_is_no_worse_for_it(identity: Identity) -> None:
    refusal = encode_refusal(Refusal(404, "endpoint_not_served", "its engine has no such endpoint"))

    error, scripted = await error_of(identity, refusal)

    assert (404, "endpoint_not_served", True, []) == (error.status, error.code, error.is_unsuited, scripted.failures)


NAMED = tuple(encode_event(b'{"type":"%s"}' % name, name.decode()) for name in (b"message_start", b"message_stop"))


MAY_NAME = structs.replace(WIDEST, may_name=True)


@pytest.mark.parametrize("end", [(), (DONE,)], ids=["as the API ends", "with [DONE] besides"])
async def test_named_events_end_with_their_last(identity: Identity, end: tuple[bytes, ...]) -> None:
    events = (*NAMED, *end)

    reply, said = await ask(ScriptedPeer((*events, receipt_for(identity, *events)), 200, MAY_NAME), identity)

    assert (list(events), True) == (said, reply.receipt is not None)


BULK = HELLO + WORLD + HELLO


async def poured(
    identity: Identity, scripted: ScriptedPeer, patience: Patience = PATIENCE, *, is_named: bool = False
) -> tuple[list[bytes], list[list[bytes]]]:
    """What was taken as it came, and what came out besides, those together that came together."""
    taken, came = list[bytes](), list[list[bytes]]()

    async with (
        scripted.serving(identity.id) as upstream,
        upstream.open("chat/completions", (BODY,), {}, stream=True, patience=patience) as reply,
    ):
        async for events in reply.reads(pour_into(taken, is_named=is_named)):
            came.append([event.raw for event in events])
        assert reply.receipt is not None
    return taken, came


def pour_into(taken: list[bytes], *, is_named: bool = False) -> Pour:
    def put(events: bytes) -> bool:
        taken.append(events)
        return True

    return Pour(asyncio.get_running_loop().time, lambda pour: put, lambda events, count: None, is_named=is_named)


async def test_named_events_end_with_their_last_where_their_server_writes_no_names(identity: Identity) -> None:
    frames = [encode_event(b'{"type":"response.%s"}' % kind) for kind in (b"created", b"delta", b"completed")]
    script = (frames[0], 0.05, frames[1], 0.05, frames[2], 0.05, receipt_for(identity, *frames))

    taken, came = await poured(identity, ScriptedPeer(script, 200, MAY_NAME), is_named=True)

    assert ([], [[frame] for frame in frames]) == (taken, came)


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
                    assert [
                        _
                        async for _ in reply.reads(Pour(time.monotonic, lambda pour: None, lambda events, count: None))
                    ]
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
        pytest.param(BULK, structs.replace(WIDEST, events=3), id="events"),
        pytest.param(BULK, structs.replace(WIDEST, limit_bytes=len(HELLO) + 20), id="bytes"),
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
            async for _ in reply.reads(pour_into(taken)):
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
