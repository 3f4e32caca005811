"""Several engines behind one peer: each has a door and a number of its own, and others see their sum."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from discovery.envelopes import parse, seal
from discovery.records import ENGINES_LIMIT, PULSE_LIMIT_BYTES, WHOLE, Agent, PeerId, Pulse
from gateway.beliefs.jobs import Doing
from gateway.capacity.door import Door
from gateway.capacity.doors import Doors
from gateway.capacity.rules import AdmissionConfig
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.upstream import Patience, Reply, Upstream
from gateway.wire.codec import Pieces
from tests.cluster import NET, id_of
from tests.gateway.capacity.jobs import IdleEngine, door_of, jobs, ready

ME = PeerId("me")


def down(door: Door) -> None:
    """Its engine is gone; what it served is remembered."""
    door.engine.state = EngineState("gone", models=(EngineModel("m"),))  # type: ignore[misc]


def doors_of(*slots: int) -> Doors:
    made = Doors([door_of(one) for one in slots])
    made.note_ready()
    return made


def test_a_single_engine_is_the_peer() -> None:
    doors = doors_of(3)

    assert WHOLE == doors.number_of(doors.all[0])
    assert [Doing(0, 3, 0, 0)] == doors.doing
    assert doors.all[0].pulse(ME) == doors.pulse(ME)
    assert [] == doors.loads


def test_engines_are_numbered_as_they_come_and_keep_their_numbers() -> None:
    """An engine that goes and comes back every few seconds moves nobody's number."""
    first, second, third = door_of(1), door_of(2), door_of(3)
    down(first), down(third)
    doors = Doors([first, second, third])
    doors.note_ready()
    assert [WHOLE] * 3 == [doors.number_of(door) for door in doors.all]

    third.engine.state = ready(3)  # type: ignore[misc]
    doors.note_ready()
    assert [WHOLE, 0, 1] == [doors.number_of(door) for door in doors.all]

    for _ in range(5):
        down(second)
        doors.note_ready()
        second.engine.state = ready(2)  # type: ignore[misc]
        doors.note_ready()
        assert [WHOLE, 0, 1] == [doors.number_of(door) for door in doors.all]


async def test_an_agent_of_replicas_is_served_where_the_fewest_wait_a_slot() -> None:
    doors = doors_of(1, 4)
    doors.serve([Agent("m", "m", 0, engine=0), Agent("m", "m", 0, engine=1), Agent("other", "m2", 0, engine=1)])
    small, large = doors.all

    working = [*await jobs(small, 1, remote=False), *await jobs(large, 2, remote=False)]

    served, other = doors.of("m"), doors.of("other")
    assert served and other
    assert (large, 1) == (served.door, served.engine)
    assert (large, "m2") == (other.door, other.model)
    assert doors.of("nobody's") is None
    assert 3 == len(working)


async def test_of_replicas_one_that_suits_comes_before_one_with_less_to_do() -> None:
    """Such as one that has the model loaded, for whom none is loaded."""
    doors = doors_of(1, 4)
    doors.serve([Agent("m", "m", 0, engine=0), Agent("m", "m", 0, engine=1)])
    working = await jobs(doors.all[0], 1, remote=False)

    found = [doors.of("m", suits) for suits in (lambda one: one.engine == 0, lambda one: True, lambda one: False)]

    assert (1, [0, 1, 1]) == (len(working), [one.engine for one in found if one])


async def test_others_see_the_sum_and_each_engine_behind_it() -> None:
    doors = doors_of(1, 4)
    working = [*await jobs(doors.all[0], 3, remote=False), *await jobs(doors.all[1], 2, remote=False)]

    pulse = doors.pulse(ME)

    assert (3, 2, 5) == (pulse.running, pulse.waiting, pulse.slots)
    assert [(1, 2, 1), (2, 0, 4)] == [(one.running, one.waiting, one.slots) for one in pulse.engines]
    assert [Doing(3, 1, 0, 0), Doing(2, 4, 0, 0)] == doors.doing
    assert "open" == doors.admission == pulse.admission
    assert 5 == len(working)


async def test_an_engine_that_is_gone_takes_its_slots_along_and_no_counter_runs_backwards() -> None:
    doors = doors_of(2, 4)
    (job,) = await jobs(doors.all[0], 1, remote=False)
    await job.end()
    before = doors.pulse(ME)

    down(doors.all[0])
    after = doors.pulse(ME)

    assert (6, 4) == (before.slots, after.slots)
    assert (1, 1) == (before.completions, after.completions)
    assert doors.problem is None
    down(doors.all[1])
    assert "gone" == doors.problem
    assert "closed" == doors.admission


def test_a_model_is_cold_where_no_engine_that_serves_it_has_it_loaded() -> None:
    states = [
        EngineState(None, "ollama", (EngineModel("m", is_loaded=False), EngineModel("n", is_loaded=False)), 1),
        EngineState(None, "ollama", (EngineModel("m"),), 1),
    ]
    doors = Doors([Door(IdleEngine(state), AdmissionConfig(), lambda: 0.0, lambda: 1.0) for state in states])
    doors.note_ready()
    doors.serve([Agent("m", "m", 0, engine=0), Agent("n", "n", 0, engine=0), Agent("m", "m", 0, engine=1)])

    assert ("n",) == doors.cold


@pytest.mark.parametrize("count", [2, ENGINES_LIMIT, ENGINES_LIMIT + 3])
def test_a_pulse_of_many_engines_fits_and_is_read_again(count: int) -> None:
    """What does not fit is left out, never raised."""
    doors = doors_of(*[4000] * count)
    pulse = replace(doors.pulse(id_of(1)), gen=1, seq=1)

    sealed = seal(pulse, NET, lambda message: bytes(64))
    read = parse(sealed.envelope)

    assert isinstance(read, Pulse)
    assert len(sealed.envelope.payload) <= PULSE_LIMIT_BYTES
    assert (min(count, ENGINES_LIMIT), pulse.slots) == (len(read.engines), read.slots)


class Twice:
    """An agent that asks its engine twice for one answer."""

    def over(self, engine: Upstream, *, is_own: bool) -> Upstream:
        return _AskedTwice(engine)


@dataclass
class _AskedTwice:
    engine: Upstream

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        for _ in range(2):
            async with self.engine.open(endpoint, body, headers, stream=stream, patience=patience) as reply:
                pass
        yield reply


async def test_an_agent_asks_its_engine_as_often_as_it_needs_with_one_place() -> None:
    """Between two steps nobody else enters, and the place is given back once."""
    door = door_of(1, is_slots_known=True)
    doors = Doors([door])
    doors.note_ready()
    doors.serve([Agent("nora", "nora", 0, base="m")], {"nora": Twice()})
    served = doors.of("nora")
    assert served is not None
    turn = await door.own_turn(0.0)
    second = asyncio.create_task(door.own_turn(1.0))
    upstream = served.over(door.engine, is_own=True)

    with turn:
        async with upstream.open("chat/completions", (b"",), {}, stream=False, patience=Patience(1, 1, 1)):
            await asyncio.sleep(0)
        assert not second.done() and door.load.running == 1

    left = await second
    assert 1 == door.completions
    door.leave(left)
    assert 0 == door.load.running
