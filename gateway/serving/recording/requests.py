"""What is written of a request: for the page while it runs, as its line of the route log when it ends."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.models.names import sayable
from gateway.privacy.rules import Verdict
from gateway.routing.choice import Choice
from gateway.routing.query import Query
from gateway.serving.deciding.decider import Routed
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
        self._telemetry, self._route_log, self.wall_clock = telemetry, route_log, wall_clock

    def began(self, routed: Routed, request_id: str) -> Recorded:
        """The request, as the page shows it while it runs."""
        request, choice = routed.request, routed.choice
        recorded = self._route_log.recent.began({
            "at": round(self.wall_clock(), 3), "request": request_id, "endpoint": request.endpoint,
            "asked": sayable(request.model), "peer": None, "reason": choice.reason, "status": "running",
        })  # fmt: skip
        self.decided(recorded, routed, choice)
        return recorded

    def decided(self, recorded: Recorded, routed: Routed, choice: Choice) -> None:
        """What was decided about it last; that is kept for the owner to look at."""
        self._route_log.recent.decided(recorded, Decided(routed.query, choice, routed.verdict), choice.among)

    def ended(self, recorded: Recorded, line: dict[str, object]) -> None:
        """Write its line of the route log."""
        self._route_log.write(line, recorded)

    def refused(
        self, endpoint: str, request_id: str, http_status: int, code: str, routed: Routed | None = None
    ) -> None:
        """A line and a count for a request that nobody was asked: a mistake in it, or nobody there to ask."""
        self._telemetry.observe_refused(http_status, code)
        line = {"at": round(self.wall_clock(), 3), "request": request_id, "endpoint": endpoint, "peer": None}
        recorded = self._route_log.recent.began(line)
        if routed:
            self.decided(recorded, routed, routed.choice)
        refused = {"reason": code, "attempts": 0, "status": "refused", "http_status": http_status}
        self._route_log.write({**line, **refused}, recorded)
