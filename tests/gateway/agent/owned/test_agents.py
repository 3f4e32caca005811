"""All agents of a peer: followed while their files change, each problem said once, parts opened and closed."""

import asyncio
from pathlib import Path

from discovery.records import Agent
from gateway.agent.owned.agents import Parts, PersonalAgents
from gateway.agent.owned.consent import Others
from gateway.agent.settings import AgentSettings
from tests.cluster import id_of

SMALL = Agent("small", "small", 4096)
BEN, CLEO = id_of(1), id_of(2)


class Watched:
    """Parts that are opened and closed, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seen: list[str] = []

    def parts(self, name: str, settings: AgentSettings) -> Parts:
        async def run() -> None:
            self.seen.append(f"{name} runs")
            try:
                await asyncio.sleep(3600)
            finally:
                self.seen.append(f"{name} ended")

        self.seen.append(f"+{name}")
        return Parts(runs=(run,), close=lambda: self.seen.append(f"-{name}"))

    def agents(self, folder: Path) -> PersonalAgents:
        return PersonalAgents(folder, self.said.append, self.parts)


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yaml").write_text(text)
    (folder / f"{name}.yaml").chmod(0o600)


async def test_files_are_followed_and_what_stays_the_same_stays_open(tmp_path: Path) -> None:
    watched = Watched()
    agents = watched.agents(tmp_path)
    write(tmp_path, "a", "prompt: A")
    write(tmp_path, "b", "prompt: B")
    assert await agents.look()
    assert not await agents.look()
    first = agents.agents["a"]

    write(tmp_path, "b", "prompt: other")
    write(tmp_path, "c", "prompt: C")
    assert await agents.look()

    assert agents.agents["a"] is first
    assert ["+a", "+b", "-b", "+b", "+c"] == watched.seen
    (tmp_path / "a.yaml").unlink()
    await agents.look()
    await agents.close()
    assert ["-a", "-b", "-c"] == watched.seen[-3:]
    assert {} == agents.agents


async def test_a_problem_is_said_once_and_the_others_go_on(tmp_path: Path) -> None:
    watched = Watched()
    agents = watched.agents(tmp_path)
    write(tmp_path, "a", "prompt: A")
    write(tmp_path, "bad", "promt: B")
    write(tmp_path, "small", "prompt: C")
    await agents.look()

    served = [agents.rows(models, {}) for models in ((), (SMALL,), (SMALL,))]
    write(tmp_path, "bad", "promt: B ")
    await agents.look()

    assert [[], ["a"], ["a"]] == [[row.name for row in rows] for rows in served]
    assert 2 == len(watched.said)
    assert "unknown key `promt`; did you mean `prompt`?" in watched.said[0]
    assert "called like the model `small`" in watched.said[1]
    assert ({"bad"}, {"small"}) == (set(agents.unread), set(agents.unserved))


async def test_an_agent_whose_file_broke_is_not_there(tmp_path: Path) -> None:
    """An older version of it might be open to peers that the owner has just shut out."""
    agents = Watched().agents(tmp_path)
    write(tmp_path, "a", "use: approved")
    await agents.look()
    assert agents.may_use("a", BEN, Others({BEN: "ben"}))

    write(tmp_path, "a", "use: [me, ben]")
    await agents.look()

    assert {} == agents.agents


async def test_rules_are_another_text_where_somebody_may_use_others_than_before(tmp_path: Path) -> None:
    agents = Watched().agents(tmp_path)
    write(tmp_path, "a", "use: ben")
    await agents.look()
    before = Others({BEN: "ben", CLEO: "cleo"})
    renamed, mine = Others({BEN: "bert", CLEO: "ben"}), Others(before.approved, frozenset({BEN}))

    texts = [agents.rules(others) for others in (before, before, renamed, mine)]

    assert texts[0] == texts[1]
    assert 3 == len(set(texts))
    assert ({"a"}, [True, False]) == (agents.not_for_all, [agents.may_use("a", peer, before) for peer in (BEN, CLEO)])
    assert agents.may_use("small", CLEO, before), "a bare model is for all who may ask"


async def test_what_an_agent_has_runs_while_it_is_there_and_has_ended_before_it_is_closed(tmp_path: Path) -> None:
    watched = Watched()
    agents = watched.agents(tmp_path)
    write(tmp_path, "a", "prompt: A")
    await agents.look()
    following = asyncio.create_task(agents.run(lambda: None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ["+a", "a runs"] == watched.seen

    write(tmp_path, "a", "prompt: B, another one")
    await agents.look()
    await asyncio.sleep(0)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await agents.close()

    assert ["a ended", "-a", "+a", "a runs", "a ended", "-a"] == watched.seen[2:]


async def test_a_model_that_takes_tools_no_more_is_said_once_and_asked_in_the_other_form(tmp_path: Path) -> None:
    """Until its engine serves it anew."""
    watched = Watched()
    agents = watched.agents(tmp_path)
    write(tmp_path, "a", "prompt: A")
    await agents.look()
    agent, model = agents.agents["a"], Agent("small", "small", 4096, ("text", "tools"))
    agents.rows([model], {})
    seen = [agent.takes_tools("small"), agent.takes_tools("other")]

    for _ in range(2):
        agent.lost("small", "no parser")
    seen.append(agent.takes_tools("small"))
    for models in ([SMALL], [model]):
        agents.rows(models, {})
    seen.append(agent.takes_tools("small"))

    assert [True, False, False, True] == seen
    assert 1 == sum("takes no tools any more" in said for said in watched.said)


async def test_only_agents_with_a_file_are_remembered(tmp_path: Path) -> None:
    """A broken file is one: its index need not be made anew."""
    kept: list[frozenset[str]] = []
    agents = PersonalAgents(tmp_path, lambda said: None, forget=kept.append)
    write(tmp_path, "a", "prompt: A")
    write(tmp_path, "bad", "promt: B")
    await agents.look()
    (tmp_path / "a.yaml").unlink()
    await agents.look()

    assert [{"a", "bad"}, {"bad"}] == kept
