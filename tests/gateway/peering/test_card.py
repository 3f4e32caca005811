"""What our card says of our agents, whatever the engine lists and however long the vectors are."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.envelopes import seal
from discovery.records import Agent, Card, Profile, validate
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.peering.card import Fitted, fit, own_agents
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


def test_agents_carry_as_details_what_else_is_known() -> None:
    model = EngineModel("small", untold=("image", "a\nb"), parameters=135_000_000, quantisation="Q4_\x00K_M")

    (small,) = own_agents(EngineState(None, models=(model,), place="here", is_embedded=True), profiles)

    assert (("image", "ab"), "here", True) == (small.untold, small.place, small.is_embedded)
    assert (135_000_000, "Q4_K_M") == (small.parameters, small.quantisation)


def test_the_owner_says_which_agents_come_first() -> None:
    state = EngineState(None, models=tuple(EngineModel(name) for name in "abcd"))

    assert ["c", "a", "b", "d"] == [agent.name for agent in own_agents(state, profiles, ("c", "gone", "a"))]


def measured(name: str, prototypes: int, spaces: int) -> Agent:
    vector = Profile(bytes([200]) * prototypes, (300,) * prototypes)  # evidence of three bytes a prototype
    return Agent(name, name, 32768, ("text", "tools"), {f"{space:016x}": vector for space in range(spaces)})


def fitted(count: int, prototypes: int, spaces: int, name_chars: int = 20) -> Fitted:
    names = [f"{number:03}".rjust(name_chars, "m") for number in range(count)]
    return fit(card_of(*(measured(name, prototypes, spaces) for name in names)))


@pytest.mark.parametrize(
    ("count", "prototypes", "spaces", "kept", "older"),
    [
        (16, 64, 1, 16, 0),
        (16, 64, 2, 16, 9),
        (16, 128, 1, 13, 0),
        (16, 128, 2, 13, 0),
        (8, 128, 2, 8, 6),
        (20, 4, 2, 16, 16),
        (3000, 4, 1, 16, 0),
    ],
)
def test_what_of_our_agents_a_card_holds(count: int, prototypes: int, spaces: int, kept: int, older: int) -> None:
    """Older vectors go first, then the last agents: docs/protocol.md has the table."""
    found = fitted(count, prototypes, spaces)

    assert len(found.card.agents) == kept
    assert sum(len(agent.profiles) > 1 for agent in found.card.agents) == older


@pytest.mark.parametrize("spaces", [1, 2])
@pytest.mark.parametrize("prototypes", [1, 64, 128, 1024])
@pytest.mark.parametrize("count", [0, 1, 5, 16, 17, 100])
def test_whatever_is_left_out_the_card_fits_says_so_and_holds_the_newest_vectors(
    tmp_path: Path, count: int, prototypes: int, spaces: int
) -> None:
    found = fitted(count, prototypes, spaces, name_chars=60)
    kept = found.card.agents
    newest = f"{spaces - 1:016x}"

    seal(replace(found.card, gen=2**50, seq=2**50), "net", lambda data: bytes(64))
    assert all(newest in agent.profiles for agent in kept)
    assert kept == () or kept[0].name.endswith("000")
    whole = all(len(agent.profiles) == spaces for agent in kept) and len(kept) == count
    assert whole == (found.left_out == ())


def test_what_was_left_out_is_said_by_name() -> None:
    agents = [measured("first", 64, 2), measured("last", 64, 1), *(measured(f"a{n}", 1, 1) for n in range(16))]
    long = fit(card_of(measured("first", 700, 2), measured("last", 700, 1)))

    assert ("the agent a14", "the agent a15") == fit(card_of(*agents)).left_out
    assert ("the older vector of first",) == long.left_out
