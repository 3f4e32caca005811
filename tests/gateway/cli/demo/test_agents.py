"""The demo's agents are files as an owner writes them, which a peer reads without a complaint."""

from pathlib import Path

from gateway.agent.owned.files import read_all
from gateway.cli.demo.agents import LIBRARIAN, MATHEMATICIAN, OWNERS, examples, queries, write_agents
from gateway.cli.demo.peers import NAMES


def test_each_peer_has_one_agent_whose_file_and_documents_can_be_read(tmp_path: Path) -> None:
    write_agents(tmp_path)
    read = {peer: read_all(tmp_path / peer / "agents") for peer in NAMES}

    assert {} == {name: problem for one in read.values() for name, problem in one.problems.items()}
    assert {peer: {agent} for peer, agent in OWNERS.items()} == {peer: set(one.settings) for peer, one in read.items()}
    settings = {name: one for of in read.values() for name, one in of.settings.items()}
    files = {
        path.name
        for folder in map(Path, settings[LIBRARIAN].knowledge.folders)
        for pattern in settings[LIBRARIAN].knowledge.patterns
        for path in folder.rglob(pattern)
    }
    assert set(settings[LIBRARIAN].knowledge.patterns) == files, "the handbook, and PPAI's own documents"
    assert ("calculator",) == settings[MATHEMATICIAN].builtin
    assert all(Path(one.questions).is_file() for one in settings.values())
    assert all(("approved",) == one.use for one in settings.values())


def test_no_query_that_is_counted_is_an_example() -> None:
    asked = {one.question for agent in OWNERS.values() for one in examples(agent, 30)}

    assert 30 == len(queries()) and not asked & {one.question for one in queries()}
