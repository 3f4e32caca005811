"""The attempts of one request: the shell that carries out what its Course says, and tells others how it went.

Whom to ask, how often, and what an outcome means: routing/course.py decides. Who waits at our door: capacity/line.py.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from discovery.records import printable
from gateway.beliefs.belief import Outcome, Reservation
from gateway.capacity.door import Turn
from gateway.capacity.doors import Doors, Served
from gateway.capacity.line import LOOK_S
from gateway.peering.allowance import allowance
from gateway.peering.hop.reply import FIELDS_REFUSED
from gateway.peering.probes import Peers
from gateway.peering.remote import BUSY_CODES, PeerUpstream
from gateway.routing.choice import Candidate, Choice
from gateway.routing.course import Course, CourseConfig, Verdict, ends_at_once
from gateway.routing.node import Node
from gateway.serving.continuing.said import Said
from gateway.serving.engine_errors import ABILITY_REFUSED, MODEL_UNKNOWN
from gateway.serving.forward import Attempt, Target
from gateway.serving.late import LATE, Leavable
from gateway.serving.recording.lines import CODE_CHARS
from gateway.telemetry.genai import PPAI
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import Ended, RequestTrace
from gateway.upstream import Patience, Upstream, UpstreamError
from gateway.wire.errors import ENDPOINT_MISSING
from gateway.wire.request import Request

log = logging.getLogger(__name__)


class Way(Protocol):
    """What whoever knows the request says of it: what each candidate is asked, and the choice made anew."""

    def target(self, candidate: Candidate, reason: str, by: Served | Upstream, began: float) -> Target:
        """The candidate, ready to be asked; it has been waited for since `began`. `by`: our engine, or its peer."""
        ...

    async def again(self, engine: int | None) -> Choice:
        """The choice as it would be made now, while the request waits at this engine's door; None: at another peer."""
        ...

    async def anew(self) -> Choice:
        """The choice, read anew with the models that are served now.

        Raises UpstreamError and InvalidRequest where nobody is.
        """
        ...

    async def to_go_on(self, said: Said, by: Candidate) -> "GoingOn | None":
        """Who may go on with an answer that `by` began.

        None where nobody may, no candidate where those who may are busy.
        """
        ...


class GoingOn(NamedTuple):
    """Who may go on with an answer that broke off, and what each of them is asked."""

    choice: Choice
    request: Request
    way: Way


class Around(NamedTuple):
    """What all requests of a peer are asked with."""

    node: Node
    doors: Doors
    peers: Peers
    telemetry: Telemetry
    clock: Callable[[], float]
    patience: Patience
    course: CourseConfig


class Attempts:
    """What `gateway.serving.forward.Targets` asks for, told to beliefs, metrics and the route log."""

    # What has not happened, and mostly does not.
    _made: Course | None = None  # see `_course`
    done: tuple[tuple[Candidate, Attempt], ...] = ()
    _decided_after = 0  # after how many attempts the choice was made
    _broken: tuple[Said, Candidate] | None = None  # an answer that others go on with, and who said the last of it
    is_left = False  # by its client, while it waited for a peer that the client named
    _turn: Turn | None = None  # inside our own engine
    _at: Served | PeerUpstream | None = None  # who is asked now
    _better: Choice | None = None  # that leads away from a peer that is late
    _asked: Candidate
    _reservation: Reservation

    def __init__(
        self,
        around: Around,
        request: Request,
        choice: Choice,
        way: Way,
        guarded: frozenset[str] = frozenset(),
        trace: RequestTrace | None = None,
    ) -> None:
        """`guarded`: fields of the request that not every peer takes."""
        self._node, self._doors, self._peers, self._telemetry, self._clock, self._patience, self._config = around
        self._request, self._choice, self._way, self._guarded, self._trace = request, choice, way, guarded, trace
        self._known = self._node.roster  # whom the choice knew
        self._began = self._clock()

    async def next(self) -> Target | None:
        """Whom to ask now, with its slot reserved; None: there is nobody left.

        Raises UpstreamError and InvalidRequest where that has a better reason than the last attempt's.
        """
        if self._made is None and (target := self._at_once()) is not None:
            return target
        course = self._course
        while True:
            began = self._clock()
            candidate = course.next(began)
            if candidate is None:
                if not await self._decide_again():
                    return None
            elif not candidate.local:
                return self._elsewhere(candidate, began)
            else:
                served = self._doors.at(candidate.agent, candidate.engine, candidate.model)
                turn = served.door.come(course.began, may_look=course.may_look and self._broken is None)
                choice = None if turn.is_inside else await self._wait(turn, candidate, began)
                if choice is None:
                    self._telemetry.observe_wait((candidate.wait_s, self._clock() - began))
                    served = self._doors.at(candidate.agent, candidate.engine, candidate.model)  # as by now
                    return self._inside(turn, served, candidate, began)
                course.turn(choice)

    def _at_once(self) -> Target | None:
        """The first of the choice, where that is an engine of ours at whose door nobody waits."""
        began, candidate = self._began, self._choice.order[0]
        if not candidate.local:
            return None
        served = self._doors.at(candidate.agent, candidate.engine, candidate.model)
        turn = served.door.enters(began)
        if turn is None:
            return None
        self._telemetry.observe_wait((candidate.wait_s, 0.0))
        return self._inside(turn, served, candidate, began)

    @property
    def _course(self) -> Course:
        """What decides whom to ask, and what an outcome means.

        Mostly the first of the choice is asked at once and answers, and there is nothing to decide: so it is made once
        there is, and told who was asked without it.
        """
        if self._made is None:
            self._made = Course(self._choice, self._config, self._began)
            if self._at is not None:
                self._made.next(self._began)
        return self._made

    async def _decide_again(self) -> bool:
        """Where nobody is left: whether the course leads on, along another choice."""
        if self._broken is not None:
            return await self._go_on_later()
        if not self._course.may_go_on(self._clock()) or (choice := await self._choice_anew()) is None:
            return False
        self._course.turn(choice)
        return True

    def untold(self) -> frozenset[str]:
        """Abilities that the request needs, and that nobody knows whether the one asked last has."""
        return self._request.needs & self._node.untold(self._asked.peer_id, self._asked.agent)

    async def go_on(self, said: Said) -> bool:
        """Have `next` lead to those who can go on with an answer that broke off; False where there is nobody."""
        return self._course.go_on() and await self._go_on(said, self.done[-1][0])

    async def _go_on(self, said: Said, by: Candidate, pause_s: float = 0.0) -> bool:
        """Decide who goes on; where they are busy again and again, until nothing more may be begun."""
        while self._course.may_go_on(self._clock()):
            await asyncio.sleep(pause_s)
            found = await self._way.to_go_on(said, by)
            if found is None:
                return False
            choice, self._request, self._way = found
            self._course.turn(choice)
            if choice.order:
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
        candidate, turn, is_stream = self._asked, self._turn, self._request.stream
        better = self._better if attempt.error == LATE else None
        if better is not None:
            attempt = msgspec.structs.replace(attempt, status="cancelled")
        status, latency_s, tokens = attempt.status, attempt.latency_s, attempt.tokens
        if turn is not None:
            self._turn = None
            read = attempt.prompt_tokens if status == "ok" or tokens else 0
            turn.door.ended(turn, status in ("refused", "failed"), read, tokens)
        outcome = Outcome(candidate.peer_id, status, attempt.ttft_s, latency_s, tokens, is_stream)
        if self._made is None and ends_at_once(outcome):
            self._node.observe(self._reservation, outcome, self._clock())
        else:
            self._tell(self._course.ended(self._reservation, outcome, attempt.by_engine, attempt.is_unsuited))
        ttft_s = attempt.ttft_s if is_stream else None
        expected_s = candidate.wait_s + candidate.service_s + candidate.transit_s
        row = ttft_s, latency_s, attempt.prompt_tokens, tokens, expected_s
        self._telemetry.observe("local" if candidate.local else "remote", status, row)
        if self._trace is not None:
            self._trace.attempt_ended(Ended(status, attempt.error, ttft_s, latency_s, attempt.prompt_tokens, tokens))
        self.done += ((candidate, attempt),)
        if better is not None:
            self._course.leave(better)
        if self._broken is not None:
            self._telemetry.observe_continued("local" if candidate.local else "remote", attempt.status)
        if attempt.from_documents is not None:
            self._node.observe_documents(candidate, attempt.from_documents, self._clock())
        if not candidate.local:
            if status == "ok":
                self._peers.served(candidate.peer_id)
            self._doors.look_around()
        if attempt.error:
            self._note_error(candidate, attempt.error, status)

    def _note_error(self, candidate: Candidate, error: str, status: str) -> None:
        """What an error says of whoever answered with it."""
        if error == ABILITY_REFUSED:
            self._node.refused(candidate.peer_id, candidate.agent, self._request.needs)
        elif error == ENDPOINT_MISSING:
            self._node.lacks(candidate.peer_id, candidate.agent, self._request.endpoint)
        elif error == FIELDS_REFUSED:
            self._node.refused_fields(candidate.peer_id, self._guarded)
        code = printable(error, CODE_CHARS)  # a peer's, perhaps
        log.warning("attempt_failed peer=%s status=%s code=%s", candidate.peer_name, status, code)

    @property
    def choice(self) -> Choice:
        """As it was decided last."""
        return self._choice if self._made is None else self._made.choice

    def close(self) -> None:
        """Nobody will be asked any more."""
        if self._turn is not None:  # a bug between here and the engine, which must not cost it a slot for good
            self._turn.door.leave(self._turn)
        if self._made is not None:
            self._tell(self._made.settled())

    @property
    def loading(self) -> float | None:
        """How much of the model is loaded, 0 to 1, that an engine loads for this; None where none does, or tells."""
        return self._at.loading if self._at else None

    @property
    def is_cold(self) -> bool:
        """Whether an engine of ours is asked that would have to load the model first."""
        return isinstance(self._at, Served) and self._at.is_cold

    @property
    def is_continued(self) -> bool:
        """Whether an answer broke off, and others were asked to go on with it."""
        return self._broken is not None

    def _inside(self, turn: Turn, served: Served, candidate: Candidate, began: float) -> Target:
        """Our own engine, ready to be asked."""
        self._turn, self._at = turn, served
        target = self._way.target(candidate, self.choice.reason, served, began)
        self._reserve(candidate)
        if self._trace is not None:
            family = served.door.engine.state.family
            self._trace.attempt(candidate.model, family, candidate.peer_name, may_tell=False)
        return target

    def _elsewhere(self, candidate: Candidate, began: float) -> Target:
        """Another peer, ready to be asked."""
        allowed = allowance(self._request, self._patience.first_event_s + self._patience.whole_s)
        self._at = peer = self._peers.upstream(candidate.peer_id, candidate.peer_name, allowed)
        upstream: Upstream = peer
        late_after_s = self._course.late_after_s if self._request.stream else None
        if late_after_s is not None:
            upstream = Leavable(peer, candidate.peer_name, late_after_s, self._look_elsewhere, self._no_longer_late)
        target = self._way.target(candidate, self._course.choice.reason, upstream, began)
        self._reserve(candidate)
        if self._trace is None:
            return target
        may_tell = self._node.admission.vouches(candidate.peer_id)
        headers = self._trace.attempt(candidate.model, PPAI, candidate.peer_name, may_tell=may_tell)
        if not headers:
            return target
        return msgspec.structs.replace(target, upstream_headers={**target.upstream_headers, **headers})

    def _no_longer_late(self) -> None:
        """A peer that was late has begun."""
        self._node.observe_late(self._reservation, is_late=False)

    async def _look_elsewhere(self) -> bool:
        """Whether somebody else is the better choice, now that the peer that was asked is late."""
        if self._course.gets_on(self.loading):
            return False
        self._node.observe_late(self._reservation, is_late=True)
        choice = await self._way.again(None)
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
                await self._doors.door_of(candidate.engine).engine.look_again()
        if not self._has_changed:
            return None
        self._known = self._node.roster
        return await self._way.anew()

    @property
    def _has_changed(self) -> bool:
        """Whether others serve by now, or others serve other agents."""
        now, known = self._node.roster, self._known
        return (now.peer_ids, now.agents) != (known.peer_ids, known.agents)

    async def _when_it_has_room(self, candidate: Candidate) -> Choice:
        """The choice anew as soon as the peer that the client named has room, or serves others or nothing.

        Raises UpstreamError where it had no room in the request's time.
        """
        looks = 0
        try:
            while (pause_s := self._course.asks_for_room_in(self._clock(), looks)) is not None:
                await asyncio.sleep(pause_s)
                looks += 1
                has_answered = await self._peers.probe({candidate.peer_id})
                if not has_answered or self._has_changed or self._node.has_room(candidate.peer_id, self._clock()):
                    self._known = self._node.roster
                    return await self._way.anew()
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
            self._reserve(candidate)
            self.observe(Attempt("cancelled", None, self._clock() - began, 0, 0))
            raise

    async def _look(self, engine: int) -> Choice | None:
        """The choice as it would be made now, if it leads away from the engine of ours that the request waits for."""
        choice = await self._way.again(engine)
        return choice if self._course.leads_elsewhere(choice) else None

    def _reserve(self, candidate: Candidate) -> None:
        self._asked, self._reservation = candidate, self._node.dispatch(candidate, self._clock())

    def _tell(self, verdicts: Sequence[Verdict]) -> None:
        for reservation, outcome in verdicts:
            self._node.observe(reservation, outcome, self._clock())
