"""Engines that swap their model, die, come back or hang, behind real peers: every question finds its answer."""

import asyncio
import time
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.network import CHAT, HELLO, SECRET, Cluster
from tests.fakes import ScriptedEngine, held_port

SLOW_LOOK = SECRET | {"PPAI_ENGINE_SCRAPE_INTERVAL_S": "60"}  # only a request finds out that the engine has changed


async def test_an_engine_that_swapped_its_model_is_asked_for_the_new_one(cluster: Cluster, tmp_path: Path) -> None:
    """Its own 404 has its list read at once, and the request is decided again; a name that is gone is told so."""
    (tmp_path / "ada").mkdir(mode=0o700)
    (tmp_path / "ada" / "config.yaml").write_text("routing:\n  aliases: {coder: [model-ada, auto]}\n")
    await cluster.start("ada", env=SLOW_LOOK)
    engine = cluster.engines["ada"]
    engine.is_strict = True
    assert 200 == (await cluster.ask("ada"))[0]

    served = []
    for model, asked in (("second", "auto"), ("third", "coder")):
        engine.model = model
        status, headers, _ = await cluster.ask("ada", model=asked)
        served.append((status, headers["x-ppai-model"]))
    engine.model = "thirds"
    status, _, body = await cluster.ask("ada", model="third")

    assert [(200, "second"), (200, "third")] == served
    assert (404, "model_not_found", True) == (status, body["error"]["code"], "`thirds`" in body["error"]["message"])


@pytest.mark.slow
async def test_a_model_is_found_elsewhere_when_its_own_engine_does_not_know_it_any_more(cluster: Cluster) -> None:
    """The same model at another peer."""
    await cluster.start("ada", env=SLOW_LOOK, model="m")
    await cluster.start("ben", "--seed", cluster.seed(), model="m")
    await cluster.until_ready()
    cluster.engines["ada"].is_strict, cluster.engines["ada"].model = True, "other"

    answers = [await cluster.ask("ada", {"x-session-id": str(number)}, model="m") for number in range(3)]

    assert {(200, "ben")} == {(status, headers["x-ppai-peer"]) for status, headers, _ in answers}


async def test_a_dead_engine_s_model_is_a_503_that_names_it_until_it_is_back(cluster: Cluster) -> None:
    with held_port() as port:
        async with ScriptedEngine(model="mine").serving(port) as engine:
            await cluster.start("ada", engine=engine.url)
            await cluster.start("ben", "--seed", cluster.seed())
            await cluster.until_ready()
            assert 200 == (await cluster.ask("ada", model="mine"))[0]
        at_ada, at_ben = [await until_not(cluster, name, 502) for name in ("ada", "ben")]
        unknown = await cluster.ask("ada", model="minx")
        async with ScriptedEngine(model="mine").serving(port):
            async with asyncio.timeout(10):
                while (await cluster.ask("ben", model="mine"))[0] != 200:
                    await asyncio.sleep(0.1)

    for status, headers, body in (at_ada, at_ben):
        assert (503, "not_ready", "2") == (status, body["error"]["code"], headers["retry-after"])
        assert "`ada` had it" in body["error"]["message"]
    assert (404, "model_not_found") == (unknown[0], unknown[2]["error"]["code"])


async def until_not(cluster: Cluster, name: str, status: int) -> tuple[int, dict[str, str], dict[str, dict[str, str]]]:
    """The first answer that has another status: news of an engine's end takes a moment to come."""
    async with asyncio.timeout(10):
        while (answer := await cluster.ask(name, model="mine"))[0] == status:
            await asyncio.sleep(0.05)
    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "stream", [pytest.param(False, id="whole"), pytest.param(True, id="streamed", marks=pytest.mark.slow)]
)
async def test_twenty_questions_before_an_engine_that_hangs_are_all_answered(cluster: Cluster, stream: bool) -> None:
    """By the peer beside it: the first within its time limit, the others at once."""
    limits = SECRET | {"PPAI_CLIENT_FIRST_TOKEN_TIMEOUT_S": "1", "PPAI_CLIENT_ANSWER_TIMEOUT_S": "1"}
    await cluster.start("ada", env=limits, delay_s=60.0)
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()

    who, took_s = [], []
    for number in range(20):
        began = time.monotonic()
        question = {**HELLO, "stream": stream, "user": str(number)}
        async with cluster.http.post(cluster.peers["ada"].url + CHAT, json=question) as response:
            who.append((response.status, response.headers.get("x-ppai-peer"), b"from ben" in await response.read()))
        took_s.append(time.monotonic() - began)

    assert {(200, "ben", not stream)} == set(who)
    assert 1 <= took_s[0] < 4
    assert ["0"] == [body["user"] for body in cluster.engines["ada"].asked if "user" in body], "the others go elsewhere"
    assert median(took_s[1:]) < 1
    assert 1 == len(cluster.engines["ada"].asked)
