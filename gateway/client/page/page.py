"""The calls of the page: its files, how it is let in, its stream, and what was decided about a request."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from discovery.throttle import Throttle
from gateway.client.calls import Calls, Endpoint, json_response, read_json
from gateway.client.owner import is_from_owner, owner_only
from gateway.client.page.files import PLACE, PageFile, page_files
from gateway.client.page.watching import TooMany, Watching
from gateway.client.running import RunningPeer
from gateway.client.views import candidate_rows
from gateway.serving.recording.requests import Decided
from gateway.wire.errors import InvalidRequest

ENTRIES_PER_S, ENTRIES_AT_ONCE = 1.0, 8.0  # tickets that are looked at, of one address
TOP = 5  # categories of a query that are named


class _Ticket(msgspec.Struct):
    ticket: str


def add_page(calls: Calls, peer: RunningPeer, watching: Watching) -> None:
    for path, file in page_files().items():
        calls.get(path, is_told=False)(_shown(file))
    _add_entry(calls, peer)

    @calls.get("/ppai/v1/watch")
    async def watch(request: Request) -> Response:
        """What is there and what changes, as server-sent events; the owner is told more than others."""
        says_owner = "authorization" in request.headers and not getattr(request.state, "has_key", False)
        last = request.headers.get("last-event-id", "")
        events = watching.stream(last, lambda: is_from_owner(peer, request), says_owner=says_owner)
        try:
            first = await anext(events)
        except TooMany as error:
            said = "too many pages watch this peer already: close one of them"
            raise InvalidRequest(said, status=503, code="too_many_pages") from error
        kept = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(_after(first, events), media_type="text/event-stream", headers=kept)

    @calls.get("/ppai/v1/decisions/{which}", owner_only(peer))
    async def decision(request: Request) -> dict[str, Any]:
        """What was decided about one of the last requests: by its number, or by its request id."""
        one = peer.route_log.recent.find(request.path_params["which"])
        if one is None or not isinstance(one.decided, Decided):
            said = "nothing is kept of that request: it is none of the last ones, or nothing was decided about it"
            raise InvalidRequest(said, status=404, code="decision_not_kept")
        return {"number": one.number, **_decision(one.decided, peer)}


def _add_entry(calls: Calls, peer: RunningPeer) -> None:
    entering = Throttle(ENTRIES_PER_S, ENTRIES_AT_ONCE)

    @calls.post("/ppai/v1/page/ticket", owner_only(peer))
    async def ticket(_: Request) -> dict[str, str]:
        """A link by which a browser becomes the owner's, once."""
        return {"url": f"{peer.url}/#{peer.entry.ticket()}"}

    @calls.post(PLACE + "enter")
    async def enter(request: Request) -> Response:
        """The token of a page, for a ticket."""
        asked = await read_json(request, _Ticket)
        if not entering.allow(request.client.host if request.client else "", peer.clock()):
            raise InvalidRequest("too many tickets were tried: wait a few seconds", status=429, code="too_many_tickets")
        token = peer.entry.enter(asked.ticket)
        if token is None:
            said = "this link was used already, or is too old: run `ppai open` for a new one"
            raise InvalidRequest(said, status=403, code="ticket_not_good")
        return json_response({"token": token}, headers={"cache-control": "no-store"})


def _shown(file: PageFile) -> Endpoint:
    async def shown(request: Request) -> Response:
        if file.is_known(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=file.headers())
        return Response(file.content, media_type=file.kind, headers=file.headers())

    return shown


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in rest:
        yield event


def _decision(decided: Decided, peer: RunningPeer) -> dict[str, Any]:
    query, choice, verdict = decided.query, decided.choice, decided.verdict
    explained = choice.explained() if choice.explained else choice
    return {
        "reason": choice.reason,
        "beta_per_s": choice.beta_per_s,
        "about": {
            "category": query.category or None,
            "familiar": query.is_familiar,
            "forms": query.forms,
            "top": _top(query.relevance, peer.dispatcher.decider.reader.gate.categories),
            "prompt_tokens": query.prompt_tokens,
            "needs": sorted(query.needs),
        },
        "privacy": {"to": verdict.reach, "rule": verdict.rule or None, "told": verdict.is_told},
        "candidates": candidate_rows(explained),
    }


def _top(relevance: Any, categories: tuple[str, ...]) -> list[tuple[str, float]]:
    """What a query is mostly about: (category, share), the largest first."""
    if relevance is None or len(relevance) != len(categories):
        return []
    shares: dict[str, float] = {}
    for name, share in zip(categories, relevance, strict=True):
        shares[name] = shares.get(name, 0.0) + float(share)
    largest = sorted(shares.items(), key=lambda pair: -pair[1])[:TOP]
    return [(name, round(share, 3)) for name, share in largest if share > 0]
