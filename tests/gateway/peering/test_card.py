"""What our card says of our agents, whatever the engine lists and however long the vectors are."""

from collections.abc import Mapping

import pytest

from discovery.records import Agent, Card, Profile, validate
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.peering.card import own_agents, shortened
from tests.cluster import id_of

MEASURED = {"small": {"s1": Profile(bytes([0, 128, 255]), (3, 0, 9))}}


def profiles(agent: str) -> Mapping[str, Profile]:
    return MEASURED.get(agent, {})


def card_of(*agents: Agent) -> Card:
    return Card(id_of(1), "ada", 1, 1, "join", 0, (), bytes(32), 1, 86400, agents)


def test_an_engine_that_does_not_answer_serves_nothing() -> None:
    state = EngineState("down", models=(EngineModel("small"),))

    assert () == own_agents(state, profiles)


def test_agents_carry_what_the_engine_says_and_what_was_measured() -> None:
    state = EngineState(None, models=(EngineModel("small", 4096, ("text", "image")), EngineModel("large", 8192)))

    small, large = own_agents(state, profiles)

    assert Agent("small", "small", 4096, ("text", "image"), MEASURED["small"]) == small
    assert Agent("large", "large", 8192, ("text",), {}) == large


@pytest.mark.parametrize(
    "model",
    [
        EngineModel("x" * 300),
        EngineModel("x" * 127 + " y"),
        EngineModel("line\nbreak\x00"),
        EngineModel("small", -1),
        EngineModel("small", 2**40),
        EngineModel("small", modalities=()),
        EngineModel("small", modalities=("",)),
        EngineModel("small", modalities=("text", "x" * 40, "a\nb")),
        EngineModel("small", modalities=tuple(f"m{n}" for n in range(20))),
    ],
    ids=str,
)
def test_whatever_an_engine_lists_makes_a_valid_card(model: EngineModel) -> None:
    """A strange engine must not end the peer."""
    agents = own_agents(EngineState(None, models=(model,)), profiles)

    validate(card_of(*agents))
    assert 1 == len(agents)


def test_a_model_without_a_name_is_nobody_s_agent() -> None:
    state = EngineState(None, models=(EngineModel(""), EngineModel("\x00"), EngineModel("small")))

    assert ["small"] == [agent.name for agent in own_agents(state, profiles)]


def test_a_card_is_shortened_by_its_oldest_vectors_first() -> None:
    vector = Profile(bytes([7]), (1,))
    full = card_of(Agent("small", "small", 4096, profiles={"old": vector, "new": vector}))

    spaces = [[*card.agents[0].profiles] for card in shortened(full)]

    assert [["old", "new"], ["new"], []] == spaces
