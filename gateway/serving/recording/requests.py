"""What is written of a request: for the page while it runs, as its line of the route log when it ends."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from gateway.privacy.rules import Verdict
from gateway.routing.choice import Choice
from gateway.routing.query import Query
from gateway.serving.deciding.decider import Routed
from gateway.serving.leaving import Came
from gateway.serving.recording.lines import Done, Line, asked_for, route_line
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import RequestTrace
from gateway.telemetry.recent import Recorded
from gateway.telemetry.route_log import RouteLog


class Decided(msgspec.Struct, frozen=True):
    """What is kept of a request's decision for the owner to look at: nothing that the request says."""

    query: Query
    choice: Choice
    verdict: Verdict


class Way(Protocol):
    """What is told of a request (attempts.Attempts)."""

    came: Came
    routed: Routed  # as it was decided at first
    recorded: Recorded
    trace: RequestTrace | None
    done: Done
    is_left: bool  # by its client, while no attempt was under way

    @property
    def choice(self) -> Choice:
        """The last one."""

    @property
    def is_continued(self) -> bool:
        """Whether an answer broke off, and others were asked to go on with it."""


class RequestLog:
    """Writes of requests, never a word of what they say."""

    def __init__(self, telemetry: Telemetry, route_log: RouteLog, wall_clock: Callable[[], float]) -> None:
        self._telemetry, self._route_log, self._wall_clock = telemetry, route_log, wall_clock
        self._recent = route_log.recent

    def began(self, routed: Routed, request_id: str) -> Recorded:
        """The request, as the page shows it while it runs."""
        request, choice = routed.request, routed.choice
        asked = asked_for(request, choice.order[0])
        decided = Decided(routed.query, choice, routed.verdict)
        return self._recent.add(
            Recorded(self._wall_clock(), request_id, request.endpoint, asked, choice.reason, decided, choice.among)
        )

    def forget(self, recorded: Recorded) -> None:
        """It is begun anew."""
        self._recent.forget(recorded)

    def ended(self, way: Way) -> Line:
        """Its line of the route log, which is written."""
        routed, recorded, choice, done = way.routed, way.recorded, way.choice, way.done
        if choice is not routed.choice:
            self._recent.decided(recorded, Decided(routed.query, choice, routed.verdict), choice.among)
        now, is_left = self._wall_clock(), way.is_left
        line = route_line(now, recorded, choice, done, is_left=is_left, is_continued=way.is_continued)
        self._route_log.write(line, recorded)
        return line

    def refused(
        self, endpoint: str, request_id: str, http_status: int, code: str, routed: Routed | None = None
    ) -> None:
        """A line and a count for a request that nobody was asked: a mistake in it, or nobody there to ask."""
        self._telemetry.observe_refused(http_status, code)
        recorded = Recorded(self._wall_clock(), request_id, endpoint)
        if routed:
            recorded.decided = Decided(routed.query, routed.choice, routed.verdict)
            recorded.candidates = routed.choice.among
        line = {"at": recorded.at, "request": request_id, "endpoint": endpoint, "peer": None}
        refused = {"reason": code, "attempts": 0, "status": "refused", "http_status": http_status}
        self._route_log.write({**line, **refused}, self._recent.add(recorded))
