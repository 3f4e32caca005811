"""One request on its way along a decision's order: whom to ask next, what is reserved there, how it went.

Where the next one is our own engine, it has no free slot, and somebody else may do as well, the request waits at our
door and is decided again when somebody may have room: what was refused everywhere would else stay here for good.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.beliefs.belief import Outcome, Reservation
from gateway.capacity.door import Door
from gateway.peering.probes import Peers
from gateway.routing.choice import Candidate
from gateway.routing.decision import Decision
from gateway.routing.node import Node
from gateway.serving.forward import Attempt, Status, Target
from gateway.telemetry.metrics import Telemetry
from gateway.wire.request import Request

log = logging.getLogger(__name__)


class Course:
    """What `gateway.serving.forward.Course` asks for, told to beliefs, metrics and the route log."""

    def __init__(
        self,
        node: Node,
        door: Door,
        peers: Peers,
        telemetry: Telemetry,
        clock: Callable[[], float],
        request: Request,
        decision: Decision,
        target: Callable[[Candidate, str], Target],
        decide_again: Callable[[], Awaitable[Decision]],
    ) -> None:
        self._node, self._door, self._peers, self._telemetry, self._clock = node, door, peers, telemetry, clock
        self._request, self._decision, self._target, self._decide_again = request, decision, target, decide_again
        self._began, self._place, self._waited_s = clock(), -1, 0.0
        self._asked: Candidate
        self._reservation: Reservation | None = None
        self.attempts: list[tuple[Candidate, Attempt]] = []

    async def next(self) -> Target | None:
        """Whom to ask now, with its slot reserved; None: there is nobody left."""
        self._place, self._waited_s = self._place + 1, 0.0
        if self._place >= len(self._decision.order):
            return None
        is_own = self._decision.view.roster.local[self._decision.order[self._place]]
        if is_own and self._door.is_full and self._decision.may_go_elsewhere:
            await self._wait()
        self._reserve()
        return self._target(self._asked, self._decision.reason)

    def observe(self, attempt: Attempt) -> None:
        """The one asked last is done, one way or another; what it waited at our own door was waiting for it."""
        candidate = self._asked
        ttft_s = None if attempt.ttft_s is None else attempt.ttft_s + self._waited_s
        attempt = replace(attempt, ttft_s=ttft_s, latency_s=attempt.latency_s + self._waited_s)
        self._tell(attempt.status, attempt.ttft_s, attempt.latency_s, attempt.tokens)
        self._telemetry.observe(
            "local" if candidate.local else "remote",
            attempt.status, attempt.ttft_s, attempt.latency_s, attempt.prompt_tokens, attempt.tokens,
        )  # fmt: skip
        self.attempts.append((candidate, attempt))
        if attempt.status == "ok" and candidate.local:
            self._door.count_tokens(attempt.prompt_tokens, attempt.tokens)
        elif attempt.status == "ok":
            self._peers.served(candidate.peer_id)
        if not candidate.local:
            self._door.look_around()
        if attempt.error:
            log.warning("attempt_failed peer=%s status=%s code=%s", candidate.peer_name, attempt.status, attempt.error)

    def line(self, wall_time: float, request_id: str) -> dict[str, object]:
        """The route log's line: who answered, among whom, and how it went."""
        candidate, attempt = self.attempts[-1] if self.attempts else (self._decision.target, None)
        assert candidate, "a course has somebody to ask"
        return {
            "at": round(wall_time, 3),
            "request": request_id,
            "endpoint": self._request.endpoint,
            "asked": self._request.model,
            "peer": candidate.peer_name,
            "model": candidate.model,
            "reason": self._decision.reason,
            "considered": [_considered(self._decision.candidate(index)) for index in self._decision.order],
            "score": round(candidate.score, 4),
            "wait_s": round(candidate.wait_s, 4),
            "cost_s": round(candidate.cost_s, 4),
            "attempts": len(self.attempts),
            "status": attempt.status if attempt else "cancelled",
            "ttft_s": round(attempt.ttft_s, 4) if attempt and attempt.ttft_s is not None else None,
            "latency_s": round(attempt.latency_s, 4) if attempt else None,
            "prompt_tokens": attempt.prompt_tokens if attempt else 0,
            "tokens": attempt.tokens if attempt else 0,
        }

    def _reserve(self) -> None:
        index = self._decision.order[self._place]
        self._asked = self._decision.candidate(index)
        self._reservation = self._node.dispatch(self._asked, self._clock())

    def _tell(self, status: Status, ttft_s: float | None, latency_s: float, tokens: int) -> None:
        """What came of the present reservation."""
        assert self._reservation, "next() comes before observe()"
        outcome = Outcome(self._asked.peer_id, status, ttft_s, latency_s, tokens, self._request.stream)
        self._node.observe(self._reservation, outcome, self._clock())

    async def _wait(self) -> None:
        """Wait at our own door for a slot, or until another peer is the better choice: then it is asked instead."""
        began = self._clock()
        try:
            moved = await self._door.wait_turn(self._began, self._elsewhere)
        except BaseException:  # the client hung up: our engine is what it waited for
            self._reserve()
            self.observe(Attempt("cancelled", None, self._clock() - began, 0, 0))
            raise
        if moved is not None:
            self._decision, self._place = moved, 0
        else:
            self._waited_s = self._clock() - began

    async def _elsewhere(self) -> Decision | None:
        """The decision as it would be made now, if a peer that has not failed this request comes first in it."""
        decision = await self._decide_again()
        target, failed = (
            decision.target,
            {peer.peer_id for peer, attempt in self.attempts if attempt.status == "failed"},
        )
        return None if target is None or target.local or target.peer_id in failed else decision


def _considered(candidate: Candidate) -> dict[str, object]:
    return {
        "peer": candidate.peer_name,
        "score": round(candidate.score, 4),
        "wait_s": round(candidate.wait_s, 4),
        "service_s": round(candidate.service_s, 4),
        "cost_s": round(candidate.cost_s, 4),
        "utility": round(candidate.utility, 5),
    }
