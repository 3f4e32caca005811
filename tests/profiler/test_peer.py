"""The running peer as its home names it: found, asked, and refused where it cannot be used."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.home.folder import LOCK
from gateway.home.lock import held
from profiler.answers import make_of
from profiler.peer import Peer, PeerError, agent_of, engine_of, gate_of, publish, require_space, running_peer
from tests.profiler.test_cli import listening


@asynccontextmanager
async def peer_saying(status: object, profile: object = None, code: int = 200) -> AsyncIterator[tuple[Peer, list[str]]]:
    """A peer whose pages say this, and the owner's tokens that it was shown."""
    shown: list[str] = []

    async def page(request: web.Request) -> web.Response:
        shown.append(request.headers.get("authorization", ""))
        said = status if request.method == "GET" else profile
        return web.json_response(said, status=200 if request.method == "GET" else code)

    app = web.Application()
    app.router.add_get("/ppai/v1/status", page)
    app.router.add_post("/ppai/v1/profile", page)
    app.router.add_post("/ppai/v1/agents/look", page)
    async with listening(app) as url:
        yield Peer(url, "secret"), shown


def remember(home: Path) -> None:
    (home / "running.json").write_text(json.dumps({"url": "http://h", "token": "secret", "pid": os.getpid()}))


def test_a_peer_that_runs_is_found_by_its_home(tmp_path: Path) -> None:
    assert running_peer(tmp_path) is None

    with held(tmp_path / LOCK):
        remember(tmp_path)

        assert Peer("http://h", "secret") == running_peer(tmp_path)


def test_a_peer_that_ended_without_a_word_does_not_run(tmp_path: Path) -> None:
    """Whoever has its process number now: here it is a living process."""
    with held(tmp_path / LOCK):
        remember(tmp_path)

    assert running_peer(tmp_path) is None


@pytest.mark.parametrize("damaged", ["", "[]", "{}", '{"url": "u"}', "[" * 100_000])
def test_a_damaged_note_names_the_remedy(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "running.json").write_text(damaged)

    with held(tmp_path / LOCK), pytest.raises(PeerError, match=r"running\.json.*Restart the peer: ppai serve"):
        running_peer(tmp_path)


async def test_a_model_whose_name_cannot_be_printed_is_none() -> None:
    async with peer_saying({"engine": {"models": [{"id": "\x1b[2Jtiny"}, {"id": "big"}]}}) as (peer, _):
        assert "big" == (await engine_of(peer, None)).model


async def test_what_the_peer_tells_of_its_model_is_noted_with_each_answer() -> None:
    told = {"id": "tiny", "parameters": 8, "quantisation": "Q4_K_M"}
    async with peer_saying({"engine": {"models": [told, {"id": "big", "parameters": None}]}}) as (peer, _):
        makes = [(await engine_of(peer, name)).make for name in ("tiny", "big")]

    assert [make_of(8, "Q4_K_M"), make_of(0, "")] == makes


async def test_the_peers_first_model_is_asked_through_it_and_nobody_else() -> None:
    async with peer_saying({"engine": {"models": [{"id": "tiny"}, {"id": "big"}]}}) as (peer, shown):
        first, named = await engine_of(peer, None), await engine_of(peer, "big")

    assert ("tiny", "big", peer.url) == (first.model, named.model, first.url)
    assert {"x-ppai-route": "local", "authorization": "Bearer secret"} == first.headers
    assert ["Bearer secret"] * 2 == shown


@pytest.mark.parametrize(
    ("status", "model", "says"),
    [
        ({"engine": {"models": []}}, None, "has no engine to measure"),
        ({"engine": {"models": [{"id": "tiny"}]}}, "big", "serves tiny, not big"),
        ({}, None, "does not say which engine it has"),
    ],
)
async def test_a_peer_that_cannot_be_measured_says_why(status: object, model: str | None, says: str) -> None:
    async with peer_saying(status) as (peer, _):
        with pytest.raises(PeerError, match=says):
            await engine_of(peer, model)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ({"folder": "/gates/own", "encoder_model": "use"}, (Path("/gates/own"), "use")),
        ({"folder": ""}, (None, "")),
        ({}, (None, "")),
    ],
)
async def test_a_peer_that_names_no_folder_has_the_shipped_gate(gate: object, expected: object) -> None:
    async with peer_saying({"gate": gate}) as (peer, _):
        assert expected == await gate_of(peer)


AGENT = {"name": "porter", "base": "tiny", "make": "8 Q4 agent:a", "base_make": "8 Q4", "questions_file": "/q.tsv"}


async def test_an_agent_is_asked_as_a_peer_would_ask_it_and_its_model_as_always() -> None:
    async with peer_saying({"measuring": {"agents": [{"name": "tiny"}, AGENT]}}) as (peer, _):
        found = await agent_of(peer, "porter")

    assert ("porter", "8 Q4 agent:a", "1") == (
        found.asked.model,
        found.asked.make,
        found.asked.headers["x-ppai-as-peer"],
    )
    assert ("tiny", "8 Q4") == (found.alone.model, found.alone.make)
    assert "x-ppai-as-peer" not in found.alone.headers and Path("/q.tsv") == found.questions


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"measuring": {"agents": [{"name": "tiny"}]}}, r"no personal agent `porter`; it serves: none"),
        ({}, "does not say which agents it has"),
        ({"measuring": {"agents": [3]}}, "does not say which agents it has"),
    ],
)
async def test_an_agent_that_is_not_there_is_told(status: object, says: str) -> None:
    async with peer_saying(status) as (peer, _):
        with pytest.raises(PeerError, match=says):
            await agent_of(peer, "porter")


async def test_another_space_is_refused_and_none_is_left_to_the_peer() -> None:
    async with peer_saying({"gate": {"space": "theirs"}}) as (peer, _):
        await require_space(peer, "theirs")
        with pytest.raises(PeerError, match="of space theirs, ours of ours"):
            await require_space(peer, "ours")
    async with peer_saying({}) as (gateless, _):
        await require_space(gateless, "ours")


async def test_a_vector_that_is_taken_has_a_seq_and_another_is_kept_here() -> None:
    async with peer_saying(None, {"seq": 4}) as (peer, shown):
        assert 4 == await publish(peer, "space", "tiny", [0.5], [3])
    async with peer_saying(None, {"error": "no"}, 409) as (strict, _):
        with pytest.raises(PeerError, match=r"did not take the vector.*409.*is kept"):
            await publish(strict, "space", "tiny", [0.5], [3])

    assert ["Bearer secret"] == shown
