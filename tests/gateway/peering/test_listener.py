"""What of a peer others reach: only the protocol, only who may ask, only so many bytes."""

import asyncio
import io
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from discovery.identity import Identity
from discovery.messages import encode
from discovery.request_auth import Audience, hashed, sign_request
from gateway.upstream import UpstreamError
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import ask, delegated, until
from tests.peers import NET, Pair, two_peers


async def test_a_peer_without_the_right_is_turned_away(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.admission.revoke(pair.ada.id)
        with pytest.raises(UpstreamError, match="ppai approve") as caught:
            await ask(pair, delegated())
        with await pair.ada.transport.open_stream(pair.ben.id, "/peer/1/probe", b"") as response:
            status = response.status

    assert (503, "peer_not_approved", 403) == (caught.value.status, caught.value.code, status)
    assert [] == engine.asked


async def test_an_unsigned_request_reaches_no_engine(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        status, body = await raw(pair, "POST", "/peer/1/delegate", delegated())

    assert (401, "unsigned", []) == (status, body["error"]["code"], engine.asked)


async def test_a_request_altered_after_signing_reaches_no_engine(tmp_path: Path) -> None:
    """Path, body and audience are signed."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        card = pair.ben.gossip.own_card().record
        audience = Audience(pair.ben.id, pair.ben.gossip.gen, card.cert)
        time_ms = int(1000 * pair.ada.transport._clocks.unix())

        def signed(path: str, nonce: bytes) -> dict[str, str]:
            sign = pair.ada.identity.sign
            body_sha256 = hashed(delegated()).sha256
            return sign_request(pair.ada.id, sign, audience, "POST", path, body_sha256, time_ms, nonce * 16)

        body = await raw(pair, "POST", "/peer/1/delegate", delegated(seed=1), signed("/peer/1/delegate", b"1"))
        path = await raw(pair, "POST", "/peer/1/delegate", delegated(), signed("/peer/1/probe", b"2"))
        query = await raw(pair, "POST", "/peer/1/delegate?x=1", delegated(), signed("/peer/1/delegate", b"3"))

    for status, said in (body, path, query):
        assert (401, "bad_signature") == (status, said["error"]["code"])
    assert [] == engine.asked


@pytest.mark.parametrize("spoken", [None, ssl.TLSVersion.TLSv1_2], ids=["no TLS", "TLS 1.2"])
async def test_who_does_not_speak_tls_1_3_is_told_nothing(tmp_path: Path, spoken: ssl.TLSVersion | None) -> None:
    """Not so much as a refusal: others on the network could read and alter it. And no place is kept for him."""
    older = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    older.check_hostname, older.verify_mode = False, ssl.CERT_NONE
    older.maximum_version = spoken or ssl.TLSVersion.MAXIMUM_SUPPORTED
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        told = b""
        with suppress(OSError):
            port, context = pair.ben.address.port, older if spoken else None
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(b"POST /peer/1/delegate HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            async with asyncio.timeout(5):
                told = await reader.read()
            writer.close()

        assert b"HTTP" not in told
        await until(lambda: 1 == len(pair.ben.web._places))  # ada's
        assert [] == engine.asked


async def test_the_peer_port_serves_the_protocol_only(tmp_path: Path) -> None:
    """Every refusal has the protocol's own form: the caller reads code and clock from it."""
    asked: list[tuple[str, str, dict[str, str], int, str]] = [
        ("GET", "/", {}, 404, "not_found"),
        ("GET", "/peer/1/probe", {}, 404, "not_found"),
        ("POST", "/v1/chat/completions", {}, 404, "not_found"),
        ("POST", "/peer/2/delegate", {}, 404, "not_found"),
        ("POST", "/peer/1/delegate", {"content-encoding": "gzip"}, 400, "malformed"),
        ("POST", "/peer/1/delegate", {"upgrade": "h2c"}, 400, "malformed"),
        ("POST", "/peer/1/hello", {}, 400, "malformed"),
        ("GET", "/peer/1/join", {}, 404, "not_found"),
        ("POST", "/peer/1/join", {"content-encoding": "gzip"}, 400, "malformed"),
        ("POST", "/peer/1/join", {}, 403, "no_pin"),
        ("POST", "/peer/1/join", {"content-length": "1025"}, 413, "too_long"),
    ]
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for method, path, headers, status, code in asked:
            answered, said = await raw(pair, method, path, b"" if path.endswith("probe") else b"{}", headers)

            assert (status, code) == (answered, said["error"]["code"])
            assert said["error"]["gen"] == pair.ben.gossip.gen


async def test_a_stranger_s_body_is_bounded(tmp_path: Path) -> None:
    """By what the path needs, before anything of it is looked at; an unsigned one is not read at all."""
    sizes = {"hello": 20_000, "sync": 200_000, "probe": 1, "delegate": 9 << 20}
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for path, size in sizes.items():
            status, said = await raw(pair, "POST", f"/peer/1/{path}", b"x" * size)

            refusal = (413, "too_long") if path == "hello" else (401, "unsigned")
            assert refusal == (status, said["error"]["code"])


async def test_a_body_is_not_read_before_its_sender_is_known(tmp_path: Path) -> None:
    """The answer comes while not a byte of the body was sent."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        cases = {
            "unsigned": {},
            "unknown_peer": {**signed(pair, b"x"), "ppai-id": Identity.load_or_create(tmp_path / "eve").id},
            "bad_signature": {**signed(pair, b"x"), "ppai-sig": "00" * 64},
        }
        for code, headers in cases.items():
            assert (401, code) == await told(pair, headers, size=8 << 20)
        pair.ben.admission.revoke(pair.ada.id)
        assert (403, "not_approved") == await told(pair, signed(pair, b"x"), size=8 << 20)


async def test_another_body_than_the_signed_one_reaches_no_engine(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        headers = signed(pair, delegated())
        sent = delegated(seed=1)

        assert (401, "bad_signature") == await told(pair, headers, len(sent), sent)
        assert [] == engine.asked


async def test_a_peer_of_before_is_read_before_it_is_verified(tmp_path: Path) -> None:
    """It does not tell the body's hash in the head. Only so much is read at once of those who might be anybody."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        body = delegated()

        def headers() -> dict[str, str]:
            return {name: value for name, value in signed(pair, body).items() if name != "ppai-sha256"}

        status, code = await told(pair, headers(), len(body), body)
        assert (200, "") == (status, code)
        async with opened(pair, headers(), 8 << 20) as (reader, _):
            assert (429, "busy") == await told(pair, headers(), 8 << 20)
            assert (200, "") == await told(pair, headers(), len(body), body)
            assert not reader.at_eof()
        assert 2 == len(engine.asked)


async def test_no_head_of_a_stranger_is_remembered(tmp_path: Path) -> None:
    """A hello needs no right, and may end on the lines of a request in a session."""
    as_in_session = {"ppai-session": "1", "ppai-mac": "0" * 64, "ppai-sha256": "0" * 64}
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        greeting = encode(pair.ada.transport.endpoint.introduction(), NET)
        for _ in range(3):
            async with opened(pair, as_in_session, len(greeting), greeting, "hello") as (reader, _), asyncio.timeout(5):
                assert b" 200 " in await reader.readline()

        assert {} == pair.ben.web.server_state.heads._known


async def test_a_body_has_a_length(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        headers = {**signed(pair, b""), "transfer-encoding": "chunked"}

        assert (411, "malformed") == await told(pair, headers, None)
        assert (413, "too_long") == await told(pair, signed(pair, b""), (8 << 20) + 1)


@pytest.mark.parametrize("path", ["/peer/1/probe", "/peer/1/agents"])
async def test_questions_beyond_what_anybody_needs_are_refused(tmp_path: Path, path: str) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        statuses = list[int]()
        for _ in range(400):
            with await pair.ada.transport.open_stream(pair.ben.id, path, b"") as response:
                statuses.append(response.status)
            if statuses[-1] == 429:
                break

    assert 200 in statuses and 429 == statuses[-1]


def signed(pair: Pair, body: bytes) -> dict[str, str]:
    """The headers of a delegation from ada to ben."""
    card = pair.ben.gossip.own_card().record
    audience, time_ms = Audience(pair.ben.id, pair.ben.gossip.gen, card.cert), int(time.time() * 1000)
    sha256 = hashed(body).sha256
    sign = pair.ada.identity.sign
    return sign_request(
        pair.ada.id, sign, audience, "POST", "/peer/1/delegate", sha256, time_ms, secrets.token_bytes(16)
    )


@asynccontextmanager
async def opened(
    pair: Pair, headers: Mapping[str, str], size: int | str | None, body: bytes = b"", path: str = "delegate"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to ben on which the head of a POST was sent, and as much of its body as is given."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", pair.ben.address.port, ssl=tls)
    lines = {"host": "x", **headers} | ({} if size is None else {"content-length": str(size)})
    head = f"POST /peer/1/{path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(head.encode() + b"\r\n" + body)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def told(pair: Pair, headers: Mapping[str, str], size: int | str | None, body: bytes = b"") -> tuple[int, str]:
    """(status, the refusal's code) of a delegation sent so."""
    async with opened(pair, headers, size, body) as (reader, _), asyncio.timeout(5):
        status = int((await reader.readline()).split()[1])
        if status == 200:
            await reader.readuntil(b"event: receipt")
            return status, ""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return status, json.loads(await reader.readexactly(length))["error"]["code"]


async def raw(
    pair: Pair, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, dict[str, object]]]:
    """A request without our client's care."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, f"https://{pair.ben.address}{path}", data=io.BytesIO(body), headers=headers, ssl=False
        ) as response,
    ):
        return response.status, json.loads(await response.read())


async def test_a_peer_that_revokes_us_shows_until_it_approves_us_again(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:

        async def refusal() -> str:
            with suppress(UpstreamError):
                await ask(pair, delegated())
            return pair.ada.transport.client.contacts.refusal(pair.ben.id)

        pair.ben.admission.revoke(pair.ada.id)
        assert "ppai approve" in await refusal()

        pair.ben.admission.approve(pair.ada.id)
        assert "" == await refusal()
