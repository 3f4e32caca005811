"""Ollama as its documentation shows it, scripted on a real socket: what is served and loaded; looking loads nothing."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.engines.family import Listing
from gateway.engines.ollama import Ollama
from gateway.engines.openai_http import OpenAIEngine
from tests.fakes import ScriptedEngine
from tests.gateway.engines import engine_pages as pages
from tests.gateway.engines.apis import api_at

LOOKS_ONLY = {"/v1/models", "/api/version", "/api/tags", "/api/show", "/api/ps"}


def shown(body: dict[str, Any]) -> object:
    return pages.OLLAMA_SHOWN.get(body["model"])


def scripted(**changed: object) -> ScriptedEngine:
    documented: dict[str, object] = {
        "/api/version": {"version": "0.20.3"},
        "/api/tags": pages.OLLAMA_TAGS,
        "/api/show": shown,
        "/api/ps": pages.OLLAMA_PS,
    }
    return ScriptedEngine(models=json.dumps(pages.OLLAMA_MODELS).encode(), pages={**documented, **changed})


async def test_it_is_known_by_its_own_api_and_nothing_is_loaded_by_looking() -> None:
    async with scripted().serving() as fake:
        engine = OpenAIEngine(fake.url)
        for _ in range(15):
            await engine.refresh()

    assert (True, "ollama", "own count") == (engine.state.is_ready, engine.state.family, engine.state.load_source)
    assert (LOOKS_ONLY, []) == (set(fake.paths), fake.asked)
    assert 2 == fake.paths.count("/api/show"), "a model's page is read once"


async def test_models_tell_what_they_can_and_whether_they_are_loaded() -> None:
    """Context as served: what a model was loaded with, else what it will be; never what it was trained for."""
    async with scripted().serving() as fake:
        engine = OpenAIEngine(fake.url)
        await engine.refresh()

    gemma, nomic = engine.state.models
    assert ("gemma4:latest", 32768, ("text", "image", "tools"), True, 3338801804) == (
        gemma.id, gemma.context_tokens, gemma.modalities, gemma.is_loaded, gemma.weight_bytes,
    )  # fmt: skip
    assert ("nomic-embed-text:latest", 2048, ("embeddings",), False) == (
        nomic.id, nomic.context_tokens, nomic.modalities, nomic.is_loaded,
    )  # fmt: skip
    assert {"nomic-embed-text:latest"} == engine.state.cold


@pytest.mark.parametrize("left_out", [(), ("remote_host",), ("remote_model",), ("remote_host", "remote_model")])
async def test_a_model_that_ollama_sends_elsewhere_is_not_ours(left_out: tuple[str, ...]) -> None:
    """Whether it says so or only the name does."""
    tags = [{k: v for k, v in tag.items() if k not in left_out} for tag in pages.OLLAMA_TAGS["models"]]
    shows = {**pages.OLLAMA_SHOWN, "gpt-oss:120b-cloud": pages.OLLAMA_SHOWN["gemma4:latest"]}
    scripts = {"/api/tags": {"models": tags}, "/api/show": lambda body: shows.get(body["model"])}
    async with scripted(**scripts).serving() as fake:
        engine = OpenAIEngine(fake.url)
        await engine.refresh()

    assert "gpt-oss:120b-cloud" not in [model.id for model in engine.state.models]


async def test_a_model_goes_cold_and_keeps_the_context_it_had() -> None:
    async with scripted().serving() as fake:
        engine = OpenAIEngine(fake.url)
        await engine.refresh()
        fake.pages = {**fake.pages, "/api/ps": {"models": []}}

        await engine.refresh()

    assert [(32768, False), (2048, False)] == [(model.context_tokens, model.is_loaded) for model in engine.state.models]


@pytest.mark.parametrize(
    ("environ", "slots", "context"),
    [
        ({}, 1, 4096),
        ({"OLLAMA_NUM_PARALLEL": "4", "OLLAMA_CONTEXT_LENGTH": "16384"}, 4, 16384),
        ({"OLLAMA_NUM_PARALLEL": "0", "OLLAMA_CONTEXT_LENGTH": "many"}, 1, 4096),
    ],
)
async def test_settings_of_ollama_are_read_where_they_are_known(
    environ: Mapping[str, str],
    slots: int,
    context: int,
) -> None:
    async with scripted(**{"/api/ps": {"models": []}}).serving() as fake:
        served = await Ollama(environ).describe(api_at(fake.url), Listing([]))

    assert (slots, context) == (served.slots, served.models[0].context_tokens)


async def test_a_modelfile_s_context_outranks_the_default() -> None:
    def chosen(body: dict[str, Any]) -> object:
        return {**pages.OLLAMA_SHOWN[body["model"]], "parameters": 'stop  "x"\nnum_ctx                        8000'}

    async with scripted(**{"/api/show": chosen, "/api/ps": {"models": []}}).serving() as fake:
        served = await Ollama({}).describe(api_at(fake.url), Listing([]))

    assert [8000, 2048] == [model.context_tokens for model in served.models]


async def test_an_ollama_that_does_not_say_what_models_can_may_be_tried() -> None:
    def older(body: dict[str, Any]) -> object:
        return {key: value for key, value in pages.OLLAMA_SHOWN[body["model"]].items() if key != "capabilities"}

    async with scripted(**{"/api/show": older}).serving() as fake:
        served = await Ollama({}).describe(api_at(fake.url), Listing([]))

    assert ("text", "tools") == served.models[0].modalities
    assert "embeddings" in served.models[0].untold


async def test_a_model_removed_while_we_look_is_left_out() -> None:
    def gone(body: dict[str, Any]) -> object:
        return shown(body) if body["model"].startswith("gemma") else None

    async with scripted(**{"/api/show": gone}).serving() as fake:
        engine = OpenAIEngine(fake.url)
        await engine.refresh()

    assert ["gemma4:latest"] == [model.id for model in engine.state.models]


@pytest.mark.parametrize(("until", "expected"), [("2318-03-07T00:00:00Z", False), ("2026-11-26T00:00:00Z", True)])
async def test_whether_a_request_keeps_a_model_loaded_for_longer(
    until: str,
    expected: bool,
) -> None:
    """With `keep_alive: -1` it stays anyway; else every request puts off its end."""
    (running,) = pages.OLLAMA_PS["models"]
    async with scripted(**{"/api/ps": {"models": [{**running, "expires_at": until}]}}).serving() as fake:
        engine = OpenAIEngine(fake.url)
        await engine.refresh()

    assert expected == next(model for model in engine.state.models if model.is_loaded).is_kept_by_use
