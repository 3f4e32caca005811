"""A door that is closed to other peers: what closes it, who hears of it, and who takes another's place."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from gateway.capacity.door import KEPT_SHUT_S, Door
from gateway.capacity.rules import AdmissionConfig
from gateway.engines.engine_state import EngineState
from gateway.upstream import UpstreamError
from tests.gateway.capacity.jobs import ME, IdleEngine, Job, door_of, end_all, jobs, ready, settle


async def test_the_door_tells_when_it_closes_and_when_it_opens() -> None:
    """At once, and nothing else: who starts, ends or waits meanwhile is the next pulse's news."""
    heard: list[str] = []
    door = Door(
        IdleEngine(ready(1)),
        AdmissionConfig(),
        lambda: 0.0,
        lambda: 1.0,
        lambda: heard.append(door.admission),  # type: ignore[arg-type]
    )

    remote = await jobs(door, 2, remote=True)
    assert [] == heard
    remote += await jobs(door, 1, remote=True)
    assert ["closed"] == heard
    await remote[0].end()
    await settle()

    assert ["closed", "soft"] == heard
    await end_all(remote)


FULL = {"is_slots_known": True, "others": 4}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({**FULL}, {**FULL, "others": 0}),  # other programs' jobs ended
        ({**FULL}, {**FULL, "slots": 16}),  # it has, or the owner gives it, more slots
        ({**FULL, "problem": "it died"}, {"is_slots_known": True}),  # it came back
        ({**FULL, "models": ()}, {"is_slots_known": True}),  # it serves a model again
        ({**FULL}, {"is_slots_known": False, "others": 0}),  # another engine, which tells no slots
    ],
    ids=["other jobs ended", "more slots", "back", "a model again", "another engine"],
)
async def test_a_door_that_opens_tells_everybody_who_waits_whatever_opened_it(
    before: dict[str, object], after: dict[str, object]
) -> None:
    """Who waits here enters; other peers, who keep their requests, hear of it."""
    heard: list[str] = []
    engine = IdleEngine(ready(4, **{**FULL, "others": 0}))
    door = Door(engine, AdmissionConfig(), lambda: 0.0, lambda: 1.0, lambda: heard.append(door.admission))  # type: ignore[arg-type]
    engine.state = replace(ready(4), **FULL)
    waiting = await jobs(door, 2, remote=True)
    assert not any(job.is_inside for job in waiting)
    engine.state = replace(ready(4), **{"others": 4, **before})
    door.admit_waiting()
    if before.get("problem") or "models" in before:
        assert ["closed"] == heard

    engine.state = replace(ready(4), **after)
    door.admit_waiting()
    await settle()

    assert all(job.is_inside for job in waiting)
    assert heard in ([], ["closed", door.admission])
    await end_all(waiting)


@pytest.mark.parametrize("remote", [False, True])
async def test_who_fails_at_an_engine_that_is_gone_closes_the_door_before_the_next_look(remote: bool) -> None:
    """Nobody waits. One that was answered leaves by the short way, and tells nobody anything."""
    heard: list[str] = []
    engine = IdleEngine(ready(2))
    door = Door(engine, AdmissionConfig(), lambda: 0.0, lambda: 1.0, lambda: heard.append(door.admission))  # type: ignore[arg-type]
    door.admit_waiting()
    turn = await (door.remote_turn("ben") if remote else door.own_turn(0.0))
    engine.state = replace(engine.state, problem="it died")

    with suppress(UpstreamError), turn:
        raise UpstreamError("no answer")

    assert ["closed"] == heard


async def test_a_closed_door_is_a_429_with_the_time_to_come_back() -> None:
    """One runs, two wait: the limit. E[S] is 4 s, and one place is wanted."""
    door = door_of(1)
    remote = await jobs(door, 3, remote=True)
    assert "closed" == door.admission

    with pytest.raises(UpstreamError) as caught:
        await door.remote_turn()

    assert (429, "busy", 4) == (caught.value.status, caught.value.code, caught.value.retry_after_s)
    assert 2 == door.load.waiting
    await end_all(remote)


async def test_the_queue_is_bounded_where_the_owner_s_slot_is_free() -> None:
    """Remote work may not have the reserved slot, so it must not queue for it without end either."""
    door = door_of(4, reserve=1)
    remote = await jobs(door, 3 + 8, remote=True)
    assert (3, 8) == (door.load.running, door.load.waiting)

    assert "closed" == door.admission
    local = await jobs(door, 1, remote=False)
    assert local[0].is_inside
    await end_all(remote, local)


async def test_without_an_engine_the_door_is_closed() -> None:
    door = Door(IdleEngine(EngineState()), AdmissionConfig(), lambda: 0.0, lambda: 1.0)  # type: ignore[arg-type]

    assert "closed" == door.admission == door.pulse(ME).admission
    with pytest.raises(UpstreamError) as caught:
        await door.remote_turn()
    assert 429 == caught.value.status


async def test_what_others_have_inside_is_finished_and_who_waits_is_turned_away_at_once() -> None:
    """Own requests go on as always; the pulse says closed, and who asks next is told when to come back."""
    why, told = [""], list[str]()
    door = Door(
        IdleEngine(ready(2)), AdmissionConfig(), lambda: 0.0, lambda: 4.0,  # type: ignore[arg-type]
        lambda: told.append(door.admission), kept_shut=lambda: why[0],
    )  # fmt: skip
    inside, waiting = Job(door, remote=True), Job(door, remote=True)
    await settle()
    assert (True, False) == (inside.is_inside, waiting.is_inside)

    why[0] = "you paused it"
    door.admit_waiting()
    await settle()
    own = Job(door, remote=False)
    await settle()

    assert isinstance(waiting.task.exception(), UpstreamError) and not inside.task.done()
    assert own.is_inside and ["closed"] == told
    assert "closed" == door.pulse(ME).admission
    with pytest.raises(UpstreamError) as caught, await door.remote_turn():
        raise AssertionError("nobody is let in")
    assert (429, "busy", "this peer is busy") == (caught.value.status, caught.value.code, str(caught.value))
    assert (caught.value.retry_after_s or 0) >= KEPT_SHUT_S

    await inside.end()
    why[0] = ""
    door.admit_waiting()
    again = Job(door, remote=True)
    await settle()

    assert inside.task.exception() is None and again.is_inside
    assert ["closed", "open"] == told
    assert (2, 0) == (door.load.running, door.load.waiting)
    await own.end()
    await again.end()


async def test_who_is_turned_away_and_hangs_up_leaves_no_place_behind() -> None:
    why = [""]
    door = Door(IdleEngine(ready(1)), AdmissionConfig(), lambda: 0.0, lambda: 4.0, kept_shut=lambda: why[0])  # type: ignore[arg-type]
    own, waiting = Job(door, remote=False), Job(door, remote=True)
    await settle()

    why[0] = "you paused it"
    door.admit_waiting()
    await waiting.cancel()
    await own.end()

    assert (0, 0) == (door.load.running, door.load.waiting)


async def test_who_has_had_less_takes_a_place_in_a_full_line() -> None:
    """All places are the flood's: its last request hears that this peer is busy, the other's waits in its stead."""
    door = door_of(slots=1)
    inside = await door.remote_turn("flood")
    waiting = [asyncio.create_task(enter(door, "flood")), asyncio.create_task(enter(door, "third"))]
    await asyncio.sleep(0)
    pushed = asyncio.create_task(enter(door, "third"))
    await asyncio.sleep(0)
    with pytest.raises(UpstreamError, match="busy"):
        await pushed  # a third request, and the line is full: `third` has one of its own there, and none gives way

    other = asyncio.create_task(enter(door, "other"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [True, False, False] == [waiting[0].done(), waiting[1].done(), other.done()]
    with pytest.raises(UpstreamError, match="busy"):
        await waiting[0]
    assert 1 == door.load.running and 2 == door.load.waiting
    door.leave(inside)
    await asyncio.gather(waiting[1], other)


async def test_a_door_is_soft_while_somebody_has_several_places_in_line() -> None:
    """Others hear `closed` only where asking is in vain for whoever has nothing there yet."""
    door = door_of(slots=2)
    tasks = [asyncio.create_task(enter(door, peer, asyncio.Event())) for peer in "aaabc"]
    await asyncio.sleep(0)

    assert "soft" == door.admission
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    tasks = [asyncio.create_task(enter(door, peer, asyncio.Event())) for peer in "abcde"]
    await asyncio.sleep(0)
    assert "closed" == door.admission
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def enter(door: Door, peer: str, stays: asyncio.Event | None = None) -> None:
    with await door.remote_turn(peer):
        if stays:
            await stays.wait()
