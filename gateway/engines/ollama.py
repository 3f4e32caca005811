"""Ollama: its own API tells its models, their abilities and which are loaded; chat goes by its OpenAI API.

It is read as its documentation shows it (docs/engines.md); no test runs the real one. It has no metrics and no queue to
read, and tells durations only in answers of its own API, so its load is what we count ourselves.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gateway.engines.engine_api import EngineApi
from gateway.engines.engine_state import BY_DEFAULT, UNTOLD, EngineModel
from gateway.engines.family import Description, Family, Listing
from gateway.upstream import UpstreamError
from gateway.wire.codec import UNREADABLE

# Context of an unloaded model, in tokens: the least that Ollama gives on any machine. It silently cuts longer prompts.
UNLOADED_CONTEXT = 4096
SLOTS = 1  # requests that a model works on at once, unless OLLAMA_NUM_PARALLEL says otherwise
ASKED_AT_ONCE = 8  # models whose pages are asked in parallel; for each Ollama opens a file of gigabytes

_ABILITIES = {"completion": "text", "tools": "tools", "vision": "image", "audio": "audio", "embedding": "embeddings"}
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([KMBT])")
_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_CLOUD_NAMES = (":cloud", "-cloud")
_FOR_GOOD_FROM = "2200"  # the year from which on a model is said to be unloaded that never is
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,12})\s*$", re.MULTILINE)


async def is_ollama(api: EngineApi) -> bool:
    """Whether this is Ollama: only it has this page."""
    return bool(await api.find("/api/version", _Version))


class Ollama(Family):
    """One Ollama. Its settings are read from our environment, where a user sets them for both programs."""

    name = "ollama"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._slots = _positive(environ.get("OLLAMA_NUM_PARALLEL"))
        self._context = _positive(environ.get("OLLAMA_CONTEXT_LENGTH")) or UNLOADED_CONTEXT
        self._shown: dict[str, _Show] = {}  # by digest: a model's page does not change
        self._served: dict[str, int] = {}  # context with which a model was loaded last, by name

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        """The models on its machine. Those that Ollama runs in its cloud are left out: prompts would leave unseen."""
        here = [tag for tag in (await api.get("/api/tags", _Tags)).models if not tag.is_remote]
        one_of = asyncio.Semaphore(ASKED_AT_ONCE)
        pages = await asyncio.gather(*(self._page(api, tag, one_of) for tag in here))
        described = tuple(self._model(tag, page) for tag, page in zip(here, pages, strict=True) if page)
        models, _ = await self.look(api, described)
        return Description(models, self._slots or SLOTS, is_slots_known=self._slots > 0)

    async def look(
        self, api: EngineApi, models: tuple[EngineModel, ...]
    ) -> tuple[tuple[EngineModel, ...], tuple[int, int] | None]:
        """Which models are loaded, and with which context (not the one that they were trained with)."""
        running = (await api.get("/api/ps", _Ps)).models
        loaded = {entry.name: entry.is_for_good for entry in running}
        self._served |= {entry.name: entry.context_length for entry in running if entry.context_length}
        return tuple(
            replace(
                model,
                is_loaded=model.id in loaded,
                is_kept_by_use=not loaded.get(model.id, False),
                context_tokens=self._served.get(model.id, model.context_tokens),
            )
            for model in models
        ), None

    async def _page(self, api: EngineApi, tag: "_Tag", one_of: asyncio.Semaphore) -> "_Show | None":
        """Ollama's page of a model, asked once; None where the model is gone or its page cannot be read."""
        if tag.digest not in self._shown:
            async with one_of:
                try:
                    self._shown[tag.digest] = await api.post("/api/show", {"model": tag.name}, _Show)
                except (*UNREADABLE, UpstreamError):
                    return None
        return self._shown[tag.digest]

    def _model(self, tag: "_Tag", page: "_Show") -> EngineModel:
        chosen = _NUM_CTX.search(page.parameters)
        context = int(chosen[1]) if chosen else self._context
        trained = _trained_context(page.model_info)
        return EngineModel(
            tag.name,
            min(context, trained or context),
            _modalities(page.capabilities),
            weight_bytes=tag.size,
            untold=UNTOLD if page.capabilities is None else (),
            parameters=_parameters(tag.details.parameter_size),
            quantisation=tag.details.quantization_level,
        )


def _modalities(capabilities: list[str] | None) -> tuple[str, ...]:
    """The model's modalities; Ollama before 0.6.4 tells no capabilities, and all others may be tried."""
    if capabilities is None:
        return BY_DEFAULT
    return tuple(_ABILITIES[ability] for ability in capabilities if ability in _ABILITIES)


def _trained_context(model_info: Mapping[str, Any]) -> int:
    """`<architecture>.context_length`; 0 where Ollama does not tell it."""
    tokens = model_info.get(f"{model_info.get('general.architecture')}.context_length")
    return tokens if isinstance(tokens, int) and tokens > 0 else 0


def _positive(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= 12 else 0


def _parameters(size: str) -> int:
    """`4.3B`, `137M` or `268.10M` as a number; 0 where it is none."""
    found = _SIZE.fullmatch(size)
    return int(float(found[1]) * _UNITS[found[2]]) if found else 0


class _Version(msgspec.Struct):
    version: str


class _Details(msgspec.Struct):
    parameter_size: str = ""
    quantization_level: str = ""


class _Tag(msgspec.Struct):
    name: str
    digest: str
    details: _Details = msgspec.field(default_factory=_Details)
    size: int = 0
    remote_host: str = ""
    remote_model: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether Ollama runs it elsewhere; by its name where it does not say (`glm:cloud`, `gpt-oss:20b-cloud`)."""
        return bool(self.remote_host or self.remote_model) or self.name.endswith(_CLOUD_NAMES)


class _Tags(msgspec.Struct):
    models: list[_Tag]


class _Show(msgspec.Struct):
    parameters: str = ""
    capabilities: list[str] | None = None
    model_info: dict[str, Any] = {}


class _Running(msgspec.Struct):
    name: str
    context_length: int = 0
    expires_at: str = ""  # 2026-05-04T17:37:44.706+00:00; every request moves it to `keep_alive` after its end

    @property
    def is_for_good(self) -> bool:
        """Whether it stays in memory, used or not: `keep_alive: -1` is 292 years."""
        return self.expires_at[:4] > _FOR_GOOD_FROM


class _Ps(msgspec.Struct):
    models: list[_Running]
