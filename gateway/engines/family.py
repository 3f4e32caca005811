"""The interface of an engine family: how to read what an engine serves, and how to read its load."""

from dataclasses import dataclass
from typing import Protocol

import msgspec

from gateway.engines.engine_api import EngineApi
from gateway.engines.engine_state import DEFAULT_SLOTS, EngineModel


class Architecture(msgspec.Struct):
    input_modalities: tuple[str, ...] = ("text",)


class Meta(msgspec.Struct):
    n_ctx_train: int = 0


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
