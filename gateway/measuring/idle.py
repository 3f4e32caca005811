"""When an agent of ours may be asked a question without being told to (P), and when the answers are published.

Measuring costs the owner's power and patience, so it happens only where nobody can notice it. Each rule is one line of
`_rules`; the first that is broken is what `ppai status` shows.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.engines.engine_state import EngineModel, EngineState

QUIET_S = 300.0  # s without a request at a door of ours, or a job of another program, until engines count as idle
SPAN_S = 3600.0  # s over which the time spent on questions is counted
SHARE = 0.1  # of that time, at most
LEAST_S = 10.0  # s that must be left of it for one more question to begin
FIRST_ANSWERS = 60  # behind the first vector that is published; then twice as many, and so on
FAILURES = 3  # questions in a row that an engine may fail until it is left alone for SPAN_S

_ONE_MODEL = frozenset({"vllm", "sglang", "tgi"})  # families that serve what they have loaded, and nothing else
_TELLING = frozenset({"ollama", "lmstudio"})  # families that tell which of their models are loaded


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """Whether agents are measured without being told to."""

    # idle: while nobody uses the engine, see docs/operations.md#measuring-by-itself; off: by `ppai-profile` alone
    auto: Literal["idle", "off"] = "idle"


@dataclass(frozen=True, slots=True)
class Known:
    """What the rules look at, of one model of one engine."""

    state: EngineState
    model: EngineModel
    quiet_s: float  # since the last request at any door of ours, or job of another program; 0 while there is one
    has_served: bool  # whether any request has come to the door since we began
    is_on_battery: bool
    is_wanted: bool  # `ppai-profile` by hand wants to write the answers
    spent_s: float  # on questions, in the last SPAN_S, with the one that is being answered
    failures: int  # questions in a row that the engine failed
    kept_shut: str = ""  # why the owner lets others have nothing now, which goes for this as well
    is_read: bool = True  # whether an agent's documents can all be searched: until then it is not what it will be


def why_not(known: Known) -> str:
    """Why no question may begin now, in words for the owner; "" where one may."""
    return next((why for is_broken, why, _ in _rules(known) if is_broken), "")


def why_stop(known: Known) -> str:
    """Why the question that is being answered is given up; "": it goes on. A request at the door ends it anyway."""
    return next((why for is_broken, why, is_pressing in _rules(known) if is_broken and is_pressing), "")


def is_loaded(state: EngineState, model: EngineModel) -> bool:
    """Whether this model is in memory for sure: an engine that lists several may have to load the one that is asked."""
    tells = state.family in _ONE_MODEL | _TELLING or len(state.models) == 1
    return model.is_loaded and tells


def is_due(answers: int, published: int, questions: int) -> bool:
    """Whether a vector from so many answers is worth publishing, where the last one was from `published`.

    60, 120, 240, ... answers are, and those to all questions.
    """
    return answers >= max(FIRST_ANSWERS, 2 * published) or (answers == questions and answers > published)


class Spent:
    """How much time went into questions of late."""

    def __init__(self) -> None:
        self._asked: deque[tuple[float, float]] = deque()  # (when it ended, seconds)

    def add(self, seconds: float, now: float) -> None:
        """A question took so many seconds, until now."""
        self._asked.append((now, seconds))

    def seconds(self, now: float) -> float:
        """Spent in the last SPAN_S."""
        while self._asked and self._asked[0][0] <= now - SPAN_S:
            self._asked.popleft()
        return sum(seconds for _, seconds in self._asked)


def _rules(known: Known) -> Iterator[tuple[bool, str, bool]]:
    """Each rule: whether it is broken, what is said then, and whether the question that is being answered ends, too."""
    state, model = known.state, known.model
    later = f"{SHARE:.0%} of the last hour went into it: it goes on later"
    yield state.family == "litellm" or state.place != "here", "its engine is not on this machine", False
    yield state.is_embedded, "the model that comes with PPAI is not measured by itself", False
    yield not state.is_ready, "its engine does not answer", False
    yield "text" not in model.modalities, "it does not chat", False
    yield not known.is_read, "its documents are still being read", False
    yield not is_loaded(state, model), "it is not loaded, or its engine does not tell that it is", False
    yield model.is_kept_by_use, "asking it would keep it in memory for longer", False
    yield known.is_wanted, "it is measured by hand: `ppai-profile`", True
    yield bool(known.kept_shut), known.kept_shut, True
    yield known.is_on_battery, "this machine runs on its battery", True
    yield state.others > 0, "another program uses the engine", True
    yield state.load_source != "metrics" and known.has_served, "its engine does not tell whether it is busy", False
    yield known.failures >= FAILURES, "its engine failed several questions: it is tried again in an hour", False
    yield known.quiet_s == 0, "an engine of this machine is used", True
    yield known.quiet_s < QUIET_S, f"it was used within the last {QUIET_S / 60:.0f} minutes", False
    yield known.spent_s >= SHARE * SPAN_S, later, True
    yield known.spent_s > SHARE * SPAN_S - LEAST_S, later, False
