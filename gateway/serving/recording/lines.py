"""A request's line of the route log: who answered, among whom, and how it went."""

import msgspec

from discovery.records import printable
from gateway.models.names import sayable
from gateway.routing.choice import Candidate, Choice, Figures, figures
from gateway.serving.deciding.targets import Attempt
from gateway.telemetry.recent import Recorded
from gateway.wire.request import Request

CODE_CHARS = 64  # of an error's code that are logged
_UNASKED = Attempt("cancelled", None, 0.0, 0, 0)  # of a request that was left before anybody was asked
Done = tuple[tuple[Candidate, Attempt], ...]  # the attempts of one request that have ended


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
    recorded: Recorded,
    choice: Choice,
    done: Done,
    *,
    is_left: bool,
    is_continued: bool,
) -> Line:
    """The line of a request that has ended, `done` with its attempts, at `wall_time` (s since 1970).

    `choice` is the last one, and names somebody. `is_left`: by its client, while no attempt was under way;
    `is_continued`: an answer broke off, and others were asked to go on with it.
    """
    candidate, attempt = done[-1] if done else (choice.order[0], _UNASKED)
    considered = [*map(_considered, figures(choice.weighed))]
    line = Line(
        wall_time,
        recorded.request,
        recorded.endpoint,
        recorded.asked,
        candidate.peer_name,
        candidate.model,
        choice.reason,
        considered,
        candidate.score,
        candidate.wait_s,
        candidate.cost_s,
        len(done),
        "cancelled" if is_left else attempt.status,
        attempt.ttft_s,
        attempt.latency_s if done else None,
        attempt.prompt_tokens,
        attempt.tokens,
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
    return Tried(by.peer_name, by.model, attempt.status, code, attempt.latency_s)


def _considered(candidate: Candidate | Figures) -> Considered:
    return Considered(
        candidate.peer_name,
        candidate.score,
        candidate.wait_s,
        candidate.service_s,
        candidate.cost_s,
        candidate.utility,
    )
