"""A request's line of the route log: who answered, among whom, and how it went."""

from collections.abc import Sequence
from math import floor

import msgspec

from discovery.records import printable
from gateway.models.names import sayable
from gateway.routing.choice import Candidate, Choice, Figures, figures
from gateway.serving.forward import Attempt
from gateway.wire.request import Request

CODE_CHARS = 64  # of an error's code that are logged


class Considered(msgspec.Struct):
    """One who was weighed (Choice.weighed)."""

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
    endpoint: str,
    asked: str,
    choice: Choice,
    done: Sequence[tuple[Candidate, Attempt]],
    *,
    is_left: bool,
    is_continued: bool,
) -> Line:
    """The line of a request that has ended, `done` with its attempts, at `wall_time` (s since 1970).

    `asked`: the model that it was for, as a log may say it (asked_for).
    `choice` is the last one, and names somebody. `is_left`: by its client, while no attempt was under way;
    `is_continued`: an answer broke off, and others were asked to go on with it.
    """
    first = choice.target
    candidate, attempt = done[-1] if done else (first, None)
    assert candidate, "a course has somebody to ask"
    considered = [_considered(each) for each in figures(choice.weighed)]
    answered = considered[0] if candidate is first else _considered(candidate)
    line = Line(
        rounded(wall_time, 1e3),
        request_id,
        endpoint,
        asked,
        candidate.peer_name,
        candidate.model,
        choice.reason,
        considered,
        answered.score,
        answered.wait_s,
        answered.cost_s,
        len(done),
        attempt.status if attempt and not is_left else "cancelled",
        rounded(attempt.ttft_s) if attempt and attempt.ttft_s is not None else None,
        rounded(attempt.latency_s) if attempt else None,
        attempt.prompt_tokens if attempt else 0,
        attempt.tokens if attempt else 0,
    )
    if is_continued:
        parts = [(by, part) for by, part in done if part.ttft_s is not None]
        line.parts = [Part(by.peer_name, by.model, part.status, part.tokens) for by, part in parts]
    if len(done) > 1:
        line.tried = [_tried(*each) for each in done]
    return line


def asked_for(request: Request, candidate: Candidate) -> str:
    """The model that a request is for, as a log may say it: what nobody serves may be a misplaced prompt."""
    return request.model if request.model == candidate.model else sayable(request.model)


def _tried(by: Candidate, attempt: Attempt) -> Tried:
    code = printable(attempt.error, CODE_CHARS) if attempt.error else None
    return Tried(by.peer_name, by.model, attempt.status, code, rounded(attempt.latency_s))


def _considered(candidate: Candidate | Figures) -> Considered:
    return Considered(
        candidate.peer_name,
        rounded(candidate.score),
        rounded(candidate.wait_s),
        rounded(candidate.service_s),
        rounded(candidate.cost_s),
        rounded(candidate.utility, 1e5),
    )


def rounded(value: float, parts: float = 1e4) -> float:
    """A number to so many parts of one, as `round` does it to digits, which takes three times as long."""
    try:
        return floor(value * parts + 0.5) / parts
    except (OverflowError, ValueError):  # infinite, or no number
        return value
