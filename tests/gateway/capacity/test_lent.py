"""Slots that are lent: whoever else comes finds as much room as there is, and no more than all slots are ever used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capacity.door import Door, Turn
from gateway.capacity.lent import Work
from tests.gateway.capacity.jobs import door_of, ready

NOTHING = Work(0, 0, 0, 0, 0.0)
STEPS = st.lists(
    st.tuples(st.sampled_from(["lend", "use", "own", "leave", "back", "die"]), st.integers(0, 99)), max_size=60
)


class Worker:
    """One that was lent slots, and answers each call back when it is told to."""

    def __init__(self, door: Door, slots: int) -> None:
        self.door, self.slots, self.running, self.is_called, self.is_back = door, slots, 0, False, False
        self.loan = door.lend(slots, self.call_back)

    def call_back(self) -> None:
        self.is_called = True

    def use(self, running: int) -> None:
        self.running = running
        self.door.used(self.loan or 0, running, NOTHING)

    def back(self) -> None:
        self.is_back = True
        self.door.got_back(self.loan or 0)


@given(slots=st.integers(1, 8), steps=STEPS)
def test_slots_that_are_used_set_aside_or_entered_are_never_more_than_there_are(
    slots: int, steps: list[tuple[str, int]]
) -> None:
    """And while somebody waits, all that is lent is called back; what is free then is his."""
    door, workers, turns = door_of(slots, is_slots_known=True), list[Worker](), list[Turn]()
    for step, which in steps:
        one = workers[which % len(workers)] if workers else None
        if step == "lend":
            if (new := Worker(door, which % slots + 1)).loan is not None:
                workers.append(new)
        elif step == "own":
            turns.append(door.come(0.0, may_look=False))
        elif step == "leave" and turns:
            turn = turns.pop(which % len(turns))
            door.ended(turn, False) if turn.is_inside else door.leave(turn)
        elif one is not None and step == "use":
            one.use(which % ((one.running if one.is_back else one.slots) + 1))
        elif one is not None and step == "back" and one.is_called and not one.is_back:
            one.back()
        elif one is not None and step == "die":
            one.use(0)
            if not one.is_back:
                one.back()
        workers = [each for each in workers if each.running or not each.is_back]

        inside = sum(turn.is_inside for turn in turns)
        held = sum(each.running if each.is_back else each.slots for each in workers)
        waits = len(turns) - inside
        assert inside + held <= slots
        assert inside + sum(each.running for each in workers) == door.load.running
        assert not waits or inside + held == slots
        assert not waits or all(each.is_called for each in workers)


async def test_a_door_with_slots_lent_is_not_idle() -> None:
    door = door_of(4, now=[0.0])
    loan = door.lend(2, lambda: None)

    assert loan is not None and 0.0 == door.quiet_s
    door.got_back(loan)
    assert not door.lent


async def test_nothing_is_lent_while_somebody_waits_or_more_than_is_free() -> None:
    door = door_of(2, is_slots_known=True)
    assert door.lend(3, lambda: None) is None

    turns = [door.come(0.0, may_look=False) for _ in range(3)]

    assert door.lend(1, lambda: None) is None
    for turn in turns:
        door.leave(turn)


async def test_the_work_that_was_done_counts_as_if_it_had_been_done_here() -> None:
    now = [10.0]
    door = door_of(4, now=now)
    loan = door.lend(2, lambda: None)
    assert loan is not None

    now[0] = 12.0
    door.used(loan, 1, Work(arrivals=5, completions=4, prompt_tokens=40, tokens=20, busy_s=3.5))

    pulse = door.pulse("me")  # type: ignore[arg-type]
    assert (1, 5, 4, 3500, 40, 20) == (
        pulse.running, pulse.arrivals, pulse.completions, pulse.busy_ms, pulse.tokens_in, pulse.tokens_out,
    )  # fmt: skip
    now[0] = 13.0
    assert 3500 == door.pulse("me").busy_ms  # type: ignore[arg-type]  # of a slot that is used it is told with its work


@pytest.mark.parametrize("change", [{"others": 1}, {"slots": 1}])
async def test_in_another_room_what_is_lent_is_called_back(change: dict[str, int]) -> None:
    door, called = door_of(4), list[int]()
    door.lend(2, lambda: called.append(1))
    door.engine.state = ready(**{"slots": 4, **change})  # type: ignore[misc]
    door.admit_waiting()

    assert called
