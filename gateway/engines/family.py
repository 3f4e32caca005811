"""The interface of an engine family: how to read what an engine serves, and how to read its load."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from gateway.engines.engine_api import EngineApi
from gateway.engines.engine_state import DEFAULT_SLOTS, EngineModel


class Architecture(msgspec.Struct):
    input_modalities: tuple[str, ...] = ("text",)


class Meta(msgspec.Struct):
    n_ctx_train: int = 0
    n_params: int = 0


class ModelEntry(msgspec.Struct):
    id: str
    owned_by: str = ""
    max_model_len: int | None = None  # vLLM, SGLang
    architecture: Architecture | None = None  # llama.cpp
    meta: Meta | None = None


class Listing(msgspec.Struct):
    """GET /v1/models."""

    data: list[ModelEntry]

    @property
    def owner(self) -> str:
        return next((entry.owned_by for entry in self.data if entry.owned_by), "unknown")


def read_listing(page: object) -> Listing:
    """The models in a page of /v1/models, however loosely it tells them.

    Taken are `data: null` (none yet), a bare array, names instead of entries, and entries with odd or missing facts: an
    odd fact counts as not told, and an entry without a name is left out. Raises msgspec.ValidationError for any other
    page.
    """
    entries = page
    if isinstance(page, dict):
        entries = next((page[key] or [] for key in ("data", "models") if key in page), None)
    if not isinstance(entries, list):
        raise msgspec.ValidationError("GET /v1/models lists no models")
    return Listing([entry for entry in map(_read_entry, entries) if entry is not None])


def _read_entry(said: object) -> ModelEntry | None:
    facts = {"id": said} if isinstance(said, str) else said if isinstance(said, dict) else {}
    name = facts.get("id") or facts.get("name") or facts.get("model")
    if not isinstance(name, str):
        return None
    entry = ModelEntry(name)
    for fact, kind in _FACTS.items():
        with suppress(msgspec.ValidationError):
            setattr(entry, fact, msgspec.convert(facts.get(fact, getattr(entry, fact)), kind, strict=False))
    return entry


_FACTS: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(ModelEntry) if field.name != "id"}


@dataclass(frozen=True, slots=True)
class Description:
    """What an engine tells of itself: its models, and how many requests it works on at once."""

    models: tuple[EngineModel, ...]
    slots: int = DEFAULT_SLOTS
    is_slots_known: bool = False  # whether the engine told `slots`


class Family(Protocol):
    """One kind of engine. Methods raise as EngineApi does."""

    @property
    def name(self) -> str: ...

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        """All that the engine tells of its models. Asked rarely."""
        ...

    async def look(
        self, api: EngineApi, models: tuple[EngineModel, ...]
    ) -> tuple[tuple[EngineModel, ...], tuple[int, int] | None]:
        """(the models now, (running, waiting) or None where the engine does not tell its load). Asked every second."""
        ...
