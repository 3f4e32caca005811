"""Personal agents as rows on the engines that serve their models."""

from dataclasses import replace

import pytest

from discovery.records import WHOLE, Agent
from gateway.agent.owned.rows import kinds_of, personal_rows, prompt_tokens
from gateway.agent.settings import AgentSettings, KnowledgeSettings, ToolSettings

SMALL = Agent("small", "small", 4096, ("text", "tools"), untold=("image", "embeddings"), place="here", engine=0)
LARGE = Agent("large:latest", "large:latest", 8192, ("text",), engine=1, parameters=8_000_000_000, quantisation="Q4")
ENGINES = {"ollama": 0, "vllm": 1}


def rows(settings: AgentSettings, *models: Agent, name: str = "mine") -> list[Agent]:
    found = personal_rows({name: settings}, models or (SMALL, LARGE), ENGINES)
    assert not found.problems, found.problems
    return list(found.agents)


def problem(settings: AgentSettings, *models: Agent, name: str = "mine") -> str:
    found = personal_rows({name: settings}, models or (SMALL, LARGE), ENGINES)
    assert not found.agents
    return found.problems[name]


def test_a_row_is_its_model_under_the_agents_name() -> None:
    settings = AgentSettings(model="large", prompt="You are brief.", topics=("sums",), builtin=("calculator",))

    (row,) = rows(settings)

    assert ("mine", "mine", "agent", "large:latest", 1) == (row.name, row.model, row.kind, row.base, row.engine)
    assert (("chat/completions",), (), ("sums",), ("calculator",)) == (
        row.endpoints, row.continues, row.topics, row.tools,
    )  # fmt: skip
    assert (8_000_000_000, "Q4") == (row.parameters, row.quantisation)
    assert 8192 - prompt_tokens(settings) == row.context_tokens


def test_abilities_are_the_models_but_for_embeddings() -> None:
    (row,) = rows(AgentSettings(model="small"))

    assert (("text", "tools"), ("image",), "here") == (row.modalities, row.untold, row.place)


def test_replicas_give_a_row_an_engine() -> None:
    assert [0, 1] == [row.engine for row in rows(AgentSettings(model="small"), SMALL, replace(SMALL, engine=1))]


def test_without_a_model_it_is_the_first_and_the_one_that_comes_with_ppai_last() -> None:
    embedded = replace(SMALL, name="tiny", model="tiny", is_embedded=True)

    assert ["large:latest"] == [row.base for row in rows(AgentSettings(), embedded, LARGE)]
    assert ["tiny"] == [row.base for row in rows(AgentSettings(), embedded)]
    assert ["large:latest"] == [row.base for row in rows(AgentSettings(engine="vllm"))]


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        (AgentSettings(model="huge"), "mine", "no engine serves the model `huge`; served now: `small`, `large:latest`"),
        (AgentSettings(engine="ollama", model="large"), "mine", "served now: `small`"),
        (AgentSettings(engine="llama"), "mine", "there is no engine `llama`; engines here: `ollama`, `vllm`"),
        (AgentSettings(), "small", "it is called like the model `small`: rename its file"),
        (AgentSettings(), "LARGE", "it is called like the model `large:latest`: rename its file"),
        (AgentSettings(model="small", prompt="word " * 3000), "mine", "`small` has 4096 for all: at most 2048"),
    ],
)
def test_what_cannot_be_served_is_said(settings: AgentSettings, name: str, said: str) -> None:
    assert said in problem(settings, name=name)


def test_a_context_that_nobody_tells_bounds_nothing() -> None:
    (row,) = rows(AgentSettings(prompt="word " * 3000), replace(SMALL, context_tokens=0, engine=WHOLE))

    assert 0 == row.context_tokens


def test_kinds_of_tools_are_told_and_no_address_or_path() -> None:
    settings = AgentSettings(
        knowledge=KnowledgeSettings(("/home/ada/secret",)),
        tools=(ToolSettings("files", command="mcp-files /home/ada"),),
        builtin=("clock", "documents"),
    )

    assert ("documents", "clock", "files") == kinds_of(settings)
