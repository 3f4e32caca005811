"""What is written of a request: for the page while it runs, as its line of the route log when it ends."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.privacy.rules import Verdict
from gateway.routing.choice import Candidate, Choice
from gateway.routing.query import Query
from gateway.serving.deciding.decider import Routed
from gateway.serving.forward import Attempt
from gateway.serving.recording.lines import Line, asked_for, rounded, route_line
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.recent import Recorded
from gateway.telemetry.route_log import RouteLog


class Decided(NamedTuple):
    """What is kept of a request's decision for the owner to look at: nothing that the request says."""

    query: Query
    choice: Choice
    verdict: Verdict


class RequestLog:
    """Writes of requests, never a word of what they say."""

    def __init__(self, telemetry: Telemetry, route_log: RouteLog, wall_clock: Callable[[], float]) -> None:
        self._telemetry, self._route_log, self._wall_clock = telemetry, route_log, wall_clock

    def began(self, routed: Routed, request_id: str) -> Recorded:
        """The request, as the page shows it while it runs."""
        request, choice, at = routed.request, routed.choice, rounded(self._wall_clock(), 1e3)
        asked = asked_for(request, choice.order[0])
        recorded = self._route_log.recent.began(at, request_id, request.endpoint, asked, choice.reason)
        self._keep(recorded, routed, choice)
        return recorded

    def ended(
        self,
        recorded: Recorded,
        routed: Routed,
        choice: Choice,
        done: Sequence[tuple[Candidate, Attempt]],
        *,
        is_left: bool,
        is_continued: bool,
    ) -> Line:
        """Its line of the route log, which is written; `choice` was the last one (lines.route_line)."""
        if choice is not routed.choice:
            self._keep(recorded, routed, choice)
        line = route_line(
            self._wall_clock(), recorded.request, recorded.endpoint, recorded.asked, choice, done,
            is_left=is_left, is_continued=is_continued,
        )  # fmt: skip
        self._route_log.write(line, recorded)
        return line

    def refused(
        self, endpoint: str, request_id: str, http_status: int, code: str, routed: Routed | None = None
    ) -> None:
        """A line and a count for a request that nobody was asked: a mistake in it, or nobody there to ask."""
        self._telemetry.observe_refused(http_status, code)
        at = rounded(self._wall_clock(), 1e3)
        recorded = self._route_log.recent.began(at, request_id, endpoint)
        if routed:
            self._keep(recorded, routed, routed.choice)
        line = {"at": at, "request": request_id, "endpoint": endpoint, "peer": None}
        refused = {"reason": code, "attempts": 0, "status": "refused", "http_status": http_status}
        self._route_log.write({**line, **refused}, recorded)

    def _keep(self, recorded: Recorded, routed: Routed, choice: Choice) -> None:
        """Keep what was decided last, for the owner to look at."""
        decided = Decided(routed.query, choice, routed.verdict)
        self._route_log.recent.decided(recorded, decided, choice.among)
