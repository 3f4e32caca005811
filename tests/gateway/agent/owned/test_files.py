"""Agents as files: what is read, what is refused with which remedy, and what `share` changes."""

import os
from pathlib import Path

import pytest

from gateway.agent.owned.files import AGENTS_LIMIT, AgentFileError, read_agent, read_all, share, stamp_of
from gateway.agent.settings import AgentSettings
from gateway.strict import ConfigError

FULL = """\
# my librarian
description: knows the handbook
model: llama3.2
prompt: |
  Quote the handbook.
  Say where it stands.
language: German
knowledge:
  folders: [/srv/handbook]
tools:
  - name: time
    command: mcp-server-time --local
    allow: [now]
    env: {TZ: UTC}
builtin: calculator
use: [ben, cleo]   # friends
topics:
  - holidays, sick notes and working hours
"""


def written(folder: Path, text: str, name: str = "librarian") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    read = read_agent(written(tmp_path, FULL))

    assert ("llama3.2", "Quote the handbook.\nSay where it stands.", "German") == (
        read.model, read.prompt, read.language,
    )  # fmt: skip
    assert (("/srv/handbook",), ("calculator",), ("ben", "cleo")) == (read.knowledge.folders, read.builtin, read.use)
    assert ("time", ("now",), {"TZ": "UTC"}, "none") == (
        read.tools[0].name, read.tools[0].allow, read.tools[0].env, read.tools[0].side_effects,
    )  # fmt: skip
    assert ("holidays, sick notes and working hours",) == read.topics
    assert AgentSettings() == read_agent(written(tmp_path, ""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("promt: x", "unknown key `promt`; did you mean `prompt`?"),
        ("knowledge: {folder: [/x]}", "unknown key `knowledge.folder`; did you mean `knowledge.folders`?"),
        ("use: []", "`use`: nobody: write `me`"),
        ("use: [me, ben]", "`use`: `me` stands alone"),
        ("knowledge: {folders: [docs]}", "`docs` is no absolute path: begin it with / or ~"),
        ("knowledge: {folders: [~no.such.user/docs]}", "is no absolute path"),
        ("questions: q.tsv", "there is no file"),
        ("questions: ~no.such.user/q.tsv", "there is no file"),
        ("tools: [{name: a}]", "`a` needs either `command`, a program, or `url`, an address"),
        ("tools: [{name: a, command: x, url: y}]", "`a` needs either"),
        ("tools: [{name: a, command: x}, {name: a, url: y}]", "has a name of its own"),
        ("tools: [{name: a/b, command: x}]", "has a name of its own"),
        ("builtin: documents", "name `knowledge.folders`, or leave it out"),
        ("builtin: telephone", "`builtin`"),
        ("topics: [" + ", ".join(f"topic {n}" for n in range(17)) + "]", "17 sentences: at most 16"),
        (f"topics: [{'x' * 97}]", "at most 96 printable characters"),
        ("limits: {steps: 0}", "`limits.steps`"),
        ("limits: {total_s: 1e9}", "`limits.total_s`"),
        (f"description: {'x' * 301}", "`description`"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_mistake_is_said_with_file_key_and_remedy_and_the_others_are_read(
    tmp_path: Path, text: str, said: str
) -> None:
    broken = written(tmp_path, text, "broken")
    written(tmp_path, FULL)

    read = read_all(tmp_path)

    assert ["librarian"] == list(read.settings)
    assert said in read.problems["broken"]
    assert str(broken) in read.problems["broken"]


@pytest.mark.parametrize("name", ["auto", "Local", "a b", "-x", "x" * 65, "ünder"])
def test_a_file_whose_name_is_no_agents_is_refused(tmp_path: Path, name: str) -> None:
    written(tmp_path, "", name)

    assert "rename the file" in read_all(tmp_path).problems[name]


def test_a_file_that_others_may_change_is_refused_and_editors_files_are_none(tmp_path: Path) -> None:
    written(tmp_path, FULL).chmod(0o666)
    written(tmp_path, "a: [", ".librarian.yaml.swp")
    (tmp_path / "notes.txt").write_text("x")

    read = read_all(tmp_path)

    assert {} == read.settings
    assert ["librarian"] == list(read.problems)
    assert "chmod go-w" in read.problems["librarian"]


def test_a_folder_that_is_not_there_holds_none_and_a_full_one_says_so(tmp_path: Path) -> None:
    assert ({}, {}) == (read_all(tmp_path / "none").settings, read_all(tmp_path / "none").problems)
    for number in range(AGENTS_LIMIT + 2):
        written(tmp_path, "", f"a{number:03}")

    read = read_all(tmp_path)

    assert (AGENTS_LIMIT, 1) == (len(read.settings), len(read.problems))


def test_the_stamp_is_another_whenever_a_file_is(tmp_path: Path) -> None:
    stamps = [stamp_of(tmp_path)]
    path = written(tmp_path, "description: a")
    stamps.append(stamp_of(tmp_path))
    path.write_text("description: b")
    os.utime(path, ns=(1, 1))
    stamps.append(stamp_of(tmp_path))
    path.unlink()

    assert 3 == len(set(stamps))
    assert stamps[0] == stamp_of(tmp_path)


@pytest.mark.parametrize(
    "before",
    [
        "use: [ben, cleo]   # friends\n",
        "use:\n  - ben\n  - cleo\n",
        "use:\n- ben\n",
        "use: me\n",
        "",
    ],
)
def test_sharing_changes_one_key_and_keeps_the_rest(tmp_path: Path, before: str) -> None:
    path = written(tmp_path, FULL.replace("use: [ben, cleo]   # friends\n", before))
    expected = read_agent(path)

    share(path, ("approved",))

    after = read_agent(path)
    assert ("approved",) == after.use
    assert (expected.prompt, expected.tools, expected.topics) == (after.prompt, after.tools, after.topics)
    assert "# my librarian\n" in path.read_text()


def test_a_file_that_cannot_be_changed_in_place_stays_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, '{"description": "x", "use": "me"}\n')

    with pytest.raises((AgentFileError, ConfigError)):
        share(path, ("approved",))

    assert ("me",) == read_agent(path).use
