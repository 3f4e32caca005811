"""The life of a request: have it decided, ask along the choice, learn, have one log line written.

A shell around Decider and Course: it asks and tells, and decides nothing itself.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from gateway.capacity.doors import Doors, Served
from gateway.models.names import NamesConfig, sayable
from gateway.peering.probes import Peers
from gateway.privacy.fields import Travel, delegation
from gateway.privacy.rules import PrivacyConfig, Rules
from gateway.routing.choice import Candidate, Choice
from gateway.routing.course import CourseConfig
from gateway.routing.node import Node
from gateway.serving.alive import KEEPALIVE_S, KeptAlive
from gateway.serving.attempts import Around, Attempts, GoingOn
from gateway.serving.continuing.said import Said
from gateway.serving.deciding.decider import Decider, Routed
from gateway.serving.forward import Forwarder, Target, answer_error
from gateway.serving.headers import read_headers
from gateway.serving.leaving import Came
from gateway.serving.recording.requests import RequestLog
from gateway.serving.relaying import Client
from gateway.serving.translated import Adapters, Translated, fields_of, may_be_chat
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import RequestTrace, Tracing
from gateway.telemetry.recent import Recorded
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import RelevanceReader
from gateway.upstream import Patience, Upstream, UpstreamError
from gateway.wire.errors import ENDPOINT_MISSING, InvalidRequest
from gateway.wire.reading.elsewhere import Elsewhere
from gateway.wire.request import VIRTUAL_MODEL, encode_request

_CHAT = "chat/completions"
_MISSING = frozenset({ENDPOINT_MISSING, "peer_endpoint"})  # codes: who may be asked has no such endpoint


class _Asked(msgspec.Struct, frozen=True):
    """What came."""

    request_id: str
    came: Came
    began: float
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
        self._answered, self._keepalive_s = answered, keepalive_s
        self._telemetry, self._clock = telemetry, clock
        self._around = Around(node, doors, peers, telemetry, clock, patience, course)

    async def answer(
        self,
        endpoint: str,
        body: bytes,
        headers: Mapping[str, str],
        client: Client,
        request_id: str,
        key: str = "",
        read: Elsewhere | None = None,
    ) -> None:
        """Answer one request; `key`: the name of its API key. Raises InvalidRequest; the client is told all else.

        `read`: what another process of ours read of the body, where one did.
        """
        began, trace = self._clock(), self._tracing.request(endpoint, headers) if self._tracing else None
        came = Came(body, headers, key, read)
        try:
            routed = await self.decider.decide_came(endpoint, body, came, read_headers(headers))
        except InvalidRequest as invalid:
            code = invalid.code or "invalid_request"
            self._log.refused(endpoint, request_id, invalid.status, code)
            if trace:
                trace.ended("", "refused", code)
            raise
        timing = {"server-timing": f"route;dur={(self._clock() - began) * 1000:.2f}"}
        kept = KeptAlive(client, endpoint, timing, self._keepalive_s) if routed.request.stream else None
        client = kept or client
        asked = _Asked(request_id, came, began, timing, trace, kept)
        may_translate = may_be_chat(self._adapters, endpoint) and _travel(self.decider, routed).pinned_by is None
        try:
            error = await self._ask(routed, asked, client, _MISSING if may_translate else frozenset())
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
        self._log.refused(endpoint, asked.request_id, error.status, error.code, routed)
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

    async def _ask(
        self, routed: Routed, asked: _Asked, client: Client, leaves: frozenset[str] = frozenset()
    ) -> UpstreamError | None:
        """Ask along the choice; an error that the client is to be told: nobody could be asked, or one of `leaves`."""
        if not routed.choice.order:
            return self.decider.why_nobody(routed)
        recorded = self._log.began(routed, asked.request_id)
        way = _Way(self.decider, routed, asked.came, recorded)
        attempts = Attempts(self._around, routed.request, routed.choice, way, routed.query.guarded, asked.trace)
        if asked.kept is not None:
            asked.kept.loading, asked.kept.may_lend = lambda: attempts.loading, lambda: not attempts.is_cold
        forwarder = Forwarder(
            routed.request, attempts, self._around.patience, self._clock,
            continues=routed.wishes.may_continue, leaves=leaves,
        )  # fmt: skip
        left: UpstreamError | None = None
        try:
            left = await forwarder.run(client, asked.timing)
            return left
        finally:
            self._ended(routed, asked, recorded, attempts, is_left=left is not None)

    def _ended(self, routed: Routed, asked: _Asked, recorded: Recorded, attempts: Attempts, *, is_left: bool) -> None:
        """Learn from the attempts and write of them; `is_left`: the request goes on as a chat, or is refused."""
        attempts.close()
        for candidate, attempt in attempts.done:
            has_answered = attempt.status == "ok"
            self.decider.queries.remember(routed.request.session, candidate.queue, not has_answered)
            if has_answered:
                self._answered(asked.request_id, routed, candidate, asked.began)
        line = self._log.ended(
            recorded, routed, attempts.choice, attempts.done,
            is_left=attempts.is_left, is_continued=attempts.is_continued,
        )  # fmt: skip
        if not is_left:
            self._telemetry.observe_answer(line.status, line.reason)
            if asked.trace:
                asked.trace.ended(sayable(routed.request.model), line.status, line.reason, line.attempts)


class _Way(msgspec.Struct, frozen=True):
    """One request, as its attempts ask of it (gateway.serving.attempts.Way)."""

    decider: Decider
    routed: Routed
    came: Came
    recorded: Recorded

    def target(self, candidate: Candidate, reason: str, by: Served | Upstream, began: float) -> Target:
        routed, recorded, model = self.routed, self.recorded, candidate.model
        request = routed.request
        recorded.peer, recorded.model = candidate.peer_name, model
        shown = {
            "x-ppai-peer": candidate.peer_name,
            "x-ppai-model": model,
            "x-ppai-score": f"{candidate.score:.4f}",
            "x-ppai-cost-s": f"{candidate.cost_s:.4f}",
            "x-ppai-reason": "last_resort" if candidate.last_resort else reason,
        }
        asked = model if request.instead or request.model == VIRTUAL_MODEL else request.model
        if isinstance(by, Served):
            engine = by.door.engine
            body = encode_request(request, by.model, engine.state.continuing if request.continues else {})
            upstream = by.over(engine, is_own=not routed.wishes.as_peer)
            return Target(upstream, body, model, asked, shown, began, routed.wishes.passed)
        travel = _travel(self.decider, routed)
        body = delegation(request.endpoint, candidate.agent, model, travel, continues=request.continues)
        return Target(by, body, model, asked, shown, began)

    async def again(self, engine: int | None) -> Choice:
        query = msgspec.structs.replace(self.routed.query, is_held=True)
        return await self.decider.choose(query, waits_at=engine)

    async def anew(self) -> Choice:
        return await self.decider.decide_anew(self.routed, self.came)

    async def to_go_on(self, said: Said, by: Candidate) -> GoingOn | None:
        found = await self.decider.decide_to_go_on(self.routed, self.came, said, by)
        if found is None:
            return None
        return GoingOn(found.choice, found.request, msgspec.structs.replace(self, routed=found))


def _travel(decider: Decider, routed: Routed) -> Travel:
    """What of a request may leave this machine, though nobody else was there when it was decided."""
    return routed.travel or decider.queries.travel(routed.request)
