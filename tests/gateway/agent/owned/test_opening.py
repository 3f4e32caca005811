"""What a file asks for is opened, and an index goes when its agent's file goes."""

from pathlib import Path

from gateway.agent.owned.opening import Opening
from gateway.agent.settings import AgentSettings, KnowledgeSettings, ToolSettings
from profiler.encoder import EncoderError


def no_encoder() -> object:
    raise EncoderError("there is none")


def opening(tmp_path: Path, said: list[str]) -> Opening:
    return Opening(tmp_path / "indexes", no_encoder, said.append)  # type: ignore[arg-type]


def test_a_prompt_alone_opens_nothing(tmp_path: Path) -> None:
    parts = opening(tmp_path, []).parts("a", AgentSettings(prompt="x"))

    assert (None, None, (), {}) == (parts.knows, parts.acts, parts.runs, parts.progress())
    assert not (tmp_path / "indexes").exists()


async def test_tools_are_offered_and_servers_run_beside(tmp_path: Path) -> None:
    settings = AgentSettings(builtin=("calculator", "documents"), tools=(ToolSettings("time", command="no-such"),))

    parts = opening(tmp_path, []).parts("a", settings)

    assert parts.acts is not None
    assert ["calculator"] == [tool.name for tool in parts.acts.offered(is_own=True)]
    assert 1 == len(parts.runs)
    parts.close()


async def test_documents_are_read_and_an_index_goes_with_its_agents_file(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Holidays\n\nYou have 30 days of holiday a year.\n")
    settings = AgentSettings(knowledge=KnowledgeSettings((str(tmp_path / "docs"),)), builtin=("documents",))
    opened = opening(tmp_path, [])

    parts = opened.parts("a", settings)
    assert parts.acts is not None
    offered = [tool.name for tool in parts.acts.offered(is_own=False)]
    found = parts.progress()
    parts.close()
    opened.forget(frozenset({"a"}))
    kept = {path.name for path in (tmp_path / "indexes").iterdir()}
    opened.forget(frozenset())

    assert ["documents"] == offered
    assert {"documents", "unread", "pieces", "vectors", "is_done", "problems"} == set(found)
    assert all(name.startswith("a.sqlite") for name in kept)
    assert [] == list((tmp_path / "indexes").iterdir())
