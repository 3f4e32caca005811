"""What follows from what is known of an engine."""

from dataclasses import replace

import pytest

from gateway.engines.engine_state import MEDIA, NAME_CHARS, EngineModel, EngineState, ModelFacts, as_owner_says

READY = EngineState(problem=None, models=(EngineModel("tiny"),))


def test_an_engine_is_ready_when_it_answers_and_has_a_model() -> None:
    assert READY.is_ready
    assert not replace(READY, problem="it does not answer").is_ready
    assert not replace(READY, models=()).is_ready
    assert not EngineState().is_ready


@pytest.mark.parametrize(
    ("is_slots_known", "source", "waiting", "is_elastic"),
    [
        (False, "own count", 0, True),
        (False, "own count", 3, True),  # who waits is our own guess: only its metrics tell that it is full
        (False, "metrics", 0, True),
        (False, "metrics", 1, False),
        (True, "own count", 0, False),
        (True, "metrics", 0, False),
    ],
)
def test_guessed_slots_may_be_more_until_a_job_is_seen_to_wait(
    is_slots_known: bool, source: str, waiting: int, is_elastic: bool
) -> None:
    state = replace(READY, is_slots_known=is_slots_known, load_source=source, waiting=waiting)

    assert is_elastic is state.is_elastic


def test_the_network_reads_a_name_without_what_cannot_be_printed() -> None:
    model = EngineModel("tiny\x1b[2J\n" + "x" * 500)

    assert NAME_CHARS == len(model.name)
    assert model.name.isprintable()
    assert "tiny" == EngineModel("tiny").name


def test_cold_are_the_models_that_the_engine_says_are_not_loaded() -> None:
    state = replace(READY, models=(EngineModel("warm"), EngineModel("cold", is_loaded=False)))

    assert {"cold"} == state.cold


def test_what_the_owner_says_of_a_model_counts() -> None:
    state = replace(READY, models=(EngineModel("tiny", 512, untold=MEDIA), EngineModel("other", untold=MEDIA)))
    facts = {"tiny": ModelFacts(abilities=("text", "image"), context_tokens=4096)}

    tiny, other = as_owner_says(state, facts).models

    assert (("text", "image"), 4096, ()) == (tiny.modalities, tiny.context_tokens, tiny.untold)
    assert other == state.models[1]
    assert state == as_owner_says(state, {})


def test_the_owner_may_say_one_thing_and_leave_the_rest_to_the_engine() -> None:
    state = replace(READY, models=(EngineModel("tiny", 512, untold=MEDIA),))

    (tiny,) = as_owner_says(state, {"tiny": ModelFacts(context_tokens=4096)}).models

    assert (("text",), 4096, MEDIA) == (tiny.modalities, tiny.context_tokens, tiny.untold)
