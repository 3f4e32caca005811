"""What is known of an engine, whatever its family (P): the models it serves, its slots, how busy it is."""

from dataclasses import dataclass

from discovery.records import printable

DEFAULT_SLOTS = 8  # where neither the configuration nor the engine says
NAME_CHARS = 128  # of a model, as the network calls it
BY_DEFAULT = ("text", "tools")  # what a model is asked for where its engine does not say what it can


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A model as its engine serves it; `context_tokens` is 0 where the engine does not say.

    `modalities`: what it takes (`text`, `image`, `audio`) and can do besides (`tools`, `embeddings`). A model that is
    not loaded has to be before it answers: seconds to minutes, for `weight_bytes` (0: not known) to be read.
    """

    id: str
    context_tokens: int = 0
    modalities: tuple[str, ...] = ("text",)
    is_loaded: bool = True  # False only where the engine says so
    weight_bytes: int = 0

    @property
    def name(self) -> str:
        """What the network calls it: its id, as far as a card can hold it."""
        return printable(self.id, NAME_CHARS)


@dataclass(frozen=True, slots=True)
class EngineState:
    """What is known of the engine now. `problem` is None while it answers."""

    problem: str | None = "not asked yet"
    family: str = "unknown"
    models: tuple[EngineModel, ...] = ()
    slots: int = DEFAULT_SLOTS
    running: int = 0
    waiting: int = 0
    load_source: str = "own count"  # or "metrics"
    others: int = 0  # jobs that it has beyond ours: of programs that use it directly
    is_slots_known: bool = False  # the engine or the configuration says; else it is our guess

    @property
    def is_ready(self) -> bool:
        return self.problem is None and bool(self.models)

    @property
    def is_elastic(self) -> bool:
        """Whether it may have more slots than `slots`: it never said, and is not seen to make anybody wait."""
        return not self.is_slots_known and (self.load_source != "metrics" or not self.waiting)

    @property
    def cold(self) -> frozenset[str]:
        """Names of the models that would have to be loaded first."""
        return frozenset(model.name for model in self.models if not model.is_loaded)
