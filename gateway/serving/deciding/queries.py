"""What a request asks for, as routing sees it: its body is read, its models are meant, its topic is judged."""

from collections.abc import Callable

from msgspec import structs

from discovery.records import PeerId
from gateway.models.names import NamesConfig, summed_up
from gateway.models.same import NAME_CHARS
from gateway.privacy.fields import FREE, Travel, free_travel, is_free, may_travel
from gateway.privacy.rules import Verdict
from gateway.routing.node import Node
from gateway.routing.query import Query
from gateway.routing.roster import Roster
from gateway.serving import refusals
from gateway.serving.headers import NOTHING, Wishes
from gateway.telemetry.metrics import Telemetry
from gateway.topics.judged import Judged
from gateway.topics.reader import RelevanceReader
from gateway.wire.bodies import ASSUMED, PERSONAL_ENDPOINTS
from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.elsewhere import Elsewhere
from gateway.wire.request import Request, read_request
from gateway.wire.tokens import asking_for_usage

KINDS_KEPT = 256  # of queries, by the names of models that they ask for, that are remembered
_FAILURES_KEPT = 1024  # conversations whose last failure is remembered, for the retry that follows it


class Queries:
    """Makes requests into queries."""

    def __init__(
        self,
        names: NamesConfig,
        node: Node,
        reader: RelevanceReader,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._names, self._node, self._reader = names, node, reader
        self._telemetry, self._clock = telemetry, clock
        self._failed: dict[str, PeerId] = {}  # by session: the queue of who failed it last
        self._roster: Roster | None = None  # with which these are remembered, by what they ask for
        self._known: dict[object, Query] = {}

    def read(self, endpoint: str, body: bytes, session: str | None, may_leave: bool) -> tuple[Request, Travel | None]:
        """What is asked, and, where it `may_leave` this machine, what of it may. Raises InvalidRequest."""
        try:
            request = asking_for_usage(read_request(endpoint, body, session))
            if not may_leave:
                return request, None
            return request, FREE if is_free(request) else self._travel(request)
        except RecursionError as error:  # not too deep for the first decoder, but for who reads on
            raise _too_deep() from error

    def read_elsewhere(self, read: Elsewhere, body: bytes) -> Request:
        """The same of what another process read, of which nothing leaves this machine."""
        return asking_for_usage(read.request(body))

    def travel(self, request: Request, known: Travel | None = None) -> Travel:
        """What of it may leave this machine, `known` where all of that is. Raises InvalidRequest."""
        if known is FREE:
            return free_travel(request)
        if known is not None:
            return known
        try:
            return self._travel(request)
        except RecursionError as error:
            raise _too_deep() from error

    @property
    def is_one(self) -> bool:
        """Whether there is one agent at most, so that what a request is about decides nothing."""
        return len(self._roster_now()) < 2

    async def judged(self, request: Request, wishes: Wishes, judge_s: float) -> Judged | None:
        """What it is about, judged within `judge_s`; None where that cannot be told."""
        text, earlier, setting = request.said.wording
        if not (text or earlier):
            return None
        began = self._clock()
        judged = await self._reader.judge(text, judge_s, earlier, wishes.session, setting, request.tools)
        self._telemetry.observe_stage("judge", self._clock() - began)
        return judged

    def query(
        self,
        request: Request,
        travel: Travel | None,
        body_bytes: int,
        wishes: Wishes,
        verdict: Verdict,
        judged: Judged | None,
    ) -> Query:
        """What is asked of whom. Raises InvalidRequest for a name that means nobody, and needs that nobody meets.

        A request of which nobody looked what may leave this machine (`travel` None) goes nowhere else.
        """
        roster = self._roster_now()
        query = structs.replace(
            self._plain(request, travel, verdict, roster),
            prompt_tokens=request.prompt_tokens,
            max_tokens=request.max_tokens,
            body_bytes=body_bytes,
            session=request.session,
        )
        if wishes is not NOTHING:
            query = self._wished(query, request.session, wishes, roster)
        if judged is not None:
            query = structs.replace(
                query,
                category=judged.category,
                relevance=judged.relevance,
                is_familiar=judged.is_familiar,
                forms=judged.forms,
                drawn=judged.drawn,
            )
        refusals.check_needs(query, roster)
        return query

    def remember(self, session: str, queue: PeerId, has_failed: bool) -> None:
        """Who failed a conversation last, or was left before it answered: a retry goes to somebody else first."""
        self._failed.pop(session, None)
        if has_failed:
            self._failed[session] = queue
            while len(self._failed) > _FAILURES_KEPT:
                del self._failed[next(iter(self._failed))]

    def _travel(self, request: Request) -> Travel:
        return may_travel(request, trusted=self._node.admission.mode != "open")

    def _peer_meant(self, pin: str, roster: Roster) -> str | None:
        return refusals.peer_meant(pin, self._node.me, self._node.name, self._node.names, roster)

    def _roster_now(self) -> Roster:
        """Who there is; where others are than before, their topics count, and what was remembered goes."""
        roster = self._node.roster
        if roster is not self._roster:
            self._roster, self._known = roster, {}
            self._reader.attend(roster.topics)
        return roster

    def _plain(self, request: Request, travel: Travel | None, verdict: Verdict, roster: Roster) -> Query:
        """What requests for these models at this endpoint, that may go so far, have in common.

        It is remembered while the roster is the same, unless a model may be meant that was served until recently, or
        its name is longer than any.
        """
        bounds = None if travel is None else (travel.pinned_by, travel.guarded)
        kind = (request.model, request.instead, request.endpoint, request.needs, bounds, verdict)
        if (known := self._known.get(kind)) is not None:
            return known
        # where unknown names mean `auto`, nobody waits for one
        former = {} if self._names.transparent else self._node.former_models(self._clock())
        names, asked = roster.served.union(former), (request.model, *request.instead)
        chain = refusals.models_meant(asked, names, self._node.own_models, self._names) if names else (None,)
        query = Query(
            models=summed_up(chain),
            chain=chain if len(chain) > 1 else (),
            patience_s=self._names.patience_s,
            endpoint="" if request.endpoint in ASSUMED else request.endpoint,
            is_chat=request.endpoint in PERSONAL_ENDPOINTS,
            needs=request.needs,
            reach="this machine",
        )
        if travel is not None or verdict.rule:
            query = _bounded(query, travel, verdict)
        if not former and len(request.model) <= NAME_CHARS:
            while len(self._known) >= KINDS_KEPT:
                del self._known[next(iter(self._known))]
            self._known[kind] = query
        return query

    def _wished(self, query: Query, session: str, wishes: Wishes, roster: Roster) -> Query:
        """The query with what its headers ask for."""
        return structs.replace(
            query,
            pin=None if wishes.pin is None else self._peer_meant(wishes.pin, roster),
            pinned_local="client" if wishes.stays_here else query.pinned_local,
            here_only=wishes.stays_here or query.here_only,
            avoid=self._failed.get(session) if wishes.is_retry else None,
            beta_per_s=wishes.beta_per_s,
        )


def _bounded(query: Query, travel: Travel | None, verdict: Verdict) -> Query:
    """The query with how far it may go, and why not further: by the owner's rules, and by what is in its body."""
    rule = f"privacy:{verdict.rule}" if verdict.rule else None
    is_kept = rule is not None and verdict.reach == "this machine"
    return structs.replace(
        query,
        rule=rule,
        pinned_local=rule if is_kept else travel.pinned_by if travel else None,
        here_only=is_kept,
        reach="this machine" if travel is None else "anyone" if is_kept else verdict.reach,
        guarded=travel.guarded if travel else frozenset(),
    )


def _too_deep() -> InvalidRequest:
    return InvalidRequest("the body is nested too deeply: flatten it", code="invalid_json")
