"""What each family of engines says of itself, read from its own pages; nothing asked makes one load a model."""

import json
from dataclasses import replace

import pytest

from discovery.records import WHOLE, validate
from gateway.capacity.line import Line, Ticket
from gateway.capacity.rules import AdmissionConfig, Room
from gateway.engines.engine_state import EngineState
from gateway.engines.openai_http import OpenAIEngine
from gateway.peering.card import OwnEngine, own_agents
from tests.cluster import card_of, id_of, pulse_of
from tests.fakes import ScriptedEngine
from tests.gateway.engines import engine_pages as pages


async def seen(fake: ScriptedEngine, looks: int = 1) -> EngineState:
    async with fake.serving():
        engine = OpenAIEngine(fake.url)
        for _ in range(looks):
            await engine.refresh()
    assert all(asked in ({}, {"input": "a"}) for asked in fake.asked), "something was generated"
    return engine.state


def listing(page: object) -> bytes:
    return json.dumps(page).encode()


async def test_sglang_tells_context_slots_load_and_that_it_sees() -> None:
    fake = ScriptedEngine(
        models=listing(pages.SGLANG_MODELS),
        metrics=pages.SGLANG_METRICS.decode(),
        pages={"/model_info": pages.SGLANG_MODEL, "/server_info": pages.SGLANG_SERVER},
    )

    state = await seen(fake)

    assert ("sglang", 256, 161, 2826, "metrics") == (
        state.family, state.slots, state.running, state.waiting, state.load_source,
    )  # fmt: skip
    assert [("qwen3-0.6b", 8192, ("text", "tools", "image"))] == [
        (model.id, model.context_tokens, model.modalities) for model in state.models
    ]


async def test_an_older_sglang_is_asked_by_its_older_paths() -> None:
    fake = ScriptedEngine(
        models=listing(pages.SGLANG_MODELS),
        pages={
            "/get_model_info": {**pages.SGLANG_MODEL, "is_generation": False},
            "/get_server_info": pages.SGLANG_SERVER,
        },
    )

    state = await seen(fake)

    assert (("embeddings",), 256) == (state.models[0].modalities, state.slots)


async def test_a_silent_sglang_may_be_tried() -> None:
    state = await seen(ScriptedEngine(models=listing(pages.SGLANG_MODELS)))

    assert (("text", "tools"), 8) == (state.models[0].modalities, state.slots)
    assert "embeddings" in state.models[0].untold


async def test_tgi_tells_its_context_as_served_and_its_load() -> None:
    fake = ScriptedEngine(
        models=listing(pages.TGI_MODELS), metrics=pages.TGI_METRICS.decode(), pages={"/info": pages.TGI_INFO}
    )

    state = await seen(fake)

    assert ("tgi", 8, 4, 7) == (state.family, state.slots, state.running, state.waiting)
    assert [(8192, ("text", "tools", "image"))] == [(model.context_tokens, model.modalities) for model in state.models]


async def test_lm_studio_tells_what_is_loaded_and_is_never_asked_for_metrics() -> None:
    """Its context is what a model was loaded with; a path that it does not know is an error in its log."""
    fake = ScriptedEngine(
        models=listing(pages.LM_STUDIO_MODELS),
        pages={"/api/v0/models": pages.LM_STUDIO_V0, "/api/v1/models": pages.LM_STUDIO_V1},
    )

    state = await seen(fake, looks=3)

    assert ("lmstudio", 4, "own count") == (state.family, state.slots, state.load_source)
    assert [
        ("qwen2-vl-7b-instruct", 4096, ("text", "tools", "image"), False),
        ("text-embedding-nomic-embed-text-v1.5", 2048, ("embeddings",), False),
        ("qwen/qwen3.5-9b", 11346, ("text", "tools"), True),
    ] == [(model.id, model.context_tokens, model.modalities, model.is_loaded) for model in state.models]
    assert {"qwen2-vl-7b-instruct", "text-embedding-nomic-embed-text-v1.5"} == state.cold
    assert "/metrics" not in fake.paths


async def test_lm_studio_before_0_4_works_on_one_request_at_a_time() -> None:
    """And answers 200 on paths that it does not have."""
    nothing = {"error": "Unexpected endpoint or method. (GET /api/version)"}
    fake = ScriptedEngine(
        models=listing(pages.LM_STUDIO_MODELS),
        pages={"/api/version": nothing, "/api/v0/models": pages.LM_STUDIO_V0, "/api/v1/models": nothing},
    )

    state = await seen(fake)

    assert ("lmstudio", 1) == (state.family, state.slots)


@pytest.mark.parametrize(("template", "tools"), [({}, ("tools",)), ({"supports_tools": False}, ())])
async def test_llamacpp_tells_what_a_slot_holds_and_whether_tools_are_heard(
    template: dict[str, bool],
    tools: tuple[str, ...],
) -> None:
    """Older ones do not say; a model may then be tried."""
    takes = {"input_modalities": ["text", "image"]}
    entry = {"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 8192}, "architecture": takes}
    fake = ScriptedEngine(
        models=listing({"data": [entry]}),
        metrics=pages.LLAMACPP_METRICS.decode(),
        pages={
            "/props": {
                "total_slots": 2,
                "default_generation_settings": {"n_ctx": 2048},
                "chat_template_caps": template,
            }
        },
        status=501,
    )

    state = await seen(fake)

    assert ("llamacpp", 2, 2, 3) == (state.family, state.slots, state.running, state.waiting)
    assert [(2048, ("text", "image", *tools))] == [(model.context_tokens, model.modalities) for model in state.models]


@pytest.mark.parametrize(
    ("paths", "can"),
    [
        (["/v1/chat/completions", "/v1/completions"], ("text", "tools")),
        (["/v1/embeddings"], ("embeddings",)),
    ],
)
async def test_vllm_has_a_path_where_its_model_can(paths: list[str], can: tuple[str, ...]) -> None:
    """A vLLM that makes embeddings answers no chat, and is not asked to."""
    fake = ScriptedEngine(pages={"/openapi.json": {"paths": {path: {} for path in paths}}})

    state = await seen(fake)

    assert ("vllm", can) == (state.family, state.models[0].modalities)


async def test_an_unknown_engine_may_be_tried_for_everything() -> None:
    state = await seen(ScriptedEngine(owned_by="somebody"))

    assert ("somebody", ("text", "tools")) == (state.family, state.models[0].modalities)
    assert {"image", "audio", "file", "embeddings"} == set(state.models[0].untold)


async def test_another_engine_at_the_same_place_is_recognised_anew() -> None:
    fake = ScriptedEngine()
    async with fake.serving():
        port = int(fake.url.rpartition(":")[2])
        engine = OpenAIEngine(fake.url)
        await engine.refresh()
    await engine.refresh()
    assert not engine.state.is_ready

    async with ScriptedEngine(models=listing(pages.TGI_MODELS), pages={"/info": pages.TGI_INFO}).serving(port):
        await engine.refresh()

    assert "tgi" == engine.state.family


def with_numbers(page: object, number: int) -> object:
    """The page with every number in it replaced."""
    if isinstance(page, dict):
        return {key: with_numbers(value, number) for key, value in page.items()}
    if isinstance(page, list):
        return [with_numbers(value, number) for value in page]
    return number if isinstance(page, int) and not isinstance(page, bool) else page


LLAMACPP = {"total_slots": 2, "default_generation_settings": {"n_ctx": 2048}}
OLLAMA = {
    "/api/version": {"version": "1"},
    "/api/tags": pages.OLLAMA_TAGS,
    "/api/ps": pages.OLLAMA_PS,
    "/api/show": {
        "parameters": "num_ctx " + "9" * 5000,
        "model_info": {"general.architecture": "a", "a.context_length": 1},
    },
}
FAMILIES: dict[str, tuple[object, dict[str, object]]] = {
    "vLLM": ({"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 1}]}, {}),
    "llama.cpp": ({"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 1}}]}, {"/props": LLAMACPP}),
    "SGLang": (pages.SGLANG_MODELS, {"/model_info": pages.SGLANG_MODEL, "/server_info": pages.SGLANG_SERVER}),
    "TGI": (pages.TGI_MODELS, {"/info": {**pages.TGI_INFO, "max_batch_size": 1}}),
    "LM Studio": (
        pages.LM_STUDIO_MODELS,
        {"/api/v0/models": pages.LM_STUDIO_V0, "/api/v1/models": pages.LM_STUDIO_V1},
    ),
    "Ollama": (pages.OLLAMA_MODELS, OLLAMA),
}
NUMBERS = {"huge": 10**400, "2^53": 2**53, "4096": 4096, "none": 0, "minus one": -1, "minus huge": -(10**400)}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("family", FAMILIES)
async def test_whatever_number_an_engine_says_a_card_and_a_pulse_can_hold(family: str, number: int) -> None:
    """Slots, contexts, jobs: what no record can hold would end the peer when it publishes."""
    models, further = FAMILIES[family]
    gauges = f"vllm:num_requests_running {number}\nvllm:num_requests_waiting {number}\n" * 3
    fake = ScriptedEngine(
        models=listing(with_numbers(models, number)),
        pages={path: with_numbers(page, number) for path, page in further.items()},
        metrics=gauges,
    )

    state = await seen(fake)

    assert state.models
    load = Room(state.slots, state.others)
    told = Line[Ticket](AdmissionConfig()).load(load)
    validate(replace(pulse_of(id_of(1)), running=told.running, waiting=told.waiting, slots=told.slots))
    validate(
        replace(card_of(id_of(1)), slots=state.slots, agents=own_agents([OwnEngine("e", WHOLE, state)], lambda *of: {}))
    )
    assert min(state.running, state.waiting, state.others) >= 0


@pytest.mark.parametrize(
    ("entry", "untold"),
    [
        ({"id": "m", "owned_by": "vllm"}, {"m": frozenset({"image", "audio", "file", "embeddings"})}),
        ({"id": "m", "owned_by": "somebody"}, {"m": frozenset({"image", "audio", "file", "embeddings"})}),
        ({"id": "m", "architecture": {"input_modalities": ["text"]}}, {"m": frozenset({"embeddings"})}),
    ],
    ids=["vLLM", "unknown", "told"],
)
async def test_what_a_family_does_not_tell_of_a_model_is_untold_not_missing(
    entry: dict[str, object], untold: dict[str, frozenset[str]]
) -> None:
    state = await seen(ScriptedEngine(models=listing({"data": [entry]})))

    assert untold == {model.name: frozenset(model.untold) for model in state.models if model.untold}


@pytest.mark.parametrize("status", [404, 405, 500, 501])
async def test_models_that_the_owner_names_are_tried_where_an_engine_has_no_list(status: int) -> None:
    async with ScriptedEngine(lists=status).serving() as fake:
        engine, unnamed = OpenAIEngine(fake.url, named=["a/folder"]), OpenAIEngine(fake.url)
        await engine.refresh()
        await unnamed.refresh()

    assert engine.state.is_ready and ["a/folder"] == [model.id for model in engine.state.models]
    assert f"{status}; if it answers requests, name its models in engine.serve" in str(unnamed.state.problem)


@pytest.mark.parametrize(
    ("status", "owner", "served"),
    [
        (
            200,
            "transformers",
            ["org/listed", "a/folder"],
        ),  # an unknown family: its list may leave some out
        (200, "vllm", ["org/listed"]),  # its list is whole
        (401, "", []),  # it wants a key, and may well have a list
        (503, "", []),  # it is loading
    ],
)
async def test_whose_list_is_not_whole_may_serve_what_the_owner_names(
    status: int, owner: str, served: list[str]
) -> None:
    fake = ScriptedEngine(lists=status, models=listing({"data": [{"id": "org/listed", "owned_by": owner}]}))
    async with fake.serving():
        engine = OpenAIEngine(fake.url, named=["org/listed", "a/folder"])
        await engine.refresh()

    assert served == [model.id for model in engine.state.models]
