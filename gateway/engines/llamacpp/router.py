"""llama.cpp as a router: it lists the models on disk, loads one when it is asked, and tells how far that is.

It is read as its documentation shows it (docs/engines.md). Pages of a model are asked for with `autoload=false`, and
only where it is loaded, so that looking at it loads nothing.
"""

import asyncio
from contextlib import suppress
from urllib.parse import quote

import msgspec

from gateway.engines.engine_api import NO_ANSWER, EngineApi
from gateway.engines.engine_state import DEFAULT_SLOTS, MEDIA, MODELS_LIMIT, EngineModel
from gateway.engines.family import Description, Family, Listing, Meta, ModelEntry, listing_of, read_load
from gateway.engines.llamacpp.pages import Event, Props
from gateway.upstream import UpstreamError
from gateway.wire.codec import UNREADABLE
from gateway.wire.events import OversizedEvent

FOLLOW_S = 30.0  # s for which its events are read at a time, since it sends none while nothing changes


async def is_router(api: EngineApi) -> bool:
    """Whether this llama.cpp is one."""
    page: Props | None = await api.find("/props", Props)
    return page is not None and page.role == "router"


class LlamaRouter(Family):
    """See the module. What a model is given, it tells once it is loaded."""

    name = "llamacpp"

    def __init__(self) -> None:
        self._props: dict[str, Props] = {}  # of loaded models, by id
        self._progress: dict[str, float] = {}  # of models that are being loaded, by id

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        models = await self._models(api, listing)
        slots = max((props.total_slots for props in self._props.values()), default=0)
        return Description(models, slots or DEFAULT_SLOTS, is_slots_known=slots > 0)

    async def look(
        self, api: EngineApi, models: tuple[EngineModel, ...]
    ) -> tuple[tuple[EngineModel, ...], tuple[int, int] | None]:
        """Which models are loaded or being loaded, and the load of those that are; None where one does not tell it."""
        now = await self._models(api, await listing_of(api))
        pages = [await api.text(_page("metrics", model.id)) for model in now if model.is_loaded]
        loads = [load for page in pages if (load := read_load(page))]
        load = (sum(each[0] for each in loads), sum(each[1] for each in loads))
        return now, load if pages and len(loads) == len(pages) else None

    async def follow(self, api: EngineApi) -> None:
        """Read how far models are that are being loaded, for FOLLOW_S at most."""
        with suppress(*NO_ANSWER, UpstreamError, OversizedEvent):
            async with asyncio.timeout(FOLLOW_S):
                async for data in api.events("/models/sse"):
                    self._hear(data)

    def _hear(self, data: bytes) -> None:
        try:
            event = msgspec.json.decode(data, type=Event)
        except UNREADABLE:
            return
        if event.model in self._progress and event.data.progress is not None:
            self._progress[event.model] = event.data.progress.share

    async def _models(self, api: EngineApi, listing: Listing) -> tuple[EngineModel, ...]:
        entries = listing.data[:MODELS_LIMIT]
        status = {entry.id: entry.status.value if entry.status else "" for entry in entries}
        self._progress = {id: self._progress.get(id, 0.0) for id, value in status.items() if value == "loading"}
        self._props = {id: props for id, props in self._props.items() if status.get(id) == "loaded"}
        for id, value in status.items():
            if value == "loaded" and id not in self._props:
                self._props[id] = await api.find(_page("props", id), Props) or Props()
        return tuple(self._model(entry) for entry in entries)

    def _model(self, entry: ModelEntry) -> EngineModel:
        props, meta = self._props.get(entry.id), entry.meta or Meta()
        takes = entry.architecture.input_modalities if entry.architecture else ("text",)
        tools = ("tools",) if props is None or props.chat_template_caps.supports_tools else ()
        return EngineModel(
            entry.id,
            (props.default_generation_settings.n_ctx if props else 0) or meta.n_ctx_train,
            (*takes, *tools),
            is_loaded=props is not None,
            untold=(*(() if entry.architecture else MEDIA), "embeddings"),
            parameters=meta.n_params,
            loading=self._progress.get(entry.id),
        )


def _page(name: str, model: str) -> str:
    """The page of one model, which is not loaded for it."""
    return f"/{name}?model={quote(model, safe='')}&autoload=false"
