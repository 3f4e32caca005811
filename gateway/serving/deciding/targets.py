"""Whom one request is sent to, one after the other, and how each did: between who decides that and who sends it.

Knows nothing of why somebody was chosen, nor of how an answer is passed on.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from gateway.serving.continuing.said import Said
from gateway.upstream import Upstream
from gateway.wire.codec import Pieces

Status = Literal["ok", "refused", "failed", "cancelled"]


class Target(msgspec.Struct, frozen=True):
    """One candidate, ready to be asked: `body` is what it is sent, `headers` what the client is told of it."""

    upstream: Upstream
    body: Pieces
    model: str
    shown_model: str  # what replies must call the model: as asked, or as it is where `auto` was asked
    headers: Mapping[str, str]
    began: float  # when waiting for it began: its times count from there
    upstream_headers: Mapping[str, str] = {}


class Attempt(msgspec.Struct, frozen=True):
    """How one target did. Times in seconds since waiting for it began; `ttft_s` is None without a first event.

    `by_engine`: it failed since its engine answered with an error, so that the request may be the cause;
    `is_unsuited`: since its model cannot take the request.
    """

    status: Status
    ttft_s: float | None
    latency_s: float
    prompt_tokens: int
    tokens: int
    error: str | None = None
    by_engine: bool = False
    is_unsuited: bool = False
    from_documents: bool | None = None  # whether its answer came from them, as a personal agent says


class Targets(Protocol):
    """Whom to ask, one after the other."""

    def at_once(self) -> Target | None:
        """The one to ask now, where nothing has to be waited for; else None, and `next` tells."""
        ...

    async def next(self) -> Target | None:
        """The one to ask now; it may take a while until somebody has room. None: nobody is left.

        Raises UpstreamError where there is a better reason for that than the last failure.
        """
        ...

    def untold(self) -> frozenset[str]:
        """Abilities that the request needs, and that nobody knows whether the last one has."""
        ...

    async def go_on(self, said: Said) -> bool:
        """Have `next` lead to those who can go on with an answer that broke off; False where there is nobody."""
        ...

    def observe(self, attempt: Attempt) -> None:
        """How the last one did."""
        ...

    def ended(self, *, is_left: bool) -> None:
        """Nobody will be asked any more. `is_left`: the client was not told so."""
        ...
