"""Who answers a request: the order of read, rules, query, needs and choice, at first and each time anew.

A shell around Node: it asks and measures, and chooses nothing itself.
"""

import asyncio
from collections.abc import Callable, Mapping

from msgspec import Struct, structs

from gateway.beliefs.table import queue_of
from gateway.capacity.doors import Doors
from gateway.models.names import NamesConfig
from gateway.peering.probes import Peers
from gateway.privacy.fields import FREE, Travel
from gateway.privacy.rules import ANYWHERE, UNASKED, Rules, Verdict
from gateway.routing.choice import Candidate, Choice
from gateway.routing.node import Node
from gateway.routing.query import Query
from gateway.serving import refusals
from gateway.serving.continuing.said import Said
from gateway.serving.deciding import going_on
from gateway.serving.deciding.queries import Queries
from gateway.serving.headers import Wishes, read_headers
from gateway.serving.leaving import Came, Leaving
from gateway.telemetry.metrics import Telemetry
from gateway.topics.reader import BUDGET_S, RelevanceReader
from gateway.upstream import UpstreamError
from gateway.wire.errors import InvalidRequest
from gateway.wire.request import Request, is_quickly_read


class Routed(Struct, frozen=True):
    """A request that was read and decided."""

    request: Request
    wishes: Wishes
    travel: Travel | None  # None: nobody looked, since all who could answer ran on this machine
    query: Query
    choice: Choice
    verdict: Verdict = ANYWHERE  # of the owner's rules


class Decider:
    """Decides about requests of this machine's programs."""

    def __init__(
        self,
        names: NamesConfig,
        rows: int,
        node: Node,
        doors: Doors,
        peers: Peers,
        reader: RelevanceReader,
        telemetry: Telemetry,
        clock: Callable[[], float],
        rules: Rules,
    ) -> None:
        """`rows`: so many candidates a choice names. `rules`: what may leave this machine."""
        self.reader, self.leaving = reader, Leaving(rules, node, reader)
        self.queries = Queries(names, node, reader, telemetry, clock)
        self._rows, self._node, self._doors, self._peers = rows, node, doors, peers
        self._telemetry, self._clock = telemetry, clock

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
        return await self.decide_came(endpoint, body, came, read_headers(headers), judge_s, everybody=everybody)

    async def decide_came(
        self,
        endpoint: str,
        body: bytes,
        came: Came,
        wishes: Wishes,
        judge_s: float = BUDGET_S,
        *,
        everybody: bool = False,
    ) -> Routed:
        """The same; `body` may say what came in another form. The rules look at what came."""
        began = self._clock()
        may_leave = everybody or not self._node.roster.is_all_here
        if came.read is not None and not may_leave and body is came.body:
            request, travel, is_quick = self.queries.read_elsewhere(came.read, body), None, True
            began -= came.read.read_s
        else:
            asked, is_quick = (endpoint, body, wishes.session, may_leave), is_quickly_read(endpoint, body, may_leave)
            read = self.queries.read
            request, travel = read(*asked) if is_quick else await asyncio.to_thread(read, *asked)
        is_as_it_came = body is came.body
        text = body if travel is FREE and is_as_it_came else None
        verdict = self.leaving.at_once(text, always=everybody) or await self.leaving.verdict(
            request, came, always=everybody, is_quick=is_quick and is_as_it_came
        )
        self._telemetry.observe_stage("read", self._clock() - began)
        judged = None if self.queries.is_one else await self.queries.judged(request, wishes, judge_s)
        query = self.queries.query(request, travel, len(body), wishes, verdict, judged)
        choice, lot = (None, None) if everybody else self._alone(query)
        choice = choice or await self._weigh(query, lot, everybody=everybody)
        return Routed(request, wishes, travel, query, choice, verdict)

    async def decide_anew(self, routed: Routed, came: Came) -> Choice:
        """The choice among those who serve now. Raises UpstreamError and InvalidRequest where it has nobody."""
        routed = await self._asked_now(routed, came)
        choice = await self.choose(routed.query)
        if not choice.order:
            raise self.why_nobody(structs.replace(routed, choice=choice))
        return choice

    async def decide_to_go_on(self, routed: Routed, came: Came, said: Said, by: Candidate) -> Routed | None:
        """Who may go on with an answer that broke off, and what they are asked; None: nobody."""
        if routed.query.reach == "this machine" and not self._node.roster.is_all_here:  # others joined in mid-stream
            try:
                routed = await self._asked_now(routed, came)
            except InvalidRequest:  # they cannot take it
                return None
        rest = said.rest()
        query = going_on.query_of(rest, routed.query, by, self._node.roster.models)
        choice = await self.choose(query)
        if going_on.is_hopeless(choice, query, by):
            return None
        return structs.replace(routed, request=rest, travel=self.queries.travel(rest), query=query, choice=choice)

    async def _asked_now(self, routed: Routed, came: Came) -> Routed:
        """What is asked of whom among those who serve now, with what nobody looked at while all of them ran here.

        Its choice is the old one. Raises InvalidRequest.
        """
        verdict, travel = routed.verdict, routed.travel
        if verdict == UNASKED:
            verdict = await self.leaving.verdict(routed.request, came)
        if travel is None and not self._node.roster.is_all_here:
            travel = await asyncio.to_thread(self.queries.travel, routed.request)
        is_one = self.queries.is_one
        judged = None if is_one else await self.queries.judged(routed.request, routed.wishes, BUDGET_S)
        query = self.queries.query(routed.request, travel, len(came.body), routed.wishes, verdict, judged)
        return structs.replace(routed, travel=travel, query=query, verdict=verdict)

    async def decide_again(self, query: Query, engine: int | None) -> Choice:
        """The choice as it would be made now, while the query waits at this engine's door; None: at another peer."""
        waits_at = None if engine is None else queue_of(self._node.me, engine)
        return await self.choose(structs.replace(query, is_held=True, waits_at=waits_at))

    async def choose(self, query: Query) -> Choice:
        """Choose, and probe first whom that is worth it."""
        choice, lot = self._alone(query)
        return choice or await self._weigh(query, lot)

    def _alone(self, query: Query) -> tuple[Choice | None, float | None]:
        """The choice of one that is weighed against nobody; None: several are to be weighed, by this lot."""
        began = self._clock()
        choice, lot = self._node.alone(query, began, self._rows)
        if choice is not None:
            self._telemetry.observe_choice(self._clock() - began, "" if query.is_held else choice.reason)
        return choice, lot

    def why_nobody(self, routed: Routed) -> UpstreamError:
        """What a client is told where the choice has no candidate."""
        problem = self._doors.problem
        missing = refusals.missing(self._node.roster, problem)
        former = self._node.former_models(self._clock())
        error = refusals.nobody(routed.request.endpoint, routed.query, routed.choice.rest, problem, missing, former)
        return UpstreamError(error.message, status=error.status, code=error.code, retry_after_s=error.retry_after_s)

    async def _weigh(self, query: Query, lot: float | None, *, everybody: bool = False) -> Choice:
        """The choice among several, those probed that are worth it."""
        began, probing_s = self._clock(), 0.0
        query = structs.replace(query, lot=lot)
        plan = self._node.plan(query, began)
        silent = asked = {plan.draft.view.roster.peer_ids[index] for index in plan.probe}
        if asked:
            probing = self._clock()
            silent = asked - await self._peers.probe(asked)
            probing_s = self._clock() - probing
            self._telemetry.observe_stage("probe", probing_s)
        decision = self._node.decide(query, plan, self._clock(), silent)
        choice = decision.choice(len(decision.order) if everybody else self._rows, everybody=everybody)
        is_decision = not query.is_held and not everybody  # else a look while it waits, or a person's question
        self._telemetry.observe_choice(self._clock() - began - probing_s, choice.reason if is_decision else "")
        return choice
