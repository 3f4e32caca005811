"""What of another peer's answer reaches no client: forged, garbage, without end, with what nobody asked for."""

import hashlib
from pathlib import Path

import pytest
from msgspec import structs

from discovery.identity import Identity
from discovery.request_auth import hashed
from gateway.peering.allowance import WIDEST, Allowance
from gateway.peering.frames import QUEUED, Receipt, Refusal, encode_receipt, encode_refusal, encode_reply
from gateway.upstream import UpstreamError
from gateway.wire.events import DONE, Event, encode_event
from tests.gateway.peering.scripted import (
    ANSWER,
    BODY,
    HELLO,
    SILENCE_S,
    WHOLE,
    WORLD,
    ScriptedPeer,
    ask,
    error_of,
    receipt_for,
)

FORGED = {
    "of another request": {"request_sha256": hashed(b"another").sha256},
    "of another answer": {"reply_sha256": hashed(b"another").sha256},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("frames", [ANSWER, (WHOLE,)], ids=["streamed", "whole"])
async def test_a_receipt_for_something_else_is_none(
    identity: Identity, frames: tuple[bytes, ...], changes: dict[str, str]
) -> None:
    taken: list[Event] = []

    error, _ = await error_of(identity, *frames, receipt_for(identity, *frames, **changes), taken=taken.append)

    assert "peer_broke" == error.code
    assert DONE not in [event.raw for event in taken]  # the client must not take it for complete


async def test_a_receipt_signed_by_somebody_else_is_none(identity: Identity, tmp_path: Path) -> None:
    stranger = Identity.load_or_create(tmp_path / "stranger")

    error, _ = await error_of(identity, *ANSWER, receipt_for(stranger, *ANSWER))

    assert "peer_broke" == error.code


SEALS = {"its own": b"s" * 32, "another": b"t" * 32}


@pytest.mark.parametrize("seal", SEALS)
async def test_a_receipt_of_a_session_is_sealed_in_it(identity: Identity, seal: str) -> None:
    """And a signature is none: of whoever could sign, only who shares the session answered this request."""
    honest = Receipt(hashed(BODY).sha256, hashlib.sha256(b"".join(ANSWER)).hexdigest(), "m", 7, 2, 0, 5)
    sealed = encode_receipt(honest, lambda receipt: SEALS[seal])

    async def outcome(receipt: bytes) -> str:
        scripted = ScriptedPeer((QUEUED, *ANSWER, receipt), seal=lambda receipt: SEALS["its own"])
        try:
            return "" if (await ask(scripted, identity))[0].receipt else "none"
        except UpstreamError as error:
            return error.code

    assert ("" if seal == "its own" else "peer_broke") == await outcome(sealed)
    assert "peer_broke" == await outcome(receipt_for(identity, *ANSWER))


async def test_a_receipt_altered_after_signing_is_none(identity: Identity) -> None:
    altered = receipt_for(identity, *ANSWER).replace(b'"tokens":2', b'"tokens":9')

    error, _ = await error_of(identity, *ANSWER, altered)

    assert "peer_broke" == error.code


async def test_an_event_left_out_or_added_on_the_way_breaks_the_receipt(identity: Identity) -> None:
    receipt = receipt_for(identity, *ANSWER)

    for frames in ((HELLO, DONE), (HELLO, WORLD, WORLD, DONE), (WORLD, HELLO, DONE)):
        error, _ = await error_of(identity, *frames, receipt)

        assert "peer_broke" == error.code


@pytest.mark.parametrize("changes", [{"tokens": -5}, {"served_ms": -(10**12)}, {"queued_ms": 2**53}], ids=str)
async def test_a_receipt_of_impossible_numbers_is_none(identity: Identity, changes: dict[str, int]) -> None:
    error, _ = await error_of(identity, *ANSWER, receipt_for(identity, *ANSWER, **changes))

    assert "peer_broke" == error.code


GARBAGE: dict[str, tuple[bytes, ...]] = {
    "refusal without fields": (b"event: refused\ndata: {}\n\n",),
    "refusal that is no JSON": (b"event: refused\ndata: \x00\xff\n\n",),
    "refusal that is no text": (b'event: refused\ndata: {"status":429,"code":"c","message":"\xff"}\n\n',),
    "refusal nested without end": (b"event: refused\ndata: " + b"[" * 5000 + b"\n\n",),
    "reply without a body": (b'event: reply\ndata: {"status":200}\n\n',),
    "reply with status 7": (b'event: reply\ndata: {"status":7,"body":{}}\n\n',),
    "reply with status 302": (b'event: reply\ndata: {"status":302,"body":{}}\n\n',),
    "reply of 200 that is no object": (encode_reply(200, b"<html>"),),
    "an event that is no JSON": (encode_event(b"<script>alert(1)</script>"),),
    "an event that is no JSON, later": (HELLO, encode_event(b"[1]")),
    "an event whose name comes last": (HELLO, b'data: {"x":1}\nevent: error\n\n'),
    "broke before it began": (b'event: broke\ndata: {"status":502,"code":"c","message":"m"}\n\n',),
    "receipt before it began": (b"event: receipt\ndata: {}\n\n",),
    "an event nobody knows": (b"event: surprise\ndata: {}\n\n",),
    "an event nobody knows, later": (HELLO, b"event: surprise\ndata: {}\n\n"),
    "a refusal after it began": (HELLO, encode_refusal(Refusal(429, "busy", "m"))),
    "a reply after it began": (HELLO, WHOLE),
    "an event without end": (b"data: " + b"x" * (2 << 20),),
    "receipt without fields": (*ANSWER, b"event: receipt\ndata: {}\n\n"),
    "receipt that is no text": (*ANSWER, b'event: receipt\ndata: {"request_sha256":"\xff"}\n\n'),
    "more after the end": (*ANSWER, HELLO),
}


@pytest.mark.parametrize("frames", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_an_error_and_reaches_no_client(identity: Identity, frames: tuple[bytes, ...]) -> None:
    """An UpstreamError and nothing else: another error would be taken for our own bug."""
    taken: list[Event] = []

    error, _ = await error_of(identity, *frames, None, taken=taken.append)

    assert error.code in ("peer_broke", "peer_refused")
    assert error.status in (429, 502)
    assert {HELLO, WORLD} >= {event.raw for event in taken}


async def test_a_stream_nobody_asked_for_is_an_error(identity: Identity) -> None:
    """The client wants one JSON object."""
    error, _ = await error_of(identity, *ANSWER, receipt_for(identity, *ANSWER), stream=False)

    assert "peer_broke" == error.code


ENDLESS: dict[str, tuple[Allowance, tuple[bytes | float, ...]]] = {
    "events": (structs.replace(WIDEST, events=9), (HELLO,) * 99),
    "bytes": (structs.replace(WIDEST, limit_bytes=999), (HELLO, *(b": " + b"x" * 200 + b"\n\n",) * 99)),
    "bytes before it begins": (structs.replace(WIDEST, limit_bytes=999), (b": " + b"x" * 200 + b"\n\n",) * 99),
    "time": (structs.replace(WIDEST, within_s=0.3), (HELLO, SILENCE_S / 4) * 99),
    "time before it begins": (structs.replace(WIDEST, within_s=0.3), (QUEUED, SILENCE_S / 4) * 99),
}


@pytest.mark.parametrize(("allowed", "script"), ENDLESS.values(), ids=ENDLESS)
async def test_an_endless_answer_ends_for_us(
    identity: Identity, allowed: Allowance, script: tuple[bytes | float, ...]
) -> None:
    """Counted over the whole answer, however it comes in: an endless one is no reason to read on for ever."""
    taken: list[Event] = []

    error, scripted = await error_of(identity, *script, allowed=allowed, taken=taken.append)

    assert error.code in ("peer_broke", "peer_timeout")
    assert len(taken) <= 10
    assert [] == scripted.failures  # it lives; what it sends is at fault


CALL = b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"run_shell","arguments":""}}]}}]}'


@pytest.mark.parametrize("frame", [encode_event(CALL), encode_reply(200, CALL)], ids=["streamed", "whole"])
async def test_a_tool_call_that_nobody_asked_for_reaches_no_client(identity: Identity, frame: bytes) -> None:
    """Programs run what an answer calls; this one's program offered no tool."""
    error, scripted = await error_of(identity, frame, receipt_for(identity, frame))

    assert ("peer_broke", []) == (error.code, scripted.failures)
    assert "calls a tool" in error.message


async def test_a_tool_call_of_a_request_with_tools_passes(identity: Identity) -> None:
    frame = encode_reply(200, CALL)
    allowed = structs.replace(WIDEST, may_call=True)

    reply, said = await ask(ScriptedPeer((frame, receipt_for(identity, frame)), 200, allowed), identity, stream=False)

    assert ([CALL], 200) == (said, reply.status)


NAMED = tuple(encode_event(b'{"type":"%s"}' % name, name.decode()) for name in (b"message_start", b"message_stop"))


MAY_NAME = structs.replace(WIDEST, may_name=True)


@pytest.mark.parametrize(("name", "allowed"), [("ping", WIDEST), ("reply", MAY_NAME), ("head", MAY_NAME)])
async def test_a_name_that_is_not_the_apis_breaks_the_answer(identity: Identity, name: str, allowed: Allowance) -> None:
    error, _ = await error_of(identity, NAMED[0], encode_event(b"{}", name), allowed=allowed)

    assert "peer_broke" == error.code


CALLS = (
    b'{"type":"response.output_item.added","item":{"type":"function_call","name":"run"}}',
    b'{"type":"response.function_call_arguments.delta","delta":"{"}',
    b'{"type":"content_block_start","content_block":{"type":"tool\\u005fuse","name":"run"}}',
    b'{"output":[{"TYPE":"custom_tool_call"}]}',
)


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_in_named_events_that_nobody_asked_for_reaches_no_client(identity: Identity, call: bytes) -> None:
    error, _ = await error_of(identity, encode_event(call, "x"), allowed=MAY_NAME)

    assert "calls a tool" in error.message
