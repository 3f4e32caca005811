"""Configuration: YAML, environment and flags into one frozen Config. Decides precedence; knows no meaning of any key.

Each group of keys is a dataclass in the file that it steers, with every key's meaning, unit and default. This file
composes and loads them; configs/default.yaml tells users the same.
"""

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec
import yaml
from yaml.composer import ComposerError

from discovery.private_files import read_unchanged
from gateway.beliefs.belief import BeliefConfig
from gateway.capacity.rules import AdmissionConfig
from gateway.client.app import ClientConfig
from gateway.engines.embedded import EmbeddedConfig
from gateway.engines.local import EngineConfig
from gateway.measuring.feedback import LearningConfig
from gateway.measuring.idle import ProfileConfig
from gateway.models.names import NamesConfig
from gateway.peering.card import AgentsConfig
from gateway.peering.listener import PeerConfig
from gateway.peering.network import NetworkConfig
from gateway.routing.course import CourseConfig
from gateway.routing.policy import SchedulerConfig
from gateway.topics.reader import GateConfig

SCHEMA = 1
FILE_LIMIT_BYTES = 1 << 20  # the file that explains every key has a hundredth
ENV_PREFIX = "PPAI_"
MASK = "***"  # what is shown in the place of a secret
SECRETS = ("network.secret", "engine.api_key", "engine.url", "engine.api_base")  # of a URL, its user and password
_URLS = ("url", "api_base")
_SECRET_IN_URL = re.compile(r"(?<=//).+(?=@)|^[^/]+(?=@)|(?<=[?#]).+")
_ANYTHING = re.compile(r"(?s).+")
ENV_SHORTHANDS = {"PPAI_SECRET": "network.secret"}  # what compose files and service units write


class ConfigError(Exception):
    """A key that is unknown, of the wrong type or out of range; the message names its path and the remedy."""


@dataclass(frozen=True)
class RoutingConfig(GateConfig, NamesConfig):
    """Which names of models mean what, and who reads what a query is about: one group of keys for two files."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a peer."""

    schema: int = SCHEMA
    name: str = ""  # what people call this peer; empty: the host's name
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    client: ClientConfig = field(default_factory=ClientConfig)
    peer: PeerConfig = field(default_factory=PeerConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    admission: AdmissionConfig = field(default_factory=AdmissionConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    engines: tuple[EngineConfig, ...] = ()  # several; then `engine` is not given
    embedded: EmbeddedConfig = field(default_factory=EmbeddedConfig)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    course: CourseConfig = field(default_factory=CourseConfig)
    beliefs: BeliefConfig = field(default_factory=BeliefConfig)
    agents: AgentsConfig = field(default_factory=AgentsConfig)
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)

    @property
    def own_engines(self) -> tuple[EngineConfig, ...]:
        """The engines of this peer, one or several."""
        return self.engines or (self.engine,)


_SYNONYMS = {"warn": "warning"}
_SWITCH = {"on": True, "yes": True, "off": False, "no": False}


def data_dir() -> Path:
    """Where configs/ lies: inside the wheel, or beside the package in a checkout."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "configs"


def load_config(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Config:
    """Flag > environment > file > default. `flags` maps dotted paths to values; None means not given.

    Raises ConfigError, OpenToOthers.
    """
    tree = _read_file(file) if file else {}
    config = _build(Config, tree, "", str(file), strict=True)
    if config.engines and tree.get("engine"):
        raise ConfigError(f"{file}: `engine` and `engines` are both given: move the one into the list of the others")
    config = _override(config, _from_environ(environ), "the environment")
    config = _override(config, {path: value for path, value in flags.items() if value is not None}, "the command line")
    _check_unmasked(config)
    return config


def as_yaml(config: Config) -> str:
    """The configuration in force, as a file that would give it again but for its secrets: they are masked."""
    tree: dict[str, Any] = msgspec.to_builtins(config)
    if config.engines:
        del tree["engine"]
    for _, group, key in _secrets(tree):
        group[key] = (_SECRET_IN_URL if key in _URLS else _ANYTHING).sub(MASK, group[key])
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _secrets(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(path, group, key) of every value that may hold a secret, in a configuration as builtins."""
    for path in SECRETS:
        name, key = path.split(".")
        if name in tree:
            yield path, tree[name], key
        if name == "engine":
            yield from ((f"engines[{number}].{key}", group, key) for number, group in enumerate(tree["engines"]))


def _check_unmasked(config: Config) -> None:
    """Raise ConfigError where a masked secret was copied from `ppai config show`."""
    for path, group, key in _secrets(msgspec.to_builtins(config)):
        if MASK in group[key]:
            raise ConfigError(
                f"`{path}` holds `{MASK}`, which `ppai config show` prints in place of a secret: put it in"
            )


def _read_file(file: Path) -> dict[str, Any]:
    try:
        content = read_unchanged(file)
        if len(content) > FILE_LIMIT_BYTES:
            raise ConfigError(f"{file} has more than {FILE_LIMIT_BYTES >> 20} MiB: it is no configuration of ours")
        tree = yaml.load(content.decode(), _Loader) or {}
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:  # without the lines that it quotes: a secret may stand there
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{file}{where} is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid YAML: {error}") from error
    except (ValueError, RecursionError):  # neither shows in the grammar; PyYAML leaves them to whoever reads
        raise ConfigError(f"{file} holds a number or date that is none, or groups in groups without end") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} must hold keys and values, like configs/default.yaml")
    if isinstance(schema := tree.get("schema", SCHEMA), int) and schema > SCHEMA:
        raise ConfigError(f"{file} is of schema {schema}; this ppai reads up to {SCHEMA}: upgrade ppai")
    return tree


class _Loader(yaml.SafeLoader):
    """YAML without aliases: a few of them, one in the other, stand for more values than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # types-PyYAML leaves it out
            raise ComposerError(None, None, "an alias (`*name`) is not read here; write the value itself", mark)
        return super().compose_node(parent, index)


def _build(kind: type, tree: Mapping[str, Any], path: str, source: str, *, strict: bool) -> Any:
    """A dataclass of `kind` from a mapping, checking every key and value."""
    hints = get_type_hints(kind, include_extras=True)
    values = {}
    for key, value in tree.items():
        where = f"{path}{key}"
        if key in hints and _is_nothing(value, hints[key], where):
            continue  # a group or key with nothing behind it, as where all below it is commented out: the default
        if key not in hints:
            raise ConfigError(f"{source}: unknown key `{where}`{_did_you_mean(str(key), path, hints)}")
        if (group := _groups_in(hints[key])) is not None:
            values[key] = _groups(group, value, where, source, strict=strict)
        elif dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{source}: `{where}` is a group of keys, not a value")
            values[key] = _build(typing.cast(type, hints[key]), value, f"{where}.", source, strict=strict)
        else:
            values[key] = _convert(value, hints[key], where, source, strict=strict)
    return kind(**values)


def _groups_in(hint: Any) -> type | None:
    """The kind of the groups where a key holds a list of them; None for any other key."""
    item = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None
    return typing.cast(type, item) if dataclasses.is_dataclass(item) else None


def _groups(kind: type, value: object, where: str, source: str, *, strict: bool) -> tuple[Any, ...]:
    """A list of groups, each with its keys or with the value of its first key alone."""
    first = next(iter(get_type_hints(kind)))
    rows = value.split(",") if isinstance(value, str) else value
    if not isinstance(rows, list):
        raise ConfigError(f"{source}: `{where}` is a list of groups of keys: begin each with `- {first}: ...`")
    groups = []
    for number, row in enumerate(rows):
        keys = {first: row.strip()} if isinstance(row, str) else row
        if not isinstance(keys, Mapping) or not keys.get(first):
            raise ConfigError(f"{source}: `{where}[{number}]` is a group of keys, and needs at least `{first}: ...`")
        groups.append(_build(kind, keys, f"{where}[{number}].", source, strict=strict))
    return tuple(groups)


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


def _convert(value: object, hint: Any, where: str, source: str, *, strict: bool) -> Any:
    if isinstance(value, bool) and typing.get_origin(hint) is Literal:
        value = _word_of(value, hint)
    if isinstance(value, str):
        value, strict = _meant(value, hint), strict and hint is str  # `8470 ` in quotes is a number, too
    elif isinstance(value, list):
        value = [item.strip() if isinstance(item, str) else item for item in value]
    elif isinstance(value, bool | int | float) and (hint is str or typing.get_origin(hint) is Literal):
        kind = "true or false" if isinstance(value, bool) else "a number"  # not the value: it may be a secret
        raise ConfigError(f"{source}: `{where}` is read as {kind}, where words are meant: put it into quotes")
    try:
        return msgspec.convert(value, hint, strict=strict)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: `{where}`: {error} (see `ppai config show`)") from error


def _did_you_mean(key: str, path: str, hints: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, list(hints), n=1, cutoff=0.5) or _elsewhere(key)
    if near:
        return f"; did you mean `{path if near[0] in hints else ''}{near[0]}`?"
    return f"; known here: {', '.join(hints)}"


def _elsewhere(key: str) -> list[str]:
    """A key of that name in another group: the usual slip is a wrong indent."""
    return [path for path in leaf_paths(Config) if path.split(".")[-1] == key][:1]


def leaf_paths(kind: Any, prefix: str = "") -> list[str]:
    """Every key's dotted path, in the order of the dataclasses."""
    paths: list[str] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        paths += leaf_paths(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else [f"{prefix}{name}"]
    return paths


def _from_environ(environ: Mapping[str, str]) -> dict[str, object]:
    """PPAI_CLIENT_PORT=8470 means client.port; lists are comma-separated. Unknown names are others' business."""
    found: dict[str, object] = {path: environ[name] for name, path in ENV_SHORTHANDS.items() if environ.get(name)}
    for path in leaf_paths(Config):
        if text := environ.get(ENV_PREFIX + path.replace(".", "_").upper(), "").strip():  # set to nothing: not set
            found[path] = text
    return found


def _override(config: Config, values: Mapping[str, object], source: str) -> Config:
    """The configuration with other values. Raises ConfigError.

    An engine that is named here (`engine.url`) is meant instead of a list of engines in the file, and the other way
    round.
    """
    if "engine.url" in values and "engines" in values:
        raise ConfigError(f"{source}: `engine.url` and `engines` are both given: name all engines in `engines`")
    if "engine.url" in values:
        config = dataclasses.replace(config, engines=())
    elif config.engines and (path := next((path for path in values if path.startswith("engine.")), None)):
        raise ConfigError(f"{source}: `{path}` is for a single engine; the file lists `engines`: write it there")
    if "engines" in values:
        config = dataclasses.replace(config, engine=EngineConfig())
    for path, value in values.items():
        config = _replace(config, path.split("."), value, path, source)
    return config


def _replace(node: Any, keys: list[str], value: object, path: str, source: str) -> Any:
    hint = get_type_hints(type(node), include_extras=True)[keys[0]]
    if len(keys) > 1:
        changed = _replace(getattr(node, keys[0]), keys[1:], value, path, source)
    else:
        if isinstance(value, str) and not value.strip():
            raise ConfigError(f"{source}: `{path}` is empty: write a value, or leave it out")
        group = _groups_in(hint)
        convert = partial(_convert, hint=hint) if group is None else partial(_groups, group)
        changed = convert(value, where=path, source=source, strict=False)
    return dataclasses.replace(node, **{keys[0]: changed})
