"""Several real engines behind one real peer: all serve, replicas share, one that dies or flaps takes nobody along."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.network import Cluster
from tests.fakes import ScriptedEngine

LIST = """\
engines:
- {url: "URL0", name: one, slots: 2, scrape_interval_s: 0.1}
- {url: "URL1", name: two, slots: 2, scrape_interval_s: 0.1, EXTRA}
"""


async def peer_of_two(
    cluster: Cluster,
    tmp_path: Path,
    stack: AsyncExitStack,
    first: dict[str, Any],
    second: dict[str, Any],
    extra: str = "",
) -> tuple[ScriptedEngine, ScriptedEngine]:
    """Ada, in front of two engines."""
    engines = [ScriptedEngine(**{"token_s": 0.02, **behaviour}) for behaviour in (first, second)]
    for engine in engines:
        stack.enter_context(engine.serving_beside())
    settings = tmp_path / "two.yaml"
    text = LIST.replace("URL0", engines[0].url).replace("URL1", engines[1].url).replace(", EXTRA", extra)
    settings.write_text(text)
    await cluster.start("ada", "--config", str(settings), engine="")
    return engines[0], engines[1]


async def models(cluster: Cluster, name: str = "ada") -> list[str]:
    listed = (await cluster.get(name, "/v1/models"))["data"]
    return sorted(entry["id"] for entry in listed if entry["ppai"]["kind"] == "model")


async def until_listed(cluster: Cluster, expected: list[str], name: str = "ada") -> None:
    async with asyncio.timeout(15):
        while await models(cluster, name) != expected:
            await asyncio.sleep(0.05)


async def until_both_are_ready(cluster: Cluster) -> None:
    """Replicas are one row in the list of models: who is there is told by the slots."""
    async with asyncio.timeout(15):
        while (await cluster.get("ada", "/ppai/v1/status"))["engine"]["slots"] != 4:
            await asyncio.sleep(0.05)


async def test_two_engines_are_one_peer_and_each_answers_for_its_models(cluster: Cluster, tmp_path: Path) -> None:
    """Both are listed, used under load, and shown in words; one is killed: its model is a 503 that names it."""
    async with AsyncExitStack() as stack:
        first, second = await peer_of_two(cluster, tmp_path, stack, {"model": "small"}, {"model": "large"})
        await until_listed(cluster, ["large", "small"])
        named = [await cluster.ask("ada", model=name) for name in ("small", "large")]
        await asyncio.gather(*(cluster.ask("ada", model="auto") for _ in range(24)))
        status = await cluster.get("ada", "/ppai/v1/status")

        second.models, second.status = b"gone", 500
        await until_listed(cluster, ["small"])
        code, _, error = await cluster.ask("ada", model="large")
        still = [await cluster.ask("ada", model=name) for name in ("small", "auto")]
        told = await cluster.get("ada", "/ppai/v1/status")

    assert ["small", "large"] == [headers["x-ppai-model"] for _, headers, _ in named]
    assert min(len(first.asked), len(second.asked)) >= 8
    assert ["one", "two"] == [engine["name"] for engine in status["engines"]]
    assert (4, ["small", "large"]) == (status["engine"]["slots"], [model["id"] for model in status["engine"]["models"]])
    assert (503, "not_ready", True) == (code, error["error"]["code"], "`large`" in error["error"]["message"])
    assert [200, 200] == [status for status, *_ in still]
    assert [True, False] == [engine["problem"] is None for engine in told["engines"]]
    assert told["missing"] == []


@pytest.mark.slow
async def test_replicas_share_the_load_by_who_has_the_fewest_waiting(cluster: Cluster, tmp_path: Path) -> None:
    """Within a tenth, for our own programs and for another peer's, which sees one agent with the slots of both."""
    async with AsyncExitStack() as stack:
        first, second = await peer_of_two(cluster, tmp_path, stack, {"model": "m"}, {"model": "m"})
        await cluster.start("ben", "--seed", cluster.seed(), engine="none")
        await until_both_are_ready(cluster)
        await until_listed(cluster, ["m"], "ben")
        await cluster.until(lambda seen: 4 == seen["ben"][0]["slots"])
        shares = []
        for name in ("ada", "ben"):
            before = len(first.asked), len(second.asked)
            waves = [await asyncio.gather(*(cluster.ask(name, model="m") for _ in range(6))) for _ in range(4)]
            answers = [answer for wave in waves for answer in wave]
            shares.append((len(first.asked) - before[0], len(second.asked) - before[1]))
            assert [200] * 24 == [status for status, *_ in answers]
        (seen,) = await cluster.get("ben", "/ppai/v1/peers")

    for one, two in shares:
        assert 24 == one + two
        assert abs(one - two) <= 2
    assert (["m"], 4) == ([agent["name"] for agent in seen["agents"]], seen["slots"])


@pytest.mark.slow
async def test_the_second_model_of_a_name_is_asked_by_its_engine(cluster: Cluster, tmp_path: Path) -> None:
    """Here and from another peer; the plain name means both."""
    async with AsyncExitStack() as stack:
        one = {"model": "m", "answer": lambda body: "from one", "context_tokens": 4096}
        two = {"model": "m", "answer": lambda body: "from two", "context_tokens": 8192}
        first, second = await peer_of_two(cluster, tmp_path, stack, one, two)
        await cluster.start("ben", "--seed", cluster.seed(), engine="none")
        await until_listed(cluster, ["m"], "ben")
        async with asyncio.timeout(10):
            while {"m", "m@two"} != {a["name"] for a in (await cluster.get("ben", "/ppai/v1/peers"))[0]["agents"]}:
                await asyncio.sleep(0.05)
        said = [
            (await cluster.ask(name, model=model))[2]["choices"][0]["message"]["content"]
            for name in ("ada", "ben")
            for model in ("m@two", "m@two", "m@two")
        ]

    assert ["from two"] * 6 == said
    assert (0, 6, {"m"}) == (len(first.asked), len(second.asked), {body["model"] for body in second.asked})


@pytest.mark.slow
async def test_a_replica_that_dies_under_load_loses_no_request(cluster: Cluster, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first, second = await peer_of_two(cluster, tmp_path, stack, {"model": "m"}, {"model": "m"})
        await until_both_are_ready(cluster)

        async def asked(number: int) -> int:
            if number == 10:
                second.status = 500
            return (await cluster.ask("ada", model="m"))[0]

        statuses = Counter(await asyncio.gather(*(asked(number) for number in range(40))))

    assert {200: 40} == statuses
    assert len(first.asked) > 20


@pytest.mark.slow
async def test_an_engine_that_comes_and_goes_neither_flaps_nor_grows(cluster: Cluster, tmp_path: Path) -> None:
    """Others keep hearing of the engine that stays, no name moves, and every request is answered."""
    async with AsyncExitStack() as stack:
        _, second = await peer_of_two(cluster, tmp_path, stack, {"model": "small"}, {"model": "large"})
        await cluster.start("ben", "--seed", cluster.seed(), engine="none")
        await until_listed(cluster, ["large", "small"], "ben")
        for _ in range(4):
            second.models, second.status = b"gone", 500
            await until_listed(cluster, ["small"])
            assert 200 == (await cluster.ask("ben", model="small"))[0]
            second.models, second.status = None, 200
            await until_listed(cluster, ["large", "small"])
        await until_listed(cluster, ["large", "small"], "ben")
        answers = [await cluster.ask(name, model="large") for name in ("ada", "ben")]

    assert [(200, "large")] * 2 == [(status, headers["x-ppai-model"]) for status, headers, _ in answers]


@pytest.mark.slow
async def test_a_last_resort_is_asked_when_nobody_else_can_and_never_for_what_stays_here(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Three engines: our own, another peer's, and a cloud of ours that costs money."""
    async with AsyncExitStack() as stack:
        costly = ", last_resort: true, place: cloud"
        first, cloud = await peer_of_two(
            cluster, tmp_path, stack, {"model": "m"}, {"model": "m", "context_tokens": 9000}, costly
        )
        await cluster.start("ben", "--seed", cluster.seed(), model="m")
        await cluster.until_ready()
        await until_listed(cluster, ["m"])
        usual = [await cluster.ask("ada", model="auto") for _ in range(6)]
        assert 0 == len(cloud.asked)
        first.status = cluster.engines["ben"].status = 500
        last = await cluster.ask("ada", model="auto")
        kept, _, why = await cluster.ask("ada", {"x-ppai-local-only": "1"}, model="auto")

    assert [200] * 6 == [status for status, *_ in usual]
    assert (200, "last_resort") == (last[0], last[1]["x-ppai-reason"])
    assert (1, True) == (len(cloud.asked), kept >= 500), why


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [True, False])
async def test_a_model_is_loaded_for_others_only_where_its_owner_wants_it(
    cluster: Cluster, tmp_path: Path, allowed: bool
) -> None:
    """Our own programs may have it loaded in any case."""
    tags = {"models": [{"name": "m", "size": 1, "digest": "d", "details": {}}]}
    shown = {"capabilities": ["completion"], "model_info": {}, "details": {}}
    pages = {"/api/tags": tags, "/api/show": shown, "/api/ps": {"models": []}, "/api/version": {"version": "1"}}
    async with AsyncExitStack() as stack:
        extra = ", load_for_others: true" if allowed else ""
        _, lazy = await peer_of_two(
            cluster, tmp_path, stack, {"model": "small"}, {"model": "m", "owned_by": "library", "pages": pages}, extra
        )
        await cluster.start("ben", "--seed", cluster.seed(), engine="none")
        await until_listed(cluster, ["m", "small"], "ben")
        theirs, _, _ = await cluster.ask("ben", model="m")
        at_ours = len(lazy.asked)
        ours, _, _ = await cluster.ask("ada", model="m")

    assert (allowed, allowed) == (theirs == 200, at_ours > 0)
    assert 200 == ours
