"""What Docker Compose makes of our files, and what hadolint says of the Dockerfile: both real, neither needs an engine.

Nothing here builds an image or starts a container; docs/operations.md lists what is thereby not known.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, leaf_paths, load_config

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
DESKTOP = {"PPAI_NETWORK_ADVERTISE": "192.0.2.7:8471"}
GATEWAY = {"gpu": "ppai", "cpu": "ppai-cpu"}


@cache  # the answer depends on the arguments alone, and one call takes 0.2 s
def compose(*arguments: str, desktop: bool = False, **settings: str) -> subprocess.CompletedProcess[str]:
    """`docker compose ...` in our folder, with nothing in the environment but `settings`."""
    files = [f"-fdocker-compose{suffix}.yml" for suffix in (["", ".desktop"] if desktop else [""])]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **settings}
    return subprocess.run(
        [BIN / "docker-compose", *files, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def services(profile: str | None = None, *, desktop: bool = False, **settings: str) -> dict[str, Any]:
    """The services that would run, as Compose understands them. No profile: what the committed .env says."""
    chosen = {"COMPOSE_PROFILES": profile} if profile else {}
    done = compose("config", "--format", "json", desktop=desktop, **chosen, **settings)
    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def gateway(profile: str, *, desktop: bool = False, **settings: str) -> Any:
    return services(profile, desktop=desktop, **settings)[GATEWAY[profile]]


def configured(service: Any) -> Config:
    """What the peer in this container makes of its environment."""
    return load_config(None, {name: text for name, text in service["environment"].items() if text is not None}, {})


def value_of(flag: str, command: list[str]) -> str:
    return command[command.index(flag) + 1]


@pytest.mark.parametrize("desktop", [False, True])
@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_files_are_valid(profile: str, desktop: bool) -> None:
    """`-q` prints nothing where Compose has nothing to object to; a warning would stand on stderr."""
    done = compose("config", "-q", desktop=desktop, COMPOSE_PROFILES=profile, **DESKTOP)

    assert (0, "") == (done.returncode, done.stderr)


def test_each_profile_runs_a_gateway_and_its_engine() -> None:
    assert {"ppai", "vllm"} == services("gpu").keys()
    assert {"ppai-cpu"} == services("cpu").keys()


def test_plain_up_is_the_gpu_profile() -> None:
    assert services("gpu").keys() == services().keys()


@pytest.mark.parametrize("profile", ["cpu", "gpu", ""])
def test_prometheus_and_grafana_come_alone_or_beside_a_peer_and_listen_on_loopback(profile: str) -> None:
    running = services(f"{profile},observability".strip(","))

    assert {"prometheus", "grafana"} == {*running} - {*services(profile)} if profile else {*running}
    assert "--web.listen-address=127.0.0.1:9090" in running["prometheus"]["command"]
    assert "127.0.0.1" == running["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"]
    for name in ("prometheus", "grafana"):
        given = [Path(volume["source"]) for volume in running[name]["volumes"] if volume["type"] == "bind"]
        assert given
        assert all(path.exists() and path.is_relative_to(ROOT / "configs") for path in given), given


def test_both_profiles_at_once_are_refused() -> None:
    """They would fight for the ports and share one identity."""
    done = compose("config", "-q", COMPOSE_PROFILES="gpu,cpu")

    assert 0 != done.returncode
    assert 'container name "ppai" is already in use' in done.stderr


@pytest.mark.parametrize("desktop", [False, True])
@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_gateway_starts_without_an_engine(profile: str, desktop: bool) -> None:
    """No profile waits for an engine to be healthy, and none needs one that is not there."""
    needs = gateway(profile, desktop=desktop, **DESKTOP)["depends_on"]

    assert {(False, "service_started")} == {(need["required"], need["condition"]) for need in needs.values()}


def test_gateway_stands_in_front_of_the_engine_of_its_profile() -> None:
    vllm = services("gpu")["vllm"]["command"]

    assert ("127.0.0.1", "8001") == (value_of("--host", vllm), value_of("--port", vllm))
    assert "http://127.0.0.1:8001" == configured(gateway("gpu")).engine.url
    assert "embedded" == configured(gateway("cpu")).engine.url


def test_an_engine_of_the_users_own_replaces_the_embedded_one() -> None:
    ollama = "http://127.0.0.1:11434"

    assert ollama == configured(gateway("cpu", PPAI_ENGINE_URL=ollama)).engine.url


def test_vllm_is_pinned_to_a_version_and_gets_the_gpu() -> None:
    vllm = services("gpu")["vllm"]
    [device] = vllm["deploy"]["resources"]["reservations"]["devices"]

    assert re.fullmatch(r"vllm/vllm-openai:v\d+\.\d+\.\d+", vllm["image"])
    assert ("nvidia", ["gpu"]) == (device["driver"], device["capabilities"])


def test_vllm_takes_its_model_and_arguments_from_the_environment() -> None:
    vllm = services("gpu", PPAI_VLLM_MODEL="org/other", PPAI_VLLM_ARGS="--max-model-len 4096")["vllm"]

    assert "org/other" == vllm["command"][0]
    assert "4096" == value_of("--max-model-len", vllm["command"])


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_linux_containers_share_the_hosts_network(profile: str) -> None:
    """mDNS and the peer's own address depend on it; nothing is published beside it."""
    running = services(profile)

    assert {"host"} == {service.get("network_mode") for service in running.values()}
    assert not any("ports" in service for service in running.values())


@pytest.mark.parametrize("desktop", [False, True])
@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_existing_clients_are_routed_without_a_change(profile: str, desktop: bool) -> None:
    assert "--transparent" in gateway(profile, desktop=desktop, **DESKTOP)["command"]


@pytest.mark.parametrize("desktop", [False, True])
@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_the_secret_goes_by_the_environment_alone(profile: str, desktop: bool) -> None:
    """A command line is readable by every user of the host."""
    found = gateway(profile, desktop=desktop, PPAI_SECRET="0123456789abcdef", **DESKTOP)

    assert "0123456789abcdef" == found["environment"]["PPAI_SECRET"]
    assert "0123456789abcdef" == configured(found).network.secret
    assert not any("0123456789abcdef" in word for word in found["command"])


@pytest.mark.parametrize("given", [{}, {"PPAI_SECRET": ""}])
def test_without_a_secret_peers_wait_for_approval(given: dict[str, str]) -> None:
    """An empty one would be a secret that everybody knows."""
    network = configured(gateway("gpu", desktop=False, **given)).network

    assert ("", "auto") == (network.secret, network.admission)


@pytest.mark.parametrize("desktop", [False, True])
@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_network_settings_reach_the_peer(profile: str, desktop: bool) -> None:
    settings = {"PPAI_NETWORK_SEEDS": "192.0.2.8:8471,192.0.2.9:8471", **DESKTOP}

    network = configured(gateway(profile, desktop=desktop, **settings)).network

    assert ("192.0.2.8:8471", "192.0.2.9:8471") == network.seeds
    assert ("192.0.2.7:8471",) == network.advertise
    assert network.mdns is not desktop


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_gateway_is_confined(profile: str) -> None:
    found = gateway(profile)

    assert ("10001:10001", True, ["ALL"]) == (found["user"], found["read_only"], found["cap_drop"])
    assert f"USER {found['user']}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_every_container_is_watched_stopped_softly_and_restarted(profile: str) -> None:
    for service in services(profile).values():
        assert "/health'" in service["healthcheck"]["test"][-1]
        assert service["init"] and service["stop_grace_period"]
        assert ("unless-stopped", "10m") == (service["restart"], service["logging"]["options"]["max-size"])


@pytest.mark.parametrize("name", ["gateway", "vllm"])
def test_health_checks_are_python_that_fails_where_nobody_listens(name: str) -> None:
    """The very command of the compose file, on a machine where the port is closed (or answers well)."""
    running = services("gpu")
    code = running[GATEWAY["gpu"] if name == "gateway" else name]["healthcheck"]["test"][-1]
    closed = re.sub(r":\d+/", ":1/", code)  # port 1: nobody listens there

    done = subprocess.run([sys.executable, "-c", closed], capture_output=True, text=True)

    assert 1 == done.returncode
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_home_is_a_named_volume_where_the_image_looks_for_it(profile: str) -> None:
    [volume] = gateway(profile)["volumes"]

    assert ("volume", "home") == (volume["type"], volume["source"])
    assert f"PPAI_HOME={volume['target']} " in (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_desktop_publishes_applications_to_this_machine_only(profile: str) -> None:
    running = services(profile, desktop=True, **DESKTOP)
    ports = {port["target"]: port.get("host_ip") for port in running[GATEWAY[profile]]["ports"]}

    assert {8470: "127.0.0.1", 8471: None} == ports
    assert not any("network_mode" in service for service in running.values())
    assert "ports" not in running.get("vllm", {})


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_desktop_listens_where_published_ports_arrive(profile: str) -> None:
    assert "0.0.0.0" == configured(gateway(profile, desktop=True, **DESKTOP)).client.host
    assert "127.0.0.1" == configured(gateway(profile)).client.host


def test_desktop_reaches_vllm_by_name() -> None:
    running = services("gpu", desktop=True, **DESKTOP)

    assert "http://vllm:8001" == configured(running["ppai"]).engine.url
    assert "0.0.0.0" == value_of("--host", running["vllm"]["command"])


def test_desktop_without_an_address_names_the_remedy() -> None:
    done = compose("config", "-q", desktop=True)

    assert 0 != done.returncode
    assert "PPAI_NETWORK_ADVERTISE is missing a value: set it to IP:8471" in done.stderr


@pytest.mark.parametrize("desktop", [False, True])
@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_every_flag_exists(profile: str, desktop: bool) -> None:
    """What Compose passes to `ppai serve` is what `ppai serve --help` lists."""
    shown = subprocess.run([BIN / "ppai", "serve", "--help"], capture_output=True, text=True, check=True).stdout
    subcommand, *words = gateway(profile, desktop=desktop, PPAI_SECRET="x", **DESKTOP)["command"]

    used = {word for word in words if word.startswith("--")}

    assert "serve" == subcommand
    assert set() == used - set(re.findall(r"--[a-z][a-z-]*", shown))


def test_every_setting_in_env_is_used() -> None:
    """A setting that nothing reads is a trap."""
    settings = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env").read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("docker-compose*.yml"))

    assert "COMPOSE_PROFILES" in settings
    assert [] == [name for name in settings if name not in files]


def test_passed_settings_are_keys_of_the_configuration() -> None:
    keys = {"PPAI_" + path.replace(".", "_").upper() for path in leaf_paths(Config)}

    assert gateway("gpu")["environment"].keys() <= keys | {"PPAI_SECRET"}


def test_build_sees_what_the_dockerfile_copies_and_nothing_else() -> None:
    """.dockerignore lists what may enter; a secret in .env or a home folder must not reach a layer."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    steps = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    copied = {name for step in steps for name in step.split()}

    assert "*" in lines
    assert {"gateway", "discovery", "profiler", "configs"} <= copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_build_has_all_that_the_wheel_is_made_of() -> None:
    """Packages, and data that ships beside them: a wheel without one of those files is not built at all."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    steps = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    copied = {Path(name) for step in steps for name in step.split()}

    for name in [*wheel["packages"], *wheel["force-include"]]:
        assert copied & {Path(name), *Path(name).parents}, f"the Dockerfile copies no {name}"


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)

    assert (0, "") == (done.returncode, done.stdout)


@pytest.mark.parametrize("file", ["three.yml", "test_three_peers.py", "test_upgrade.py"])
def test_ports_that_are_fixed_in_tests_are_none_that_a_system_gives_away(file: str) -> None:
    """A connection of any program may have one of those, from 32768 on Linux: now and then a peer would not start."""
    text = (ROOT / "tests/docker" / file).read_text().replace("10001:10001", "")
    ports = [int(port) for port in re.findall(r"\b\d{5}\b", text)]

    assert ports and max(ports) < 32768
