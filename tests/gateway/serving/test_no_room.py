"""Where nobody has room: requests wait in line, for who has room again, and leave nothing behind."""

import asyncio
import time
from pathlib import Path

from gateway.routing.course import CourseConfig
from tests.fakes import ScriptedEngine
from tests.gateway.serving.desk import Desk, desk
from tests.gateway.serving.forwarding import Recorder


async def held(ada: Desk, mine: ScriptedEngine, theirs: ScriptedEngine) -> tuple[asyncio.Task[Recorder], ...]:
    """Ada's one slot is taken, ben has refused: the second request waits at ada's own door."""
    mine.delay_s, theirs.status = 30.0, 503
    first = asyncio.create_task(ada.ask({"x-ppai-route": "local"}))
    await mine.until(lambda engine: engine.active == 1)
    second = asyncio.create_task(ada.ask())
    async with asyncio.timeout(5):
        while not (len(ada.node.reserved) == 2 and ada.door.load.waiting):
            await asyncio.sleep(0.005)
    return first, second


async def test_what_was_refused_everywhere_goes_to_who_has_room_again(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """A job of ours that ends at ben is the news: his door may be open again."""
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)
        theirs.status = 200

        await ada.ask({"x-ppai-route": "ben"})
        client = await asyncio.wait_for(waiting, 5)

        assert (1, 2) == (len(mine.asked), len(theirs.asked) - 1)
        assert (200, "ben", "2") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])
        assert 2 == ada.route_log.tail[-1]["attempts"]
        assert ["refused", "ok", "ok"] == [outcome.status for _, outcome in ada.node.outcomes]
        busy.cancel()
        await asyncio.wait([busy])
        assert 0 == len(ada.node.beliefs[ada.me.id].reservations) + ada.door.load.waiting


async def test_a_peer_that_does_not_begin_is_left_for_who_is_free_by_then(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Ben said that he is idle, and is still silent when ada's own engine is: she waits for him no longer than due."""
    mine.delay_s = theirs.delay_s = 30.0
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy = asyncio.create_task(ada.ask({"x-ppai-route": "local"}))
        await mine.until(lambda engine: engine.active == 1)
        waiting = asyncio.create_task(ada.ask(stream=True))
        await theirs.until(lambda engine: engine.active == 1)
        mine.delay_s = 0.0
        busy.cancel()
        await asyncio.wait([busy])

        client = await asyncio.wait_for(waiting, 10)
        await theirs.until(lambda engine: engine.active == 0)

        assert (200, "ada", "2") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])
        assert client.body.endswith(b"data: [DONE]\n\n")
        assert ["cancelled", "cancelled", "ok"] == [outcome.status for _, outcome in ada.node.outcomes]
        assert 0 == len(ada.node.beliefs[ada.ben.id].reservations) == len(ada.node.beliefs[ada.ben.id].late)
        told = ada.route_log.tail[-1]
        assert [("ben", "cancelled", "peer_late")] == [
            (one["peer"], one["status"], one["code"]) for one in told["tried"][:1]
        ]


async def test_what_waits_at_our_door_has_our_next_slot(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """And what it waited there was waiting for our engine: beliefs and log count it."""
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)
        mine.delay_s = 0.0
        await asyncio.sleep(0.05)

        busy.cancel()
        client = await asyncio.wait_for(waiting, 5)

        assert (200, "ada") == (client.status, client.headers["x-ppai-peer"])
        assert ada.route_log.tail[-1]["ttft_s"] >= 0.05
        assert ada.node.outcomes[-1][1].ttft_s >= 0.05


async def test_who_hangs_up_in_line_leaves_nothing_behind(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)

        waiting.cancel()
        await asyncio.wait([waiting])

        assert ["refused", "cancelled"] == [outcome.status for _, outcome in ada.node.outcomes]
        assert "cancelled" == ada.route_log.tail[-1]["status"]
        assert (1, 0) == (ada.door.load.running, ada.door.load.waiting)
        busy.cancel()
        await asyncio.wait([busy])


async def full(ada: Desk, theirs: ScriptedEngine) -> list[asyncio.Task[Recorder]]:
    """All that ada may have at ben: one request in his engine, and one in line."""
    tasks = [asyncio.create_task(ada.ask({"x-ppai-route": "ben"})) for _ in range(2)]
    async with asyncio.timeout(5):
        while not (theirs.active and ada.ben.door.load.waiting):
            await asyncio.sleep(0.005)
    return tasks


async def test_a_pinned_peer_that_is_busy_is_waited_for(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """And asked as soon as it has room: nobody else answers, and nobody is turned away."""
    theirs.delay_s = 30.0
    async with desk(tmp_path, mine, theirs, their_slots=1) as ada:
        busy = await full(ada, theirs)
        waiting = asyncio.create_task(ada.ask({"x-ppai-route": "ben"}))
        async with asyncio.timeout(5):
            while [] == [outcome for _, outcome in ada.node.outcomes if outcome.status == "refused"]:
                await asyncio.sleep(0.005)
        theirs.delay_s = 0.0
        busy[0].cancel()
        client = await asyncio.wait_for(waiting, 5)

        await asyncio.wait(busy)
        assert not ada.node.beliefs[ada.ben.id].reservations
    assert (200, "ben", "pinned") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-reason"])
    assert 2 <= int(client.headers["x-ppai-attempts"]) <= 4
    assert [] == mine.asked


async def test_who_hangs_up_while_a_pinned_peer_is_waited_for_leaves_nothing_behind(
    tmp_path: Path, theirs: ScriptedEngine
) -> None:
    theirs.delay_s = 30.0
    async with desk(tmp_path, None, theirs, their_slots=1) as ada:
        busy = await full(ada, theirs)
        waiting = asyncio.create_task(ada.ask({"x-ppai-route": "ben"}))
        async with asyncio.timeout(5):
            while len(ada.node.outcomes) < 1:
                await asyncio.sleep(0.005)
        waiting.cancel()
        await asyncio.wait([waiting])

        assert (True, "cancelled") == (waiting.cancelled(), ada.route_log.tail[-1]["status"])
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
        assert not ada.node.beliefs[ada.ben.id].reservations


async def test_a_pinned_peer_that_has_no_room_in_the_request_s_time_is_named_with_when_to_come_back(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    theirs.delay_s = 30.0
    async with desk(tmp_path, mine, theirs, their_slots=1, course=CourseConfig(within_s=1.2)) as ada:
        busy = await full(ada, theirs)
        began = time.monotonic()
        client = await ada.ask({"x-ppai-route": "ben"})
        waited_s = time.monotonic() - began

        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
    assert (503, "peer_busy", []) == (client.status, client.error["code"], mine.asked)
    assert "`ben`" in client.error["message"]
    assert int(client.headers["retry-after"]) >= 1
    assert 0.5 <= waited_s < 5


async def test_what_may_not_leave_waits_in_line_with_the_rest(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """In the order of arrival: else an endless stream of such requests would keep all others out."""
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)
        pinned = asyncio.create_task(ada.ask(best_of=2))
        async with asyncio.timeout(5):
            while ada.door.load.waiting < 2:
                await asyncio.sleep(0.005)
        assert (1, 1) == (mine.active, len(mine.asked))

        busy.cancel()
        await mine.until(lambda engine: len(engine.asked) == 2)
        waiting.cancel()
        await mine.until(lambda engine: len(engine.asked) == 3)

        pinned.cancel()
        await asyncio.wait([busy, waiting, pinned])
    assert [None, None, 2] == [body.get("best_of") for body in mine.asked]
