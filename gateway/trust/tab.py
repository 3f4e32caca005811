"""What one other peer gave us and had from us (P), and what follows for its share of our engine.

Work is counted in tokens written; a token read counts a quarter. Both sums fade with a half-life of two weeks, so that
a peer is judged by what it does now. The weight is FLOOR for who gave nothing, one half more for who gives as much as
he takes, and 1 for who only gives; it grows with what was given and never by having a new name:

    weight = FLOOR + (1 - FLOOR) · got / (got + given + SMALL)

Who gave less than SMALL_GIFT is a newcomer, and newcomers have one share together (capacity/fair_share.py).

A statement says the sums between two peers since they met. The one who took writes and signs it, the one who gave
signs it too. Nobody else is ever told.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from discovery.records import COUNT_LIMIT, PeerId

PROMPT_WEIGHT = 0.25  # of a token read, where a token written is 1: it is read with many others at once
TOKENS_A_SECOND = 30  # of an answer that has none (a picture, speech): what a second of it counts
HALF_LIFE_S = 14 * 86400.0
FADED_S = 10.0  # s for which what is counted does not fade in between: millionths of it would
FLOOR = 0.1
SMALL = 10_000.0  # work: a handful of long answers
SMALL_GIFT = 1_000.0
DOMAIN = b"ppai/1/tab\0"
Side = Literal["got", "given"]  # by us from it; by us to it
_Count = Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]


class Sums(msgspec.Struct, frozen=True):
    """Of answers, and of the tokens read and written for them."""

    answers: _Count = 0
    prompt_tokens: _Count = 0
    tokens: _Count = 0

    def plus(self, other: "Sums") -> "Sums":
        limit = COUNT_LIMIT - 1
        answers, prompt_tokens = self.answers + other.answers, self.prompt_tokens + other.prompt_tokens
        tokens = self.tokens + other.tokens
        if answers + prompt_tokens + tokens > limit:
            return Sums(min(answers, limit), min(prompt_tokens, limit), min(tokens, limit))
        return Sums(answers, prompt_tokens, tokens)

    def at_least(self, other: "Sums") -> "Sums":
        """The larger of each."""
        return Sums(
            max(self.answers, other.answers),
            max(self.prompt_tokens, other.prompt_tokens),
            max(self.tokens, other.tokens),
        )

    def covers(self, other: "Sums") -> bool:
        """Whether none of them is less than the other's."""
        return self == self.at_least(other)

    @property
    def work(self) -> float:
        """In tokens written."""
        return self.tokens + PROMPT_WEIGHT * self.prompt_tokens


def timed(served_ms: int) -> Sums:
    """What an answer without tokens came to, by the time that it took."""
    return Sums(1, 0, served_ms * TOKENS_A_SECOND // 1000)


class Statement(msgspec.Struct, frozen=True):
    """What `taker` had from `giver` in all, until `at` (unix s)."""

    taker: str
    giver: str
    sums: Sums
    at: _Count


class Signed(msgspec.Struct, frozen=True):
    """A statement with the signature of who took, and, once he has it, of who gave; both hexadecimal."""

    statement: Statement
    by_taker: Annotated[str, msgspec.Meta(max_length=128)]
    by_giver: Annotated[str, msgspec.Meta(max_length=128)] = ""

    def holds(self, taker: PeerId, giver: PeerId, verify: "Verify", *, both: bool = True) -> bool:
        """Whether it is between these two, and the signatures are theirs. `both`: also the giver's."""
        if (self.statement.taker, self.statement.giver) != (taker, giver):
            return False
        said = signed_bytes(self.statement)
        signers = ((taker, self.by_taker), (giver, self.by_giver))
        return all(_signed(who, by, said, verify) for who, by in signers[: 1 + both])


Verify = Callable[[PeerId, bytes, bytes], bool]  # (who, signature, what is signed)


def signed_bytes(statement: Statement) -> bytes:
    """What both sign."""
    return DOMAIN + msgspec.json.encode(statement)


def _signed(who: PeerId, by: str, said: bytes, verify: Verify) -> bool:
    try:
        return verify(who, bytes.fromhex(by), said)
    except ValueError:
        return False


@dataclass(slots=True)
class Account:
    """One side of a tab: the sums, how much of them is new, what both signed last."""

    sums: Sums = field(default_factory=Sums)
    recent: float = 0.0  # work, faded until `as_of`
    as_of: float = 0.0  # unix s
    signed: Signed | None = None
    open_answers: int = 0  # since it was last written down
    open_since: float = 0.0  # unix s of the first of them
    last_at: float = 0.0  # and of the last

    def add(self, sums: Sums, now: float) -> None:
        """Count what was answered."""
        if not 0 <= now - self.as_of < FADED_S:
            self.recent, self.as_of = self.faded(now), now
        self.recent += sums.work
        self.sums = self.sums.plus(sums)
        if not self.open_answers:
            self.open_since = now
        self.open_answers += sums.answers
        self.last_at = now

    def raise_to(self, sums: Sums, now: float) -> None:
        """Take over what both signed, where that is more than we know of: we lost some of ours."""
        more = max(0.0, sums.work - self.sums.work)
        self.recent, self.as_of = self.faded(now) + more, now
        self.sums = self.sums.at_least(sums)

    def faded(self, now: float) -> float:
        """The work of late, at `now`."""
        if not self.recent:
            return 0.0
        return self.recent * math.exp2(-max(0.0, now - self.as_of) / HALF_LIFE_S)


@dataclass(slots=True)
class Tab:
    """Both sides."""

    got: Account = field(default_factory=Account)
    given: Account = field(default_factory=Account)

    def of(self, side: Side) -> Account:
        return self.got if side == "got" else self.given

    def weight(self, now: float) -> float:
        """Of its share of our engine, in [FLOOR, 1]; 0 for a newcomer."""
        got, given = self.got.faded(now), self.given.faded(now)
        return 0.0 if got < SMALL_GIFT else FLOOR + (1 - FLOOR) * got / (got + given + SMALL)

    def exposure(self, now: float) -> float:
        """Work that it had of late beyond what it gave."""
        return self.given.faded(now) - self.got.faded(now)
