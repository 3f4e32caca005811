"""Looks once at the engines of a peer that does not run, and asks them. Starts none, and has none load anything."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from gateway.doctor.engines import Ask, Row, engine_findings
from gateway.doctor.finding import Finding
from gateway.engines.embedded import EmbeddedEngine, EngineUnusable, ModelMissing
from gateway.engines.fleet import Fleet
from gateway.engines.local import NONE_YET, EngineConfig, LocalEngine
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate
from gateway.upstream import Patience, UpstreamError

LOOK_S = 5.0  # for all engines to be looked at once
TOKEN = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
PATIENCE = Patience(first_event_s=60, idle_s=60, whole_s=60)
STARTS_LATER = "the embedded engine starts with the peer"


async def look(configs: Sequence[EngineConfig], home: Home) -> list[Finding]:
    """What is found of the engines of these settings."""
    # an engine of last resort is not tried out beyond what it lists: see LocalEngine
    quiet = [replace(config, last_resort=True) for config in configs]
    fleet = Fleet(quiet, lambda: _not_now(home))
    try:
        await _looked(fleet)
        shown = [one for one in fleet.engines if one.is_there or one.not_adopted] or list(fleet.engines[-1:])
        engines = {engine.name: engine for engine in shown}
        problems = {name: await _token(engine) for name, engine in engines.items()}
        ask: Ask = lambda row, model: problems[row["name"]]  # noqa: E731
        return engine_findings([_row(engine) for engine in shown], ask)
    finally:
        await fleet.stop()


async def _looked(fleet: Fleet) -> None:
    """Return when each was looked at, at most LOOK_S later."""
    done = asyncio.Event()

    def seen() -> None:
        engines = fleet.engines
        is_told = any(engine.is_there for engine in engines) or engines[-1].state.problem != NONE_YET
        if is_told and all(engine.has_looked for engine in engines):
            done.set()

    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(engine.run(tasks, seen)) for engine in fleet.engines]
        try:
            async with asyncio.timeout(LOOK_S):
                await done.wait()
        except TimeoutError:
            pass  # what was not looked at by then says so: its state is that nobody asked it yet
        finally:
            for task in watching:
                task.cancel()


async def _token(engine: LocalEngine) -> str:
    """Why no token came; empty where one came, or none was asked for."""
    state = engine.state
    loaded = [model.id for model in state.models if model.is_loaded and "text" in model.modalities]
    if not state.is_ready or state.place == "cloud" or not loaded:
        return ""
    body = (msgspec.json.encode({"model": loaded[0], **TOKEN}),)
    try:
        async with engine.open("chat/completions", body, {}, stream=False, patience=PATIENCE) as reply:
            said = await reply.read()
    except UpstreamError as error:
        return error.message
    return "" if reply.status < 400 else f"it answered {reply.status}: {said[:200].decode(errors='replace')}"


def _not_now(home: Home) -> EmbeddedEngine:
    """In the place of what starts the embedded engine. Raises ModelMissing, EngineUnusable."""
    try:
        locate("smollm2", home.weights)
    except WeightsMissing as error:
        raise ModelMissing(str(error)) from error
    raise EngineUnusable(STARTS_LATER)


def _row(engine: LocalEngine) -> Row:
    state = engine.state
    models: list[dict[str, Any]] = [
        {
            "id": model.id,
            "context_tokens": model.context_tokens,
            "loaded": model.is_loaded,
            "abilities": sorted(model.modalities),
        }
        for model in state.models
    ]
    return {
        "name": engine.name,
        "origin": engine.origin,
        "not_adopted": list(engine.not_adopted),
        "problem": state.problem,
        "is_fault": state.problem != STARTS_LATER,
        "family": state.family,
        "place": state.place,
        "models": models,
        "load_source": state.load_source,
    }
