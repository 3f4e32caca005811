"""Precedence, and how mistakes are told."""

from pathlib import Path

import pytest
import yaml

from discovery.records import SLOTS_LIMIT
from gateway.config import SECRETS, Config, ConfigError, as_yaml, data_dir, leaf_paths, load_config
from gateway.engines.local import EngineConfig
from gateway.privacy.rules import SECRETS as SECRETS_RULE
from gateway.privacy.rules import Rule


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        file = tmp_path / "config.yaml"
        file.write_text(text)
        return file

    return write


def test_flag_beats_environment_beats_file_beats_default(write) -> None:
    file = write("client: {port: 1, host: file, body_limit_bytes: 2048}")

    config = load_config(file, {"PPAI_CLIENT_PORT": "2", "PPAI_CLIENT_HOST": "env"}, {"client.port": 3, "name": None})

    assert (3, "env", 2048, 60.0) == (
        config.client.port,
        config.client.host,
        config.client.body_limit_bytes,
        config.client.idle_timeout_s,
    )


def test_environment_lists_are_comma_separated() -> None:
    config = load_config(None, {"PPAI_CLIENT_CORS_ORIGINS": "http://a, http://b"}, {})

    assert ("http://a", "http://b") == config.client.cors_origins


@pytest.mark.parametrize(
    "text",
    [
        "client:\n  # port: 9000\n",
        "network:\n  seeds:\n",
        "engine: {slots: }",
        "log_level:\nnetwork: {mdns: }",
        "client: {host: '', port: ' '}",
        "engine: {url: ''}",
        "client: ''",
        "network: {secret_file: ' ', name: ''}",
    ],
)
def test_a_group_or_key_with_nothing_behind_it_means_the_default(write, text: str) -> None:
    assert Config() == load_config(write(text), {}, {})


@pytest.mark.parametrize("name", ["ENGINE_SLOTS", "ENGINE_URL", "NETWORK_SEEDS", "LOG_LEVEL", "NETWORK_MDNS"])
@pytest.mark.parametrize("text", ["", "  "])
def test_a_variable_that_is_set_to_nothing_is_not_set(name: str, text: str) -> None:
    """Compose files write `PPAI_ENGINE_URL: ${ENGINE_URL:-}`."""
    assert Config() == load_config(None, {f"PPAI_{name}": text}, {})


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("NETWORK_MDNS", "off", "network.mdns", False),
        ("NETWORK_MDNS", "No", "network.mdns", False),
        ("ROUTING_TRANSPARENT", "on", "routing.transparent", True),
        ("LOG_LEVEL", "DEBUG", "log_level", "debug"),
        ("ENGINE_API_KEY", "sk-1\n", "engine.api_key", "sk-1"),
    ],
)
def test_words_are_read_as_people_write_them(name: str, text: str, path: str, value: object) -> None:
    found: object = load_config(None, {f"PPAI_{name}": text}, {})
    for key in path.split("."):
        found = getattr(found, key)

    assert value == found


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("network: {seeds: ' a:1, b:2 '}", "network.seeds", ("a:1", "b:2")),
        ("network: {advertise: [' 192.0.2.7:8471 ']}", "network.advertise", ("192.0.2.7:8471",)),
        ("engine: {url: ' auto '}", "engine.url", "auto"),
        ("client: {host: ' 127.0.0.1 ', port: '9000 '}", "client.port", 9000),
        ("log_level: WARN", "log_level", "warning"),
        ("network: {mdns: 'off'}", "network.mdns", False),
        ("profile: {auto: off}", "profile.auto", "off"),  # which YAML reads as false
    ],
)
def test_a_file_is_read_as_people_write_it(write, text: str, path: str, value: object) -> None:
    found: object = load_config(write(text), {}, {})
    for key in path.split("."):
        found = getattr(found, key)

    assert value == found


@pytest.mark.parametrize(
    ("text", "path", "kind"),
    [
        ("network: {admission: off}", "network.admission", "true or false"),
        ("network: {secret: 1234567890123456}", "network.secret", "a number"),
        ("name: 7", "name", "a number"),
        ("profile: {auto: on}", "profile.auto", "true or false"),
    ],
)
def test_what_yaml_reads_as_no_word_is_told_without_its_value(write, text: str, path: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"`{path}` is read as {kind}.*quotes") as caught:
        load_config(write(text), {}, {})

    assert "1234567890123456" not in str(caught.value)


def test_an_empty_flag_is_no_value() -> None:
    """As of a script whose variable is not set: without it `--secret-file ""` would let strangers in."""
    with pytest.raises(ConfigError, match=r"the command line: `network.secret_file` is empty"):
        load_config(None, {}, {"network.secret_file": ""})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("client: {prot: 1}", "unknown key `client.prot`; did you mean `client.port`?"),
        ("transparent: true", "unknown key `transparent`; did you mean `routing.transparent`?"),
        ("client: {port: eighty}", "`client.port`: Expected `int`, got `str`"),
        ("client: {port: 99999}", "`client.port`: Expected `int` <= 65535"),
        ("client: 5", "`client` is a group of keys"),
        ("schema: 9", "upgrade ppai"),
        ("- a", "must hold keys and values"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_path(write, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(text), {}, {})

    assert says in str(caught.value)


BOMB = "x0: &x0 [a,a,a,a,a,a,a,a,a,a]\n" + "".join(
    f"x{n}: &x{n} [{','.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 8)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(BOMB + "network:\n  allowlist: *x7\n", "line 2 .*alias .*write the value itself", id="aliases"),
        pytest.param("network: &n {allowlist: [*n]}", "line 1 .*alias", id="a value in itself"),
        pytest.param("client: &c {port: 1}\npeer: {<<: *c}", "line 2 .*alias", id="merged"),
        pytest.param("name: " + "[" * 50_000, "groups in groups without end", id="nested"),
        pytest.param("client: {port: " + "9" * 5000 + "}", "a number or date that is none", id="digits"),
        pytest.param("name: 2001-99-99", "a number or date that is none", id="a date"),
        pytest.param("name: !!float 'x'", "a number or date that is none", id="a float"),
        pytest.param("name: !!python/object/apply:os.system ['true']", "line 1 is not valid YAML", id="an object"),
        pytest.param("name: a\n" + "#" * (1 << 20), "more than 1 MiB", id="large"),
    ],
)
def test_reading_a_file_costs_no_more_than_its_bytes_and_ends_in_a_sentence(write, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(write(text), {}, {})


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.yaml", {}, {})


def test_slots_that_no_card_holds_are_refused() -> None:
    """4096 were taken, and ended the process when it published its first card."""
    load_config(None, {}, {"engine.slots": SLOTS_LIMIT - 1})

    with pytest.raises(ConfigError, match=r"engine\.slots"):
        load_config(None, {}, {"engine.slots": SLOTS_LIMIT})


def test_default_yaml_documents_every_key_with_its_default() -> None:
    file = data_dir() / "default.yaml"

    assert Config() == load_config(file, {}, {})
    assert set(leaf_paths(Config)) == set(_leaves(yaml.safe_load(file.read_text())))
    for line in file.read_text().splitlines():
        if ":" in line and not line.lstrip().startswith("#"):
            assert "#" in line, f"no meaning given: {line}"


def test_rules_are_a_list_of_groups_that_replaces_the_one_by_default(write) -> None:
    rules = "privacy: {rules: [{name: health, to: approved, topics: medicine}, {name: all}]}"

    assert (Rule("health", "approved", topics=("medicine",)), Rule("all")) == load_config(
        write(rules), {}, {}
    ).privacy.rules
    assert () == load_config(write("privacy: {rules: []}"), {}, {}).privacy.rules
    assert (SECRETS_RULE,) == Config().privacy.rules


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{name: a, to: nobody}", r"`privacy.rules\[0\].to`"),
        ("{name: a, topic: law}", r"`privacy.rules\[0\].topic`; did you mean `privacy.rules\[0\].topics`"),
        ("{name: a, patterns: [cards]}", r"`privacy.rules\[0\].patterns`"),
        ("{to: approved}", "needs at least `name"),
    ],
)
def test_a_rule_that_cannot_be_read_is_told_with_its_place(write, rule: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(write(f"privacy: {{rules: [{rule}]}}"), {}, {})


def test_shown_configuration_gives_itself_again(write) -> None:
    config = load_config(None, {}, {"client.port": 9, "routing.aliases": {"a": "auto"}})

    assert config == load_config(write(as_yaml(config)), {}, {})


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("network.secret", "hunter2", "***"),
        ("engine.api_key", "hunter2", "***"),
        ("engine.url", "http://bob:hunter2@h:1/v1", "http://***@h:1/v1"),
        ("engine.url", "http://bob:hun@hunter2@h", "http://***@h"),
        ("engine.api_base", "https://hunter2@h", "https://***@h"),
        ("engine.url", "http://h:1/v1?key=hunter2", "http://h:1/v1?***"),
        ("engine.url", "bob:hunter2@h:1", "***@h:1"),
        ("engine.url", "http://bob:hun/ter2hunter2@h:1", "http://***@h:1"),
        ("engine.url", "litellm:vertex_ai/claude@2025", "litellm:vertex_ai/claude@2025"),
        ("engine.url", "http://h:1", "http://h:1"),
        ("engine.api_key", "", ""),
    ],
)
def test_a_secret_is_shown_masked_and_its_mask_is_none(write, path: str, value: str, shown: str) -> None:
    group, key = path.split(".")
    text = as_yaml(load_config(None, {}, {path: value or None}))

    assert (shown, False) == (yaml.safe_load(text)[group][key], "hunter2" in text)
    if "***" in shown:
        with pytest.raises(ConfigError, match=f"`{path}` holds"):
            load_config(write(text), {}, {})


def test_every_key_that_holds_a_secret_is_known_to_hold_one() -> None:
    ends = ("secret", "key", "token", "password", "url", "base")
    secrets = [path for path in leaf_paths(Config) if path.endswith(ends)]

    assert sorted(SECRETS) == sorted(secrets)


@pytest.mark.parametrize("text", ['a: "hunter2', "a: hunter2: b", "a: [hunter2", "- hunter2\n a: %", "a: !!x hunter2"])
def test_a_file_that_is_no_yaml_is_told_with_its_line_and_without_its_words(write, text: str) -> None:
    with pytest.raises(ConfigError, match=r"line [12] is not valid YAML") as caught:
        load_config(write(text), {}, {})

    assert "hunter2" not in str(caught.value)


def _leaves(tree: dict[str, object], prefix: str = "") -> list[str]:
    return [
        path
        for key, value in tree.items()
        for path in (_leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"])
    ]


ENGINES = "engines:\n- auto\n- {url: 'http://bob:hunter2@box:8000', name: box, slots: 4, api_key: ''}\n"


def test_engines_are_a_list_of_groups_or_urls(write) -> None:
    config = load_config(write(ENGINES), {}, {})

    assert (EngineConfig(), EngineConfig("http://bob:hunter2@box:8000", name="box", slots=4)) == config.own_engines
    assert (EngineConfig("http://a:1"),) == load_config(write("engine: {url: 'http://a:1'}"), {}, {}).own_engines
    assert (EngineConfig(),) == load_config(write("engines: []"), {}, {}).own_engines


@pytest.mark.parametrize(
    ("environ", "flags", "urls"),
    [
        ({}, {"engine.url": "embedded"}, ["embedded"]),
        ({"PPAI_ENGINE_URL": "none"}, {}, ["none"]),
        ({"PPAI_ENGINES": "http://a:1, http://b:2"}, {}, ["http://a:1", "http://b:2"]),
        ({"PPAI_ENGINES": "http://a:1"}, {"engine.url": "auto"}, ["auto"]),
    ],
    ids=["flag", "environment", "several in the environment", "flag before environment"],
)
def test_an_engine_that_is_named_replaces_the_list_of_the_file(write, environ, flags, urls: list[str]) -> None:
    assert urls == [engine.url for engine in load_config(write(ENGINES), environ, flags).own_engines]


@pytest.mark.parametrize(
    ("text", "environ", "says"),
    [
        (ENGINES + "engine: {slots: 3}", {}, "`engine` and `engines` are both given"),
        (ENGINES, {"PPAI_ENGINE_SLOTS": "3"}, "`engine.slots` is for a single engine; the file lists `engines`"),
        ("engines: {url: x}", {}, "is a list of groups of keys: begin each with `- url"),
        ("engines: [{slots: 3}]", {}, r"engines\[0\]` is a group of keys, and needs at least `url"),
        ("engines: [7]", {}, r"engines\[0\]` is a group of keys"),
        ("engines: [{url: auto, slot: 3}]", {}, r"unknown key `engines\[0\].slot`; did you mean `engines\[0\].slots`"),
        ("engines: [{url: auto, slots: many}]", {}, r"engines\[0\].slots"),
        ("", {"PPAI_ENGINES": "http://a:1", "PPAI_ENGINE_URL": "auto"}, "both given"),
        ("engines: [{url: auto, api_key: '***'}]", {}, r"`engines\[0\].api_key` holds"),
    ],
    ids=[
        "both",
        "one in the environment",
        "a group",
        "no url",
        "a number",
        "key",
        "value",
        "two names",
        "a mask",
    ],
)
def test_a_list_of_engines_that_cannot_be_is_refused_with_its_place(write, text: str, environ, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(write(text), environ, {})


def test_secrets_in_a_list_of_engines_are_masked_and_the_rest_comes_back(write) -> None:
    shown = as_yaml(load_config(write(ENGINES), {}, {}))

    assert "hunter2" not in shown
    again = load_config(write(shown.replace("***@", "")), {}, {})
    assert ["auto", "http://box:8000"] == [engine.url for engine in again.own_engines]


@pytest.mark.parametrize(("given", "meant"), [("2", 2), ("auto", "auto")])
def test_workers_are_a_number_or_a_word(write, given: str, meant: object) -> None:
    by_file, by_environment = write(f"client: {{workers: {given}}}"), {"PPAI_CLIENT_WORKERS": given}

    assert (meant, meant) == tuple(
        config.client.workers for config in (load_config(by_file, {}, {}), load_config(None, by_environment, {}))
    )


def test_there_is_at_least_one_worker(write) -> None:
    with pytest.raises(ConfigError, match=r"client\.workers"):
        load_config(write("client: {workers: 0}"), {}, {})
