"""The attempts of one request: what it waits for, what it reserves, and what beliefs hear of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import pytest
from msgspec import structs

from discovery.records import PeerId
from gateway.capacity.door import Door
from gateway.capacity.doors import Doors
from gateway.peering.allowance import Allowance
from gateway.peering.remote import PeerUpstream
from gateway.privacy.fields import Travel, may_travel
from gateway.routing.choice import Choice
from gateway.routing.course import CourseConfig
from gateway.routing.query import Query
from gateway.serving.attempts import Around, Attempts
from gateway.serving.deciding.decider import Routed
from gateway.serving.deciding.targets import Attempt, Status, Target
from gateway.serving.headers import NOTHING
from gateway.serving.late import LATE, Leavable
from gateway.serving.leaving import Came
from gateway.serving.recording.outcomes import Outcomes
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.recent import Recorded
from gateway.wire.request import Request, read_request
from tests.cluster import id_of
from tests.gateway.capacity.jobs import door_of
from tests.gateway.routing.ada import MATHS, Ada, agent
from tests.peers import PATIENCE

REQUEST = read_request("chat/completions", json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode())
ANSWERED = Attempt("ok", 0.5, 1.0, prompt_tokens=7, tokens=4)


@dataclass
class Asked:
    """Who was asked at other peers. Nothing travels here."""

    served_by: list[PeerId] = field(default_factory=list)

    def upstream(self, peer: PeerId, name: str, allowed: Allowance) -> PeerUpstream:
        return PeerUpstream(peer, name, None, lambda _, reason: None)  # type: ignore[arg-type]

    def served(self, peer: PeerId) -> None:
        self.served_by.append(peer)


@dataclass
class Desk:
    """Ada's node, the door to her engine of one slot, and a clock that is moved by hand."""

    ada: Ada = field(default_factory=Ada)
    peers: Asked = field(default_factory=Asked)
    door: Door = field(default_factory=lambda: door_of(1, is_slots_known=True))
    now: float = 10.0

    def attempts(
        self, choice: Choice, again: Callable[[int | None], Awaitable[Choice]] | None = None, *, stream: bool = True
    ) -> Attempts:
        doors, clock, decider = Doors([self.door]), lambda: self.now, FixedDecider(again or never)
        outcomes = Unwritten(self.ada.node, doors, self.peers, decider, Telemetry(), None, never, clock)  # type: ignore[arg-type]
        around = Around(decider, outcomes, self.ada.node, doors, self.peers, clock, PATIENCE, CourseConfig())  # type: ignore[arg-type]
        routed = Routed(structs.replace(REQUEST, stream=stream), NOTHING, None, MATHS, choice)
        return Attempts(around, Came(b"", {}), routed, Recorded(), self.now, self.ada.node.roster)

    def choice(self, query: Query | None = None) -> Choice:
        return self.ada.decide(*([query] if query else [])).choice(9)

    def reservations(self, peer: PeerId | None = None) -> int:
        return len(self.ada.node.beliefs[peer or self.ada.node.me].reservations)


class Unwritten(Outcomes):
    """Of requests that end nothing is written."""

    def ended(self, *_: object, **__: object) -> None:
        pass


async def never(*_: object) -> Choice:
    raise AssertionError("nobody looks for another peer here")


@dataclass
class FixedDecider:
    """A request's choice is made anew as `again` says, and all of it may travel."""

    again: Callable[[int | None], Awaitable[Choice]]

    @property
    def queries(self) -> "FixedDecider":
        return self

    def travel(self, request: Request, known: Travel | None = None) -> Travel:
        return may_travel(request, trusted=True)

    async def decide_again(self, query: Query, engine: int | None) -> Choice:
        return await self.again(engine)


def first_of(attempts: Attempts) -> Awaitable[Target | None]:
    """Whom its forwarder would ask first."""
    found = attempts.at_once()
    return attempts.next() if found is None else asyncio.sleep(0, found)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_slot_is_reserved_when_it_is_asked_and_free_when_it_has_answered() -> None:
    desk = Desk()
    attempts = desk.attempts(desk.choice())

    asked = await first_of(attempts)
    assert asked is not None and desk.door.engine is asked.upstream
    assert (1, 1) == (desk.reservations(), desk.door.load.running)
    attempts.observe(ANSWERED)
    attempts.ended(is_left=False)

    assert (0, 0) == (desk.reservations(), desk.door.load.running)
    assert [("ada", "ok")] == [(candidate.peer_name, attempt.status) for candidate, attempt in attempts.done]
    assert 11 == desk.door.doing.tokens


async def test_an_engine_of_ours_that_fails_at_once_is_left_and_not_asked_again() -> None:
    """Though only then somebody keeps the course of the request. What is told of it waits for another's answer."""
    desk = Desk()
    ben = desk.ada.meet(1, agent("better", capability=(255, 255)))
    choice = desk.choice()
    attempts = desk.attempts(structs.replace(choice, order=(choice.order[1], choice.order[1], choice.order[0])))

    first = await first_of(attempts)
    attempts.observe(structs.replace(ANSWERED, status="failed", tokens=0, by_engine=True))
    still = desk.reservations()
    second = await attempts.next()
    attempts.observe(ANSWERED)

    assert first is not None and second is not None
    assert ("ada", "peer-1") == (first.headers["x-ppai-peer"], second.headers["x-ppai-peer"])
    assert (1, 0, 0) == (still, desk.reservations(), desk.reservations(ben))


async def test_what_is_waited_at_the_door_counts_from_its_beginning() -> None:
    """So an attempt's times hold the waiting too, as they do at another peer."""
    desk = Desk()
    inside = await desk.door.own_turn(0.0)
    waiting = asyncio.create_task(desk.attempts(desk.choice()).next())
    await until(lambda: desk.door.load.waiting)

    desk.now += 3.0
    desk.door.leave(inside)
    asked = await waiting

    assert asked is not None and 10.0 == asked.began


async def test_who_hangs_up_while_it_waits_was_waiting_for_our_engine() -> None:
    """One outcome, nothing reserved, and its place in line is free."""
    desk = Desk()
    inside = await desk.door.own_turn(0.0)
    attempts = desk.attempts(desk.choice())
    waiting = asyncio.create_task(attempts.next())
    await until(lambda: desk.door.load.waiting)

    waiting.cancel()
    await asyncio.wait([waiting])

    assert inside and (1, 0, 0) == (desk.door.load.running, desk.door.load.waiting, desk.reservations())
    assert [("ada", "cancelled")] == [(candidate.peer_name, attempt.status) for candidate, attempt in attempts.done]


async def test_a_better_choice_is_followed_while_it_waits() -> None:
    desk = Desk()
    ben = desk.ada.meet(1, agent("better", capability=(255, 255)))
    elsewhere = desk.choice()
    assert ben == elsewhere.order[0].peer_id
    at_home = structs.replace(elsewhere, order=tuple(row for row in elsewhere.order if row.local))
    inside = await desk.door.own_turn(0.0)

    async def again(engine: int | None) -> Choice:
        return elsewhere

    attempts = desk.attempts(at_home, again)
    waiting = asyncio.create_task(attempts.next())
    await until(lambda: desk.door.load.waiting)
    desk.door.look_around()
    asked = await waiting
    attempts.observe(ANSWERED)

    assert inside and asked is not None and "peer-1" == asked.headers["x-ppai-peer"]
    assert (0, [ben]) == (desk.door.load.waiting, desk.peers.served_by)


async def test_a_peer_that_is_late_is_left_unless_it_gets_on_with_loading_a_model() -> None:
    """It has not failed, and is charged for the time; who merely says that it loads is left at the next look."""
    desk = Desk()
    ben = desk.ada.meet(1, agent("better", capability=(255, 255)))
    there = desk.choice()
    at_home = structs.replace(there, order=tuple(row for row in there.order if row.local))

    async def again(engine: int | None) -> Choice:
        assert engine is None
        return at_home

    attempts = desk.attempts(there, again)
    asked = await first_of(attempts)
    assert asked is not None and isinstance(asked.upstream, Leavable) and isinstance(attempts._at, PeerUpstream)
    attempts._at.loading = 0.25
    assert [False, True] == [await asked.upstream._look(), await asked.upstream._look()]
    assert 1 == len(desk.ada.node.beliefs[ben].late)

    attempts.observe(Attempt("refused", None, 3.0, 0, 0, error=LATE))
    following = await attempts.next()

    assert following is not None and desk.door.engine is following.upstream
    assert ["cancelled"] == [attempt.status for _, attempt in attempts.done]
    assert (0, []) == (desk.reservations(ben), desk.ada.node.beliefs[ben].late)
    attempts.ended(is_left=False)
    assert 0 == desk.door.load.running


async def test_a_whole_answer_is_waited_for() -> None:
    """Nobody can tell from outside whether it has begun."""
    desk = Desk()
    desk.ada.meet(1, agent("better", capability=(255, 255)))

    attempts = desk.attempts(desk.choice(), stream=False)
    asked = await first_of(attempts)

    assert asked is not None and isinstance(asked.upstream, PeerUpstream)


async def test_another_peer_that_answers_is_asked_and_learnt_from_though_nobody_keeps_a_course() -> None:
    desk = Desk()
    ben = desk.ada.meet(1, agent("better", capability=(255, 255)))
    attempts = desk.attempts(desk.choice(), stream=False)

    asked = attempts.at_once()
    reserved = desk.reservations(ben)
    attempts.observe(ANSWERED)

    assert asked is not None and isinstance(asked.upstream, PeerUpstream)
    assert (1, 0, None) == (reserved, desk.reservations(ben), attempts._made)
    assert [ben] == desk.peers.served_by


async def test_another_peer_that_fails_is_not_asked_again_though_nobody_kept_a_course_until_then() -> None:
    desk = Desk()
    desk.ada.meet(1, agent("better", capability=(255, 255)))
    attempts = desk.attempts(desk.choice(), stream=False)

    assert attempts.at_once() is not None
    attempts.observe(Attempt("failed", None, 1.0, 0, 0, error="peer_unreachable"))
    following = attempts.at_once() or await attempts.next()

    assert following is not None and desk.door.engine is following.upstream


@pytest.mark.parametrize("pin", ["local", id_of(1)])
async def test_a_target_that_cannot_be_made_costs_no_slot(pin: str) -> None:
    """Neither at the door nor in what we believe of who would have been asked."""
    desk = Desk()
    ben = desk.ada.meet(1)
    attempts = desk.attempts(desk.choice(structs.replace(MATHS, pin=pin)))
    attempts.routed = structs.replace(attempts.routed, request=structs.replace(REQUEST, stream=False, content=None))

    with pytest.raises(AttributeError, match="NoneType"):
        await first_of(attempts)
    attempts.ended(is_left=False)

    assert (0, 0, 0) == (desk.door.load.running, desk.reservations(), desk.reservations(ben))


@pytest.mark.parametrize(("status", "counted"), [("ok", 1), ("cancelled", 1), ("failed", 0), ("refused", 0)])
async def test_a_job_that_our_engine_did_not_do_is_no_completion(status: Status, counted: int) -> None:
    """An engine that fails at once must not look fast; what its client gave up had a slot as any other."""
    desk = Desk()
    attempts = desk.attempts(desk.choice())

    await first_of(attempts)
    attempts.observe(msgspec.structs.replace(ANSWERED, status=status))

    assert (counted, 0) == (desk.door.completions, desk.door.load.running)
