"""What is learnt of attempts and written of requests, beside what beliefs are told (attempts.py).

A shell: metrics, traces, the route log, and what an error says of whoever answered with it.
"""

import logging
from collections.abc import Callable

from discovery.records import printable
from gateway.capacity.doors import Doors
from gateway.models.names import sayable
from gateway.peering.hop.reply import FIELDS_REFUSED
from gateway.peering.probes import Peers
from gateway.routing.choice import Candidate
from gateway.routing.node import Node
from gateway.serving.deciding.decider import Routed
from gateway.serving.deciding.queries import Queries
from gateway.serving.deciding.targets import Attempt
from gateway.serving.engine_errors import ABILITY_REFUSED
from gateway.serving.recording.lines import CODE_CHARS
from gateway.serving.recording.requests import RequestLog, Way
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import Ended, RequestTrace
from gateway.wire.errors import ENDPOINT_MISSING
from gateway.wire.request import Request

log = logging.getLogger(__name__)


class Outcomes:
    """Tells everybody who wants to know how requests go."""

    def __init__(
        self,
        node: Node,
        doors: Doors,
        peers: Peers,
        queries: Queries,
        telemetry: Telemetry,
        request_log: RequestLog,
        answered: Callable[[str, Routed, Candidate, float], None],
        clock: Callable[[], float],
    ) -> None:
        """`answered`: see gateway.serving.dispatch.Dispatcher."""
        self._node, self._doors, self._peers, self._queries = node, doors, peers, queries
        self._telemetry, self._log, self._answered, self._clock = telemetry, request_log, answered, clock
        # ((expected_s, waited_s)): a request was let in at the door of our engine.
        self.let_in: Callable[[tuple[float, float]], None] = telemetry.observe_wait

    def attempted(self, candidate: Candidate, attempt: Attempt, trace: RequestTrace | None, *, is_stream: bool) -> None:
        """An attempt has ended."""
        ttft_s = attempt.ttft_s if is_stream else None
        latency_s, prompt_tokens, tokens = attempt.latency_s, attempt.prompt_tokens, attempt.tokens
        expected_s = candidate.wait_s + candidate.service_s + candidate.transit_s
        row = ttft_s, latency_s, prompt_tokens, tokens, expected_s
        self._telemetry.observe("local" if candidate.local else "remote", attempt.status, row)
        if trace is not None:
            trace.attempt_ended(Ended(attempt.status, attempt.error, ttft_s, latency_s, prompt_tokens, tokens))

    def heard(self, request: Request, guarded: frozenset[str], candidate: Candidate, attempt: Attempt) -> None:
        """What an attempt says of who was asked, other than that our own engine answered.

        `guarded`: fields of the request that not every peer takes.
        """
        if attempt.from_documents is not None:
            self._node.observe_documents(candidate, attempt.from_documents, self._clock())
        if not candidate.local:
            if attempt.status == "ok":
                self._peers.served(candidate.peer_id)
            self._doors.look_around()
        if not attempt.error:
            return
        if attempt.error == ABILITY_REFUSED:
            self._node.refused(candidate.peer_id, candidate.agent, request.needs)
        elif attempt.error == ENDPOINT_MISSING:
            self._node.lacks(candidate.peer_id, candidate.agent, request.endpoint)
        elif attempt.error == FIELDS_REFUSED:
            self._node.refused_fields(candidate.peer_id, guarded)
        code = printable(attempt.error, CODE_CHARS)  # a peer's, perhaps
        log.warning("attempt_failed peer=%s status=%s code=%s", candidate.peer_name, attempt.status, code)

    def continued(self, candidate: Candidate, attempt: Attempt) -> None:
        """An attempt to go on with an answer that broke off has ended."""
        self._telemetry.observe_continued("local" if candidate.local else "remote", attempt.status)

    def ended(self, way: Way, *, is_left: bool) -> None:
        """No attempt of a request will follow. `is_left`: it goes on as a chat, or is refused."""
        came, routed, remember = way.came, way.routed, self._queries.remember
        for candidate, attempt in way.done:
            has_answered = attempt.status == "ok"
            remember(routed.query.session or "", candidate.queue, not has_answered)
            if has_answered:
                self._answered(came.request_id, routed, candidate, came.began)
        line = self._log.ended(way)
        if is_left:
            return
        self._telemetry.observe_answer(line.status, line.reason)
        if way.trace is not None:
            way.trace.ended(sayable(routed.request.model), line.status, line.reason, line.attempts)
