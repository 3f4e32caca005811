"""The life of a request: have it decided, ask along the choice, learn, have one log line written.

A shell around Decider and Course: it asks and tells, and decides nothing itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from gateway.capacity.doors import Doors
from gateway.models.names import NamesConfig, sayable
from gateway.peering.probes import Peers
from gateway.privacy.rules import PrivacyConfig, Rules
from gateway.routing.choice import Candidate
from gateway.routing.course import CourseConfig
from gateway.routing.node import Node
from gateway.serving.alive import KEEPALIVE_S, KeptAlive
from gateway.serving.attempts import Around, Attempts
from gateway.serving.deciding.decider import Decider, Routed
from gateway.serving.forward import Forwarder, answer_error
from gateway.serving.headers import Wishes, read_headers
from gateway.serving.leaving import Came
from gateway.serving.recording.outcomes import Outcomes
from gateway.serving.recording.requests import RequestLog
from gateway.serving.relaying import Client, server_timing
from gateway.serving.standing.by_order import ByOrder
from gateway.serving.translated import Adapters, Translated, fields_of, may_be_chat
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import RequestTrace, Tracing
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import RelevanceReader
from gateway.upstream import Patience, UpstreamError
from gateway.wire.errors import ENDPOINT_MISSING, InvalidRequest
from gateway.wire.reading.elsewhere import Elsewhere

_CHAT = "chat/completions"
_NONE = frozenset[str]()
_MISSING = frozenset({ENDPOINT_MISSING, "peer_endpoint"})  # codes: who may be asked has no such endpoint


class _Asked(msgspec.Struct, frozen=True):
    """What came, and what its client is told whoever answers."""

    came: Came
    timing: Mapping[str, str]  # headers
    trace: RequestTrace | None
    kept: KeptAlive | None = None  # the client, where it gets signs of life


class Dispatcher:
    """Answers requests of this machine's programs."""

    def __init__(
        self,
        names: NamesConfig,
        course: CourseConfig,
        patience: Patience,
        node: Node,
        doors: Doors,
        peers: Peers,
        reader: RelevanceReader,
        telemetry: Telemetry,
        route_log: RouteLog,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rules: Rules | None = None,
        answered: Callable[[str, Routed, Candidate, float], None] = lambda request_id, routed, by, began: None,
        keepalive_s: float = KEEPALIVE_S,
        adapters: Adapters | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """`answered(request_id, routed, by, began)` is called when a request got its whole answer.

        `keepalive_s`: after so long without an event a stream gets a comment. `adapters`: what says as a chat what no
        engine here has an endpoint for. `rules`: what may leave this machine.
        """
        self._adapters, self._tracing = adapters, tracing
        rules = rules or Rules(PrivacyConfig(rules=()), "")
        self.decider = Decider(names, course.rows, node, doors, peers, reader, telemetry, clock, rules)
        self._log = RequestLog(telemetry, route_log, wall_clock)
        self._keepalive_s, self._clock = keepalive_s, clock
        queries = self.decider.queries
        outcomes = Outcomes(node, doors, peers, queries, telemetry, self._log, answered, clock)
        self._around = Around(self.decider, outcomes, node, doors, peers, clock, patience, course)
        self.by_order = ByOrder(self._around, self._log, telemetry, keepalive_s)

    async def answer(
        self,
        endpoint: str,
        body: bytes,
        headers: Mapping[str, str],
        client: Client,
        request_id: str,
        key: str = "",
        read: Elsewhere | None = None,
        wishes: Wishes | None = None,
    ) -> None:
        """Answer one request; `key`: the name of its API key. Raises InvalidRequest; the client is told all else.

        `read`: what another process of ours read of the body, where one did. `wishes`: what was read of the headers.
        """
        began, trace = self._clock(), self._tracing.request(endpoint, headers) if self._tracing else None
        came = Came(body, headers, key, read, request_id, began)
        try:
            routed = await self.decider.decide_came(endpoint, body, came, wishes or read_headers(headers))
        except InvalidRequest as invalid:
            code = invalid.code or "invalid_request"
            self._log.refused(endpoint, request_id, invalid.status, code)
            if trace:
                trace.ended("", "refused", code)
            raise
        timing = server_timing(self._clock() - began)
        kept = KeptAlive(client, endpoint, timing, self._keepalive_s) if routed.request.stream else None
        asked, client = _Asked(came, timing, trace, kept), kept or client
        may_translate = may_be_chat(self._adapters, endpoint) and self._pinned_by(routed) is None
        try:
            error = await self._ask(routed, asked, client, _MISSING if may_translate else _NONE)
            if error is not None and error.code in _MISSING and may_translate:
                error = await self._ask_as_chat(routed, asked, client)
            if error is not None:
                await self._refuse(routed, asked, client, error)
        finally:
            if kept is not None:
                kept.close()

    async def _refuse(self, routed: Routed, asked: _Asked, client: Client, error: UpstreamError) -> None:
        """Nobody could be asked."""
        endpoint = routed.request.endpoint
        self._log.refused(endpoint, asked.came.request_id, error.status, error.code, routed)
        if asked.trace is not None:
            asked.trace.ended(sayable(routed.request.model), "refused", error.code)
        await answer_error(client, endpoint, error, {"x-ppai-reason": "none"})

    async def _ask_as_chat(self, routed: Routed, asked: _Asked, client: Client) -> UpstreamError | None:
        """The same, said as a chat and answered as if it were not; an error that the client is to be told."""
        assert self._adapters is not None, "it may be a chat"
        endpoint, fields = routed.request.endpoint, fields_of(routed.request)
        try:
            body = await asyncio.to_thread(self._adapters.asked, endpoint, fields)
            chat = await self.decider.decide_came(_CHAT, msgspec.json.encode(body), asked.came, routed.wishes)
        except UpstreamError as error:
            return error
        except InvalidRequest as invalid:
            return UpstreamError(invalid.message, status=invalid.status, code=invalid.code or "invalid_request")
        translated = Translated(client, endpoint, fields, self._adapters)
        try:
            return await self._ask(chat, asked, translated)
        finally:
            await translated.close()

    def _ask(
        self, routed: Routed, asked: _Asked, client: Client, leaves: frozenset[str] = _NONE
    ) -> Awaitable[UpstreamError | None]:
        """Ask along the choice; an error that the client is to be told: nobody could be asked, or one of `leaves`."""
        around = self._around
        if not routed.choice.order:
            return self._nobody(routed)
        recorded = self._log.began(routed, asked.came.request_id)
        began, known = self._clock(), around.node.roster
        attempts = Attempts(around, asked.came, routed, recorded, began, known, asked.trace)
        if asked.kept is not None:
            asked.kept.loading, asked.kept.may_lend = lambda: attempts.loading, lambda: not attempts.is_cold
        may_continue = routed.wishes.may_continue
        return Forwarder(routed.request, attempts, around.patience, self._clock, may_continue, leaves).run(
            client, asked.timing
        )

    async def _nobody(self, routed: Routed) -> UpstreamError:
        return self.decider.why_nobody(routed)

    def _pinned_by(self, routed: Routed) -> str | None:
        """The field for which a request has to stay here, though nobody else was there when it was decided."""
        return (routed.travel or self.decider.queries.travel(routed.request)).pinned_by
