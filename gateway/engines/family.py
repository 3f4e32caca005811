"""The interface of an engine family: how to read what an engine serves, and how to read its load.

Gauges are matched by exact name. A renamed gauge counts as missing, and an engine with a missing gauge is not believed
idle. tests/gateway/engines/engine_pages.py has a sample of each family, and where its names come from.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from gateway.engines.engine_api import EngineApi
from gateway.engines.engine_state import DEFAULT_SLOTS, EngineModel

# (running, waiting)
LOAD_GAUGES = (
    (b"vllm:num_requests_running", b"vllm:num_requests_waiting"),
    (b"llamacpp:requests_processing", b"llamacpp:requests_deferred"),
    (b"sglang:num_running_reqs", b"sglang:num_queue_reqs"),
    (b"tgi_batch_current_size", b"tgi_queue_size"),
)

# Of series that differ only in these labels the greatest counts: every rank of a tensor or pipeline group of SGLang may
# tell the same batch. Other labels (ranks of data parallelism, vLLM's engines) stand for different requests: their
# series are added. SGLang with priorities tells a total, with an empty priority, beside its parts: the total counts.
_SAME_REQUESTS = frozenset({b"tp_rank", b"pp_rank", b"moe_ep_rank"})
_LABEL = re.compile(rb'(?<!\w)(\w++)="((?:[^"\\]|\\.)*+)"')  # linear: it begins at words, and never goes back


class Architecture(msgspec.Struct):
    input_modalities: tuple[str, ...] = ("text",)


class Meta(msgspec.Struct):
    n_ctx_train: int = 0
    n_params: int = 0


class Status(msgspec.Struct):
    value: str = ""  # loaded, loading, unloaded


class ModelEntry(msgspec.Struct):
    id: str
    owned_by: str = ""
    max_model_len: int | None = None  # vLLM, SGLang
    architecture: Architecture | None = None  # llama.cpp
    meta: Meta | None = None
    status: Status | None = None  # llama.cpp as a router


class Listing(msgspec.Struct):
    """GET /v1/models, and `named`: what the owner says that the engine serves (`engine.serve`)."""

    data: list[ModelEntry]
    named: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        return next((entry.owned_by for entry in self.data if entry.owned_by), "unknown")


async def listing_of(api: EngineApi) -> Listing:
    """What the engine lists now. Raises as `EngineApi.get` does."""
    return read_listing(await api.get("/v1/models", Any))


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

    name: str

    async def describe(self, api: EngineApi, listing: Listing) -> Description:
        """All that the engine tells of its models. Asked rarely."""
        ...

    async def look(
        self, api: EngineApi, models: tuple[EngineModel, ...]
    ) -> tuple[tuple[EngineModel, ...], tuple[int, int] | None]:
        """(the models now, (running, waiting) or None where the engine does not tell its load). Asked every second."""
        ...

    async def follow(self, api: EngineApi) -> None:
        """Read for a while how far models are loaded, where the engine tells it; called while one is `loading`."""
        return  # most do not tell


def read_load(metrics: bytes) -> tuple[int, int] | None:
    """(running, waiting) summed over engine processes; None where the gauges are missing."""
    for running, waiting in LOAD_GAUGES:
        values = [_total(metrics, name) for name in (running, waiting)]
        if None not in values:
            return int(values[0] or 0), int(values[1] or 0)
    return None


def _total(metrics: bytes, name: bytes) -> float | None:
    """The gauge's sum over different requests; None where it is missing or no number of requests."""
    if name not in metrics:
        return None
    by_source: dict[frozenset[tuple[bytes, bytes]], float] = {}
    try:
        for line in metrics.splitlines():
            if not line.startswith(name) or line[len(name) : len(name) + 1] not in (b"{", b" "):
                continue
            text, _, value = line.rpartition(b" ")
            labels = dict(_LABEL.findall(text))
            if labels.pop(b"priority", b""):
                continue
            source = frozenset((key, label) for key, label in labels.items() if key not in _SAME_REQUESTS)
            by_source[source] = max(by_source.get(source, 0.0), _requests(value))
    except ValueError:
        return None
    return sum(by_source.values()) if by_source else None


def _requests(value: bytes) -> float:
    """A number of requests. Raises ValueError."""
    number = float(value)
    if not 0 <= number < 2**31:
        raise ValueError
    return number
