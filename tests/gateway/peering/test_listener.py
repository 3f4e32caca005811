"""What of a peer others reach: only the protocol, only who may ask, only so many bytes."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from discovery.request_auth import Audience, hashed, sign_request
from gateway.upstream import UpstreamError
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import ask, delegated
from tests.peers import Pair, two_peers


async def test_a_peer_without_the_right_is_turned_away(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.admission.revoke(pair.ada.id, {pair.ada.id: "ada"})
        with pytest.raises(UpstreamError, match="ppai approve") as caught:
            await ask(pair, delegated())
        async with pair.ada.transport.open_stream(pair.ben.id, "/peer/1/probe", b"") as response:
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


async def test_the_peer_port_serves_the_protocol_only(tmp_path: Path) -> None:
    """Every refusal has the protocol's own form: the caller reads code and clock from it."""
    asked: list[tuple[str, str, dict[str, str], int, str]] = [
        ("GET", "/", {}, 404, "not_found"),
        ("GET", "/peer/1/probe", {}, 404, "not_found"),
        ("POST", "/v1/chat/completions", {}, 404, "not_found"),
        ("POST", "/peer/2/delegate", {}, 404, "not_found"),
        ("POST", "/peer/1/delegate", {"content-encoding": "gzip"}, 400, "malformed"),
        ("POST", "/peer/1/hello", {}, 400, "malformed"),
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
