"""The life of a request: read it, decide, ask along the choice, learn, write one log line.

A shell around Node and Course: it asks and tells, and decides nothing itself.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from discovery.records import PeerId
from gateway.capacity.doors import Doors
from gateway.models.names import Chain, NamesConfig, sayable, summed_up
from gateway.models.same import model_key
from gateway.peering.probes import Peers
from gateway.privacy.fields import Travel, delegation, may_travel
from gateway.privacy.rules import ANYWHERE, PrivacyConfig, Rules, Verdict
from gateway.routing.candidates import Excluded
from gateway.routing.choice import Candidate, Choice
from gateway.routing.course import Course, CourseConfig
from gateway.routing.node import Node
from gateway.routing.query import Query
from gateway.serving import refusals
from gateway.serving.alive import KEEPALIVE_S, KeptAlive, kept_alive
from gateway.serving.attempts import Attempts, GoingOn
from gateway.serving.continuing.said import Said
from gateway.serving.forward import Client, Forwarder, Target, answer_error
from gateway.serving.headers import Wishes, read_headers
from gateway.serving.leaving import Came, Leaving
from gateway.serving.translated import Adapters, Translated, fields_of, may_be_chat
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import RequestTrace, Tracing, Untraced
from gateway.telemetry.recent import Recorded
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import BUDGET_S, RelevanceReader
from gateway.upstream import Patience, Upstream, UpstreamError
from gateway.wire.bodies import ASSUMED, PERSONAL_ENDPOINTS
from gateway.wire.codec import takes_long
from gateway.wire.errors import ENDPOINT_MISSING, InvalidRequest
from gateway.wire.request import VIRTUAL_MODEL, Request, encode_request, read_request
from gateway.wire.tokens import asking_for_usage

log = logging.getLogger(__name__)

_CHAT = "chat/completions"
_PASSING = {code.word for code in (Excluded.CLOSED, Excluded.SUSPECT, Excluded.SILENT)}  # why somebody cannot for now
_MISSING = frozenset({ENDPOINT_MISSING, "peer_endpoint"})  # codes: who may be asked has no such endpoint
CHAINS_KEPT = 256  # names that were asked for, of which it is remembered whom they mean
_FAILURES_KEPT = 1024  # conversations whose last failure is remembered, for the retry that follows it


@dataclass(frozen=True, slots=True)
class Routed:
    """A request that was read and decided."""

    request: Request
    wishes: Wishes
    travel: Travel
    query: Query
    choice: Choice
    verdict: Verdict = ANYWHERE  # of the owner's rules


class Decided(NamedTuple):
    """What is kept of a request's decision for the owner to look at: nothing that the request says."""

    query: Query
    choice: Choice
    verdict: Verdict


class _Asked(NamedTuple):
    """What came."""

    request_id: str
    came: Came
    began: float
    timing: Mapping[str, str]  # headers
    trace: RequestTrace
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
        self._adapters, self._tracing = adapters, tracing or Untraced()
        self.leaving = Leaving(rules or Rules(PrivacyConfig(rules=()), ""), node, reader)
        self.reader, self._answered, self._keepalive_s = reader, answered, keepalive_s
        self._names, self._course, self._patience = names, course, patience
        self._node, self._doors, self._peers = node, doors, peers
        self._telemetry, self._route_log = telemetry, route_log
        self._clock, self._wall_clock = clock, wall_clock
        self._failed: dict[str, PeerId] = {}  # by session: the queue of who failed it last

    async def answer(
        self, endpoint: str, body: bytes, headers: Mapping[str, str], client: Client, request_id: str, key: str = ""
    ) -> None:
        """Answer one request; `key`: the name of its API key. Raises InvalidRequest; the client is told all else."""
        began, trace = self._clock(), self._tracing.request(endpoint, headers)
        came = Came(body, headers, key)
        try:
            routed = await self._decide(endpoint, body, came, read_headers(headers), BUDGET_S)
        except InvalidRequest as invalid:
            code = invalid.code or "invalid_request"
            self._log_refusal(endpoint, request_id, invalid.status, code)
            trace.ended("", "refused", code)
            raise
        timing = {"server-timing": f"route;dur={(self._clock() - began) * 1000:.2f}"}
        asked = _Asked(request_id, came, began, timing, trace)
        if routed.request.stream:
            with kept_alive(client, endpoint, timing, self._keepalive_s) as kept:
                await self._lead(routed, asked._replace(kept=kept), kept)
        else:
            await self._lead(routed, asked, client)

    async def _lead(self, routed: Routed, asked: "_Asked", client: Client) -> None:
        """Ask who may be asked; where nobody has the endpoint, and it can be said as a chat, ask that."""
        endpoint = routed.request.endpoint
        may_translate = may_be_chat(self._adapters, endpoint, is_pinned=routed.travel.pinned_by is not None)
        error = await self._ask(routed, asked, client, _MISSING if may_translate else frozenset())
        if error is not None and error.code in _MISSING and may_translate:
            error = await self._ask_as_chat(routed, asked, client)
        if error is not None:
            self._log_refusal(endpoint, asked.request_id, error.status, error.code, routed)
            asked.trace.ended(sayable(routed.request.model), "refused", error.code)
            await answer_error(client, endpoint, error, {"x-ppai-reason": "none"})

    async def _ask_as_chat(self, routed: Routed, asked: "_Asked", client: Client) -> UpstreamError | None:
        """The same, said as a chat and answered as if it were not; an error that the client is to be told."""
        assert self._adapters is not None, "it may be a chat"
        endpoint, fields = routed.request.endpoint, fields_of(routed.request)
        try:
            body = await asyncio.to_thread(self._adapters.asked, endpoint, fields)
            chat = await self._decide(_CHAT, msgspec.json.encode(body), asked.came, routed.wishes, BUDGET_S)
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
        self, routed: Routed, asked: "_Asked", client: Client, leaves: frozenset[str] = frozenset()
    ) -> UpstreamError | None:
        """Ask along the choice; an error that the client is to be told: nobody could be asked, or one of `leaves`."""
        if not routed.choice.order:
            return self.why_nobody(routed)
        recorded = self._recorded(routed, asked)
        attempts = Attempts(
            self._node, self._doors, self._peers, self._telemetry, self._clock, routed.request, self._patience,
            Course(routed.choice, self._course, self._clock()),
            target=partial(self._target, routed, recorded),
            decide_again=lambda engine: self._choose(replace(routed.query, is_held=True), waits_at=engine),
            decide_anew=partial(self._decide_anew, routed, asked.came),
            guarded=routed.query.guarded,
            decide_to_go_on=partial(self._decide_to_go_on, routed, recorded),
            trace=asked.trace,
        )  # fmt: skip
        if asked.kept is not None:
            asked.kept.loading = lambda: attempts.loading
        forwarder = Forwarder(
            routed.request, attempts, self._patience, self._clock,
            continues=routed.wishes.may_continue, leaves=leaves,
        )  # fmt: skip
        left: UpstreamError | None = None
        try:
            left = await forwarder.run(client, asked.timing)
            return left
        finally:
            attempts.close()
            for candidate, attempt in attempts.done:
                self._remember(routed.request.session, candidate.queue, attempt.status != "ok")
                if attempt.status == "ok":
                    self._answered(asked.request_id, routed, candidate, asked.began)
            line = attempts.line(self._wall_clock(), asked.request_id)
            self._keep_decision(recorded, routed, attempts.choice)
            self._route_log.write(line, recorded)
            if left is None:
                status, reason = str(line["status"]), str(line["reason"])
                self._telemetry.observe_answer(status, reason)
                asked.trace.ended(sayable(routed.request.model), status, reason, len(attempts.done))

    async def decide(
        self,
        endpoint: str,
        body: bytes,
        headers: Mapping[str, str],
        judge_s: float = BUDGET_S,
        *,
        key: str = "",
        everybody: bool = False,
    ) -> Routed:
        """Who answers this request: read it, judge it within `judge_s`, probe, choose. Raises InvalidRequest.

        `everybody`: the choice explains those who are not asked, too.
        """
        came = Came(body, headers, key)
        return await self._decide(endpoint, body, came, read_headers(headers), judge_s, everybody=everybody)

    async def _decide(
        self, endpoint: str, body: bytes, came: Came, wishes: Wishes, judge_s: float, *, everybody: bool = False
    ) -> Routed:
        """The same; `body` may say what came in another form. The rules look at what came."""
        asked, began = (endpoint, body, wishes.session), self._clock()
        request, travel = await asyncio.to_thread(self._read, *asked) if takes_long(body) else self._read(*asked)
        verdict = await self.leaving.verdict(request, came, always=everybody)
        self._telemetry.observe_stage("read", self._clock() - began)
        query = await self._query(request, travel, len(body), wishes, judge_s, verdict)
        refusals.check_needs(query, self._node.roster)
        return Routed(request, wishes, travel, query, await self._choose(query, everybody=everybody), verdict)

    async def _decide_anew(self, routed: Routed, came: Came) -> Choice:
        """The choice among those who serve now. Raises UpstreamError and InvalidRequest where it has nobody."""
        verdict = routed.verdict
        if verdict.reach == "this machine" and not verdict.rule:  # nothing was looked at while nobody else was there
            verdict = await self.leaving.verdict(routed.request, came)
        query = await self._query(routed.request, routed.travel, len(came.body), routed.wishes, BUDGET_S, verdict)
        refusals.check_needs(query, self._node.roster)
        choice = await self._choose(query)
        if not choice.order:
            raise self.why_nobody(replace(routed, query=query, choice=choice))
        return choice

    async def _decide_to_go_on(self, routed: Routed, recorded: Recorded, said: Said, by: Candidate) -> GoingOn | None:
        """Who may go on with an answer that broke off: agents with the same model, or one that the client named."""
        rest = said.rest()
        key, named = model_key(by.model), routed.query.chain or (routed.query.models,)
        same = frozenset(model for model in self._node.roster.models if model_key(model) == key)
        query = replace(
            routed.query, models=same.union(*(names or () for names in named)), chain=(),
            prompt_tokens=rest.prompt_tokens, max_tokens=rest.max_tokens,
            goes_on=rest.endpoint if rest.continues else None,
        )  # fmt: skip
        choice = await self._choose(query)
        names = query.models or frozenset()
        may_come = (each for each in choice.rest if each.excluded in _PASSING and {each.model, each.agent} & names)
        if not choice.order and all(each.peer_id == by.peer_id for each in may_come):
            return None
        travel = may_travel(rest, trusted=self._node.admission.mode != "open")
        routed = replace(routed, request=rest, travel=travel, query=query, choice=choice)
        return choice, rest, partial(self._target, routed, recorded)

    def _read(self, endpoint: str, body: bytes, session: str | None) -> tuple[Request, Travel]:
        """What is asked, and what of it may leave this machine. Raises InvalidRequest."""
        try:
            request = asking_for_usage(read_request(endpoint, body, session))
            return request, may_travel(request, trusted=self._node.admission.mode != "open")
        except RecursionError as error:  # not too deep for the first decoder, but for who reads on
            raise InvalidRequest("the body is nested too deeply: flatten it", code="invalid_json") from error

    async def _choose(self, query: Query, waits_at: int | None = None, *, everybody: bool = False) -> Choice:
        """Probe and choose; `waits_at`: the engine of ours at whose door one job is this query itself.

        A query that is held and waits at no door of ours waits at another peer.
        """
        (jobs, slots, served_tokens), engines = self._doors.own_loads(waits_at)
        began = self._clock()
        self._node.observe_own_load(jobs, slots, began, served_tokens, engines)
        choice, probing_s = None if everybody else self._node.only(query, began), 0.0
        if choice is None:
            choice, probing_s = await self._weigh(query, began, everybody=everybody)
        self._telemetry.observe_stage("choose", self._clock() - began - probing_s)
        if not query.is_held and not everybody:  # else a look while it waits, or a person's question
            self._telemetry.observe_decision(choice.reason)
        return choice

    async def _weigh(self, query: Query, now: float, *, everybody: bool) -> tuple[Choice, float]:
        """The choice among several, and the seconds for which they were probed."""
        plan = self._node.plan(query, now)
        asked = {plan.draft.view.roster.peer_ids[index] for index in plan.probe}
        silent, probing_s = asked, 0.0
        if asked:
            probing = self._clock()
            silent = asked - await self._peers.probe(asked)
            probing_s = self._clock() - probing
            self._telemetry.observe_stage("probe", probing_s)
        decision = self._node.decide(query, plan, self._clock(), silent)
        return decision.choice(len(decision.order) if everybody else self._course.rows, everybody=everybody), probing_s

    def _meant(self, asked: tuple[str, ...]) -> Chain:
        """Whom these names of models mean: remembered with the roster, while nobody else served one until recently."""
        roster = self._node.roster
        # where unknown names mean `auto`, nobody waits for one
        former = {} if self._names.transparent else self._node.former_models(self._clock())
        if not former and asked in roster.chains:
            return roster.chains[asked]
        names = roster.served.union(former)
        chain = refusals.models_meant(asked, names, self._node.own_models, self._names) if names else (None,)
        if not former:
            while len(roster.chains) >= CHAINS_KEPT:
                del roster.chains[next(iter(roster.chains))]
            roster.chains[asked] = chain
        return chain

    async def _query(
        self, request: Request, travel: Travel, body_bytes: int, wishes: Wishes, judge_s: float, verdict: Verdict
    ) -> Query:
        roster = self._node.roster
        rule = f"privacy:{verdict.rule}" if verdict.rule else None
        is_kept = rule is not None and verdict.reach == "this machine"
        chain = self._meant((request.model, *request.instead))
        judged = None
        self.reader.attend(roster.topics)
        if len(roster) > 1 and (request.text or request.earlier):
            judging = self._clock()
            judged = await self.reader.judge(
                request.text, judge_s, request.earlier, wishes.session, request.setting, request.tools
            )
            self._telemetry.observe_stage("judge", self._clock() - judging)
        return Query(
            models=summed_up(chain),
            chain=chain if len(chain) > 1 else (),
            patience_s=self._names.patience_s,
            prompt_tokens=request.prompt_tokens,
            max_tokens=request.max_tokens,
            category=judged.category if judged else "",
            endpoint="" if request.endpoint in ASSUMED else request.endpoint,
            is_chat=request.endpoint in PERSONAL_ENDPOINTS,
            needs=request.needs,
            body_bytes=body_bytes,
            session=request.session,
            pin=refusals.peer_meant(wishes.pin, self._node.me, self._node.name, self._node.names, roster),
            pinned_local="client" if wishes.stays_here else rule if is_kept else travel.pinned_by,
            here_only=wishes.stays_here or is_kept,
            reach="anyone" if is_kept else verdict.reach,
            rule=rule,
            guarded=travel.guarded,
            avoid=self._failed.get(request.session) if wishes.is_retry else None,
            beta_per_s=wishes.beta_per_s,
            relevance=judged.relevance.astype(np.float64) if judged else None,
            is_familiar=judged.is_familiar if judged else True,
            forms=judged.forms if judged else (),
            drawn=judged.drawn if judged else {},
        )

    def _remember(self, session: str, queue: PeerId, has_failed: bool) -> None:
        """Who failed a conversation last, or was left before it answered: a retry goes to somebody else first."""
        self._failed.pop(session, None)
        if has_failed:
            self._failed[session] = queue
            while len(self._failed) > _FAILURES_KEPT:
                del self._failed[next(iter(self._failed))]

    def _log_refusal(
        self, endpoint: str, request_id: str, http_status: int, code: str, routed: Routed | None = None
    ) -> None:
        """A line and a count for a request that nobody was asked: a mistake in it, or nobody there to ask."""
        self._telemetry.observe_refused(http_status, code)
        line = {"at": round(self._wall_clock(), 3), "request": request_id, "endpoint": endpoint, "peer": None}
        recorded = self._route_log.recent.began(line)
        if routed:
            self._keep_decision(recorded, routed, routed.choice)
        refused = {"reason": code, "attempts": 0, "status": "refused", "http_status": http_status}
        self._route_log.write({**line, **refused}, recorded)

    def _recorded(self, routed: Routed, asked: "_Asked") -> Recorded:
        """The request, as the page shows it while it runs."""
        request, choice = routed.request, routed.choice
        recorded = self._route_log.recent.began({
            "at": round(self._wall_clock(), 3), "request": asked.request_id, "endpoint": request.endpoint,
            "asked": sayable(request.model), "peer": None, "reason": choice.reason, "status": "running",
        })  # fmt: skip
        self._keep_decision(recorded, routed, choice)
        return recorded

    def _keep_decision(self, recorded: Recorded, routed: Routed, choice: Choice) -> None:
        self._route_log.recent.decided(recorded, Decided(routed.query, choice, routed.verdict), choice.among)

    def why_nobody(self, routed: Routed) -> UpstreamError:
        """What a client is told where the choice has no candidate."""
        problem = self._doors.problem
        missing = refusals.missing(self._node.roster, problem)
        former = self._node.former_models(self._clock())
        error = refusals.nobody(routed.request.endpoint, routed.query, routed.choice.rest, problem, missing, former)
        return UpstreamError(error.message, status=error.status, code=error.code, retry_after_s=error.retry_after_s)

    def _target(
        self, routed: Routed, recorded: Recorded, candidate: Candidate, reason: str, upstream: Upstream, began: float
    ) -> Target:
        """One candidate, ready to be asked."""
        request = routed.request
        recorded.line |= {"peer": candidate.peer_name, "model": candidate.model}
        shown = {
            "x-ppai-peer": candidate.peer_name,
            "x-ppai-model": candidate.model,
            "x-ppai-score": f"{candidate.score:.4f}",
            "x-ppai-cost-s": f"{candidate.cost_s:.4f}",
            "x-ppai-reason": "last_resort" if candidate.last_resort else reason,
        }
        asked = candidate.model if request.instead or request.model == VIRTUAL_MODEL else request.model
        untold = request.needs & self._node.untold(candidate.peer_id, candidate.agent)
        if candidate.local:
            served = self._doors.at(candidate.agent, candidate.engine, candidate.model)
            body = encode_request(request, served.model, served.door.engine.state.continuing)
            upstream = served.over(upstream, is_own=not routed.wishes.as_peer)
            return Target(upstream, body, candidate.model, asked, shown, began, routed.wishes.passed, untold)
        body = delegation(
            request.endpoint, candidate.agent, candidate.model, routed.travel, continues=request.continues
        )
        return Target(upstream, body, candidate.model, asked, shown, began, untold=untold)
