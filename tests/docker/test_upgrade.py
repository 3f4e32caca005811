"""A volume of the first version is taken over by the image of today: same identity, its secret, still answering."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.asking import chat, get, wait
from tests.docker.engine import ROOT, Engine
from tests.e2e.older import OLDER, why_not_here

RUN = (
    "run", "--detach", "--name", "upgraded", "--network", "host", "--volume", "upgraded:/var/lib/ppai",
    "--env", "PPAI_NETWORK_MDNS=false", "--env", "PPAI_PEER_HOST=127.0.0.1", "--env", "PPAI_ENGINE_URL=embedded",
    "--env", "PPAI_CLIENT_PORT=17190", "--env", "PPAI_PEER_PORT=17191", "--env", "PPAI_NAME=ada",
)  # fmt: skip
URL = "http://127.0.0.1:17190"


@pytest.fixture
def older(engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    """An engine that has the older image, too."""
    if why := why_not_here():
        pytest.skip(why)
    archive = subprocess.run(["git", "-C", ROOT, "archive", OLDER], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", tmp_path], input=archive.stdout, check=True)
    engine.build("ppai:older", tmp_path)
    yield engine
    engine.docker("volume", "rm", "--force", "upgraded")


def ready() -> bool:
    return get("/ready", URL)[0] == 200


def test_a_volume_of_the_first_version_goes_on(older: Engine) -> None:
    older.docker(*RUN, "ppai:older")
    wait(ready, "the older peer to be ready")
    before = json.loads(older.inside("upgraded", "ppai", "status", "--json")[1])
    older.inside("upgraded", "ppai", "init")
    older.docker("stop", "upgraded")
    older.docker("rm", "upgraded")

    older.docker(*RUN, "--read-only", "--tmpfs", "/tmp", "ppai")
    wait(ready, "the new peer to be ready")
    after = json.loads(older.inside("upgraded", "ppai", "status", "--json")[1])
    status, _, headers = chat(URL)
    older.docker("stop", "upgraded")
    ended = json.loads(older.docker("inspect", "upgraded"))[0]["State"]["ExitCode"]
    older.docker("rm", "upgraded")

    assert (before["id"], before["name"], "secret") == (after["id"], after["name"], after["network"]["admission"])
    assert (200, "ada", 0) == (status, headers["x-ppai-peer"], ended)
