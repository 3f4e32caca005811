"""What a standing order is (P): leave to answer requests of one kind without asking whoever decides first.

While nobody competes with an engine of ours, one request of a kind is decided as the last one was. So a worker may
answer them by itself, as long as one of the slots that it was lent is free, and tells what it did afterwards
(docs/decisions.md#workers). Example: with leave for 4 chats with `llama` at once, a worker that has 3 of them takes the
next one, and hands the fifth over. What is of another kind (other models, other needs), what wishes anything in its
headers, and whatever does not go well, is handed over as ever.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from gateway.wire.request import Request

SHARE = 0.5  # of an engine's slots that may be lent, to all workers together


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """What requests have in common that go the same way (Queries)."""

    endpoint: str
    model: str
    instead: tuple[str, ...]
    needs: frozenset[str]


def kind_of(request: Request) -> Kind:
    """The kind of a request that wishes nothing in its headers."""
    return Kind(request.endpoint, request.model, request.instead, request.needs)


def slots_to_lend(slots: int, workers: int) -> int:
    """How many of an engine's slots one of so many workers is lent; 0: too few to be shared out."""
    return int(SHARE * slots) // workers


class Forecast(msgspec.Struct, frozen=True, array_like=True):
    """What a request of the kind is expected to cost, in seconds (gateway/routing/cost.py).

    All its terms are linear in tokens, so that what three requests cost tells what any does: `fixed_s` of each, and
    `prompt_s` and `token_s` for each token that is read or written. It writes `tokens`, unless it may have fewer.
    """

    fixed_s: float
    prompt_s: float
    token_s: float
    tokens: float

    def cost_s(self, prompt_tokens: int, max_tokens: int | None) -> float:
        """What one costs of which nothing is warm."""
        tokens = self.tokens if max_tokens is None or self.tokens <= max_tokens else max_tokens
        return self.fixed_s + prompt_tokens * self.prompt_s + tokens * self.token_s


class Leave(msgspec.Struct, frozen=True, array_like=True):
    """What whoever answers requests of the kind has to know."""

    kind: Kind
    model: str  # as its peer calls it
    engine_model: str  # as the engine does
    shown_model: str  # as answers do
    shown: Mapping[str, str]  # headers of each answer, with what another one costs
    context_tokens: float  # that a request may need (needs.room_tokens)
    forecast: Forecast


class Entered(msgspec.Struct, array_like=True, gc=False):
    """A request that was taken. Times are seconds of the machine's monotonic clock."""

    number: int
    request_id: str
    prompt_tokens: int
    max_tokens: int | None
    session: str
    stream: bool
    body_bytes: int
    read_s: float
    decided_s: float
    began: float


How = Literal["ok", "cancelled"]  # a request went that was not handed over


class Went(msgspec.Struct, array_like=True, gc=False):
    """How it went. `status` None: it is handed over, with what came of it."""

    number: int
    status: How | None
    ttft_s: float | None
    ended: float
    prompt_tokens: int
    tokens: int


Time = tuple[int, float]  # (slots that are used, s of the machine's monotonic clock)


def busy_s(entered: Sequence[Entered], went: Sequence[Went], before: Time, now: Time) -> float:
    """Seconds that slots were used, together, between two times.

    Example: of one request that was there before, at 10 s, and ended at 12 s, and one that began at 11 s and is there
    still, at 14 s: 2 s and 3 s.
    """
    used, since = before
    left, until = now
    return left * until - used * since + sum(one.ended for one in went) - sum(one.began for one in entered)
