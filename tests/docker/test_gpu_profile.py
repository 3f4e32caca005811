"""`docker compose up` with vLLM: how both are wired, a slow start that is waited for, a vLLM that dies and comes back.

It runs on the CPU here, in a stand-in for its image: what only a graphics card or vLLM's own image shows is not tried.
"""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.docker.asking import chat, get, wait
from tests.docker.engine import ROOT, Engine
from tests.e2e import vllm_env

FILES = tuple(ROOT / name for name in ("docker-compose.yml", "tests/docker/quiet.yml", "tests/docker/without_gpu.yml"))
SLOW_S = 400.0  # three processes import torch one after another, on a machine that others use
ARGS = (
    "--served-model-name smollm2-vllm --dtype bfloat16 --enforce-eager --max-model-len 1024 --max-num-seqs 8"
    f" --kv-cache-memory-bytes {128 << 20}"
)
MODEL = "smollm2-vllm"
KILL = "kill -9 $(cat /proc/1/task/1/children)"  # what `init` started; Docker itself is told nothing
pytestmark = pytest.mark.skipif(not vllm_env.is_prepared(), reason="run: python -m tests.e2e.vllm_env")


def settings() -> dict[str, str]:
    python = vllm_env.VLLM.resolve() / "bin" / "python"
    prefix = subprocess.run(
        [python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True
    )
    return {
        "COMPOSE_PROFILES": "gpu", "PPAI_NAME": "ada", "PPAI_VLLM_MODEL": "/model", "PPAI_VLLM_ARGS": ARGS,
        "VLLM_ENV": str(vllm_env.VLLM.resolve()), "VLLM_PYTHON_HOME": prefix.stdout.strip(),
        "VLLM_MODEL": str(vllm_env.MODEL.resolve()),
    }  # fmt: skip


@pytest.fixture(scope="module")
def up(engine: Engine) -> Iterator[Engine]:
    assert 0 == get("/health")[0] == get("/health", "http://127.0.0.1:8001")[0], "ports 8470 and 8001 must be free"
    engine.build("ppai-vllm", ROOT / "tests/docker/vllm")
    engine.compose("up", "--detach", "--no-build", files=FILES, **settings())
    yield engine
    engine.compose("down", "--volumes", files=FILES, **settings())


def inspected(engine: Engine, container: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(engine.docker("inspect", container))[0]
    return found


def health(engine: Engine, container: str) -> object:
    return inspected(engine, container)["State"]["Health"]["Status"]  # type: ignore[index]


def answers() -> bool:
    return chat()[2].get("x-ppai-model") == MODEL


def test_while_vllm_loads_the_peer_is_there_and_says_what_it_waits_for(up: Engine) -> None:
    """Healthy, though not ready: through other peers it could answer already."""
    wait(lambda: get("/health")[0] == 200, "the peer to be there")
    status, said = get("/ready")
    wait(lambda: health(up, "ppai") == "healthy", "the peer to be healthy")

    assert (503, True) == (status, "8001" in " ".join(said["missing"])), said
    assert "healthy" != health(up, "ppai-vllm-1")


def test_it_is_taken_as_soon_as_it_serves(up: Engine) -> None:
    loaded_s = wait(answers, "vLLM to answer", SLOW_S)
    wait(lambda: health(up, "ppai-vllm-1") == "healthy", "vLLM's health check")
    engine = get("/ppai/v1/status")[1]["engines"][0]

    print(f"vLLM answered {loaded_s:.0f} s after the peer was healthy")
    assert ("vllm", "metrics", [MODEL]) == (
        engine["family"], engine["load_source"], [model["id"] for model in engine["models"]],
    )  # fmt: skip


def test_one_that_dies_is_started_again_and_taken_again(up: Engine) -> None:
    before = inspected(up, "ppai-vllm-1")["State"]["StartedAt"]
    up.inside("ppai-vllm-1", "sh", "-c", KILL)
    wait(lambda: get("/ready")[0] == 503, "the peer to notice", 30)
    peer_before = get("/ppai/v1/status")[1]["uptime_s"]

    again_s = wait(answers, "vLLM to answer again", SLOW_S)

    print(f"vLLM answered again {again_s:.0f} s after it was killed")
    assert before != inspected(up, "ppai-vllm-1")["State"]["StartedAt"]
    assert get("/ppai/v1/status")[1]["uptime_s"] > peer_before  # the peer itself went on


def test_what_both_write_is_kept_within_bounds(up: Engine) -> None:
    kept = {name: inspected(up, name)["HostConfig"]["LogConfig"] for name in ("ppai", "ppai-vllm-1")}

    assert [{"max-file": "3", "max-size": "10m"}] * 2 == [one["Config"] for one in kept.values()]  # type: ignore[index]
    assert ("smollm2-vllm" in up.logs("ppai"), "Application startup complete" in up.logs("ppai-vllm-1")) == (True, True)
