"""Whom the idle peer measures: a bare model, an agent before it, and the agent once it changed, are told apart."""

from pathlib import Path
from typing import Any

from gateway.engines.engine_state import EngineModel
from gateway.measuring.targets import Configured, Target
from profiler.answers import make_of

MODEL: Any = EngineModel("m", "m", 4096, parameters=8, quantisation="Q4_K_M")


class Personal:
    def over(self, engine: Any, *, is_own: bool) -> Any:
        return engine, is_own


DOOR: Any = object()
ENGINE: Any = object()


def porter(questions: Path | None = None, digest: str = "aaaaaaaa", topics: tuple[str, ...] = ()) -> Target:
    return Target("porter", MODEL, DOOR, Configured(Personal(), digest, "m", questions, topics))


def test_a_bare_model_is_asked_as_it_is() -> None:
    bare = Target("m", MODEL, DOOR)

    assert bare.alone is bare and ENGINE is bare.over(ENGINE)
    assert make_of(8, "Q4_K_M") == bare.make


def test_an_agent_is_asked_as_another_peer_would_ask_it() -> None:
    """Not as its owner: tools that change things stay untouched while nobody looks."""
    assert (ENGINE, False) == porter().over(ENGINE)


def test_its_model_alone_is_the_bare_model_with_its_own_answers() -> None:
    assert Target("m", MODEL, DOOR) == porter().alone
    assert make_of(8, "Q4_K_M", "aaaaaaaa") == porter().make


def test_what_is_worth_asking_anew_changes_its_state(tmp_path: Path) -> None:
    path = tmp_path / "questions.tsv"
    gone = porter(path).state
    path.write_text("a")
    states = {gone, porter(path).state, porter().state, porter(digest="b").state, porter(topics=("Rooms",)).state}

    assert 5 == len(states)
    assert porter(path).state in states
    path.write_text("ab")
    assert porter(path).state not in states
