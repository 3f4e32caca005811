"""A request that another process of ours has read (P): what it tells of it, and the request as it is made of that.

What was told is not read again. What else the request says is read off its body when somebody asks for it.
"""

from functools import cached_property

import msgspec

from gateway.wire.reading.content import Content, Reading
from gateway.wire.reading.prompt import Prompt
from gateway.wire.reading.turns import Said
from gateway.wire.request import Request, read_request
from gateway.wire.rewriting import Known


class Asks(msgspec.Struct, frozen=True, array_like=True):
    """What a request asks for, as far as routing cares (gateway.wire.request.Request)."""

    endpoint: str
    model: str
    instead: tuple[str, ...]
    stream: bool
    prompt_tokens: int
    session: str
    max_tokens: int | None
    choices: int
    needs: frozenset[str]
    include_usage: bool


class Elsewhere(msgspec.Struct, frozen=True, array_like=True):
    """What another process read of a body, and how long that took it."""

    asks: Asks
    read_s: float

    def request(self, body: bytes) -> Request:
        """The request with this body."""
        asks, late = self.asks, _Late(self.asks.endpoint, body)
        return Request(
            endpoint=asks.endpoint,
            model=asks.model,
            stream=asks.stream,
            prompt=Prompt(late, (), 0, _tokens=asks.prompt_tokens, _session=asks.session),
            max_tokens=asks.max_tokens,
            choices=asks.choices,
            needs=asks.needs,
            include_usage=asks.include_usage,
            content=Content(body, late),
            instead=asks.instead,
        )


def to_tell(request: Request) -> Asks:
    """What is told of a request."""
    return Asks(
        request.endpoint, request.model, request.instead, request.stream, request.prompt_tokens, request.session,
        request.max_tokens, request.choices, request.needs, request.include_usage,
    )  # fmt: skip


class _Late:
    """What a body is read as, once somebody asks (gateway.wire.reading.content.Reading)."""

    def __init__(self, endpoint: str, body: bytes) -> None:
        self._asked = endpoint, body

    @cached_property
    def _reading(self) -> Reading:
        return read_request(*self._asked).content.reading

    @property
    def said(self) -> Said:
        return self._reading.said

    @property
    def known(self) -> Known | None:
        return self._reading.known

    @property
    def not_known(self) -> str | None:
        return self._reading.not_known
