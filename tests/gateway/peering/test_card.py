"""What our card says of our agents, whatever the engine lists and however long the vectors are."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from discovery.envelopes import seal
from discovery.private_files import write_private
from discovery.records import WHOLE, Agent, Card, Profile, validate
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.measuring.profiles import Profiles
from gateway.peering.card import Fitted, OwnEngine, distinct, fit, own_agents
from tests.cluster import id_of

MEASURED = {"small": {"s1": Profile(bytes([0, 128, 255]), (3, 0, 9))}}


def profiles(agent: str, is_shared: bool) -> Mapping[str, Profile]:
    return {} if is_shared else MEASURED.get(agent, {})


def lone(state: EngineState) -> list[OwnEngine]:
    return [OwnEngine("engine", WHOLE, state)]


def card_of(*agents: Agent) -> Card:
    return Card(id_of(1), "ada", 1, 1, "join", 0, (), bytes(32), 1, 86400, agents)


def test_an_engine_that_does_not_answer_serves_nothing() -> None:
    state = EngineState("down", models=(EngineModel("small"),))

    assert () == own_agents(lone(state), profiles)


def test_agents_carry_what_the_engine_says_and_what_was_measured() -> None:
    state = EngineState(None, models=(EngineModel("small", 4096, ("text", "image")), EngineModel("large", 8192)))

    small, large = own_agents(lone(state), profiles)

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
    agents = own_agents(lone(EngineState(None, models=(model,))), profiles)

    validate(card_of(*agents))
    assert 1 == len(agents)


def test_a_model_without_a_name_is_nobody_s_agent() -> None:
    state = EngineState(None, models=(EngineModel(""), EngineModel("\x00"), EngineModel("small")))

    assert ["small"] == [agent.name for agent in own_agents(lone(state), profiles)]


def test_agents_carry_as_details_what_else_is_known() -> None:
    model = EngineModel("small", untold=("image", "a\nb"), parameters=135_000_000, quantisation="Q4_\x00K_M")

    (small,) = own_agents(lone(EngineState(None, models=(model,), place="here", is_embedded=True)), profiles)

    assert (("image", "ab"), "here", True) == (small.untold, small.place, small.is_embedded)
    assert (135_000_000, "Q4_K_M") == (small.parameters, small.quantisation)


def test_the_owner_says_which_agents_come_first() -> None:
    state = EngineState(None, models=tuple(EngineModel(name) for name in "abcd"))

    assert ["c", "a", "b", "d"] == [agent.name for agent in own_agents(lone(state), profiles, ("c", "gone", "a"))]


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


def served(name: str, *models: EngineModel, number: int = 0, family: str = "vllm", up: bool = True) -> OwnEngine:
    return OwnEngine(name, number, EngineState(None if up else "gone", family, models))


ONE, LARGER, PACKED = EngineModel("m", 4096), EngineModel("m", 8192), EngineModel("m", 4096, quantisation="Q4_K_M")


def test_replicas_are_one_agent_of_several_engines() -> None:
    agents = own_agents([served("a", ONE), served("b", ONE, number=1)], profiles)

    assert [("m", 0), ("m", 1)] == [(agent.name, agent.engine) for agent in agents]
    assert [Agent("m", "m", 4096)] == list(distinct(agents))


@pytest.mark.parametrize(
    "second",
    [served("b", LARGER, number=1), served("b", PACKED, number=1), served("b", ONE, number=1, family="ollama")],
    ids=["of another context", "packed in fewer bits", "of another family"],
)
def test_another_model_of_a_name_is_called_by_its_engine_too(second: OwnEngine) -> None:
    agents = own_agents([served("a", ONE), second], profiles)

    assert [("m", "m", 0), ("m@b", "m", 1)] == [(agent.name, agent.model, agent.engine) for agent in agents]
    assert agents == distinct(agents)


def test_a_name_stays_while_the_engine_that_has_it_is_away() -> None:
    """Else the second model would get the vector of the first, and agents would change names every few seconds."""
    for up in (True, False, True, False):
        agents = own_agents([served("a", ONE, up=up), served("b", LARGER, number=1)], profiles)

        assert "m@b" in [agent.name for agent in agents]
        assert up == ("m" in [agent.name for agent in agents])


def test_a_vector_from_before_engines_were_told_apart_goes_to_the_only_one_of_its_name(tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    write_private(file, msgspec.json.encode({"m": MEASURED["small"]}))  # as PPAI 0.1.0 wrote it
    known = Profiles(file)

    (alone,) = own_agents([served("a", ONE)], known.of)
    first, second = own_agents([served("a", ONE), served("b", LARGER, number=1)], known.of)

    assert [MEASURED["small"], {}, {}] == [alone.profiles, first.profiles, second.profiles]


def test_three_thousand_models_are_as_many_agents_and_a_card_holds_the_first() -> None:
    state = EngineState(None, models=tuple(EngineModel(f"m{number}") for number in range(3000)))
    agents = own_agents(lone(state), profiles)

    fitted = fit(card_of(*agents))

    assert (3000, 16) == (len(agents), len(fitted.card.agents))
    assert 2984 == len(fitted.left_out)
    validate(fitted.card)


def test_names_of_any_length_stay_valid_with_their_engine() -> None:
    long = [EngineModel("x" * 300), EngineModel("x" * 300, 4096)]

    agents = own_agents([served("a" * 80, long[0]), served("b" * 80, long[1], number=1)], profiles)

    assert 2 == len({agent.name for agent in agents})
    validate(card_of(*distinct(agents)))
