"""Other peers' requests while our engine runs them: signs of life, the stop, those that come to nothing."""

import asyncio
from pathlib import Path

import pytest

from gateway.upstream import UpstreamError
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import ask, delegated, until
from tests.peers import Pair, two_peers


async def test_a_peer_that_hangs_up_on_all_that_it_asks_is_refused_for_a_while(tmp_path: Path) -> None:
    async with ScriptedEngine(delay_s=30).serving() as engine, two_peers(tmp_path, engine) as pair:
        for _ in range(80):
            if "429" in str(await hang_up(pair)):
                break

        assert "too many of your requests came to nothing" in str(await hang_up(pair))


async def hang_up(pair: Pair) -> Exception | None:
    """Ask, and leave as soon as the request runs; what kept it from running."""
    asking = asyncio.create_task(ask(pair, delegated()))
    await until(lambda: asking.done() or pair.ben.door.load.remote_running == 1)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: pair.ben.door.load.remote_running == 0)
    return None if asking.cancelled() else asking.exception()  # type: ignore[return-value]


async def test_a_peer_that_is_stopped_says_so_to_the_asking_peer(tmp_path: Path) -> None:
    """Before the first event, so that the asking peer can go on to another."""
    engine = ScriptedEngine(delay_s=60.0)
    async with engine.serving(), two_peers(tmp_path, engine) as pair:
        asking = asyncio.create_task(ask(pair, delegated()))
        await engine.until(lambda engine: engine.active == 1)

        pair.ben.web.grace_s = 0.0
        pair.ben.web.stop()

        with pytest.raises(UpstreamError, match="is being stopped") as caught:
            await asking

    assert 503 == caught.value.status


@pytest.mark.parametrize(("first_s", "delay_s", "begins"), [(30.0, 0.0, b"event: reply"), (0.05, 30.0, b": queued")])
async def test_an_answer_begins_with_itself_or_soon_with_a_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_s: float, delay_s: float, begins: bytes
) -> None:
    """In one write with its head where it is there at once, else long before the first heartbeat is due."""
    monkeypatch.setattr("gateway.peering.hop.delegations.FIRST_SIGN_S", first_s)
    engine = ScriptedEngine(delay_s=delay_s)
    async with engine.serving(), two_peers(tmp_path, engine, heartbeat_s=60.0) as pair:
        with await pair.ada.transport.open_stream(pair.ben.id, "/peer/1/delegate", delegated()) as answer:
            assert (await answer.piece(5)).startswith(begins)
