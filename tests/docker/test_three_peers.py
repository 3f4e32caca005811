"""Three peers in containers, one network by a secret: found by a seed, asked across, and one killed."""

import time
from collections.abc import Iterator

import pytest

from tests.docker.asking import chat, get, wait
from tests.docker.engine import ROOT, Engine

FILES = (ROOT / "tests/docker/three.yml",)
ADA, BEN, CLEO = (f"http://127.0.0.1:{port}" for port in (17180, 17182, 17184))


@pytest.fixture(scope="module")
def three(engine: Engine) -> Iterator[Engine]:
    engine.compose("up", "--detach", files=FILES)
    yield engine
    engine.compose("down", "--volumes", files=FILES)


def seen(url: str) -> dict[str, str]:
    """The state of each other peer by name."""
    return {peer["name"]: peer["state"] for peer in get("/ppai/v1/peers", url)[1] or ()}


def test_they_find_each_other_and_answer_by_the_one_with_a_model(three: Engine) -> None:
    wait(lambda: seen(ADA) == {"ben": "alive", "cleo": "alive"}, "ada to know both")
    wait(lambda: seen(CLEO) == {"ada": "alive", "ben": "alive"}, "cleo to know both")
    for url in (ADA, CLEO):  # rights come by the secret, in the first exchange after a peer is known
        wait(lambda url=url: chat(url)[0] == 200, "somebody to answer")  # type: ignore[misc]

    answers = [chat(url) for url in (ADA, CLEO)]

    assert [(200, "ben")] * 2 == [(status, headers.get("x-ppai-peer")) for status, _, headers in answers]
    code, said = three.inside("ada", "ppai", "peers")
    assert (0, True, True) == (code, "ben" in said, "cleo" in said)


def test_a_killed_one_is_missed_and_comes_back(three: Engine) -> None:
    three.docker("kill", "ben")
    began = time.monotonic()
    wait(lambda: seen(ADA)["ben"] != "alive", "ada to miss ben", 30)
    missed_s = time.monotonic() - began
    status, said, _ = chat(ADA)

    three.docker("start", "ben")
    wait(lambda: seen(ADA)["ben"] == "alive", "ben to be back")
    wait(lambda: chat(ADA)[0] == 200, "ben to answer again")
    _, _, headers = chat(ADA)

    print(f"missed after {missed_s:.1f} s")
    assert (503, True) == (status, bool(said["error"]["message"]))
    assert "ben" == headers["x-ppai-peer"]
