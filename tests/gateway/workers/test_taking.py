"""What a worker takes by itself, and tells many at once."""

import asyncio

import msgspec

from gateway.serving.standing.orders import Forecast, Kind, Leave
from gateway.upstream import Patience
from gateway.wire.request import read_request
from gateway.workers.frames import CallBack, Done, Frame, Order
from gateway.workers.reading import Found
from gateway.workers.taking import TELL_S, Taking
from tests.gateway.workers.test_frames import MANNER

REQUEST = read_request("completions", b'{"model":"m","prompt":"hi"}')
KIND = Kind("completions", "m", (), REQUEST.needs)
LEAVE = Leave(KIND, "m", "m", "m", {"x-ppai-peer": "ada"}, 20.0, Forecast(0.5, 0.0, 0.0, 1.0))


def found(*, is_plain: bool = True) -> Found:
    return Found("r1", "", REQUEST, is_plain, 1.0, 0.5)


def taking(slots: int, is_behind: bool = False) -> tuple[Taking, list[Frame]]:
    said = list[Frame]()
    made = Taking(said.append, lambda: is_behind)
    made.stand(Order(1, LEAVE, MANNER, Patience(1.0, 2.0, 3.0), 10.0, slots))
    return made, said


async def test_so_many_are_taken_at_once_as_slots_are_lent() -> None:
    made, _ = taking(2)

    first, *others = (made.take(found()) for _ in range(3))
    assert first is not None and [True, False] == [each is not None for each in others]
    made.went(first, "ok", None, (1, 1))

    assert made.take(found()) is not None


async def test_what_was_done_is_told_at_once_and_soon() -> None:
    made, said = taking(8)

    for _ in range(5):
        taken = made.take(found())
        assert taken is not None
        made.went(taken, "ok", None, (1, 1))
    assert made.take(found()) is not None
    assert not said
    await asyncio.sleep(2 * TELL_S)

    (done,) = said
    assert isinstance(done, Done)
    assert (6, 5, 1, 1) == (len(done.entered), len(done.went), done.running, done.most)


async def test_none_is_taken_for_which_there_may_be_no_room() -> None:
    """With the longest answer that it allows."""
    made, _ = taking(2)
    long = read_request("completions", b'{"model":"m","prompt":"hi","max_tokens":20}')

    assert made.take(msgspec.structs.replace(found(), request=long)) is None


async def test_none_is_taken_that_wishes_something_or_while_the_owner_is_behind() -> None:
    assert taking(2)[0].take(found(is_plain=False)) is None
    assert taking(2, is_behind=True)[0].take(found()) is None


async def test_a_call_back_is_answered_at_once_and_what_was_taken_goes_on() -> None:
    made, said = taking(2)
    taken = made.take(found())
    assert taken is not None

    made.call_back(CallBack(1))

    assert made.take(found()) is None
    assert isinstance(said[-1], Done) and (1, True) == (said[-1].running, said[-1].is_back)
    made.went(taken, "ok", None, (1, 1))
    made.tell()
    assert isinstance(said[-1], Done) and (0, True) == (said[-1].running, said[-1].is_back)
