"""A request's line of the route log: who answered, among whom, and how it went."""

from collections.abc import Sequence

from discovery.records import printable
from gateway.models.names import sayable
from gateway.routing.choice import Candidate, Choice
from gateway.serving.forward import Attempt
from gateway.wire.request import Request

CODE_CHARS = 64  # of an error's code that are logged


def route_line(
    wall_time: float,
    request_id: str,
    request: Request,
    choice: Choice,
    done: Sequence[tuple[Candidate, Attempt]],
    *,
    is_left: bool,
    is_continued: bool,
) -> dict[str, object]:
    """The line of a request that has ended, `done` with its attempts, at `wall_time` (s since 1970).

    `choice` is the last one, and names somebody. `is_left`: by its client, while no attempt was under way;
    `is_continued`: an answer broke off, and others were asked to go on with it.
    """
    candidate, attempt = done[-1] if done else (choice.target, None)
    assert candidate, "a course has somebody to ask"
    parts = [(by, part) for by, part in done if part.ttft_s is not None]
    return {
        "at": round(wall_time, 3),
        "request": request_id,
        "endpoint": request.endpoint,
        "asked": candidate.model if request.model == candidate.model else sayable(request.model),
        "peer": candidate.peer_name,
        "model": candidate.model,
        "reason": choice.reason,
        "considered": [_considered(candidate) for candidate in choice.order],
        "score": round(candidate.score, 4),
        "wait_s": round(candidate.wait_s, 4),
        "cost_s": round(candidate.cost_s, 4),
        "attempts": len(done),
        "status": attempt.status if attempt and not is_left else "cancelled",
        "ttft_s": round(attempt.ttft_s, 4) if attempt and attempt.ttft_s is not None else None,
        "latency_s": round(attempt.latency_s, 4) if attempt else None,
        "prompt_tokens": attempt.prompt_tokens if attempt else 0,
        "tokens": attempt.tokens if attempt else 0,
        **({"parts": [_part(*part) for part in parts]} if is_continued else {}),
        **({"tried": [_tried(*tried) for tried in done]} if len(done) > 1 else {}),
    }


def _part(by: Candidate, attempt: Attempt) -> dict[str, object]:
    """What one of several agents that answered together did."""
    return {"peer": by.peer_name, "model": by.model, "status": attempt.status, "tokens": attempt.tokens}


def _tried(by: Candidate, attempt: Attempt) -> dict[str, object]:
    """How one of several attempts went."""
    code = printable(attempt.error, CODE_CHARS) if attempt.error else None
    how = {"status": attempt.status, "code": code, "latency_s": round(attempt.latency_s, 4)}
    return {"peer": by.peer_name, "model": by.model, **how}


def _considered(candidate: Candidate) -> dict[str, object]:
    return {
        "peer": candidate.peer_name,
        "score": round(candidate.score, 4),
        "wait_s": round(candidate.wait_s, 4),
        "service_s": round(candidate.service_s, 4),
        "cost_s": round(candidate.cost_s, 4),
        "utility": round(candidate.utility, 5),
    }
