"""A YAML file into a dataclass, strictly: each key and value is checked, and a mistake names its path and the remedy.

Each key is a field of a dataclass, whose type says what it may hold. Decides nothing about any key; the configuration
(config.py) and the files of personal agents (agent/files.py) are read by it.
"""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec
import yaml
from yaml.composer import ComposerError

from discovery.private_files import read_unchanged

FILE_LIMIT_BYTES = 1 << 20  # the file that explains every key of the configuration has a hundredth


class ConfigError(Exception):
    """A key that is unknown, of the wrong type or out of range; the message names its path and the remedy."""


_SYNONYMS = {"warn": "warning"}
_SWITCH = {"on": True, "yes": True, "off": False, "no": False}
_NEAR = 0.5  # how alike two keys must be, so that one may be meant by the other


def read_tree(file: Path, what: str, example: str) -> dict[str, Any]:
    """The keys and values of a file; none of an empty one. Raises ConfigError, OpenToOthers.

    `what` it should be, and an `example` of it, are named where it is something else.
    """
    try:
        content = read_unchanged(file)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    return parse_tree(content, file, what, example)


def parse_tree(content: bytes, file: Path, what: str, example: str) -> dict[str, Any]:
    """The same of what a file holds, or is to hold. Raises ConfigError."""
    try:
        if len(content) > FILE_LIMIT_BYTES:
            raise ConfigError(f"{file} has more than {FILE_LIMIT_BYTES >> 20} MiB: it is no {what} of ours")
        tree = yaml.load(content.decode(), _Loader) or {}
    except yaml.MarkedYAMLError as error:  # without the lines that it quotes: a secret may stand there
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{file}{where} is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid YAML: {error}") from error
    except (ValueError, RecursionError):  # neither shows in the grammar; PyYAML leaves them to whoever reads
        raise ConfigError(f"{file} holds a number or date that is none, or groups in groups without end") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} must hold keys and values, like {example}")
    return tree


class _Loader(yaml.SafeLoader):
    """YAML without aliases: a few of them, one in the other, stand for more values than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # types-PyYAML leaves it out
            raise ComposerError(None, None, "an alias (`*name`) is not read here; write the value itself", mark)
        return super().compose_node(parent, index)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads values for one dataclass and those below it.

    `source` is named in every mistake: a file, the environment. `remedy` is the command that shows what is meant.
    """

    root: type
    source: str
    remedy: str = "ppai config show"

    def build(self, tree: Mapping[str, Any], *, strict: bool = True) -> Any:
        """The dataclass from a mapping, every key and value checked. Raises ConfigError.

        `strict`: a value must have its type; else words are read as numbers, too, where those are meant.
        """
        return self._build(self.root, tree, "", strict=strict)

    def value(self, value: object, hint: Any, where: str, *, strict: bool) -> Any:
        """One key's value, or its list of groups. Raises ConfigError."""
        group = _groups_in(hint)
        if group is None:
            return self._convert(value, hint, where, strict=strict)
        return self._groups(group, value, where, strict=strict)

    def _build(self, kind: type, tree: Mapping[str, Any], path: str, *, strict: bool) -> Any:
        hints = get_type_hints(kind, include_extras=True)
        values = {}
        for key, value in tree.items():
            where = f"{path}{key}"
            if key in hints and _is_nothing(value, hints[key], where):
                continue  # a group or key with nothing behind it, as where all below it is commented out: the default
            if key not in hints:
                raise ConfigError(f"{self.source}: unknown key `{where}`{self._did_you_mean(str(key), path, hints)}")
            if dataclasses.is_dataclass(hints[key]):
                if not isinstance(value, Mapping):
                    raise ConfigError(f"{self.source}: `{where}` is a group of keys, not a value")
                values[key] = self._build(typing.cast(type, hints[key]), value, f"{where}.", strict=strict)
            else:
                values[key] = self.value(value, hints[key], where, strict=strict)
        return kind(**values)

    def _groups(self, kind: type, value: object, where: str, *, strict: bool) -> tuple[Any, ...]:
        """A list of groups, each with its keys or with the value of its first key alone."""
        first = next(iter(get_type_hints(kind)))
        rows = value.split(",") if isinstance(value, str) else value
        if not isinstance(rows, list):
            raise ConfigError(f"{self.source}: `{where}` is a list of groups of keys: begin each with `- {first}: ...`")
        groups = []
        for number, row in enumerate(rows):
            keys = {first: row.strip()} if isinstance(row, str) else row
            if not isinstance(keys, Mapping) or not keys.get(first):
                raise ConfigError(
                    f"{self.source}: `{where}[{number}]` is a group of keys, and needs at least `{first}: ...`"
                )
            groups.append(self._build(kind, keys, f"{where}[{number}].", strict=strict))
        return tuple(groups)

    def _convert(self, value: object, hint: Any, where: str, *, strict: bool) -> Any:
        if isinstance(value, bool) and typing.get_origin(hint) is Literal:
            value = _word_of(value, hint)
        if isinstance(value, str):
            value, strict = _meant(value, hint), strict and hint is str  # `8470 ` in quotes is a number, too
        elif isinstance(value, list):
            value = [item.strip() if isinstance(item, str) else item for item in value]
        elif isinstance(value, bool | int | float) and (hint is str or typing.get_origin(hint) is Literal):
            kind = "true or false" if isinstance(value, bool) else "a number"  # not the value: it may be a secret
            raise ConfigError(f"{self.source}: `{where}` is read as {kind}, where words are meant: put it into quotes")
        try:
            return msgspec.convert(value, hint, strict=strict)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{self.source}: `{where}`: {error} (see `{self.remedy}`)") from error

    def _did_you_mean(self, key: str, path: str, hints: Mapping[str, object]) -> str:
        near = self._elsewhere(key) or difflib.get_close_matches(key, list(hints), n=1, cutoff=_NEAR)
        if near:
            return f"; did you mean `{path if near[0] in hints else ''}{near[0]}`?"
        return f"; known here: {', '.join(hints)}"

    def _elsewhere(self, key: str) -> list[str]:
        """A key of that name in another group: the usual slip is a wrong indent."""
        return [path for path in leaf_paths(self.root) if path.split(".")[-1] == key][:1]


def leaf_paths(kind: Any, prefix: str = "") -> list[str]:
    """Every key's dotted path, in the order of the dataclasses."""
    paths: list[str] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        paths += leaf_paths(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else [f"{prefix}{name}"]
    return paths


def _groups_in(hint: Any) -> type | None:
    """The kind of the groups where a key holds a list of them; None for any other key."""
    item = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None
    return typing.cast(type, item) if dataclasses.is_dataclass(item) else None


def _is_nothing(value: object, hint: Any, where: str) -> bool:
    """Whether a value says nothing: none, or blanks alone. A blank secret is a mistake: others would be let in."""
    if isinstance(value, str) and where != "network.secret":
        return not value.strip()
    return value is None and type(None) not in typing.get_args(hint)


def _meant(value: str, hint: Any) -> object:
    """A word as people write it: `off` for a switch, `INFO` for `info`, commas in a list, blanks around it."""
    word = value.strip().lower()
    if hint is bool and word in _SWITCH:
        return _SWITCH[word]
    if typing.get_origin(hint) is tuple:
        return [item.strip() for item in value.split(",") if item.strip()]
    if typing.get_origin(hint) is Literal:
        word = _SYNONYMS.get(word, word)
        return word if word in typing.get_args(hint) else value
    return value.strip() or value


def _word_of(value: bool, hint: Any) -> object:
    """YAML reads `off` without quotes as false: the word again, where it is one of those that are meant."""
    words = [word for word, meant in _SWITCH.items() if meant == value and word in typing.get_args(hint)]
    return words[0] if words else value
