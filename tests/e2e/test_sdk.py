"""The real openai SDK against real llama.cpp, and against a real peer in front of it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.engines.embedded import EmbeddedConfig, EmbeddedEngine
from tests.e2e.peer import PeerProcess
from tests.e2e.vllm_env import OPENAI3
from tests.embedded import running, smollm2

SDK_CHECK = Path(__file__).with_name("sdk_check.py")
# llama.cpp answers under any name, and answers nothing at all; no engine has /v1/models/{id}.
LLAMACPP_FAILS = "model_by_id,wrong_model,no_messages"


def check(
    engine: EmbeddedEngine, base_url: str, *options: str, key: str = "none", python: Path = Path(sys.executable)
) -> tuple[int, str]:
    """(exit code, transcript) of the checks of an application that asks at `base_url`."""
    command = [str(python), str(SDK_CHECK), f"{base_url}/v1", engine.name]
    environment = {**os.environ, "OPENAI_API_KEY": key, "RUNNING_API_KEY": engine.api_key}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, timeout=100)
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout


def check_through_a_peer(engine: EmbeddedEngine, home: Path, python: Path) -> tuple[int, str]:
    # Scraped more often than once a second, llama.cpp does not notice that a caller has gone.
    environment = {"PPAI_ENGINE_API_KEY": engine.api_key, "PPAI_ENGINE_SCRAPE_INTERVAL_S": "2"}
    with PeerProcess(home, "--engine", str(engine.url), env=environment) as peer:
        return check(engine, peer.wait_ready().url, "--running", f"{engine.url}/metrics", python=python)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(
    "python",
    [
        pytest.param(Path(sys.executable), id="openai 2.x"),
        pytest.param(
            OPENAI3 / "bin" / "python",
            id="openai 3.x",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not OPENAI3.exists(), reason="run `python -m tests.e2e.vllm_env` first"),
            ],
        ),
    ],
)
async def test_an_application_is_served_by_llamacpp_through_a_peer(python: Path, tmp_path: Path) -> None:
    """Every check, those that llama.cpp itself fails among them."""
    async with running(smollm2(), tmp_path / "engine.log", EmbeddedConfig()) as engine:
        await engine.ready()

        code, transcript = await asyncio.to_thread(check_through_a_peer, engine, tmp_path / "home", python)

    assert 0 == code, transcript


@pytest.mark.slow
async def test_the_checks_fail_where_llamacpp_is_known_to_fail(tmp_path: Path) -> None:
    """The same application without a peer: what passes above does so because of the peer. Hanging up is left out."""
    async with running(smollm2(), tmp_path / "engine.log", EmbeddedConfig()) as engine:
        await engine.ready()

        code, transcript = await asyncio.to_thread(check, engine, str(engine.url), key=engine.api_key)

    assert 1 == code
    assert f"failed: {LLAMACPP_FAILS.replace(',', ', ')}" == transcript.splitlines()[-1]
