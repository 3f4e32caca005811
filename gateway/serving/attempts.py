"""The attempts of one request: the shell that carries out what its Course says, and tells others how it went.

Whom to ask, how often, and what an outcome means: routing/course.py decides. Who waits at our door: capacity/line.py.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from gateway.beliefs.jobs import Outcome, Reservation
from gateway.capacity.door import Turn
from gateway.capacity.doors import Doors, Served
from gateway.capacity.line import LOOK_S
from gateway.peering.allowance import allowance
from gateway.peering.probes import Peers
from gateway.peering.remote import BUSY_CODES, PeerUpstream
from gateway.routing.choice import Candidate, Choice
from gateway.routing.course import Course, CourseConfig, Verdict, ends_at_once
from gateway.routing.node import Node
from gateway.routing.roster import Roster
from gateway.serving.continuing.said import Said
from gateway.serving.deciding.asking import of_ours, of_peer
from gateway.serving.deciding.decider import Decider, Routed
from gateway.serving.deciding.targets import Attempt, Target
from gateway.serving.engine_errors import MODEL_UNKNOWN
from gateway.serving.late import LATE, Leavable
from gateway.serving.leaving import Came
from gateway.serving.recording.lines import Done
from gateway.serving.recording.outcomes import Outcomes
from gateway.telemetry.genai import PPAI
from gateway.telemetry.otel import RequestTrace
from gateway.telemetry.recent import Recorded
from gateway.upstream import Patience, Upstream, UpstreamError


class Around(msgspec.Struct, frozen=True):
    """What all requests of a peer are asked with."""

    decider: Decider
    outcomes: Outcomes
    node: Node
    doors: Doors
    peers: Peers
    clock: Callable[[], float]
    patience: Patience
    course: CourseConfig


class Attempts(msgspec.Struct, eq=False):
    """What `gateway.serving.deciding.targets.Targets` asks for, told to beliefs, metrics and the route log."""

    around: Around
    came: Came
    routed: Routed  # as it was decided at first
    recorded: Recorded
    began: float
    known: Roster  # whom the choice knew
    trace: RequestTrace | None = None

    # What has not happened, and mostly does not.
    done: Done = ()
    is_left: bool = False  # by its client, while it waited for a peer that the client named
    _made: Course | None = None  # see `_course`
    _asked: Candidate | None = None  # the last one
    _reservation: Reservation | None = None  # of that
    _decided_after: int = 0  # after how many attempts the choice was made
    _broken: tuple[Said, Candidate] | None = None  # an answer that others go on with, and who said the last of it
    _rest: Routed | None = None  # what those are asked
    _turn: Turn | None = None  # inside our own engine
    _at: Served | PeerUpstream | None = None  # who is asked now
    _better: Choice | None = None  # that leads away from a peer that is late

    def at_once(self) -> Target | None:
        """The first of the choice, its slot reserved: another peer, or an engine of ours at whose door nobody waits."""
        choice, began = self.routed.choice, self.began
        candidate = choice.order[0]
        if self._made is not None:
            return None
        if not candidate.local:
            return self._elsewhere(candidate, choice.reason, began)
        served = self.around.doors.at(candidate.agent, candidate.engine, candidate.model)
        turn = served.door.enters(began)
        return None if turn is None else self._inside(turn, served, candidate, choice.reason, began, began)

    async def next(self) -> Target | None:
        """Whom to ask now, with its slot reserved; None: there is nobody left.

        Raises UpstreamError and InvalidRequest where that has a better reason than the last attempt's.
        """
        course, clock, doors = self._course, self.around.clock, self.around.doors
        while True:
            began = clock()
            candidate = course.next(began)
            if candidate is None:
                if not await self._decide_again():
                    return None
            elif not candidate.local:
                return self._elsewhere(candidate, course.choice.reason, began)
            else:
                served = doors.at(candidate.agent, candidate.engine, candidate.model)
                turn = served.door.come(course.began, may_look=course.may_look and self._broken is None)
                choice = None if turn.is_inside else await self._wait(turn, candidate, began)
                if choice is None:
                    served = doors.at(candidate.agent, candidate.engine, candidate.model)  # as by now
                    return self._inside(turn, served, candidate, course.choice.reason, began, clock())
                course.turn(choice)

    @property
    def _course(self) -> Course:
        """What decides whom to ask, and what an outcome means.

        Mostly the first of the choice is asked at once and answers, and there is nothing to decide: so it is made once
        there is, and told who was asked without it.
        """
        if self._made is None:
            self._made = Course(self.routed.choice, self.around.course, self.began)
            if self._at is not None:
                self._made.next(self.began)
        return self._made

    @property
    def _asks(self) -> Routed:
        """What whoever is next is asked."""
        return self._rest or self.routed

    async def _decide_again(self) -> bool:
        """Where nobody is left: whether the course leads on, along another choice."""
        if self._broken is not None:
            return await self._go_on_later()
        if not self._course.may_go_on(self.around.clock()) or (choice := await self._choice_anew()) is None:
            return False
        self._course.turn(choice)
        return True

    def untold(self) -> frozenset[str]:
        """Abilities that the request needs, and that nobody knows whether the one asked last has."""
        assert self._asked, "next() comes before untold()"
        return self._asks.request.needs & self.around.node.untold(self._asked.peer_id, self._asked.agent)

    async def go_on(self, said: Said) -> bool:
        """Have `next` lead to those who can go on with an answer that broke off; False where there is nobody."""
        return self._course.go_on() and await self._go_on(said, self.done[-1][0])

    async def _go_on(self, said: Said, by: Candidate, pause_s: float = 0.0) -> bool:
        """Decide who goes on; where they are busy again and again, until nothing more may be begun."""
        while self._course.may_go_on(self.around.clock()):
            await asyncio.sleep(pause_s)
            found = await self.around.decider.decide_to_go_on(self._asks, self.came, said, by)
            if found is None:
                return False
            self._rest = found
            self._course.turn(found.choice)
            if found.choice.order:
                self._broken = said, by
                return True
            pause_s = LOOK_S
        return False

    async def _go_on_later(self) -> bool:
        """Whether those who could not be reached, or had no room, are asked once more; they may have been too many."""
        _, attempt = self.done[-1]
        if self._broken is None or not (self._is_busy(attempt) or attempt.error == "peer_unreachable"):
            return False
        pause_s = self._course.again()
        return pause_s is not None and await self._go_on(*self._broken, pause_s=pause_s)

    @staticmethod
    def _is_busy(attempt: Attempt) -> bool:
        """Whether it may be taken later."""
        return attempt.status == "refused" and not attempt.is_unsuited and attempt.error in BUSY_CODES

    def observe(self, attempt: Attempt) -> None:
        """The one asked last is done, one way or another."""
        candidate, reservation, turn, around = self._asked, self._reservation, self._turn, self.around
        assert candidate and reservation, "next() comes before observe()"
        better = self._better if attempt.error == LATE else None
        if better is not None:
            attempt = msgspec.structs.replace(attempt, status="cancelled")
        status, tokens, is_stream = attempt.status, attempt.tokens, self.routed.request.stream
        if turn is not None:
            self._turn = None
            read = attempt.prompt_tokens if status == "ok" or tokens else 0
            turn.door.ended(turn, status in ("refused", "failed"), read, tokens)
        outcome = Outcome(candidate.peer_id, status, attempt.ttft_s, attempt.latency_s, tokens, is_stream)
        if self._made is None and ends_at_once(outcome):
            around.node.observe(reservation, outcome, around.clock())
        else:
            self._tell(self._course.ended(reservation, outcome, attempt.by_engine, attempt.is_unsuited))
        self.done += ((candidate, attempt),)
        around.outcomes.attempted(candidate, attempt, self.trace, is_stream=is_stream)
        if better is not None:
            self._course.leave(better)
        if attempt.error is not None or attempt.from_documents is not None or not candidate.local:
            around.outcomes.heard(self._asks.request, self.routed.query.guarded, candidate, attempt)
        if self._broken is not None:
            around.outcomes.continued(candidate, attempt)

    @property
    def choice(self) -> Choice:
        """As it was decided last."""
        return self.routed.choice if self._made is None else self._made.choice

    def ended(self, *, is_left: bool) -> None:
        """Nobody will be asked any more. `is_left`: the request goes on as a chat, or is refused."""
        if self._turn is not None:  # a bug between here and the engine, which must not cost it a slot for good
            self._turn.door.leave(self._turn)
        if self._made is not None:
            self._tell(self._made.settled())
        self.around.outcomes.ended(self, is_left=is_left)

    @property
    def is_continued(self) -> bool:
        """Whether an answer broke off, and others were asked to go on with it."""
        return self._broken is not None

    @property
    def loading(self) -> float | None:
        """How much of the model is loaded, 0 to 1, that an engine loads for this; None where none does, or tells."""
        return self._at.loading if self._at else None

    @property
    def is_cold(self) -> bool:
        """Whether an engine of ours is asked that would have to load the model first."""
        return isinstance(self._at, Served) and self._at.is_cold

    def _inside(
        self, turn: Turn, served: Served, candidate: Candidate, reason: str, began: float, now: float
    ) -> Target:
        """Our own engine, ready to be asked; it has been waited for since `began`."""
        self._turn, self._at = turn, served
        self.around.outcomes.let_in((candidate.wait_s, now - began))
        target = of_ours(self._rest or self.routed, candidate, reason, served, began)
        self._reserve(candidate, now)
        if self.trace is not None:
            family = served.door.engine.state.family
            self.trace.attempt(candidate.model, family, candidate.peer_name, may_tell=False)
        return target

    def _elsewhere(self, candidate: Candidate, reason: str, began: float) -> Target:
        """Another peer, ready to be asked."""
        around, asks = self.around, self._asks
        allowed = allowance(asks.request, around.patience.first_event_s + around.patience.whole_s)
        self._at = peer = around.peers.upstream(candidate.peer_id, candidate.peer_name, allowed)
        upstream: Upstream = peer
        late_after_s = self._course.late_after_s if asks.request.stream else None
        if late_after_s is not None:
            upstream = Leavable(peer, candidate.peer_name, late_after_s, self._look_elsewhere, self._no_longer_late)
        travel = around.decider.queries.travel(asks.request, asks.travel)
        target = of_peer(asks, travel, candidate, reason, upstream, began)
        self._reserve(candidate, around.clock())
        if self.trace is None:
            return target
        may_tell = around.node.admission.vouches(candidate.peer_id)
        headers = self.trace.attempt(candidate.model, PPAI, candidate.peer_name, may_tell=may_tell)
        return msgspec.structs.replace(target, upstream_headers=headers) if headers else target

    def _no_longer_late(self) -> None:
        """A peer that was late has begun."""
        self._observe_late(is_late=False)

    def _observe_late(self, *, is_late: bool) -> None:
        assert self._reservation, "who is late was asked"
        self.around.node.observe_late(self._reservation, is_late)

    async def _look_elsewhere(self) -> bool:
        """Whether somebody else is the better choice, now that the peer that was asked is late."""
        if self._course.gets_on(self.loading):
            return False
        self._observe_late(is_late=True)
        choice = await self._again(None)
        self._better = choice if self._course.may_leave_for(choice) else None
        return self._better is not None

    async def _choice_anew(self) -> Choice | None:
        """Where nobody is left: a choice among those who serve now, if they are others than before."""
        if self._decided_after == len(self.done):
            return None
        candidate, attempt = self.done[-1]
        if self._course.waits(is_busy=self._is_busy(attempt)):
            return await self._when_it_has_room(candidate)
        self._decided_after = len(self.done)
        for candidate, attempt in self.done:
            if candidate.local and attempt.error == MODEL_UNKNOWN:
                await self.around.doors.door_of(candidate.engine).engine.look_again()
        if not self._has_changed:
            return None
        self.known = self.around.node.roster
        return await self.around.decider.decide_anew(self._asks, self.came)

    @property
    def _has_changed(self) -> bool:
        """Whether others serve by now, or others serve other agents."""
        now, known = self.around.node.roster, self.known
        return (now.peer_ids, now.agents) != (known.peer_ids, known.agents)

    async def _when_it_has_room(self, candidate: Candidate) -> Choice:
        """The choice anew as soon as the peer that the client named has room, or serves others or nothing.

        Raises UpstreamError where it had no room in the request's time.
        """
        node, peers, clock, looks = self.around.node, self.around.peers, self.around.clock, 0
        try:
            while (pause_s := self._course.asks_for_room_in(clock(), looks)) is not None:
                await asyncio.sleep(pause_s)
                looks += 1
                has_answered = await peers.probe({candidate.peer_id})
                if not has_answered or self._has_changed or node.has_room(candidate.peer_id, clock()):
                    self.known = node.roster
                    return await self.around.decider.decide_anew(self._asks, self.came)
        except asyncio.CancelledError:  # the client hung up; nothing is reserved
            self.is_left = True
            raise
        raise UpstreamError(
            f"peer `{candidate.peer_name}` is busy, and had no room for this request in its time: try again later, or "
            "ask `auto`",
            status=503,
            code="peer_busy",
            retry_after_s=max(1.0, candidate.wait_s),
        )

    async def _wait(self, turn: Turn, candidate: Candidate, began: float) -> Choice | None:
        """Wait in line for our own engine; the choice that leads the request elsewhere instead, where one is better."""
        look = partial(self._look, candidate.engine) if turn.may_look else None
        try:
            return await turn.door.wait(turn, look)
        except BaseException:  # the client hung up: our engine is what it waited for
            self._reserve(candidate, self.around.clock())
            self.observe(Attempt("cancelled", None, self.around.clock() - began, 0, 0))
            raise

    async def _look(self, engine: int) -> Choice | None:
        """The choice as it would be made now, if it leads away from the engine of ours that the request waits for."""
        choice = await self._again(engine)
        return choice if self._course.leads_elsewhere(choice) else None

    async def _again(self, engine: int | None) -> Choice:
        """The choice as it would be made now, while the request waits at this engine's door; None: at another peer."""
        return await self.around.decider.decide_again(self._asks.query, engine)

    def _reserve(self, candidate: Candidate, now: float) -> None:
        self.recorded.peer, self.recorded.model = candidate.peer_name, candidate.model
        self._asked, self._reservation = candidate, self.around.node.dispatch(candidate, now)

    def _tell(self, verdicts: Sequence[Verdict]) -> None:
        for reservation, outcome in verdicts:
            self.around.node.observe(reservation, outcome, self.around.clock())
