"""Another peer as an upstream, played by a script on a real socket: whatever it sends, we know what it is worth."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from discovery.connection import Answer
from discovery.connections import Connections
from discovery.exchanges import PeerUnreachable
from discovery.identity import Identity
from discovery.records import PeerId
from discovery.request_auth import HashedBody, Refused, hashed
from gateway.peering.allowance import WIDEST, Allowance
from gateway.peering.frames import QUEUED, Receipt, Refusal, encode_receipt, encode_refusal, encode_reply
from gateway.peering.hop.reply import FIELDS_REFUSED, PeerReply
from gateway.peering.remote import PeerUpstream
from gateway.upstream import Patience, UpstreamError
from gateway.wire.events import DONE, Event, encode_event

PATIENCE = Patience(first_event_s=5, idle_s=5, whole_s=5)
SILENCE_S = 0.2
BODY = b'{"endpoint":"chat/completions","agent":"m","body":{}}'
HELLO, WORLD = encode_event(b'{"choices":[1]}'), encode_event(b'{"choices":[2]}')
ANSWER = (HELLO, WORLD, DONE)
WHOLE = encode_reply(200, b'{"choices":[]}')


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.load_or_create(tmp_path_factory.mktemp("peer"))


def receipt_for(identity: Identity, *frames: bytes, asked: bytes = BODY, **changes: object) -> bytes:
    """What an honest peer sends last, with `changes` made before it signs."""
    honest = Receipt(hashed(asked).sha256, hashlib.sha256(b"".join(frames)).hexdigest(), "m", 7, 2, 0, 5)
    return encode_receipt(msgspec.structs.replace(honest, **changes), identity.sign)


@dataclass
class ScriptedPeer:
    """A peer that sends `script`, each piece as it stands; a number is a pause in seconds, None waits for ever."""

    script: tuple[bytes | float | None, ...] = ()
    status: int = 200
    allowed: Allowance = WIDEST
    seal: Callable[[bytes], bytes] | None = None
    asked: list[bytes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serving(self, peer: PeerId) -> AsyncIterator[PeerUpstream]:
        app = web.Application()
        app.router.add_post("/peer/1/delegate", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connections = Connections(f"http://127.0.0.1:{runner.addresses[0][1]}", connect_s=2, keep_s=5)
        try:

            async def open_stream(
                peer: PeerId, path: str, body: HashedBody, headers: object, answer_s: float = 10, session: str = ""
            ) -> Answer:
                answer = await connections.post(path, {}, body.pieces, keep=True, within_s=answer_s)
                answer.seal = self.seal
                return answer

            yield PeerUpstream(
                peer, "bob", open_stream, lambda _, reason: self.failures.append(reason), self.allowed, SILENCE_S
            )
        finally:
            connections.close()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.read())
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        try:
            for piece in self.script:
                if isinstance(piece, bytes):
                    await response.write(piece)
                else:
                    await asyncio.sleep(60 if piece is None else piece)
        except (asyncio.CancelledError, ConnectionResetError):
            self.hung_up.set()
            raise
        return response


async def ask(
    scripted: ScriptedPeer,
    identity: Identity,
    *,
    stream: bool = True,
    patience: Patience = PATIENCE,
    taken: Callable[[Event], None] = lambda event: None,
) -> tuple[PeerReply, list[bytes]]:
    """The reply, and its events or its one body. Raises UpstreamError."""
    async with (
        scripted.serving(identity.id) as upstream,
        upstream.open("chat/completions", (BODY,), {}, stream=stream, patience=patience) as reply,
    ):
        if not reply.is_stream:
            return reply, [await reply.read()]
        events = []
        async for event in reply.events():
            taken(event)
            events.append(event.raw)
        return reply, events


async def error_of(
    identity: Identity,
    *script: bytes | float | None,
    status: int = 200,
    stream: bool = True,
    allowed: Allowance = WIDEST,
    **more: object,
) -> tuple[UpstreamError, ScriptedPeer]:
    scripted = ScriptedPeer(script, status, allowed)
    with pytest.raises(UpstreamError) as caught:
        await ask(scripted, identity, stream=stream, **more)  # type: ignore[arg-type]
    return caught.value, scripted


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


ENDLESS: dict[str, tuple[Allowance, tuple[bytes | float, ...]]] = {
    "events": (replace(WIDEST, events=9), (HELLO,) * 99),
    "bytes": (replace(WIDEST, limit_bytes=999), (HELLO, *(b": " + b"x" * 200 + b"\n\n",) * 99)),
    "bytes before it begins": (replace(WIDEST, limit_bytes=999), (b": " + b"x" * 200 + b"\n\n",) * 99),
    "time": (replace(WIDEST, within_s=0.3), (HELLO, SILENCE_S / 4) * 99),
    "time before it begins": (replace(WIDEST, within_s=0.3), (QUEUED, SILENCE_S / 4) * 99),
}


CALL = b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"run_shell","arguments":""}}]}}]}'


@pytest.mark.parametrize("frame", [encode_event(CALL), encode_reply(200, CALL)], ids=["streamed", "whole"])
async def test_a_tool_call_that_nobody_asked_for_reaches_no_client(identity: Identity, frame: bytes) -> None:
    """Programs run what an answer calls; this one's program offered no tool."""
    error, scripted = await error_of(identity, frame, receipt_for(identity, frame))

    assert ("peer_broke", []) == (error.code, scripted.failures)
    assert "calls a tool" in error.message


async def test_a_tool_call_of_a_request_with_tools_passes(identity: Identity) -> None:
    frame = encode_reply(200, CALL)
    allowed = replace(WIDEST, may_call=True)

    reply, said = await ask(ScriptedPeer((frame, receipt_for(identity, frame)), 200, allowed), identity, stream=False)

    assert ([CALL], 200) == (said, reply.status)


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


@pytest.mark.parametrize(("wait_s", "taken_s"), [(-1, 0), (1e300, 86400), (90000, 86400)])
async def test_the_wait_that_a_refusal_names_is_clipped(identity: Identity, wait_s: float, taken_s: float) -> None:
    error, _ = await error_of(identity, encode_refusal(Refusal(429, "busy", "m", wait_s)))

    assert (429, taken_s) == (error.status, error.retry_after_s)


@pytest.mark.parametrize("changes", [{"tokens": -5}, {"served_ms": -(10**12)}, {"queued_ms": 2**53}], ids=str)
async def test_a_receipt_of_impossible_numbers_is_none(identity: Identity, changes: dict[str, int]) -> None:
    error, _ = await error_of(identity, *ANSWER, receipt_for(identity, *ANSWER, **changes))

    assert "peer_broke" == error.code


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
    """Which cancels the work at the peer: see test_peer_app.py."""
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


NAMED = tuple(encode_event(b'{"type":"%s"}' % name, name.decode()) for name in (b"message_start", b"message_stop"))
MAY_NAME = replace(WIDEST, may_name=True)


@pytest.mark.parametrize("end", [(), (DONE,)], ids=["as the API ends", "with [DONE] besides"])
async def test_named_events_end_with_their_last(identity: Identity, end: tuple[bytes, ...]) -> None:
    events = (*NAMED, *end)

    reply, said = await ask(ScriptedPeer((*events, receipt_for(identity, *events)), 200, MAY_NAME), identity)

    assert (list(events), True) == (said, reply.receipt is not None)


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


async def test_an_engine_without_the_endpoint_is_no_worse_for_it(identity: Identity) -> None:
    refusal = encode_refusal(Refusal(404, "endpoint_not_served", "its engine has no such endpoint"))

    error, scripted = await error_of(identity, refusal)

    assert (404, "endpoint_not_served", True, []) == (error.status, error.code, error.is_unsuited, scripted.failures)
