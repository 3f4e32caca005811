"""The life of a request: read it, decide, ask along the decision's order, learn, write one log line.

A shell around Node: it asks and tells, and decides nothing itself.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from discovery.records import PeerId
from gateway.capacity.door import Door
from gateway.models.names import NamesConfig
from gateway.peering.probes import Peers
from gateway.privacy.fields import Travel, delegation, may_travel
from gateway.routing.choice import Candidate
from gateway.routing.decision import Decision
from gateway.routing.node import Node
from gateway.routing.query import Query
from gateway.serving.attempts import Course
from gateway.serving.forward import Client, Forwarder, Target, answer_error
from gateway.serving.refusals import check_needs, missing, model_meant
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import BUDGET_S, RelevanceReader
from gateway.upstream import Patience, Upstream, UpstreamError
from gateway.wire.bodies import DELEGABLE
from gateway.wire.codec import LARGE_BYTES
from gateway.wire.errors import InvalidRequest
from gateway.wire.request import VIRTUAL_MODEL, Request, encode_request, read_request
from gateway.wire.tokens import asking_for_usage

log = logging.getLogger(__name__)

_SESSION_HEADERS = ("x-session-id", "x-conversation-id", "x-claude-code-session-id")
_PASSED_HEADERS = ("anthropic-version", "anthropic-beta")  # what an engine with /v1/messages may want to know
_FAILURES_KEPT = 1024  # conversations whose last failure is remembered, for the retry that follows it


class Dispatcher:
    """Answers calls from this machine's programs."""

    def __init__(
        self,
        names: NamesConfig,
        patience: Patience,
        node: Node,
        door: Door,
        peers: Peers,
        reader: RelevanceReader,
        telemetry: Telemetry,
        route_log: RouteLog,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.reader = reader
        self._names, self._patience = names, patience
        self._node, self._door, self._peers = node, door, peers
        self._telemetry, self._route_log = telemetry, route_log
        self._clock, self._wall_clock = clock, wall_clock
        self._failed: dict[str, PeerId] = {}  # by session: who failed it last

    async def answer(
        self, endpoint: str, body: bytes, headers: Mapping[str, str], client: Client, request_id: str
    ) -> None:
        """Answer one request. Raises InvalidRequest; every other failure is told to the client."""
        began = self._clock()
        request, travel, decision = await self.decide(endpoint, body, headers)
        if not decision.order:
            await answer_error(client, self._nobody(decision, request), {"x-ppai-reason": "none"})
            return
        passed = {name: headers[name] for name in _PASSED_HEADERS if name in headers}
        timing = {"server-timing": f"route;dur={(self._clock() - began) * 1000:.2f}"}
        course = Course(
            self._node, self._door, self._peers, self._telemetry, self._clock, request, decision,
            target=lambda candidate, reason: self._target(candidate, reason, request, travel, passed),
            decide_again=lambda: self._choose(replace(decision.query, is_held=True), waiting=1),
        )  # fmt: skip
        try:
            await Forwarder(request, course, self._patience, self._clock).run(client, timing)
        finally:
            for candidate, attempt in course.attempts:
                self._remember(request.session, candidate.peer_id, attempt.status != "ok")
            self._route_log.write(course.line(self._wall_clock(), request_id))

    async def decide(
        self, endpoint: str, body: bytes, headers: Mapping[str, str], judge_s: float = BUDGET_S
    ) -> tuple[Request, Travel, Decision]:
        """Who answers this request: read it, judge it within `judge_s`, probe, choose. Raises InvalidRequest."""
        read = partial(self._read, endpoint, body, headers)
        request, travel = await asyncio.to_thread(read) if len(body) > LARGE_BYTES else read()
        query = await self._query(request, travel, len(body), headers, judge_s)
        check_needs(query, self._node.roster)
        return request, travel, await self._choose(query)

    def _read(self, endpoint: str, body: bytes, headers: Mapping[str, str]) -> tuple[Request, Travel]:
        """What is asked, and what of it may leave this machine. Raises InvalidRequest."""
        request = asking_for_usage(read_request(endpoint, body, _session(headers)))
        return request, may_travel(request, trusted=self._node.admission.mode != "open")

    async def _choose(self, query: Query, waiting: int = 0) -> Decision:
        """Probe and choose; `waiting`: jobs at our own door that are this query itself."""
        jobs, slots, served_tokens = self._door.own_load()
        self._node.observe_own_load(jobs - waiting, slots, self._clock(), served_tokens)
        plan = self._node.plan(query, self._clock())
        asked = {plan.draft.view.roster.peer_ids[index] for index in plan.probe}
        silent = asked - await self._peers.probe(asked) if asked else asked
        return self._node.decide(query, plan, self._clock(), silent)

    async def _query(
        self, request: Request, travel: Travel, body_bytes: int, headers: Mapping[str, str], judge_s: float
    ) -> Query:
        roster = self._node.roster
        own = {agent.model for agent in self._node.own_agents}
        names = {*roster.models, *roster.agents}
        pin = headers.get("x-ppai-route", "auto")
        stays = "client" if headers.get("x-ppai-local-only", "0") not in ("", "0") else travel.pinned_by
        judged = None
        if len(roster) > 1 and (request.text or request.earlier):
            judged = await self.reader.judge(request.text, judge_s, request.earlier, _session(headers))
        return Query(
            model=model_meant(request.model, names, own, self._names) if names else None,
            prompt_tokens=request.prompt_tokens,
            max_tokens=request.max_tokens,
            category=judged.category if judged else "",
            needs=request.needs,
            body_bytes=body_bytes,
            session=request.session,
            pin=None if pin == "auto" else pin,
            pinned_local=stays,
            avoid=self._failed.get(request.session) if headers.get("x-stainless-retry-count", "0") != "0" else None,
            beta_per_s=_number(headers, "x-ppai-beta"),
            relevance=judged.relevance.astype(np.float64) if judged else None,
            is_familiar=judged.is_familiar if judged else True,
        )

    def _remember(self, session: str, peer: PeerId, has_failed: bool) -> None:
        """Who failed a conversation last, or was left before it answered: a retry goes to somebody else first."""
        self._failed.pop(session, None)
        if has_failed:
            self._failed[session] = peer
            while len(self._failed) > _FAILURES_KEPT:
                del self._failed[next(iter(self._failed))]

    def _target(
        self,
        candidate: Candidate,
        reason: str,
        request: Request,
        travel: Travel,
        passed: Mapping[str, str],
    ) -> Target:
        asked = candidate.model if request.model == VIRTUAL_MODEL else request.model
        if candidate.local:
            upstream: Upstream = self._door
            sent = encode_request(request, candidate.model)
        else:
            upstream = self._peers.upstream(candidate.peer_id, candidate.peer_name)
            sent = delegation(request.endpoint, candidate.agent, candidate.model, travel)
        choice = {
            "x-ppai-peer": candidate.peer_name,
            "x-ppai-model": candidate.model,
            "x-ppai-score": f"{candidate.score:.4f}",
            "x-ppai-cost-s": f"{candidate.cost_s:.4f}",
            "x-ppai-reason": reason,
        }
        return Target(upstream, sent, candidate.model, asked, choice, passed if candidate.local else {})

    def _nobody(self, decision: Decision, request: Request) -> UpstreamError:
        """Why there is no candidate, as an error that says what to do."""
        pin, problem = decision.query.pin, self._door.engine.state.problem
        if pin is not None and pin != "local" and len(decision.view.roster):
            return self._pinned_away(decision)
        absent = [problem] if pin == "local" and problem else missing(self._node.roster, problem)
        if absent:
            return UpstreamError(absent[0], status=503, code="not_ready", retry_after_s=2)
        reasons = {decision.excluded_because(index) for index in range(len(decision.excluded))} - {None}
        if request.endpoint not in DELEGABLE:
            message = f"/v1/{request.endpoint} is answered by this machine's own engine alone, and it cannot now"
            return UpstreamError(f"{message}; ask /v1/chat/completions", status=422, code="endpoint_stays_here")
        if "closed" in reasons:
            wait_s = _soonest_s(decision)
            return UpstreamError("everybody is busy", status=503, code="saturated", retry_after_s=wait_s)
        said = ", ".join(sorted(reason for reason in reasons if reason))
        return UpstreamError(f"nobody can answer this request now ({said})", status=503, code="no_candidate")

    def _pinned_away(self, decision: Decision) -> UpstreamError:
        """Why the one peer that the client named does not answer."""
        pin, roster = decision.query.pin, decision.view.roster
        rows = [i for i, names in enumerate(zip(roster.peer_ids, roster.peer_names, strict=True)) if pin in names]
        if not rows and not any(pin in (member.id, member.card.name) for member in self._node.gossip.members()):
            return UpstreamError(f"there is no peer `{pin}`; see `ppai peers`", status=404, code="peer_not_found")
        reason = (decision.excluded_because(rows[0]) if rows else None) or "without_agent"
        remedy = {
            "not_approved": f"it is not approved: run `ppai approve {pin}`",
            "dead": "it is gone: start it again, or ask `auto`",
            "suspect": "it does not answer at the moment: try again, or ask `auto`",
            "silent": "it does not answer at the moment: try again, or ask `auto`",
            "model": "it does not serve that model: see `ppai models`",
            "without_agent": "its engine is not there: see `ppai status` on that machine",
        }.get(reason, f"the request may not be sent there ({reason})")
        return UpstreamError(f"peer `{pin}` cannot answer: {remedy}", status=503, code=f"peer_{reason}")


def _soonest_s(decision: Decision) -> float:
    """Seconds until one of the busy is believed to have a slot; at least 1 (RFC 9110)."""
    closed = [i for i in range(len(decision.excluded)) if decision.excluded_because(i) == "closed"]
    return max(1.0, float(decision.wait_s[closed].min()))


def _session(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _SESSION_HEADERS if headers.get(name)), None)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    """A finite number ≥ 0 in a header. Raises InvalidRequest."""
    if name not in headers:
        return None
    try:
        value = float(headers[name])
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise InvalidRequest(f"the header `{name}` must be a number from 0 up", param=name)
    return value
