"""Files that are read strictly: what may be wrong with one is said with the path and the nearest key."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from gateway.strict import ConfigError, Reader, leaf_paths, read_tree


@dataclass(frozen=True)
class Row:
    name: str
    size: int = 0


@dataclass(frozen=True)
class Group:
    speed: float = 1.0
    mode: Literal["slow", "fast"] = "slow"


@dataclass(frozen=True)
class Root:
    title: str = ""
    group: Group = field(default_factory=Group)
    rows: tuple[Row, ...] = ()
    words: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"titel": "x"}, "F: unknown key `titel`; did you mean `title`?"),
        ({"group": {"sped": 1}}, "F: unknown key `group.sped`; did you mean `group.speed`?"),
        ({"mode": "fast"}, "F: unknown key `mode`; did you mean `group.mode`?"),
        ({"group": 1}, "F: `group` is a group of keys, not a value"),
        ({"rows": [{"size": 1}]}, "F: `rows[0]` is a group of keys, and needs at least `name: ...`"),
        ({"rows": 1}, "F: `rows` is a list of groups of keys: begin each with `- name: ...`"),
        ({"title": 1}, "F: `title` is read as a number, where words are meant: put it into quotes"),
        ({"group": {"mode": "medium"}}, "(see `ppai agent init`)"),
    ],
)
def test_each_mistake_names_its_path_and_the_nearest(tree: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Reader(Root, "F", "ppai agent init").build(tree)

    assert said in str(caught.value)


def test_groups_lists_and_words_are_read_as_people_write_them() -> None:
    tree = {"title": " a ", "group": {"mode": "FAST"}, "rows": ["x", {"name": "y", "size": 2}], "words": "a, b,"}

    assert Root("a", Group(1.0, "fast"), (Row("x"), Row("y", 2)), ("a", "b")) == Reader(Root, "F").build(tree)
    assert ["title", "group.speed", "group.mode", "rows", "words"] == leaf_paths(Root)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1", "line 1 is not valid YAML"),
        (b"a: *b", "an alias"),
        (b"- a", "must hold keys and values, like THIS"),
        (b"\xff\xfe\xfd", "is not valid YAML"),
        (b"a: " + b"x" * (1 << 20), "it is no recipe of ours"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_tree(file, "recipe", "THIS")

    assert said in str(caught.value)
    assert str(file) in str(caught.value)
