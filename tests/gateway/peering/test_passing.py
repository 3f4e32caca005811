"""Requests beside chat between two peers, over TLS on loopback: what is sent arrives, and no part passes for all."""

import asyncio
import itertools
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from discovery.request_auth import HashedBody, Refused, hashed
from gateway.peering.passing import OTHER_PATH, PART_BYTES, PassingToPeers
from gateway.privacy.forms import write_form
from gateway.trust.tab import TOKENS_A_SECOND
from gateway.upstream import UpstreamError
from tests.gateway.peering.asking import until
from tests.media_engine import SPEECH, MediaEngine
from tests.peers import PATIENCE, Pair, two_peers

JSON, FORM = "application/json", "multipart/form-data; boundary=xx"


@asynccontextmanager
async def pair_before(home: Path, engine: MediaEngine) -> AsyncIterator[Pair]:
    async with engine.serving(), two_peers(home, cast(Any, engine)) as pair:
        yield pair


async def ask(
    pair: Pair, endpoint: str, body: bytes, kind: str = JSON, agent: str = "media-1"
) -> tuple[int, str, bytes, Any]:
    """(status, type, answer, its receipt). Raises UpstreamError."""
    passing = PassingToPeers(pair.ada.transport.open_stream, lambda _, why: pair.failures.append(why))
    async with passing.asked(pair.ben.id, "ben", endpoint, agent, kind, (body,), PATIENCE) as reply:
        said = b"".join([piece async for piece in reply.pieces()])
        return reply.status, reply.content_type, said, cast(Any, reply).receipt


async def test_speech_comes_as_it_was_with_a_receipt(tmp_path: Path) -> None:
    async with pair_before(tmp_path, MediaEngine()) as pair:
        status, kind, said, receipt = await ask(pair, "audio/speech", b'{"input":"hi"}')

    assert (200, "audio/wav", SPEECH) == (status, kind, said)
    assert len(SPEECH) > PART_BYTES and "media-1" == receipt.model
    assert [] == pair.failures


async def test_a_recording_arrives(tmp_path: Path) -> None:
    """Larger than what a body of chat may be."""
    body = b"".join(write_form("xx", [], ("file.mp3", "audio/mpeg", memoryview(bytes(9 << 20)))))
    async with pair_before(tmp_path, MediaEngine()) as pair:
        status, _, said, _ = await ask(pair, "audio/transcriptions", body, FORM)

    heard = json.loads(said)["heard"]
    assert (200, "media-1", 9 << 20) == (status, heard["model"], heard["file"]["bytes"])


@pytest.mark.parametrize(
    ("endpoint", "body", "kind", "code"),
    [
        ("chat/completions", b"{}", JSON, "peer_unacceptable"),
        ("rerank", b'{"query":"q","documents":[],"x":1}', JSON, "peer_unacceptable"),
        ("rerank", b"no json", JSON, "peer_unacceptable"),
        ("audio/transcriptions", b"--xx--", FORM, "peer_unacceptable"),
        ("rerank", b'{"query":"q","documents":[]}', JSON, "endpoint_not_served"),
    ],
)
async def test_what_should_have_stayed_is_refused(
    tmp_path: Path, endpoint: str, body: bytes, kind: str, code: str
) -> None:
    """And so is an endpoint that its engine has not."""
    engine = MediaEngine(["audio/transcriptions"])
    async with pair_before(tmp_path, engine) as pair:
        with pytest.raises(UpstreamError) as refused:
            await ask(pair, endpoint, body, kind)

    assert (code, []) == (refused.value.code, engine.asked)


async def test_an_unknown_agent_is_none(tmp_path: Path) -> None:
    async with pair_before(tmp_path, MediaEngine()) as pair:
        with pytest.raises(UpstreamError) as refused:
            await ask(pair, "audio/speech", b'{"input":"hi"}', agent="other")

    assert "peer_no_agent" == refused.value.code


async def test_an_answer_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    async with pair_before(tmp_path, MediaEngine(cut_after=100)) as pair:
        with pytest.raises(UpstreamError) as broken:
            await ask(pair, "audio/speech", b'{"input":"hi"}')

    assert "peer_broke" == broken.value.code


async def test_an_engine_that_fails_is_told_without_its_words(tmp_path: Path) -> None:
    async with pair_before(tmp_path, MediaEngine(status=500)) as pair:
        with pytest.raises(UpstreamError) as failed:
            await ask(pair, "audio/speech", b'{"input":"hi"}')

    assert (502, True, False) == (failed.value.status, failed.value.by_engine, "scripted" in failed.value.message)


async def test_a_peer_without_the_right_is_turned_away(tmp_path: Path) -> None:
    async with pair_before(tmp_path, MediaEngine()) as pair:
        pair.ben.admission.revoke(pair.ada.id)
        with pytest.raises(UpstreamError) as refused:
            await ask(pair, "audio/speech", b'{"input":"hi"}')

    assert "peer_not_approved" == refused.value.code


async def test_who_hangs_up_ends_the_work_there(tmp_path: Path) -> None:
    engine = MediaEngine(delay_s=30)
    async with pair_before(tmp_path, engine) as pair:
        asked = asyncio.create_task(ask(pair, "audio/speech", b'{"input":"hi"}'))
        await until(lambda: bool(engine.asked))
        asked.cancel()
        await until(lambda: engine.hung_up == 1)
        await until(lambda: pair.ben.door.load.running == 0)


@pytest.mark.parametrize("hangs_up", [True, False])
async def test_an_answer_that_ends_before_its_end_is_work_had(tmp_path: Path, hangs_up: bool) -> None:
    """Who hangs up after the first part, or whose engine breaks off, pays for the engine's time until then."""
    engine = MediaEngine(stall_after=PART_BYTES) if hangs_up else MediaEngine(cut_after=PART_BYTES)
    async with pair_before(tmp_path, engine) as pair:
        pair.ben.app._delegations._clock = itertools.count(time.monotonic()).__next__  # a second passes at each look
        passing = PassingToPeers(pair.ada.transport.open_stream, lambda *_: None)
        asked = passing.asked(pair.ben.id, "ben", "audio/speech", "media-1", JSON, (b'{"input":"hi"}',), PATIENCE)
        with suppress(UpstreamError):
            async with asked as reply:
                async for _ in reply.pieces():
                    if hangs_up:
                        break
        await until(lambda: pair.ben.door.load.running == 0 and exposure(pair) > 0)

    assert TOKENS_A_SECOND <= exposure(pair)


def exposure(pair: Pair) -> float:
    """What ada had of ben more than she gave."""
    return pair.ben.settling.exposure(pair.ada.id)


async def test_a_body_that_is_not_the_one_signed_reaches_no_engine(tmp_path: Path) -> None:
    """It is compared when all of it is here, and before anything is asked."""
    engine = MediaEngine()
    async with pair_before(tmp_path, engine) as pair:
        asked = urlsafe_b64encode(b'{"endpoint":"audio/speech","agent":"media-1","type":"application/json"}').decode()
        forged = HashedBody((b'{"input":"no"}',), hashed(b'{"input":"hi"}').sha256, 14)
        with pytest.raises(Refused, match="bad_signature"):
            await pair.ada.transport.open_stream(pair.ben.id, f"{OTHER_PATH}?{asked}", forged)

    assert [] == engine.asked


@pytest.mark.parametrize("query", ["", "?x", "?%00", "?" + "A" * 4000])
async def test_a_path_that_says_nothing_is_refused(tmp_path: Path, query: str) -> None:
    async with pair_before(tmp_path, MediaEngine()) as pair:
        with await pair.ada.transport.open_stream(pair.ben.id, OTHER_PATH + query, hashed(b"{}")) as response:
            said = await response.read(1 << 16, 5)

    assert b"event: refused" in said and b'"unacceptable"' in said
