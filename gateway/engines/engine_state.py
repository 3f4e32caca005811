"""What is known of an engine of any family: the models that it serves, its slots, and its load. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from discovery.records import CONTEXT_LIMIT, JOBS_LIMIT, PARAMETERS_LIMIT, SLOTS_LIMIT, printable
from gateway.engines.address import Place

NOT_WANTED = "this peer has no engine of its own (engine.url: none)"  # begins the problem of a peer without one
DEFAULT_SLOTS = 8  # where neither the configuration nor the engine says
NAME_CHARS = 128  # of a model, as the network calls it
MODELS_LIMIT = 1024  # of one engine; a card names 16 of them
BY_DEFAULT = ("text", "tools")  # abilities assumed of a model whose engine tells none
MEDIA = ("image", "audio", "file")  # what most engines do not tell of a model
UNTOLD = (*MEDIA, "embeddings")  # what is untold of a model whose engine tells nothing
# What a chat request must say so that an engine goes on with the assistant's turn at its end, by family; those that are
# not here do it unasked, or not at all: which is learnt (family.py).
CONTINUING: Mapping[str, Mapping[str, object]] = {
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
    "sglang": {"continue_final_message": True},
}
Ability = Literal["text", "image", "audio", "file", "tools", "embeddings"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the owner says of a model, where the engine does not tell it or tells it wrongly."""

    abilities: tuple[Ability, ...] = ()  # all that it can do; empty: as the engine tells
    context_tokens: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 0  # 0: as the engine tells
    endpoints: tuple[str, ...] = ()  # all that it answers, such as audio/speech; empty: as the engine tells


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A model as its engine serves it; `context_tokens` is 0 where the engine does not say.

    `modalities`: what it takes (`text`, `image`, `audio`) and what it can do besides (`tools`, `embeddings`). A model
    that is not loaded is loaded when it is asked, which takes seconds to minutes, by its `weight_bytes` (0: not known).
    """

    id: str
    context_tokens: int = 0
    modalities: tuple[str, ...] = ("text",)
    is_loaded: bool = True  # False only where the engine says so
    weight_bytes: int = 0
    untold: tuple[str, ...] = ()  # abilities that the engine neither tells nor denies: they may be tried
    parameters: int = 0  # 0: the engine does not say
    quantisation: str = ""  # in the engine's own words, e.g. Q4_K_M; empty: it does not say
    is_kept_by_use: bool = False  # its engine unloads what nobody uses, so that each request keeps it in memory longer
    endpoints: tuple[str, ...] = ()  # of the API, those that it answers; empty: not told
    loading: float | None = None  # how much of it is loaded, 0 to 1; None: it is not being loaded, or not told
    continues: tuple[str, ...] = ()  # endpoints at which it goes on with an answer that somebody else began: as tested

    @property
    def name(self) -> str:
        """The model's name in the network: its id, without unprintable characters and cut to NAME_CHARS."""
        return _name_of(self.id)


@lru_cache(MODELS_LIMIT)
def _name_of(model_id: str) -> str:
    return printable(model_id, NAME_CHARS)


@dataclass(frozen=True, slots=True)
class EngineState:
    """What is known of the engine now. `problem` says why it does not answer; None while it does."""

    problem: str | None = "not asked yet"
    family: str = "unknown"
    models: tuple[EngineModel, ...] = ()
    slots: int = DEFAULT_SLOTS
    running: int = 0
    waiting: int = 0
    load_source: str = "own count"  # or "metrics": where running and waiting come from
    others: int = 0  # jobs of programs that use the engine directly
    is_slots_known: bool = False  # whether the engine or the configuration tells `slots`; else they are a guess
    place: Place | None = None  # where it runs; None: not told, so not here
    is_embedded: bool = False  # the one that comes with PPAI

    @property
    def is_ready(self) -> bool:
        return self.problem is None and bool(self.models)

    @property
    def continuing(self) -> Mapping[str, object]:
        """What a chat request must say besides so that this engine goes on with the turn at its end."""
        return CONTINUING.get(self.family, {})

    @property
    def is_elastic(self) -> bool:
        """Whether it may have more slots than `slots`: nobody told them, and no job is seen to wait."""
        return not self.is_slots_known and (self.load_source != "metrics" or not self.waiting)

    @property
    def cold(self) -> frozenset[str]:
        """Names of the models that are not loaded."""
        return frozenset(model.name for model in self.models if not model.is_loaded)


def bounded(state: EngineState) -> EngineState:
    """The state with every number that the engine says clipped to what can be; slots that cannot be were not told."""
    return replace(
        state,
        models=tuple(map(_bounded_model, state.models[:MODELS_LIMIT])),
        slots=min(state.slots, SLOTS_LIMIT - 1) if state.slots > 0 else DEFAULT_SLOTS,
        is_slots_known=state.is_slots_known and state.slots > 0,
        running=_jobs(state.running),
        waiting=_jobs(state.waiting),
        others=_jobs(state.others),
    )


def as_owner_says(
    state: EngineState, facts: Mapping[str, ModelFacts], serve: Collection[str] = (), endpoints: Sequence[str] = ()
) -> EngineState:
    """The state with what the owner says of models, by id or name, and with those alone that `serve` names, if any.

    `endpoints`: all that the engine answers, as the owner says.
    """
    if not facts and not serve and not endpoints:
        return state
    models = [model for model in state.models if not serve or model.id in serve or model.name in serve]
    if endpoints:
        models = [replace(model, endpoints=tuple(endpoints)) for model in models]
    return replace(state, models=tuple(_as_owner_says(model, facts) for model in models))


def _as_owner_says(model: EngineModel, facts: Mapping[str, ModelFacts]) -> EngineModel:
    said = facts.get(model.id) or facts.get(model.name)
    if said is None:
        return model
    if said.abilities:
        model = replace(model, modalities=said.abilities, untold=())
    return replace(
        model,
        context_tokens=said.context_tokens or model.context_tokens,
        endpoints=said.endpoints or model.endpoints,
    )


def _bounded_model(model: EngineModel) -> EngineModel:
    if 0 <= model.context_tokens < CONTEXT_LIMIT and 0 <= model.parameters <= PARAMETERS_LIMIT:
        return model
    return replace(
        model,
        context_tokens=max(0, min(model.context_tokens, CONTEXT_LIMIT - 1)),
        parameters=max(0, min(model.parameters, PARAMETERS_LIMIT)),
    )


def _jobs(said: int) -> int:
    return max(0, min(said, JOBS_LIMIT))
