"""When an agent may be measured by itself: each rule, by what breaks it alone."""

from dataclasses import replace

import pytest

from gateway.engines.engine_state import EngineModel, EngineState
from gateway.measuring.idle import (
    FAILURES,
    FIRST_ANSWERS,
    QUIET_S,
    SHARE,
    SPAN_S,
    Known,
    Spent,
    is_due,
    is_loaded,
    why_not,
    why_stop,
)

MODEL = EngineModel("m")
STATE = EngineState(None, "vllm", (MODEL,), load_source="metrics", place="here")
QUIET = Known(
    state=STATE, model=MODEL, quiet_s=QUIET_S, has_served=True, is_on_battery=False, is_wanted=False, spent_s=0.0,
    failures=0,
)  # fmt: skip

BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "a pause": ({"kept_shut": "you paused it"}, "you paused it"),
    "a cloud": ({"place": "cloud"}, "not on this machine"),
    "another host": ({"place": "other host"}, "not on this machine"),
    "a place that nobody told": ({"place": None}, "not on this machine"),
    "litellm, wherever its provider is": ({"family": "litellm"}, "not on this machine"),
    "the embedded model": ({"is_embedded": True}, "comes with PPAI"),
    "an engine that does not answer": ({"problem": "gone"}, "does not answer"),
    "a model of embeddings": ({"model": replace(MODEL, modalities=("embeddings",))}, "does not chat"),
    "a model that is not loaded": ({"model": replace(MODEL, is_loaded=False)}, "not loaded"),
    "a model that use keeps loaded": ({"model": replace(MODEL, is_kept_by_use=True)}, "in memory for longer"),
    "ppai-profile by hand": ({"is_wanted": True}, "by hand"),
    "the battery": ({"is_on_battery": True}, "battery"),
    "another program's job": ({"others": 1}, "another program"),
    "no figures, and somebody came": ({"load_source": "own count"}, "whether it is busy"),
    "an engine that fails": ({"failures": FAILURES}, "tried again in an hour"),
    "a request at another engine": ({"quiet_s": 0.0}, "is used"),
    "a request four minutes ago": ({"quiet_s": 240.0}, "within the last 5 minutes"),
    "a tenth of the hour": ({"spent_s": SHARE * SPAN_S - 1}, "10% of the last hour"),
}


def known(**changes: object) -> Known:
    """QUIET with these fields of it, or of its engine's state, changed."""
    of_state = {name: value for name, value in changes.items() if name in EngineState.__dataclass_fields__}
    rest = {name: value for name, value in changes.items() if name not in of_state}
    return replace(QUIET, state=replace(STATE, **of_state), **rest)  # type: ignore[arg-type]


def test_a_model_that_nobody_uses_may_be_asked() -> None:
    assert "" == why_not(QUIET)


@pytest.mark.parametrize(("changes", "said"), BROKEN.values(), ids=BROKEN)
def test_each_rule_alone_forbids_it(changes: dict[str, object], said: str) -> None:
    assert said in why_not(known(**changes))


def test_an_engine_without_figures_may_be_asked_while_nobody_else_ever_did() -> None:
    assert "" == why_not(known(load_source="own count", has_served=False))


def test_a_question_goes_on_until_something_presses() -> None:
    """A request at the door ends it without this (door.py); what forbids only the next one lets it end."""
    pressing = {name for name, (changes, _) in BROKEN.items() if why_stop(known(**changes))}

    by_engine = {"another program's job", "a request at another engine"}
    assert {"ppai-profile by hand", "a pause", "the battery"} | by_engine == pressing
    assert "" != why_stop(known(spent_s=SHARE * SPAN_S))


@pytest.mark.parametrize(
    ("family", "models", "expected"),
    [
        ("vllm", 2, True),  # a model and its adapters
        ("ollama", 5, True),  # it tells which are loaded
        ("llamacpp", 1, True),
        ("llamacpp", 2, False),  # one of them may have to be loaded
        ("unknown", 1, True),
        ("unknown", 3, False),
    ],
)
def test_of_several_models_only_what_is_loaded_for_sure(family: str, models: int, expected: bool) -> None:
    state = replace(STATE, family=family, models=(MODEL,) * models)

    assert expected == is_loaded(state, MODEL)
    assert not is_loaded(state, replace(MODEL, is_loaded=False))


def test_sixty_answers_are_published_and_each_doubling_and_all() -> None:
    published, told = 0, list[int]()
    for answers in range(503):
        if is_due(answers, published, 502):
            published = answers
            told.append(answers)

    assert [FIRST_ANSWERS, 120, 240, 480, 502] == told


def test_a_short_set_is_published_when_it_is_answered() -> None:
    assert [False, True, False] == [is_due(11, 0, 12), is_due(12, 0, 12), is_due(12, 12, 12)]


def test_nothing_is_published_of_nothing() -> None:
    assert not is_due(0, 0, 0)


def test_only_the_last_hour_counts() -> None:
    spent = Spent()
    for minute in range(120):
        spent.add(3.0, now=minute * 60.0)

    assert 180.0 == spent.seconds(now=119 * 60.0)
    assert 0.0 == spent.seconds(now=240 * 60.0)
