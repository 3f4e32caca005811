"""ppai agent: files are made, checked, listed and shared, whether a peer serves from the home or not."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer
import yaml

from gateway.agent.owned.files import read_agent
from gateway.agent.settings import AgentSettings, ToolSettings
from gateway.cli.agents import AgentProblem, agent_ask, agent_check, agent_index, agent_init, agent_list, agent_share
from gateway.config import data_dir
from gateway.home.folder import Home
from gateway.strict import leaf_paths
from tests.cluster import id_of
from tests.gateway.cli.answering import Peer

LOOK = "/ppai/v1/agents/look"
SHOWN = {
    "name": "a",
    "model": "small",
    "description": "adds up",
    "context_tokens": 4000,
    "tools": ["calculator"],
    "topics": ["sums"],
}
ROW = {"name": "a", "problem": None, "use": ["approved"], "served": True, "in_card": True, "shown": SHOWN}


def written(home: Path, text: str, name: str = "a") -> Path:
    (home / "agents").mkdir(mode=0o700, exist_ok=True)
    path = home / "agents" / f"{name}.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_example_that_ships_explains_every_key_and_is_the_default() -> None:
    example = data_dir() / "agent.yaml"

    tree = yaml.safe_load(example.read_text())

    keys = {path.partition(".")[0] for path in leaf_paths(AgentSettings)}
    assert keys == set(tree)
    assert AgentSettings() == read_agent(example)


def test_what_the_example_shows_in_comments_is_valid_and_names_every_key_of_a_tool(tmp_path: Path) -> None:
    text = (data_dir() / "agent.yaml").read_text()
    shown = re.sub(r"(?m)^#  ", "  ", text).replace("tools: []", "tools:")

    program, site = read_agent(written(tmp_path, shown)).tools

    assert {field.name for field in fields(ToolSettings)} <= set(re.findall(r"\w+(?=:)", shown))
    assert ("time", ("get_current_time",), "none", {"TZ": "UTC"}) == (
        program.name, program.allow, program.side_effects, program.env,
    )  # fmt: skip
    assert ("wiki", True, True) == (site.name, bool(site.url), "Authorization" in site.headers)


def test_a_new_agent_is_valid_and_no_old_one_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent_init("librarian", home=tmp_path)
    path = Path(capsys.readouterr().out.strip())
    agent_check(["librarian"], home=tmp_path)
    path.write_text("prompt: mine\n")

    with pytest.raises(AgentProblem, match="--force"):
        agent_init("librarian", home=tmp_path)

    assert (tmp_path / "agents" / "librarian.yaml", "prompt: mine\n") == (path, path.read_text())
    assert 0o700 == path.parent.stat().st_mode & 0o777
    agent_init("librarian", home=tmp_path, force=True)
    assert AgentSettings() == read_agent(path)


def test_topics_of_documents_are_proposed_and_told_to_nobody_before_they_are_edited(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text('# The "house" rules\n')

    agent_init("librarian", home=tmp_path, documents=tmp_path / "docs")
    with pytest.raises(AgentProblem, match="--documents"):
        agent_init("other", home=tmp_path, documents=tmp_path / "none")

    path = tmp_path / "agents" / "librarian.yaml"
    read = read_agent(path)
    assert ((str(tmp_path / "docs"),), ()) == (read.knowledge.folders, read.topics)
    path.write_text(path.read_text().replace("topics: []", "topics:").replace('#  - "', '  - "'))
    assert ('The "house" rules',) == read_agent(path).topics


@pytest.mark.parametrize("name", ["auto", "a b", ""])
def test_a_name_that_no_agent_can_have_makes_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(Exception, match="rename the file"):
        agent_init(name, home=tmp_path)

    assert not (tmp_path / "agents").exists()


def test_a_mistake_is_exit_1_and_all_agents_are_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, "promt: x", "bad")
    written(tmp_path, "prompt: x", "good")

    with pytest.raises(typer.Exit) as ended:
        agent_check(home=tmp_path)

    out, err = capsys.readouterr()
    assert 1 == ended.value.exit_code
    assert "unknown key `promt`; did you mean `prompt`?" in out
    assert "good: for programs of this machine alone" in out
    assert "no peer is running" in err


def test_what_the_running_peer_says_is_part_of_the_check(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    written(home.path, "use: approved")
    peer.pages[LOOK] = [{**ROW, "problem": "no engine serves the model `huge`"}]

    with pytest.raises(typer.Exit):
        agent_check(home=home.path)

    assert "a: no engine serves the model `huge`" in capsys.readouterr().out


def test_the_check_says_which_questions_would_come_by_the_topics(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(home.path, "topics: [Codes of rooms]\nquestions: rooms.tsv")
    (path.parent / "rooms.tsv").write_text("")
    peer.pages[LOOK] = [{**ROW, "shown": {**ROW["shown"], "topics": ["Codes of rooms"]}}]
    found = {"own": 16, "missed": ["Who has the key?"], "others": 20, "strays": ["How do I cook rice?"]}
    peer.pages["/ppai/v1/agents/topics"] = found

    agent_check(home=home.path)

    out = capsys.readouterr().out
    assert "of 16 questions of yours 15 would come to it" in out and "would not come: Who has the key?" in out
    assert "of 20 that others ask 1 would" in out and "  would come: How do I cook rice?" in out


def test_agents_are_listed_with_who_may_use_them(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    written(home.path, "use: approved\ndescription: adds up")
    peer.pages[LOOK] = [{**ROW, "peers": []}]

    agent_list(home=home.path)
    agent_list(home=home.path, as_json=True)

    *plain, listed = capsys.readouterr().out.splitlines()
    assert ["a", "small", "approved", "adds up"] == plain[1].split(maxsplit=3)
    assert [True] == [row["served"] for row in json.loads(listed)]


def test_sharing_shows_what_others_then_see(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """Names become ids: tomorrow a name may be another's."""
    path = written(home.path, "# mine\nuse: me\n")
    ben = id_of(1)
    peer.pages |= {
        "/ppai/v1/peers": [{"id": ben, "name": "ben", "rights": ["answer", "ask"]}],
        LOOK: [{**ROW, "use": [ben], "peers": [{"id": ben, "name": "ben"}], "in_card": False}],
    }

    agent_share("a", ["ben"], home=home.path)

    out = capsys.readouterr().out
    assert (ben,) == read_agent(path).use
    assert path.read_text().startswith("# mine\n")
    assert f"which is now ben ({ben[:10]}" in out
    assert "they see an agent on small, with calculator, 4000 tokens of context; not its prompt" in out
    assert "topic: sums" in out and "description: adds up" in out
    assert "strangers" not in out


def test_sharing_with_a_stranger_or_in_two_ways_changes_nothing(home: Home, peer: Peer) -> None:
    path = written(home.path, "use: me\n")
    peer.pages |= {"/ppai/v1/peers": [{"id": id_of(1), "name": "ben", "rights": []}], LOOK: []}

    with pytest.raises(Exception, match="no peer is called ben"):
        agent_share("a", ["ben"], home=home.path)
    with pytest.raises(Exception, match=r"`me` stands alone|could not be changed"):
        agent_share("a", ["me", "mine"], home=home.path)

    assert ("me",) == read_agent(path).use


def test_an_unknown_agent_is_said_with_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, "", "librarian")

    with pytest.raises(AgentProblem, match="did you mean `librarian`"):
        agent_ask("libarian", "hi", home=tmp_path)
    with pytest.raises(AgentProblem, match="ppai agent init pirate"):
        agent_check(["pirate"], home=tmp_path)


def test_an_agent_is_asked_here_by_its_name(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    written(home.path, "")
    peer.body = b'data: {"choices": [{"delta": {"content": "ahoy"}}]}\n\ndata: [DONE]\n\n'

    agent_ask("a", "hi", home=home.path)

    (_, path, headers, body), *_ = peer.asked
    assert ("/v1/chat/completions", "local", "a") == (path, headers["x-ppai-route"], json.loads(body)["model"])
    assert "ahoy" in capsys.readouterr().out


def test_how_far_documents_are_read_is_shown_until_all_are(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read is said, and is exit 1."""
    written(home.path, "")
    done = {"documents": 3, "unread": 0, "pieces": 40, "vectors": 40, "is_done": True, "problems": []}
    peer.pages[LOOK] = [{**ROW, "documents": done}]
    agent_index("a", home=home.path)
    peer.pages[LOOK] = [{**ROW, "documents": {**done, "problems": ["/docs/x.pdf is locked: save it without password"]}}]
    with pytest.raises(typer.Exit) as ended:
        agent_index("a", home=home.path)
    peer.pages[LOOK] = [ROW]
    with pytest.raises(AgentProblem, match=r"knowledge\.folders"):
        agent_index("a", home=home.path)

    out = capsys.readouterr().out
    assert "a: 3 documents in 40 pieces, all of them searchable" in out
    assert (1, True) == (ended.value.exit_code, "/docs/x.pdf is locked" in out)


def test_what_does_not_work_of_an_agent_fails_its_check(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    written(home.path, "use: approved")
    peer.pages[LOOK] = [{**ROW, "peers": [], "not_working": ["time: disabled, the program ended"]}]

    with pytest.raises(typer.Exit):
        agent_check(home=home.path)

    assert "  not working: time: disabled, the program ended" in capsys.readouterr().out
