"""What was measured counts for an agent as it was configured then, and for no other."""

from dataclasses import fields, replace

import pytest

from gateway.agent.digest import digest_of
from gateway.agent.settings import AgentSettings, KnowledgeSettings, LimitSettings, ToolSettings

AGENT = AgentSettings(prompt="You know ferries.", knowledge=KnowledgeSettings(("~/notes",)), use=("me",))

OTHERWISE = {
    "description": "Answers of ferries",
    "engine": "other",
    "model": "other",
    "prompt": "You know trains.",
    "language": "German",
    "knowledge": KnowledgeSettings(("~/notes", "~/more")),
    "tools": (ToolSettings("time", command="time-server"),),
    "builtin": ("clock",),
    "limits": LimitSettings(steps=1),
    "sources": "none",
    "use": ("anyone",),
    "questions": "ferries.tsv",
    "topics": ("Ferries",),
}
SAME = {"description", "engine", "model", "sources", "use", "questions", "topics"}  # `model` counts as the base


@pytest.mark.parametrize("name", [each.name for each in fields(AgentSettings)])
def test_whatever_shapes_an_answer_makes_another_agent_of_it(name: str) -> None:
    other = replace(AGENT, **{name: OTHERWISE[name]})

    assert (name in SAME) == (digest_of(AGENT, "m") == digest_of(other, "m"))


def test_another_model_makes_another_agent_of_it() -> None:
    assert digest_of(AGENT, "small") != digest_of(AGENT, "large")


def test_documents_count_in_doublings() -> None:
    """Not yet read, it answers as the plain model; one file more of hundreds is no reason to ask everything again."""
    assert digest_of(AGENT, "m", 0) != digest_of(AGENT, "m", 1) != digest_of(AGENT, "m", 3)
    assert digest_of(AGENT, "m", 300) == digest_of(AGENT, "m", 301)


def test_it_is_the_same_after_a_restart_and_with_a_later_version() -> None:
    """A key that is new, and at its default, makes no agent another: an update is no reason to measure all anew."""
    agent = replace(AGENT, tools=(ToolSettings("time", command="time-server"),))

    assert "1b9067e4" == digest_of(agent, "m", 3)


def test_a_key_that_shapes_no_answer_is_one_that_is_there() -> None:
    assert SAME <= {each.name for each in fields(AgentSettings)}
