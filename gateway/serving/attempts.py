"""The attempts of one request: the shell that carries out what its Course says, and tells others how it went.

Whom to ask, how often, and what an outcome means: routing/course.py decides. Who waits at our door: capacity/line.py.
"""

import logging
from collections.abc import Awaitable, Callable

from discovery.records import printable
from gateway.beliefs.belief import Outcome, Reservation
from gateway.capacity.door import Door, Turn
from gateway.models.names import sayable
from gateway.peering.allowance import allowance
from gateway.peering.probes import Peers
from gateway.peering.remote import FIELDS_REFUSED
from gateway.routing.choice import Candidate, Choice
from gateway.routing.course import Course, Verdict
from gateway.routing.node import Node
from gateway.serving.engine_errors import ABILITY_REFUSED
from gateway.serving.forward import Attempt, Target
from gateway.telemetry.metrics import Telemetry
from gateway.upstream import Patience, Upstream
from gateway.wire.request import Request

log = logging.getLogger(__name__)

CODE_CHARS = 64  # of an error's code that are logged


class Attempts:
    """What `gateway.serving.forward.Targets` asks for, told to beliefs, metrics and the route log."""

    def __init__(
        self,
        node: Node,
        door: Door,
        peers: Peers,
        telemetry: Telemetry,
        clock: Callable[[], float],
        request: Request,
        patience: Patience,
        course: Course,
        target: Callable[[Candidate, str, Upstream, float], Target],
        decide_again: Callable[[], Awaitable[Choice]],
        guarded: frozenset[str] = frozenset(),
    ) -> None:
        """`target(candidate, reason, upstream, began)`: the candidate, ready to be asked.

        `decide_again`: the choice as it would be made now, while the request waits at our own door.
        `guarded`: fields of the request that not every peer takes.
        """
        self._node, self._door, self._peers, self._telemetry, self._clock = node, door, peers, telemetry, clock
        self._request, self._patience, self._course = request, patience, course
        self._target, self._decide_again, self._guarded = target, decide_again, guarded
        self._asked: Candidate
        self._reservation: Reservation
        self.done: list[tuple[Candidate, Attempt]] = []

    async def next(self) -> Target | None:
        """Whom to ask now, with its slot reserved; None: there is nobody left."""
        candidate, began = self._course.next(self._clock()), self._clock()
        while candidate is not None and candidate.local:
            turn = await self._own_turn(candidate, began)
            if isinstance(turn, Turn):
                return self._inside(turn, candidate, began)
            self._course.turn(turn)
            candidate, began = self._course.next(self._clock()), self._clock()
        if candidate is None:
            return None
        allowed = allowance(self._request, self._patience.first_event_s + self._patience.whole_s)
        upstream = self._peers.upstream(candidate.peer_id, candidate.peer_name, allowed)
        target = self._target(candidate, self._course.choice.reason, upstream, began)
        self._reserve(candidate)
        return target

    def observe(self, attempt: Attempt) -> None:
        """The one asked last is done, one way or another."""
        candidate = self._asked
        outcome = Outcome(
            candidate.peer_id, attempt.status, attempt.ttft_s, attempt.latency_s, attempt.tokens, self._request.stream
        )
        self._tell(
            self._course.ended(self._reservation, outcome, by_engine=attempt.by_engine, is_unsuited=attempt.is_unsuited)
        )
        self._telemetry.observe(
            "local" if candidate.local else "remote",
            attempt.status, attempt.ttft_s, attempt.latency_s, attempt.prompt_tokens, attempt.tokens,
        )  # fmt: skip
        self.done.append((candidate, attempt))
        if attempt.error == ABILITY_REFUSED:
            self._node.refused(candidate.agent, self._request.needs)
        elif attempt.error == FIELDS_REFUSED:
            self._node.refused_fields(candidate.peer_id, self._guarded)
        if candidate.local and (attempt.status == "ok" or attempt.tokens):
            self._door.count_tokens(attempt.prompt_tokens, attempt.tokens)
        elif not candidate.local and attempt.status == "ok":
            self._peers.served(candidate.peer_id)
        if not candidate.local:
            self._door.look_around()
        if attempt.error:
            code = printable(attempt.error, CODE_CHARS)  # a peer's, perhaps
            log.warning("attempt_failed peer=%s status=%s code=%s", candidate.peer_name, attempt.status, code)

    def close(self) -> None:
        """Nobody will be asked any more."""
        self._tell(self._course.settled())

    def line(self, wall_time: float, request_id: str) -> dict[str, object]:
        """The route log's line: who answered, among whom, and how it went."""
        choice = self._course.choice
        candidate, attempt = self.done[-1] if self.done else (choice.target, None)
        assert candidate, "a course has somebody to ask"
        return {
            "at": round(wall_time, 3),
            "request": request_id,
            "endpoint": self._request.endpoint,
            "asked": candidate.model if self._request.model == candidate.model else sayable(self._request.model),
            "peer": candidate.peer_name,
            "model": candidate.model,
            "reason": choice.reason,
            "considered": [_considered(candidate) for candidate in choice.order],
            "score": round(candidate.score, 4),
            "wait_s": round(candidate.wait_s, 4),
            "cost_s": round(candidate.cost_s, 4),
            "attempts": len(self.done),
            "status": attempt.status if attempt else "cancelled",
            "ttft_s": round(attempt.ttft_s, 4) if attempt and attempt.ttft_s is not None else None,
            "latency_s": round(attempt.latency_s, 4) if attempt else None,
            "prompt_tokens": attempt.prompt_tokens if attempt else 0,
            "tokens": attempt.tokens if attempt else 0,
        }

    def _inside(self, turn: Turn, candidate: Candidate, began: float) -> Target:
        """Our own engine, ready to be asked."""
        try:
            target = self._target(candidate, self._course.choice.reason, turn, began)
        except BaseException:  # a bug, which must not cost the engine a slot for good
            self._door.leave(turn)
            raise
        self._reserve(candidate)
        return target

    async def _own_turn(self, candidate: Candidate, began: float) -> Turn | Choice:
        """Our own engine's turn; or, where the request waits and another peer is the better choice, that choice."""
        try:
            return await self._door.own_turn(self._course.began, self._look if self._course.may_look else None)
        except BaseException:  # the client hung up: our engine is what it waited for
            self._reserve(candidate)
            self.observe(Attempt("cancelled", None, self._clock() - began, 0, 0))
            raise

    async def _look(self) -> Choice | None:
        """The choice as it would be made now, if it leads to another peer."""
        choice = await self._decide_again()
        return choice if self._course.leads_elsewhere(choice) else None

    def _reserve(self, candidate: Candidate) -> None:
        self._asked, self._reservation = candidate, self._node.dispatch(candidate, self._clock())

    def _tell(self, verdicts: list[Verdict]) -> None:
        for reservation, outcome in verdicts:
            self._node.observe(reservation, outcome, self._clock())


def _considered(candidate: Candidate) -> dict[str, object]:
    return {
        "peer": candidate.peer_name,
        "score": round(candidate.score, 4),
        "wait_s": round(candidate.wait_s, 4),
        "service_s": round(candidate.service_s, 4),
        "cost_s": round(candidate.cost_s, 4),
        "utility": round(candidate.utility, 5),
    }
