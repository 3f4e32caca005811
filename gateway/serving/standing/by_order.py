"""Requests of our programs that a worker answers by itself: which kinds it may, and what is learnt and written of each.

What a standing order is says orders.py. All is as if the request had been decided here (dispatch.py): its choice is
made once it is told, for beliefs, the log and metrics; only whom it goes to was settled before.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from msgspec import structs

from gateway.beliefs.jobs import Outcome, Reservation
from gateway.capacity.door import Door
from gateway.routing.choice import Candidate, Choice
from gateway.routing.query import Query
from gateway.serving.attempts import Around
from gateway.serving.deciding.asking import named, shown
from gateway.serving.deciding.decider import Routed
from gateway.serving.deciding.targets import Attempt, Status
from gateway.serving.headers import NOTHING
from gateway.serving.leaving import Came
from gateway.serving.recording.lines import Done
from gateway.serving.recording.requests import RequestLog
from gateway.serving.standing.orders import Entered, Forecast, Leave, kind_of
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import RequestTrace
from gateway.telemetry.recent import Recorded
from gateway.upstream import Patience
from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.elsewhere import Asks, Elsewhere

_MANY = 1000  # tokens of a query that is asked for what one costs: enough that rounding is nothing beside it
_UNKNOWN = Attempt("cancelled", None, 0.0, 0, 0)  # of which beliefs learn nothing but that it is over


class Direct(Protocol):
    """An engine that a worker may ask as we do (OpenAIEngine)."""

    in_flight: int

    def manner(self, endpoint: str) -> Any | None:
        """How it is sent a request; None where none is sent as it came."""
        ...


class Standing(msgspec.Struct, frozen=True, eq=False):
    """What a worker may do, and what that rests on."""

    leave: Leave
    manner: Any
    patience: Patience
    keepalive_s: float
    door: Door
    direct: Direct
    routed: Routed  # of a request of the kind that says nothing


class Begun(msgspec.Struct, eq=False):
    """A request that a worker took (gateway.serving.recording.outcomes.Way)."""

    entered: Entered
    came: Came
    routed: Routed
    recorded: Recorded
    reservation: Reservation
    done: Done = ()
    trace: RequestTrace | None = None
    is_left: bool = False
    is_continued: bool = False

    @property
    def choice(self) -> Choice:
        return self.routed.choice


class ByOrder:
    """See the module."""

    def __init__(self, around: Around, log: RequestLog, telemetry: Telemetry, keepalive_s: float) -> None:
        """What a Dispatcher has."""
        self._around, self._log, self._telemetry, self._keepalive_s = around, log, telemetry, keepalive_s

    @property
    def now(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return self._around.clock()

    def may_stand(self, asks: Asks) -> Standing | None:
        """Leave for requests of the kind of this one that wish nothing; None: each has to be decided.

        It stands where they can go to one engine of ours alone, which is ready and has the model loaded, and where
        what they are about decides nothing.
        """
        around, decider = self._around, self._around.decider
        verdict, request, roster = decider.leaving.at_once(), Elsewhere(asks, 0.0).request(b""), around.node.roster
        if verdict is None or not roster.is_all_here or not decider.queries.is_one:
            return None
        try:
            query = decider.queries.query(request, None, 0, NOTHING, verdict, None)
        except InvalidRequest:
            return None
        choice = self._only(query)
        if choice is None or not choice.order[0].local:
            return None
        candidate = choice.order[0]
        served = around.doors.at(candidate.agent, candidate.engine, candidate.model)
        direct: Direct | None = getattr(served.door.engine, "direct", None)
        if direct is None or served.personal is not None or served.is_cold:
            return None
        manner, forecast = direct.manner(request.endpoint), self._forecast(query)
        if manner is None or forecast is None:
            return None
        leave = Leave(
            kind_of(request), candidate.model, served.model, named(request, candidate), shown(candidate, choice.reason),
            roster.least_context, forecast,
        )  # fmt: skip
        routed = Routed(request, NOTHING, None, query, choice, verdict)
        return Standing(leave, manner, around.patience, self._keepalive_s, served.door, direct, routed)

    def entered(self, standing: Standing, entered: Sequence[Entered]) -> list[Begun]:
        """A worker has taken requests: it is as if they had been decided, and sent, here."""
        node, known, log = self._around.node, standing.routed, self._log
        dispatch = node.dispatch
        queries = [
            structs.replace(
                known.query, prompt_tokens=one.prompt_tokens, max_tokens=one.max_tokens, body_bytes=one.body_bytes,
                session=one.session,
            )
            for one in entered
        ]  # fmt: skip
        choices = (node.alone_each(queries, self.now) if queries else None) or [known.choice] * len(queries)
        begun = list[Begun]()
        for one, query, choice in zip(entered, queries, choices, strict=True):
            candidate, routed = choice.order[0], Routed(known.request, NOTHING, None, query, choice, known.verdict)
            recorded = log.began(routed, one.request_id)
            recorded.peer, recorded.model = candidate.peer_name, candidate.model
            came = Came(b"", {}, "", None, one.request_id, one.began)
            begun.append(Begun(one, came, routed, recorded, dispatch(candidate, one.began)))
        return begun

    def went(self, begun: Begun, status: Status, ttft_s: float | None, ended: float, tokens: tuple[int, int]) -> None:
        """How one of them went."""
        attempt = Attempt(status, ttft_s, ended - begun.came.began, *tokens)
        self._observe(begun, attempt, ended)
        self._tell(begun, attempt)

    def lost(self, begun: Begun) -> None:
        """Its worker has ended, so that it went nowhere: how far it came nobody knows, and nothing is learnt of it."""
        now = self.now
        self._observe(begun, _UNKNOWN, now)
        self._tell(begun, Attempt("cancelled", None, now - begun.came.began, 0, 0))

    def handed_over(self, begun: Begun) -> None:
        """It is decided anew, and counted then, as if nobody had taken it but for what came of it (gateway/workers)."""
        self._observe(begun, _UNKNOWN, self.now)
        self._log.forget(begun.recorded)

    def _tell(self, begun: Begun, attempt: Attempt) -> None:
        """Metrics and the log of one that went."""
        choice, entered, outcomes, telemetry = begun.choice, begun.entered, self._around.outcomes, self._telemetry
        candidate = choice.order[0]
        telemetry.observe_stage("read", entered.read_s)
        telemetry.observe_choice(entered.decided_s, choice.reason)
        outcomes.let_in((candidate.wait_s, 0.0))
        outcomes.attempted(candidate, attempt, None, is_stream=entered.stream)
        begun.done = ((candidate, attempt),)
        outcomes.ended(begun, is_left=False)

    def _observe(self, begun: Begun, attempt: Attempt, now: float) -> None:
        peer_id, is_stream = begun.choice.order[0].peer_id, begun.entered.stream
        outcome = Outcome(peer_id, attempt.status, attempt.ttft_s, attempt.latency_s, attempt.tokens, is_stream)
        self._around.node.observe(begun.reservation, outcome, now)

    def _only(self, query: Query) -> Choice | None:
        """The choice where one agent may answer."""
        choice, _ = self._around.node.alone(query, self.now, 1)
        return choice

    def _forecast(self, query: Query) -> Forecast | None:
        """What a query of the kind costs: without tokens, with some to read, and with as many to write as usual."""

        def asked(prompt_tokens: int, max_tokens: int | None) -> Candidate | None:
            new = structs.replace(query, prompt_tokens=prompt_tokens, max_tokens=max_tokens, session=None)
            choice = self._only(new)
            return None if choice is None else choice.order[0]

        nothing, reading, writing = asked(0, 0), asked(_MANY, 0), asked(0, None)
        if nothing is None or reading is None or writing is None:
            return None
        tokens = self._around.node.beliefs.output_tokens(query.category, None)
        prompt_s, token_s = (reading.cost_s - nothing.cost_s) / _MANY, (writing.cost_s - nothing.cost_s) / tokens
        return Forecast(nothing.cost_s, prompt_s, token_s, tokens)
