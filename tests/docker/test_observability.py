"""`--profile observability`: Prometheus in a container reads our files, scrapes this host's peer, knows the alerts.

Grafana's image can be had from no registry that is reached here, so Grafana is not started.
"""

from collections.abc import Iterator

import pytest
import yaml

from tests.docker.asking import chat, get, wait
from tests.docker.engine import ROOT, Engine

FILES = (ROOT / "docker-compose.yml", ROOT / "tests/docker/quiet.yml")
SETTINGS = {"COMPOSE_PROFILES": "cpu,observability", "PPAI_NAME": "ada"}
URL = "http://127.0.0.1:9090"


@pytest.fixture(scope="module")
def up(engine: Engine) -> Iterator[Engine]:
    assert 0 == get("/health")[0] == get("/api/v1/labels", URL)[0], "ports 8470 and 9090 must be free"
    image = yaml.safe_load(FILES[0].read_text())["services"]["prometheus"]["image"]
    engine.build(image, ROOT / "tests/docker/prometheus")
    engine.compose("up", "--detach", "--no-build", "ppai-cpu", "prometheus", files=FILES, **SETTINGS)
    yield engine
    engine.compose("down", "--volumes", files=FILES, **SETTINGS)


def asked(query: str) -> list[dict[str, object]]:
    status, said = get(f"/api/v1/query?query={query}", URL)
    found: list[dict[str, object]] = said["data"]["result"] if status == 200 else []
    return found


def evaluated() -> list[dict[str, object]]:
    """All rules, each with its health."""
    return [rule for group in get("/api/v1/rules", URL)[1]["data"]["groups"] for rule in group["rules"]]


def test_it_scrapes_the_peer_and_has_every_alert(up: Engine) -> None:
    wait(lambda: chat()[0] == 200, "the peer to answer")
    scraped_s = wait(lambda: bool(asked("ppai_requests_total")), "a request to be counted")
    wait(lambda: "unknown" not in {rule["health"] for rule in evaluated()}, "every rule to be evaluated")
    alerts = yaml.safe_load((ROOT / "configs/alerts.yml").read_text())["groups"]

    print(f"scraped after {scraped_s:.0f} s")
    assert ["1"] == [one["value"][1] for one in asked("up")]  # type: ignore[index]
    assert sum(len(group["rules"]) for group in alerts) == len(evaluated())
    assert {"ok"} == {rule["health"] for rule in evaluated()}
