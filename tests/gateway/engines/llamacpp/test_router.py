"""llama.cpp as a router: which models are loaded and how far one is; looking loads nothing."""

import asyncio

from gateway.engines.openai_http import OpenAIEngine
from tests.router_engine import ScriptedRouter, progress


async def looked(engine: OpenAIEngine) -> dict[str, float | None]:
    """How far each model is loaded."""
    await engine.refresh()
    assert engine.state.problem is None
    return {model.id: model.loading for model in engine.state.models}


async def test_it_tells_which_models_are_loaded_and_looking_loads_none() -> None:
    async with ScriptedRouter(load=(1, 2)).serving() as router:
        engine = OpenAIEngine(router.url)
        for _ in range(12):
            await engine.refresh()

    warm, cold = engine.state.models
    assert (True, 2048, ("text",), 135_000_000) == (
        warm.is_loaded, warm.context_tokens, warm.modalities, warm.parameters
    )  # fmt: skip
    assert (False, 0, ("text", "tools")) == (cold.is_loaded, cold.context_tokens, cold.modalities)
    assert ("embeddings",) == warm.untold
    state = engine.state
    assert ("llamacpp", 2, True, 1, 2) == (
        state.family, state.slots, state.is_slots_known, state.running, state.waiting
    )  # fmt: skip
    assert 1 == router.paths.count("/props?model=warm&autoload=false"), "a model's page is read once"
    assert not [path for path in router.paths if "cold" in path]


async def test_its_list_is_read_once_to_know_it_and_once_a_look() -> None:
    router = ScriptedRouter()
    async with router.serving():
        engine = OpenAIEngine(router.url)
        for _ in range(3):
            await engine.refresh()

    assert 1 + 3 == router.paths.count("/v1/models")


async def test_how_far_a_model_is_loaded_is_followed_until_it_is() -> None:
    tells = [progress("warm", 0.9), progress("cold", 0.2), progress("cold", 0.42), {"model": "cold", "data": 7}]
    router = ScriptedRouter(tells=tells)
    async with router.serving():
        engine = OpenAIEngine(router.url)
        assert {"warm": None, "cold": None} == await looked(engine)
        assert not engine.is_followed
        router.status["cold"] = "loading"
        assert {"warm": None, "cold": 0.0} == await looked(engine)

        assert engine.is_followed
        following = asyncio.create_task(engine.follow())
        async with asyncio.timeout(5):
            while (await looked(engine))["cold"] != 0.42:
                await asyncio.sleep(0.01)
        router.status["cold"] = "loaded"
        assert {"warm": None, "cold": None} == await looked(engine)
        router.loaded.set()
        await following

    assert not engine.is_followed


async def test_a_router_without_such_a_page_is_not_followed_for_long() -> None:
    """Older ones have none; and it may end at any time."""
    router = ScriptedRouter(status={"cold": "loading"})
    async with router.serving():
        engine = OpenAIEngine(router.url)
        await looked(engine)
    await engine.follow()

    assert 0 == router.followers
