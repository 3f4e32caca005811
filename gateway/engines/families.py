"""Recognises an engine's family, and reads what each family tells of itself beyond the OpenAI API.

Tests run vLLM and llama.cpp; SGLang, TGI and LM Studio are read as their documentation shows them (docs/engines.md).
Ollama has a file of its own.
"""

import os
from dataclasses import replace

import msgspec

from gateway.engines.engine_api import EngineApi
from gateway.engines.engine_state import BY_DEFAULT, DEFAULT_SLOTS, MEDIA, UNTOLD, EngineModel
from gateway.engines.family import Description, Family, Listing, Meta, ModelEntry, read_load
from gateway.engines.llamacpp.pages import Props
from gateway.engines.llamacpp.router import LlamaRouter, is_router
from gateway.engines.ollama import Ollama, is_ollama
from gateway.wire.bodies import ASSUMED, ENDPOINTS, OTHERS

_LM_STUDIO_CONTEXT = 4096  # tokens with which LM Studio loads a model by default


async def recognise(api: EngineApi, listing: Listing) -> Family:
    """The family of an engine that lists these models."""
    known: dict[str, Family] = {"vllm": Vllm(), "llamacpp": LlamaCpp(), "sglang": Sglang()}
    if listing.owner == "llamacpp" and await is_router(api):
        return LlamaRouter()
    if listing.owner in known:
        return known[listing.owner]
    if await is_ollama(api):
        return Ollama(os.environ)
    if await api.find("/api/v0/models", _LmStudioModels):
        return LmStudio()
    if await api.find("/info", _TgiInfo):
        return Tgi()
    return Unknown(listing.owner)


class Unknown(Family):
    """Any engine; its load is read from /metrics if it has that page.

    A model that the owner names and that it does not list is tried: `transformers serve` lists what it has downloaded,
    and serves a folder, too.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        """Every model may be tried for embeddings: finding out whether it makes them would load it."""
        models = [_model(entry, "tools") for entry in listing.data]
        listed = {name for model in models for name in (model.id, model.name)}
        models += [_model(ModelEntry(name), "tools") for name in listing.named if name not in listed]
        endpoints = endpoints_in(await api.text("/openapi.json"))
        return Description(
            tuple(replace(model, untold=(*model.untold, "embeddings"), endpoints=endpoints) for model in models)
        )

    async def look(
        self, api: EngineApi, models: tuple[EngineModel, ...]
    ) -> tuple[tuple[EngineModel, ...], tuple[int, int] | None]:
        return models, read_load(await api.text("/metrics"))


def endpoints_in(page: bytes) -> tuple[str, ...]:
    """The endpoints of the API that an engine's /openapi.json lists; none where it has no such page."""
    paths = {endpoint: f"/v1/{endpoint}" for endpoint in ENDPOINTS} | OTHERS
    return tuple(endpoint for endpoint, path in paths.items() if f'"{path}"'.encode() in page)


class Vllm(Unknown):
    """vLLM. Its /openapi.json lists a path only where its model can do what the path is for."""

    def __init__(self) -> None:
        super().__init__("vllm")
        self._page = b""  # /openapi.json; it does not change while the server runs

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        self._page = self._page or await api.text("/openapi.json")
        able = ("text", "tools") if not self._page or b'"/v1/chat/completions"' in self._page else ()
        embeds = ("embeddings",) if b'"/v1/embeddings"' in self._page else ()
        untold = MEDIA if self._page else UNTOLD
        return Description(
            tuple(
                EngineModel(
                    entry.id, entry.max_model_len or 0, able + embeds, untold=untold, endpoints=endpoints_in(self._page)
                )
                for entry in listing.data
            )
        )


class LlamaCpp(Unknown):
    """llama.cpp. /props tells its slots and their context; it answers 501 at once where it makes no embeddings.

    Where the model's chat template has no place for tools, it ignores them silently, even `required` ones.
    """

    def __init__(self) -> None:
        super().__init__("llamacpp")
        self._embeds: bool | None = None
        self._endpoints: tuple[str, ...] = ()

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        if self._embeds is None:
            self._embeds = await api.status_of("/v1/embeddings", {"input": "a"}) != 501
            self._endpoints = await self._answered(api)
        props = await api.get("/props", Props)
        context = props.default_generation_settings.n_ctx
        tools = ("tools",) if props.chat_template_caps.supports_tools else ()
        embeds = ("embeddings",) if self._embeds else ()
        models = tuple(_model(entry, *tools, *embeds, context=context) for entry in listing.data)
        models = tuple(replace(model, endpoints=self._endpoints) for model in models)
        return Description(models, props.total_slots, is_slots_known=True)

    async def _answered(self, api: EngineApi) -> tuple[str, ...]:
        """The endpoints that it answers with anything but "no such page" and "not supported".

        An empty object asks for nothing, so that nothing is generated.
        """
        asked = {endpoint: f"/v1/{endpoint}" for endpoint in ENDPOINTS if endpoint not in ASSUMED} | OTHERS
        found = [each for each, path in asked.items() if await api.status_of(path, {}) not in (404, 405, 501)]
        return ("chat/completions", "completions", *(("embeddings",) if self._embeds else ()), *found)


class Sglang(Unknown):
    """SGLang. It tells whether its model generates or embeds, and how many requests run at once."""

    def __init__(self) -> None:
        super().__init__("sglang")

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        # older versions call the same pages /get_...
        model = await api.find("/model_info", _SglangModel) or await api.find("/get_model_info", _SglangModel)
        server = await api.find("/server_info", _SglangServer) or await api.find("/get_server_info", _SglangServer)
        states = server.internal_states if server else []
        slots = sum(state.effective_max_running_requests_per_dp for state in states)
        return Description(
            tuple(
                EngineModel(
                    entry.id, entry.max_model_len or 0, _sglang_modalities(model), untold=() if model else UNTOLD
                )
                for entry in listing.data
            ),
            slots or DEFAULT_SLOTS,
            is_slots_known=slots > 0,
        )


class Tgi(Unknown):
    """TGI. Its context is `max_total_tokens`, those of request and answer together; it makes no embeddings."""

    def __init__(self) -> None:
        super().__init__("tgi")

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        info = await api.get("/info", _TgiInfo)
        sees = ("image",) if info.model_pipeline_tag == "image-text-to-text" else ()
        models = tuple(EngineModel(entry.id, info.max_total_tokens, BY_DEFAULT + sees) for entry in listing.data)
        return Description(models, info.max_batch_size or DEFAULT_SLOTS, is_slots_known=bool(info.max_batch_size))


class LmStudio(Family):
    """LM Studio. It lists the models on disk and loads one when it is asked.

    It has no metrics: asking for /metrics would only write an error into its log.
    """

    name = "lmstudio"

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        newer = await api.find("/api/v1/models", _LmStudioNewer)
        slots = (
            [instance.config.parallel for model in newer.models for instance in model.loaded_instances] if newer else []
        )
        return Description(await self._models(api), max(slots, default=1))

    async def look(
        self, api: EngineApi, models: tuple[EngineModel, ...]
    ) -> tuple[tuple[EngineModel, ...], tuple[int, int] | None]:
        return await self._models(api), None

    async def _models(self, api: EngineApi) -> tuple[EngineModel, ...]:
        page = await api.get("/api/v0/models", _LmStudioModels)
        return tuple(
            EngineModel(
                entry.id,
                entry.loaded_context_length or min(entry.max_context_length, _LM_STUDIO_CONTEXT),
                _LM_STUDIO_TYPES.get(entry.type, BY_DEFAULT),
                is_loaded=entry.state == "loaded",
                is_kept_by_use=True,  # for an hour, where it was loaded by a request; which were is not told
                quantisation=entry.quantization or "",
            )
            for entry in page.data
        )


_LM_STUDIO_TYPES = {"embeddings": ("embeddings",), "vlm": (*BY_DEFAULT, "image")}


def _model(entry: ModelEntry, *also: str, context: int = 0) -> EngineModel:
    takes = entry.architecture.input_modalities if entry.architecture else ("text",)
    meta = entry.meta or Meta()
    return EngineModel(
        entry.id,
        context or entry.max_model_len or meta.n_ctx_train,
        (*takes, *also),
        untold=() if entry.architecture else MEDIA,
        parameters=meta.n_params,
    )


class _SglangModel(msgspec.Struct):
    is_generation: bool
    has_image_understanding: bool = False
    has_audio_understanding: bool = False


class _SglangState(msgspec.Struct):
    effective_max_running_requests_per_dp: int = 0


class _SglangServer(msgspec.Struct):
    internal_states: list[_SglangState]


def _sglang_modalities(model: _SglangModel | None) -> tuple[str, ...]:
    if model is None:
        return BY_DEFAULT
    if not model.is_generation:
        return ("embeddings",)
    sees = ("image",) if model.has_image_understanding else ()
    hears = ("audio",) if model.has_audio_understanding else ()
    return (*BY_DEFAULT, *sees, *hears)


class _TgiInfo(msgspec.Struct):
    model_id: str
    max_total_tokens: int
    model_pipeline_tag: str | None = None
    max_batch_size: int | None = None


class _LmStudioModel(msgspec.Struct):
    id: str
    type: str
    state: str
    quantization: str | None = None
    max_context_length: int = 0
    loaded_context_length: int = 0


class _LmStudioModels(msgspec.Struct):
    data: list[_LmStudioModel]


class _LmStudioConfig(msgspec.Struct):
    parallel: int = 1


class _LmStudioInstance(msgspec.Struct):
    config: _LmStudioConfig


class _LmStudioEntry(msgspec.Struct):
    loaded_instances: list[_LmStudioInstance]


class _LmStudioNewer(msgspec.Struct):
    """LM Studio 0.4 and later."""

    models: list[_LmStudioEntry]
