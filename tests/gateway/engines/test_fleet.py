"""Which engines a peer has: those that are named, all that are found, and the embedded one where there is no other."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.engines.address import EngineAddressError
from gateway.engines.embedded import EmbeddedEngine, ModelMissing
from gateway.engines.fleet import Fleet, check_all
from gateway.engines.local import EngineConfig
from tests.fakes import ScriptedEngine
from tests.gateway.engines.test_local import port_of

CLOSED = 9  # a port on which nobody listens


class Watched:
    """A fleet, and how often any of its engines was looked at."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.looks, self.wanted_embedded = fleet, 0, 0

    def seen(self) -> None:
        self.looks += 1

    @property
    def ready(self) -> list[str]:
        return [engine.name for engine in self.fleet.engines if engine.state.is_ready]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def watched(configs: Sequence[EngineConfig], ports: Mapping[int, str]) -> AsyncIterator[Watched]:
    async with asyncio.TaskGroup() as tasks:

        def embedded() -> EmbeddedEngine:
            watch.wanted_embedded += 1
            raise ModelMissing("no weights")

        watch = Watched(Fleet(configs, embedded, ports))
        watching = tasks.create_task(watch.fleet.run(tasks, watch.seen))
        yield watch
        watching.cancel()
        await watch.fleet.stop()


async def test_everything_that_is_found_is_adopted_and_one_that_is_gone_hides_no_other() -> None:
    async with ScriptedEngine(model="one").serving() as first, ScriptedEngine(model="two").serving() as second:
        ports = {CLOSED: "Nobody", port_of(first): "vLLM", port_of(second): "LM Studio"}
        async with watched([EngineConfig(scrape_interval_s=0.01)], ports) as watch:
            await watch.until(lambda: ["vllm", "lm-studio"] == watch.ready)
            first.models = b"nothing"
            await watch.until(lambda: ["lm-studio"] == watch.ready)
            first.models = None
            await watch.until(lambda: ["vllm", "lm-studio"] == watch.ready)

        assert 0 == watch.wanted_embedded


async def test_the_embedded_engine_is_wanted_only_where_nobody_is_found() -> None:
    async with watched([EngineConfig()], {CLOSED: "Nobody"}) as watch:
        await watch.until(lambda: watch.wanted_embedded)

    assert "no weights" in str(watch.fleet.engines[-1].state.problem)


async def test_an_engine_that_is_named_is_not_found_a_second_time() -> None:
    """With another key, another place or its own slots it would be another engine to the peer."""
    async with ScriptedEngine().serving() as engine:
        configs = [EngineConfig(), EngineConfig(f"http://localhost:{port_of(engine)}", slots=3)]
        async with watched(configs, {port_of(engine): "vLLM", CLOSED: "Nobody"}) as watch:
            await watch.until(lambda: watch.ready)

            assert [f"localhost:{port_of(engine)}"] == watch.ready
            assert ["nobody", f"localhost:{port_of(engine)}"] == [one.name for one in watch.fleet.engines]
    assert 0 == watch.wanted_embedded


@pytest.mark.parametrize(
    ("configs", "says"),
    [
        ((EngineConfig("http://a:1"), EngineConfig("http://a:1/v1")), r"engines\[0\] and engines\[1\] are both"),
        ((EngineConfig("http://a:1", name="x"), EngineConfig("http://b:1", name="x")), "are both `x`"),
        ((EngineConfig("auto"), EngineConfig("auto")), "are both `auto`"),
        ((EngineConfig("auto"), EngineConfig("none")), r"engines\[1\].url is `none`"),
        ((EngineConfig("auto"), EngineConfig("ftp://x")), r"engines\[1\].url is none that an engine has"),
        ((EngineConfig("ftp://x"),), r"engine.url is none that an engine has"),
    ],
    ids=["one address", "one name", "twice auto", "none among others", "no URL", "a single one"],
)
def test_settings_that_name_no_engines_are_refused_with_the_place_of_the_mistake(
    configs: tuple[EngineConfig, ...], says: str
) -> None:
    with pytest.raises(EngineAddressError, match=says):
        check_all(configs)
