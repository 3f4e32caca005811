"""A request's line of the route log: who answered, among whom, and how it went."""

from collections.abc import Sequence

import msgspec

from discovery.records import printable
from gateway.models.names import sayable
from gateway.routing.choice import Candidate, Choice, Figures, figures
from gateway.serving.forward import Attempt
from gateway.wire.request import Request

CODE_CHARS = 64  # of an error's code that are logged


class Considered(msgspec.Struct):
    """One who might have answered."""

    peer: str
    score: float
    wait_s: float
    service_s: float
    cost_s: float
    utility: float


class Part(msgspec.Struct):
    """What one of several agents that answered together did."""

    peer: str
    model: str
    status: str
    tokens: int


class Tried(msgspec.Struct):
    """How one of several attempts went."""

    peer: str
    model: str
    status: str
    code: str | None
    latency_s: float


class Line(msgspec.Struct):
    """What stands in the log of one request, in this order."""

    at: float  # s since 1970
    request: str
    endpoint: str
    asked: str
    peer: str
    model: str
    reason: str
    considered: list[Considered]
    score: float
    wait_s: float
    cost_s: float
    attempts: int
    status: str
    ttft_s: float | None
    latency_s: float | None
    prompt_tokens: int
    tokens: int
    parts: list[Part] | msgspec.UnsetType = msgspec.UNSET
    tried: list[Tried] | msgspec.UnsetType = msgspec.UNSET


def route_line(
    wall_time: float,
    request_id: str,
    request: Request,
    choice: Choice,
    done: Sequence[tuple[Candidate, Attempt]],
    *,
    is_left: bool,
    is_continued: bool,
) -> Line:
    """The line of a request that has ended, `done` with its attempts, at `wall_time` (s since 1970).

    `choice` is the last one, and names somebody. `is_left`: by its client, while no attempt was under way;
    `is_continued`: an answer broke off, and others were asked to go on with it.
    """
    candidate, attempt = done[-1] if done else (choice.target, None)
    assert candidate, "a course has somebody to ask"
    considered = [_considered(each) for each in figures(choice.order)]
    answered = considered[0] if candidate is choice.target else _considered(candidate)
    line = Line(
        round(wall_time, 3),
        request_id,
        request.endpoint,
        asked_for(request, candidate),
        candidate.peer_name,
        candidate.model,
        choice.reason,
        considered,
        answered.score,
        answered.wait_s,
        answered.cost_s,
        len(done),
        attempt.status if attempt and not is_left else "cancelled",
        round(attempt.ttft_s, 4) if attempt and attempt.ttft_s is not None else None,
        round(attempt.latency_s, 4) if attempt else None,
        attempt.prompt_tokens if attempt else 0,
        attempt.tokens if attempt else 0,
    )
    if is_continued:
        parts = [(by, part) for by, part in done if part.ttft_s is not None]
        line.parts = [Part(by.peer_name, by.model, part.status, part.tokens) for by, part in parts]
    if len(done) > 1:
        line.tried = [_tried(*each) for each in done]
    return line


def asked_for(request: Request, candidate: Candidate | None) -> str:
    """The model that was asked for, as a log may say it."""
    return request.model if candidate and request.model == candidate.model else sayable(request.model)


def _tried(by: Candidate, attempt: Attempt) -> Tried:
    code = printable(attempt.error, CODE_CHARS) if attempt.error else None
    return Tried(by.peer_name, by.model, attempt.status, code, round(attempt.latency_s, 4))


def _considered(candidate: Candidate | Figures) -> Considered:
    return Considered(
        candidate.peer_name,
        round(candidate.score, 4),
        round(candidate.wait_s, 4),
        round(candidate.service_s, 4),
        round(candidate.cost_s, 4),
        round(candidate.utility, 5),
    )
