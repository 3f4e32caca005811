"""`COMPOSE_PROFILES=cpu docker compose up`: a peer with the embedded engine, from its start to its end."""

import json
from collections.abc import Iterator

import pytest

from tests.docker.asking import chat, get, wait
from tests.docker.engine import ROOT, Engine

FILES = (ROOT / "docker-compose.yml", ROOT / "tests/docker/quiet.yml")
KILL = "import json, os; os.kill(json.load(open('/var/lib/ppai/running.json'))['pid'], 9)"
CPU = {"COMPOSE_PROFILES": "cpu", "PPAI_NAME": "ada"}


@pytest.fixture(scope="module")
def up(engine: Engine) -> Iterator[Engine]:
    assert 0 == get("/health")[0], "another peer listens on port 8470: end it first"
    engine.compose("up", "--detach", "--no-build", files=FILES, **CPU)
    yield engine
    engine.compose("down", "--volumes", files=FILES, **CPU)


def state(engine: Engine) -> dict[str, object]:
    found: dict[str, object] = json.loads(engine.docker("inspect", "ppai"))[0]["State"]
    return found


def health(engine: Engine) -> str:
    return str(state(engine)["Health"]["Status"])  # type: ignore[index]


def test_it_answers_and_docker_finds_it_healthy(up: Engine) -> None:
    ready_s = wait(lambda: get("/ready")[0] == 200, "the peer to be ready")
    status, answer, headers = chat()
    healthy_s = wait(lambda: health(up) == "healthy", "the health check")

    print(f"ready after {ready_s:.1f} s, healthy {healthy_s:.1f} s after its first answer")
    assert (200, "ada") == (status, headers["x-ppai-peer"])
    assert answer["choices"][0]["message"]["content"]


def test_commands_work_inside(up: Engine) -> None:
    code, said = up.inside("ppai", "ppai", "status")
    logged = up.inside("ppai", "ppai", "logs")[1]

    assert (0, True) == (code, "ada" in said and "ready" in said), said
    assert "PPAI peer `ada` serves" in logged and "PPAI peer `ada` serves" in up.logs("ppai")
    assert (0, True) == (up.inside("ppai", "ppai", "agents")[0], "smollm2" in up.inside("ppai", "ppai", "agents")[1])


def test_nothing_outside_of_its_home_can_be_written(up: Engine) -> None:
    found = {
        place: up.inside("ppai", "sh", "-c", f"touch {place}/x && rm {place}/x")[0] == 0
        for place in ("/", "/opt/ppai", "/opt/ppai/weights", "/usr/bin", "/tmp", "/var/lib/ppai")
    }
    inspected = json.loads(up.docker("inspect", "ppai"))[0]["HostConfig"]

    assert ["/tmp", "/var/lib/ppai"] == [place for place, may in found.items() if may]
    assert (True, ["ALL"]) == (inspected["ReadonlyRootfs"], inspected["CapDrop"])
    assert "CapEff:\t0000000000000000" in up.inside("ppai", "cat", "/proc/self/status")[1]


def test_a_peer_that_dies_is_started_again_with_its_identity(up: Engine) -> None:
    before, first = get("/ppai/v1/status")[1]["id"], state(up)["Pid"]

    up.inside("ppai", "python", "-c", KILL)
    wait(lambda: state(up)["Pid"] not in (first, 0) and get("/ready")[0] == 200, "the container to run again")

    assert before == get("/ppai/v1/status")[1]["id"]


def test_down_is_graceful_and_up_finds_the_same_identity(up: Engine) -> None:
    before = get("/ppai/v1/status")[1]["id"]
    stop_s = wait(lambda: bool(up.docker("stop", "ppai")), "the peer to end")
    ended, logged = state(up), up.logs("ppai")

    up.compose("down", files=FILES, **CPU)
    up.compose("up", "--detach", "--no-build", files=FILES, **CPU)
    wait(lambda: get("/ready")[0] == 200, "the peer to be ready again")

    print(f"ended in {stop_s:.1f} s")
    assert (0, False) == (ended["ExitCode"], ended["OOMKilled"])
    assert ("stopping: " in logged, stop_s < 10) == (True, True)
    assert before == get("/ppai/v1/status")[1]["id"]
