"""What a candidate is asked for a request, and what the client is told of who answers (P)."""

from gateway.capacity.doors import Served
from gateway.privacy.fields import Travel, delegation
from gateway.routing.choice import Candidate
from gateway.serving.deciding.decider import Routed
from gateway.serving.deciding.targets import Target
from gateway.upstream import Upstream
from gateway.wire.request import VIRTUAL_MODEL, Request, encode_request


def of_ours(routed: Routed, candidate: Candidate, reason: str, by: Served, began: float) -> Target:
    """An engine of ours; what it takes counts from `began`. `reason`: of the choice."""
    request, wishes, engine = routed.request, routed.wishes, by.door.engine
    body = encode_request(request, by.model, engine.state.continuing if request.continues else {})
    upstream = by.over(engine, is_own=not wishes.as_peer)
    return Target(
        upstream, body, candidate.model, named(request, candidate), shown(candidate, reason), began, wishes.passed
    )


def of_peer(
    routed: Routed, travel: Travel, candidate: Candidate, reason: str, upstream: Upstream, began: float
) -> Target:
    """Another peer, which gets what may `travel`."""
    request, model = routed.request, candidate.model
    body = delegation(request.endpoint, candidate.agent, model, travel, continues=request.continues)
    return Target(upstream, body, model, named(request, candidate), shown(candidate, reason), began)


def named(request: Request, candidate: Candidate) -> str:
    """What an answer is to call the model: as it was asked for, if one was."""
    return candidate.model if request.instead or request.model == VIRTUAL_MODEL else request.model


def shown(candidate: Candidate, reason: str) -> dict[str, str]:
    """Headers that tell a client who answers."""
    return {
        "x-ppai-peer": candidate.peer_name,
        "x-ppai-model": candidate.model,
        "x-ppai-score": f"{candidate.score:.4f}",
        "x-ppai-cost-s": f"{candidate.cost_s:.4f}",
        "x-ppai-reason": "last_resort" if candidate.last_resort else reason,
    }
