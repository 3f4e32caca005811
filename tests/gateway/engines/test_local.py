"""The engine a peer stands in front of: named, found, or awaited; and a strange one never ends the watch over it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

import pytest

from discovery.records import WHOLE
from gateway.engines import local
from gateway.engines.address import EngineAddressError, Place
from gateway.engines.embedded import EmbeddedEngine, EngineUnusable, ModelMissing
from gateway.engines.engine_state import ModelFacts
from gateway.engines.local import EngineConfig, LocalEngine, unready_interval_s
from gateway.peering.card import OwnEngine, own_agents
from gateway.upstream import Patience, UpstreamError
from tests.fakes import ScriptedEngine, going_on
from tests.gateway.stranger import needs_root, strangers_engine

PATIENCE = Patience(2, 2, 2)
CLOSED_PORT = 9
VLLM = "vllm:num_requests_running 3.0\nvllm:num_requests_waiting 1.0\n"


def no_weights() -> EmbeddedEngine:
    raise ModelMissing("the model is not there: run `ppai pull smollm2`")


class Watched:
    """A LocalEngine and the watch over it."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.looks = engine, 0

    def seen(self) -> None:
        self.looks += 1

    async def until(self, condition: Callable[[LocalEngine], bool]) -> None:
        async with asyncio.timeout(5):
            while not (self.looks and condition(self.engine)):
                await asyncio.sleep(0.005)

    async def look(self) -> None:
        """Wait for a look that begins from now on."""
        before = self.looks
        await self.until(lambda _: self.looks >= before + 2)


@asynccontextmanager
async def watched(
    url: str,
    *ports: int,
    embedded: Callable[[], EmbeddedEngine] = no_weights,
    slots: int = 0,
    place: Literal["auto"] | Place = "auto",
    scrape_interval_s: float = 0.01,
) -> AsyncIterator[Watched]:
    async with asyncio.TaskGroup() as tasks:
        config = EngineConfig(url, slots=slots, scrape_interval_s=scrape_interval_s, place=place)
        watch = Watched(LocalEngine(config, embedded, {port: f"engine {port}" for port in ports}))
        watching = tasks.create_task(watch.engine.run(tasks, watch.seen))
        await watch.until(lambda engine: True)
        yield watch
        assert not watching.done(), "the watch has ended"
        watching.cancel()
        await watch.engine.stop()


def port_of(engine: ScriptedEngine) -> int:
    return urlsplit(engine.url).port or 0


async def test_the_engine_named_is_taken() -> None:
    async with ScriptedEngine(metrics=VLLM, context_tokens=512).serving() as fake, watched(fake.url) as watch:
        state = watch.engine.state

    assert f"the engine at {fake.url}" == watch.engine.origin
    assert (True, "scripted-1", 512, 3, 1) == (
        state.is_ready, state.models[0].id, state.models[0].context_tokens, state.running, state.waiting,
    )  # fmt: skip


@pytest.mark.parametrize("answers_s", [0.02, 30.0])
async def test_an_engine_is_new_while_it_is_tried_but_not_for_long(
    monkeypatch: pytest.MonkeyPatch, answers_s: float
) -> None:
    """One that is slow to answer is as it tells."""
    monkeypatch.setattr(local, "LEARN_SOON_S", 0.2)
    async with (
        ScriptedEngine(**going_on("one two three", delay_s=answers_s)).serving() as fake,
        watched(fake.url) as watch,
    ):
        assert watch.engine.is_new
        await watch.until(lambda engine: not engine.is_new)
        await watch.look()
        knows = [bool(model.continues) for model in watch.engine.state.models]

    assert [answers_s < 1.0] == knows


@pytest.mark.parametrize(
    "config",
    [
        EngineConfig("http://bob:hunter2@h", api_key="hunter3"),
        EngineConfig("litellm:a/b", api_base="https://bob:hunter2@h"),
        EngineConfig("bob:hunter2@h"),
    ],
)
async def test_credentials_that_cannot_be_used_end_the_start_with_a_remedy_that_does_not_repeat_them(
    config: EngineConfig,
) -> None:
    with pytest.raises(EngineAddressError, match=r"engine\.(url|api_key)") as refused:
        LocalEngine(config, no_weights)

    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(("said", "place"), [("auto", "here"), ("other host", "other host"), ("cloud", "cloud")])
async def test_an_engine_is_where_its_address_or_its_owner_says(said: Place, place: str) -> None:
    async with ScriptedEngine().serving() as fake, watched(fake.url, place=said) as watch:
        state = watch.engine.state

    assert (place, [place]) == (
        state.place,
        [agent.place for agent in own_agents([OwnEngine("e", WHOLE, state)], lambda *of: {})],
    )


async def test_a_peer_may_have_no_engine() -> None:
    async with watched("none") as watch:
        assert "engine.url: none" in (watch.engine.state.problem or "")


async def test_the_engine_named_is_awaited_where_it_is_not_there() -> None:
    """And nobody else is taken instead."""
    async with ScriptedEngine().serving() as other, watched(f"http://127.0.0.1:{CLOSED_PORT}", port_of(other)) as watch:
        problem = watch.engine.state.problem

        with pytest.raises(UpstreamError, match="does not answer") as caught:
            async with watch.engine.open("chat/completions", (b"{}",), {}, stream=False, patience=PATIENCE):
                pass

    assert "start it, or name another with --engine URL" in problem
    assert "engine_unreachable" == caught.value.code


async def test_what_the_owner_says_of_models_is_looked_at_once_a_look() -> None:
    """And not at each request, of which several things ask for the state."""
    async with ScriptedEngine(metrics=VLLM).serving() as fake, watched(fake.url) as watch:
        engine = watch.engine
        engine.config.models["scripted-1"] = ModelFacts(context_tokens=99)
        await watch.look()
        first = engine.state
        assert 99 == first.models[0].context_tokens and engine.state is first

        engine.config.models["scripted-1"] = ModelFacts(context_tokens=98)
        await watch.look()
        assert 98 == engine.state.models[0].context_tokens


async def test_the_first_that_lists_models_is_adopted() -> None:
    """In the order of the ports, whatever sits on those before it."""
    async with (
        ScriptedEngine(owned_by="ppai").serving() as another_peer,
        ScriptedEngine(models=b'{"object":"list","data":[]}').serving() as empty,
        ScriptedEngine(models=b"<html>a web server</html>").serving() as html,
        ScriptedEngine(models=b'{"data":[{"id":"\xff"}]}').serving() as latin,
        ScriptedEngine(models=b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}").serving() as deep,
        ScriptedEngine(model="first").serving() as first,
        ScriptedEngine(model="second").serving() as second,
    ):
        others = [CLOSED_PORT, *map(port_of, (another_peer, empty, html, latin, deep))]
        async with watched("auto", *others, port_of(first), port_of(second)) as watch:
            assert "first" == watch.engine.state.models[0].id
            assert f"engine {port_of(first)} found on port {port_of(first)}" == watch.engine.origin


@needs_root
async def test_another_person_s_engine_is_named_and_not_adopted() -> None:
    """Whoever answers a prompt reads it, and any user of a machine may listen on a well-known port."""
    with strangers_engine() as stranger:
        named = f"engine {stranger} on port {stranger} is run by `nobody`: adopt it with --engine http://127.0.0.1:{stranger}"

        async with watched("auto", stranger) as watch:
            assert ((named,), "none") == (watch.engine.not_adopted, watch.engine.origin)
            assert "no engine of yours" in (watch.engine.state.problem or "")

        async with ScriptedEngine().serving() as ours, watched("auto", stranger, port_of(ours)) as watch:
            assert (True, f"engine {port_of(ours)} found on port {port_of(ours)}") == (
                watch.engine.state.is_ready, watch.engine.origin,
            )  # fmt: skip
            assert (named,) == watch.engine.not_adopted

        async with watched(f"http://127.0.0.1:{stranger}") as watch:
            assert watch.engine.state.is_ready, "an engine that was named is taken, whose ever it is"


@needs_root
async def test_no_request_reaches_another_person_who_took_the_port_of_an_adopted_engine() -> None:
    """Not even before the next look at the engine."""
    async with AsyncExitStack() as ended:
        port = port_of(await ended.enter_async_context(ScriptedEngine().serving()))
        async with watched("auto", port, scrape_interval_s=60) as watch:
            await ended.aclose()
            with strangers_engine(port), pytest.raises(UpstreamError, match="`nobody`'s now"):
                async with watch.engine.open("chat/completions", (b"{}",), {}, stream=False, patience=PATIENCE):
                    pass


@needs_root
async def test_another_engine_is_looked_for_where_another_person_took_the_port_of_an_adopted_one() -> None:
    async with AsyncExitStack() as ended, ScriptedEngine(model="later").serving() as later:
        port = port_of(await ended.enter_async_context(ScriptedEngine().serving()))
        async with watched("auto", port, port_of(later)) as watch:
            await ended.aclose()
            with strangers_engine(port):
                await watch.until(lambda engine: bool(engine.state.is_ready and engine.not_adopted))

                assert "later" == watch.engine.state.models[0].id


async def test_without_any_engine_the_user_is_told_what_was_sought_and_what_to_do() -> None:
    async with watched("auto", CLOSED_PORT) as watch:
        state = watch.engine.state

        with pytest.raises(UpstreamError) as caught:
            async with watch.engine.open("chat/completions", (b"{}",), {}, stream=False, patience=PATIENCE):
                pass

    for said in (f"{CLOSED_PORT} (engine {CLOSED_PORT})", "ppai pull smollm2", "--engine URL"):
        assert said in (state.problem or "")
    assert (503, "no_engine", state.problem) == (caught.value.status, caught.value.code, caught.value.message)
    assert caught.value.retry_after_s
    assert (False, "none", 0) == (state.is_ready, watch.engine.origin, watch.engine.in_flight)


async def test_the_embedded_engine_alone_is_wanted_where_it_is_named() -> None:
    async with ScriptedEngine().serving() as fake, watched("embedded", port_of(fake)) as watch:
        assert (watch.engine.state.problem or "").startswith("the embedded engine has no model")


async def test_an_embedded_engine_that_cannot_run_says_why() -> None:
    def unusable() -> EmbeddedEngine:
        raise EngineUnusable("no GGUF file")

    async with watched("embedded", embedded=unusable) as watch:
        assert "no GGUF file" == watch.engine.state.problem


async def test_an_engine_started_later_is_found() -> None:
    later = ScriptedEngine()
    async with later.serving():
        port = port_of(later)
    async with watched("auto", port) as watch:
        assert not watch.engine.state.is_ready

        async with later.serving(port):
            await watch.until(lambda engine: engine.state.is_ready)


def test_an_engine_that_stays_away_is_looked_for_less_often() -> None:
    """Often while it may be starting: thirty looks in the first half minute; one in two seconds in the long run."""
    pauses_s = [unready_interval_s(looks) for looks in range(1000)]

    assert 0.25 == pauses_s[0]
    assert 30.0 > sum(pauses_s[:30])
    assert {2.0} == set(pauses_s[50:])


async def test_an_engine_that_goes_and_comes_back_is_noticed() -> None:
    fake = ScriptedEngine()
    async with fake.serving():
        port = port_of(fake)
        async with watched(fake.url) as watch:
            await watch.until(lambda engine: engine.state.is_ready)
            fake.models = b"gone mad"
            await watch.until(lambda engine: not engine.state.is_ready)
            assert f"127.0.0.1:{port} does not speak the OpenAI API" in (watch.engine.state.problem or "")

            fake.models = None
            await watch.until(lambda engine: engine.state.is_ready)


STRANGE: dict[str, bytes] = {
    "empty": b"",
    "no object": b"[]",
    "no list": b'{"data":{}}',
    "no text": b'{"data":[{"id":"\xff"}]}',
    "nested without end": b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "no models": b'{"data":[]}',
    "another peer": b'{"data":[{"id":"auto","owned_by":"ppai"}]}',
}


@pytest.mark.parametrize("listing", STRANGE.values(), ids=STRANGE)
async def test_a_strange_listing_is_a_problem(listing: bytes) -> None:
    async with ScriptedEngine(models=listing).serving() as fake, watched(fake.url) as watch:
        assert not watch.engine.state.is_ready
        assert watch.engine.state.problem


@pytest.mark.parametrize(
    "metrics",
    [
        "vllm:num_requests_running NaN\nvllm:num_requests_waiting 0\n",
        "vllm:num_requests_running +Inf\nvllm:num_requests_waiting 0\n",
        "vllm:num_requests_running many\nvllm:num_requests_waiting 0\n",
        "vllm:num_requests_running -3\nvllm:num_requests_waiting 0\n",
        'vllm:num_requests_running{engine="0"}\nvllm:num_requests_waiting{engine="0"}\n',
        "\udcff\udcfe",
    ],
    ids=ascii,
)
async def test_strange_metrics_leave_our_own_count(metrics: str) -> None:
    """A gauge that cannot be read is missing, never idle and never the end of the peer."""
    async with ScriptedEngine(metrics=metrics).serving() as fake, watched(fake.url) as watch:
        await watch.look()

        assert ("own count", 0, 0) == (
            watch.engine.state.load_source, watch.engine.state.running, watch.engine.state.waiting,
        )  # fmt: skip
        assert watch.engine.state.is_ready


async def test_configured_slots_outrank_the_engine_s() -> None:
    async with ScriptedEngine().serving() as fake, watched(fake.url, slots=3) as watch:
        assert 3 == watch.engine.state.slots


async def test_a_look_before_its_time_reads_the_list_of_an_engine_that_did_not_know_its_model() -> None:
    """One look serves all who wait for it; without a watch nobody waits for ever."""
    async with (
        ScriptedEngine(is_strict=True).serving() as scripted,
        watched(scripted.url, scrape_interval_s=60) as watch,
    ):
        scripted.model = "next"
        body = (b'{"model":"scripted-1","messages":[]}',)
        async with watch.engine.open("chat/completions", body, {}, stream=False, patience=PATIENCE) as reply:
            assert 404 == reply.status
        looks, lists = watch.looks, scripted.paths.count("/v1/models")

        await asyncio.gather(*(watch.engine.look_again() for _ in range(5)))

        assert ["next"] == [model.id for model in watch.engine.state.models]
        assert (1, 1) == (watch.looks - looks, scripted.paths.count("/v1/models") - lists)
