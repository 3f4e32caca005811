"""What measuring is told of an agent follows its file and its documents."""

from dataclasses import replace
from pathlib import Path

from gateway.agent.agent import PersonalAgent
from gateway.agent.settings import AgentSettings, KnowledgeSettings
from gateway.measuring.owned.configuring import configured

HOME = Path("/home/ada/agents")
AGENT = PersonalAgent("porter", AgentSettings(prompt="You are the porter.", questions="rooms.tsv", topics=("Rooms",)))


def test_what_its_owner_wrote_is_found_beside_its_file() -> None:
    found = configured(AGENT, "m", "m@gpu", HOME)

    assert (HOME / "rooms.tsv", ("Rooms",), "m@gpu", True) == (found.questions, found.topics, found.base, found.is_read)
    other = replace(AGENT, settings=replace(AGENT.settings, questions="/else/rooms.tsv"))
    assert Path("/else/rooms.tsv") == configured(other, "m", "m", HOME).questions
    none = replace(AGENT, settings=replace(AGENT.settings, questions=""))
    assert configured(none, "m", "m", HOME).questions is None


def test_it_is_asked_to_say_no_sources_and_is_the_same_agent() -> None:
    """A last line is no part of an answer; the owner's own file stays as it is."""
    found = configured(AGENT, "m", "m", HOME)

    assert replace(AGENT, settings=replace(AGENT.settings, sources="none")) == found.personal
    assert "line" == AGENT.settings.sources


def test_another_prompt_model_or_many_more_documents_are_another_agent() -> None:
    poet = replace(AGENT, settings=replace(AGENT.settings, prompt="You are a poet."))
    digests = {
        configured(agent, model, "m", HOME, {"documents": documents}).digest
        for agent, model, documents in ((AGENT, "m", 0), (AGENT, "other", 0), (poet, "m", 0), (AGENT, "m", 40))
    }

    assert 4 == len(digests)
    assert configured(AGENT, "m", "m", HOME, {"documents": 41}).digest in digests
    assert configured(AGENT, "m", "m", HOME, {"documents": 80}).digest not in digests


def test_until_its_documents_are_read_it_is_not_what_it_will_be() -> None:
    assert [False, True] == [configured(AGENT, "m", "m", HOME, {"is_done": done}).is_read for done in (False, True)]
    documents = replace(AGENT, settings=replace(AGENT.settings, knowledge=KnowledgeSettings(("/notes",))))
    assert not configured(documents, "m", "m", HOME).is_read, "nothing of its documents is known yet"
