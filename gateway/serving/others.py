"""Requests of the endpoints beside chat: rerank, audio, images, tokenize. Who has the endpoint answers, ours first.

Nothing is scored: few machines have such an engine. An answer is passed on as it comes, whatever its type.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from mmap import mmap
from typing import Protocol, cast

from discovery.records import PeerId, printable
from gateway.capacity.doors import Doors
from gateway.models.names import NamesConfig, sayable, summed_up
from gateway.peering.passing import FEATURE
from gateway.privacy.fields import Unacceptable
from gateway.privacy.others import OtherRequest, read_other
from gateway.privacy.rules import ANYWHERE, Verdict
from gateway.routing.node import Node
from gateway.serving import refusals
from gateway.serving.engine_errors import read_error
from gateway.serving.forward import BUSY, answer_error
from gateway.serving.having import Having, Other, Wanted, who_has
from gateway.serving.headers import Wishes, read_headers
from gateway.serving.leaving import Leaving
from gateway.serving.recording.lines import CODE_CHARS
from gateway.serving.relaying import Client
from gateway.telemetry.genai import PPAI
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import Ended, RequestTrace, Tracing, Untraced
from gateway.telemetry.route_log import RouteLog
from gateway.upstream import Passed, Patience, UpstreamError
from gateway.wire.bodies import OTHERS
from gateway.wire.codec import Pieces
from gateway.wire.errors import is_no_answer, message_in, whole_error

log = logging.getLogger(__name__)

ERROR_LIMIT_BYTES = 64 << 10
ATTEMPTS = 3
LACKING_S = 600.0  # s for which an engine is not tried again for an endpoint that it had not
_HAS_NOT = (404, 405, 501)
_JUDGED_AS = "chat/completions"  # whose errors mean the same
_REMEDY = "name an engine that has it in `engines`, with `endpoints: [%s]` where it does not tell"


class ToPeers(Protocol):
    """The way to other peers for such requests (gateway/peering/passing.py)."""

    def asked(
        self,
        peer: PeerId,
        name: str,
        endpoint: str,
        agent: str,
        content_type: str,
        body: Pieces,
        patience: Patience,
        headers: Mapping[str, str],
    ) -> AbstractAsyncContextManager[Passed]:
        """Its agent's answer; `headers` go with the request. Raises UpstreamError."""
        ...


class Others:
    """Answers such requests of this machine's programs."""

    def __init__(
        self,
        names: NamesConfig,
        patience: Patience,
        node: Node,
        doors: Doors,
        peers: ToPeers,
        telemetry: Telemetry,
        route_log: RouteLog,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        leaving: Leaving | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """`leaving` says how far a request may go; None: anywhere."""
        self._leaving, self._tracing = leaving, tracing or Untraced()
        self._names, self._patience, self._node, self._doors, self._peers = names, patience, node, doors, peers
        self._telemetry, self._route_log, self._clock, self._wall_clock = telemetry, route_log, clock, wall_clock
        self._lacking: dict[tuple[str, str], float] = {}  # (engine, endpoint), tried in vain -> until when

    async def answer(
        self,
        endpoint: str,
        content_type: str,
        body: bytes | mmap,
        headers: Mapping[str, str],
        client: Client,
        request_id: str,
        key: str = "",
    ) -> None:
        """Answer one request; `key` names its API key. Raises InvalidRequest; other failures are told to the client.

        A client whose answer broke off is left incomplete: its connection is to be closed.
        """
        began, by, attempts = self._clock(), "", 0
        trace = self._tracing.request(endpoint, headers)
        wishes = read_headers(headers)
        request = await asyncio.to_thread(read_other, endpoint, content_type, body)
        found = self._candidates(request, wishes, await self._verdict(request, headers, key))
        failure: UpstreamError | None = self._nobody(endpoint, found)
        for candidate in found:
            if candidate.excluded or self._lacks(candidate, endpoint) or attempts == ATTEMPTS or client.has_started:
                continue
            by, attempts = candidate.name, attempts + 1
            shown = {
                "x-ppai-peer": candidate.name,
                "x-ppai-model": candidate.agent.model,
                "x-ppai-reason": f"endpoint:{endpoint}",
                "x-ppai-attempts": str(attempts),
            }
            asked_at = self._clock()
            try:
                await self._ask(candidate, request, wishes, client, shown, trace)
                failure = None
            except Unacceptable as error:
                failure = _stays_here(str(error))
            except UpstreamError as error:
                failure = error.with_traceback(None)  # it leads back here, to be freed by the collector alone
                said = printable(error.code, CODE_CHARS)  # a peer's, perhaps
                log.warning("attempt_failed peer=%s endpoint=%s code=%s", candidate.name, endpoint, said)
            code, took_s = failure.code if failure else None, self._clock() - asked_at
            trace.attempt_ended(Ended(_status(failure), code, None, took_s, 0, 0))
            if failure is None:
                break
        if failure is not None and not client.has_started:
            sent_back = {"x-ppai-reason": "none", "x-ppai-attempts": str(attempts)}
            await answer_error(client, endpoint, failure, sent_back)
        status = self._log(request, request_id, by, attempts, failure, began)
        trace.ended(sayable(request.model or ""), status, f"endpoint:{endpoint}", attempts)

    async def _ask(
        self,
        candidate: Having,
        request: OtherRequest,
        wishes: Wishes,
        client: Client,
        shown: Mapping[str, str],
        trace: RequestTrace,
    ) -> None:
        """Raises UpstreamError where another may do better, or where the answer broke off; Unacceptable."""
        endpoint, patience = request.endpoint, self._patience
        if not candidate.is_own:
            kind, body = await asyncio.to_thread(request.travelling, candidate.agent.model)
            known = self._node.admission.vouches(candidate.peer)
            headers = trace.attempt(candidate.agent.model, PPAI, candidate.name, may_tell=known)
            asked = (candidate.peer, candidate.name, endpoint, candidate.agent.name, kind, body, patience, headers)
            async with self._peers.asked(*asked) as reply:
                await self._pass_on(reply, candidate, endpoint, client, shown)
            return
        kind, body = request.asking(candidate.agent.model)
        sent = {**wishes.passed, "content-type": kind}
        door = self._doors.door_of(candidate.agent.engine)
        with await door.own_turn(self._clock()):
            trace.attempt(candidate.agent.model, door.engine.state.family, candidate.name, may_tell=False)
            async with door.engine.open(endpoint, body, sent, stream=False, patience=patience) as opened:
                await self._pass_on(cast(Passed, opened), candidate, endpoint, client, shown)

    async def _pass_on(
        self, reply: Passed, candidate: Having, endpoint: str, client: Client, shown: Mapping[str, str]
    ) -> None:
        pieces = reply.pieces()
        first = await anext(pieces, b"")
        if reply.status >= 400:
            async for piece in pieces:
                first += piece
                if len(first) > ERROR_LIMIT_BYTES:
                    break
        is_missing = reply.status in _HAS_NOT or (reply.status == 200 and first[:1] == b"{" and is_no_answer(first))
        if not candidate.is_told and is_missing:  # LM Studio answers 200 on every path
            self._lacking[self._key(candidate, endpoint)] = self._clock() + LACKING_S
            said = f"the engine of {candidate.name} has no {OTHERS[endpoint]}: {_REMEDY % endpoint}"
            raise UpstreamError(said, status=404, code="endpoint_not_served")
        if reply.status >= 400:
            if error := read_error(reply.status, None, first, _JUDGED_AS, frozenset()):
                raise error
            status, written = whole_error(
                endpoint, client.request_id, status=reply.status, message=message_in(first), said=first
            )
            await client.answer(status, "application/json", written, shown)
            return
        if not first:
            raise UpstreamError(f"{candidate.name} answered with nothing", code="no_answer", by_engine=True)
        await client.start(reply.status, reply.content_type or "application/octet-stream", shown)
        await client.send(first, more=True)
        async for piece in pieces:
            await client.send(piece, more=True)
        await client.send(b"", more=False)

    async def _verdict(self, request: OtherRequest, headers: Mapping[str, str], key: str) -> Verdict:
        """How far the owner's rules let it go."""
        if self._leaving is None:
            return ANYWHERE
        return await self._leaving.of_other(request, headers, key)

    def _candidates(self, request: OtherRequest, wishes: Wishes, verdict: Verdict) -> list[Having]:
        """Who has the endpoint and the model, in the order in which they are asked."""
        node = self._node
        shown = dict(zip(node.roster.peer_ids, node.roster.peer_names, strict=True))
        others = [
            Other(
                member.id,
                shown.get(member.id, member.card.name),
                member.state,
                node.admission.may(member.id, "answer"),
                FEATURE in member.card.features,
                node.agents_of(member),
                node.admission.is_mine(member.id),
                node.admission.vouches(member.id),
            )
            for member in node.gossip.members()
        ]
        pin = refusals.peer_meant(wishes.pin, node.me, node.name, node.names, node.roster)
        rule = f"privacy:{verdict.rule}" if verdict.rule else ""
        stays_here = wishes.stays_here or (verdict.reach == "this machine" and bool(rule))
        wanted = Wanted(request.endpoint, self._models_meant(request), pin, stays_here, verdict.reach, rule)
        return who_has(wanted, node.me, node.name, node.own_agents, others)

    def _lacks(self, candidate: Having, endpoint: str) -> bool:
        """Whether it was tried in vain a while ago."""
        return not candidate.is_told and self._lacking.get(self._key(candidate, endpoint), -inf) > self._clock()

    def _models_meant(self, request: OtherRequest) -> frozenset[str] | None:
        """Names of the models that will do; None: any. Raises InvalidRequest (404) where nobody serves it."""
        roster = self._node.roster
        if request.model is None:
            return None
        known = {*roster.models, *roster.agents}
        own = {agent.model for agent in self._node.own_agents if agent.kind == "model"}
        return summed_up(refusals.models_meant((request.model,), known, own, self._names)) if known else None

    def _nobody(self, endpoint: str, found: Sequence[Having]) -> UpstreamError:
        """Why nobody is asked, and who would have the endpoint."""
        if not found and (missing := refusals.missing(self._node.roster, self._doors.problem)):
            return UpstreamError(missing[0], status=503, code="not_ready", retry_after_s=2)  # as of a chat
        having = dict.fromkeys(f"`{each.name}` ({each.excluded})" for each in found if each.is_told and each.excluded)
        remedy = f"it is served by {', '.join([*having][:8])}: see `ppai peers`" if having else _REMEDY % endpoint
        said = f"nobody who may be asked has {OTHERS[endpoint]}: {remedy}"
        return UpstreamError(said, status=404, code="endpoint_not_served")

    def _key(self, candidate: Having, endpoint: str) -> tuple[str, str]:
        return self._doors.door_of(candidate.agent.engine).engine.name, endpoint

    def _log(
        self,
        request: OtherRequest,
        request_id: str,
        by: str,
        attempts: int,
        failure: UpstreamError | None,
        began: float,
    ) -> str:
        """Count it, write its line, and return how it went."""
        status = _status(failure)
        reason = f"endpoint:{request.endpoint}"
        if failure is not None and not attempts:
            self._telemetry.observe_refused(failure.status, failure.code)
        else:
            self._telemetry.observe_answer(status, reason)
        line = {
            "at": self._wall_clock(),
            "request": request_id,
            "endpoint": request.endpoint,
            "peer": by or None,
            "reason": reason,
            "attempts": attempts,
            "status": status,
            "latency_s": self._clock() - began,
        }
        self._route_log.write(line)
        return status


def _status(failure: UpstreamError | None) -> str:
    if failure is None:
        return "ok"
    return "refused" if failure.status in (*BUSY, 404) else "failed"


def _stays_here(field: str) -> UpstreamError:
    message = f"the field `{field}` may not be sent to another peer (see Delegation in docs/protocol.md): leave it out"
    return UpstreamError(message, status=422, code="field_stays_here", is_unsuited=True)
