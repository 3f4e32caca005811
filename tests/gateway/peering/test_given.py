"""What another peer is given of our agents, over TLS on loopback, and what it is told where that is less."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway.capacity.limits import Limit, Limits
from gateway.peering.given import Given
from gateway.upstream import UpstreamError
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import ask, delegated, until
from tests.peers import Pair, two_peers


def limited(pair: Pair, *limits: Limit) -> None:
    """Ben's owner says so."""
    pair.ben.app._delegations._given = partial(Given, limits=Limits(limits))


async def test_a_peer_has_as_many_at_once_as_the_owner_lets_it_and_hears_that_it_is_for_that(tmp_path: Path) -> None:
    """What it has begun is finished, and then there is room again."""
    async with ScriptedEngine(delay_s=30.0).serving() as engine, two_peers(tmp_path, engine, slots=8) as pair:
        limited(pair, Limit("anyone", ("scripted*",), at_once=1))
        first = asyncio.create_task(ask(pair, delegated()))
        await until(lambda: len(engine.asked) == 1)
        with pytest.raises(UpstreamError, match="as many requests there at once as its owner lets you") as refused:
            await ask(pair, delegated())
        first.cancel()
        await asyncio.wait({first})
        engine.delay_s = 0.0
        await until(lambda: not pair.ben.door.load.remote_running)
        await ask(pair, delegated())

    assert (429, "peer_refused", 1.0) == (refused.value.status, refused.value.code, refused.value.retry_after_s)


async def test_a_peer_that_may_have_nothing_of_an_agent_is_told_so_and_thinks_nothing_of_it(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        limited(pair, Limit(pair.ada.id, at_once=0))
        with pytest.raises(UpstreamError, match="its owner lets you have nothing of it") as refused:
            await ask(pair, delegated())

    assert ("peer_no_agent", True, []) == (refused.value.code, refused.value.is_unsuited, engine.asked)


async def test_a_model_that_is_not_loaded_is_only_for_whom_the_owner_has_it_loaded(tmp_path: Path) -> None:
    """By default for nobody: it would take the place of what the owner uses."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        watched = pair.ben.door.engine._engine
        watched.state = replace(watched.state, models=(replace(watched.state.models[0], is_loaded=False),))
        pair.ben.door.loads_for_others = False
        with pytest.raises(UpstreamError, match="not loaded, and its owner has none loaded because others ask"):
            await ask(pair, delegated())
        asked = len(engine.asked)
        limited(pair, Limit(pair.ada.id, cold=True))
        await ask(pair, delegated())

    assert (0, 1) == (asked, len(engine.asked))
