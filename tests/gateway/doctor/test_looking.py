"""Engines of a peer that does not run are looked at once, over real sockets; none is started."""

import asyncio
import socket
from pathlib import Path

import pytest

from gateway.doctor import looking
from gateway.doctor.finding import Finding
from gateway.doctor.looking import look
from gateway.engines.local import EngineConfig
from gateway.home.folder import Home
from tests.fakes import ScriptedEngine, going_on

CLOSED = "http://127.0.0.1:9"


async def found(tmp_path: Path, *configs: EngineConfig) -> dict[str, Finding]:
    async with asyncio.timeout(10):
        return {one.id: one for one in await look(configs, Home(tmp_path))}


async def test_an_engine_is_asked_for_one_token(tmp_path: Path) -> None:
    async with ScriptedEngine(metrics="vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n").serving() as engine:
        told = await found(tmp_path, EngineConfig(engine.url))

    assert (True, True, True) == (told["engine-found"].ok, told["engine-token"].ok, told["engine-load"].ok)
    assert [1] == [body["max_tokens"] for body in engine.asked]
    assert [] == engine.tried


@pytest.mark.parametrize(
    ("engine", "check"),
    [
        (ScriptedEngine(status=500), "engine-token"),
        (ScriptedEngine(status=401), "engine-token"),
        (ScriptedEngine(models=b'{"data": []}'), "engine-found"),
        (ScriptedEngine(models=b"<html>"), "engine-found"),
    ],
)
async def test_an_engine_that_is_broken_is_named(tmp_path: Path, engine: ScriptedEngine, check: str) -> None:
    async with engine.serving():
        told = await found(tmp_path, EngineConfig(engine.url))

    assert [check] == [name for name, one in told.items() if one.ok is False]


async def test_of_two_the_one_that_is_away_is_named(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine:
        told = await look((EngineConfig(engine.url, name="here"), EngineConfig(CLOSED, name="gone")), Home(tmp_path))

    (gone,) = [one for one in told if one.ok is False]
    assert "engine-found" == gone.id
    assert CLOSED in gone.said


async def test_one_that_hangs_is_named_and_the_other_is_not_tried_out_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a peer learns of an engine by trying, it learns when it runs."""
    monkeypatch.setattr(looking, "LOOK_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hangs = EngineConfig(f"http://127.0.0.1:{silent.getsockname()[1]}", name="hangs")
        async with ScriptedEngine(**going_on("one two three")).serving() as engine:
            told = await look((EngineConfig(engine.url, name="here"), hangs), Home(tmp_path))

    assert [("engine-found", True)] == [(one.id, hangs.url in one.said) for one in told if one.ok is False]
    assert [] == engine.tried


async def test_the_embedded_engine_is_not_started_but_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPAI_WEIGHTS", str(tmp_path / "none"))
    lacks = await found(tmp_path, EngineConfig("embedded"))
    monkeypatch.setattr(looking, "locate", lambda name, folder: folder)
    has = await found(tmp_path, EngineConfig("embedded"))
    none = await found(tmp_path, EngineConfig("none"))

    assert (False, None, None) == (lacks["engine-found"].ok, has["engine-found"].ok, none["engine-found"].ok)
    assert "ppai pull smollm2" in lacks["engine-found"].said
