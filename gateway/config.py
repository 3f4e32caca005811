"""Configuration: YAML, environment and flags into one frozen Config. Decides precedence; knows no meaning of any key.

Each group of keys is a dataclass in the file that it steers, with every key's meaning, unit and default. This file
composes and loads them; configs/default.yaml tells users the same.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec
import yaml

from gateway.beliefs.expected import BeliefConfig
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
from gateway.peering.reach.relay import RelayConfig
from gateway.privacy.rules import PrivacyConfig
from gateway.routing.course import CourseConfig
from gateway.routing.policy import SchedulerConfig
from gateway.strict import ConfigError, Reader, leaf_paths, read_tree
from gateway.telemetry.log_lines import LogConfig
from gateway.telemetry.otel import OtelConfig
from gateway.topics.reader import GateConfig
from gateway.trust.audits import TrustConfig

SCHEMA = 1
ENV_PREFIX = "PPAI_"
MASK = "***"  # what is shown in the place of a secret
SECRETS = ("network.secret", "engine.api_key", "engine.url", "engine.api_base")  # of a URL, its user and password
_URLS = ("url", "api_base")
_SECRET_IN_URL = re.compile(r"(?<=//).+(?=@)|^[^/]+(?=@)|(?<=[?#]).+")
_ANYTHING = re.compile(r"(?s).+")
ENV_SHORTHANDS = {"PPAI_SECRET": "network.secret"}  # what compose files and service units write


@dataclass(frozen=True)
class RoutingConfig(GateConfig, NamesConfig):
    """Which names of models mean what, and who reads what a query is about: one group of keys for two files."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a peer."""

    schema: int = SCHEMA
    name: str = ""  # what people call this peer; empty: the host's name
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log: LogConfig = field(default_factory=LogConfig)
    client: ClientConfig = field(default_factory=ClientConfig)
    peer: PeerConfig = field(default_factory=PeerConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    relay: RelayConfig = field(default_factory=RelayConfig)
    admission: AdmissionConfig = field(default_factory=AdmissionConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    engines: tuple[EngineConfig, ...] = ()  # several; then `engine` is not given
    embedded: EmbeddedConfig = field(default_factory=EmbeddedConfig)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    course: CourseConfig = field(default_factory=CourseConfig)
    beliefs: BeliefConfig = field(default_factory=BeliefConfig)
    agents: AgentsConfig = field(default_factory=AgentsConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
    otel: OtelConfig = field(default_factory=OtelConfig)

    @property
    def own_engines(self) -> tuple[EngineConfig, ...]:
        """The engines of this peer, one or several."""
        return self.engines or (self.engine,)


def data_dir() -> Path:
    """Where configs/ lies: inside the wheel, or beside the package in a checkout."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "configs"


def groups() -> frozenset[str]:
    """What the groups of keys are called, such as `network`."""
    return frozenset(path.partition(".")[0] for path in leaf_paths(Config) if "." in path)


def load_config(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Config:
    """Flag > environment > file > default. `flags` maps dotted paths to values; None means not given.

    Raises ConfigError, OpenToOthers.
    """
    tree = _read_file(file) if file else {}
    config: Config = Reader(Config, str(file)).build(tree)
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
    tree = read_tree(file, "configuration", "configs/default.yaml")
    if isinstance(schema := tree.get("schema", SCHEMA), int) and schema > SCHEMA:
        raise ConfigError(f"{file} is of schema {schema}; this ppai reads up to {SCHEMA}: upgrade ppai")
    return tree


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
        changed = Reader(Config, source).value(value, hint, path, strict=False)
    return dataclasses.replace(node, **{keys[0]: changed})
