"""OpenTelemetry: whether it is wanted, and what serving and peering tell of a request for it.

Nothing is loaded or sent unless `otel.endpoint` names a collector (tracing.py does it then), and never a word of a
prompt. A trace goes on at another peer only where both owners say so and the peer is one that somebody vouches for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

TRACEPARENT = "traceparent"  # of W3C's Trace Context, the one header of it that we read and write


@dataclass(frozen=True, slots=True)
class OtelConfig:
    """Where spans and metrics go, in OpenTelemetry's protocol over HTTP."""

    endpoint: str = ""  # of a collector, e.g. http://127.0.0.1:4318; empty: nothing is sent. Needs ppai[otel]
    across_peers: bool = False  # approved peers are told which trace a request is of, and theirs are gone on with


class OtelError(Exception):
    """OpenTelemetry is asked for and cannot be had; the message says why, with the remedy."""


class Ended(NamedTuple):
    """How an attempt, or a request that we ran for another peer, went.

    Times in seconds; `ttft_s` is None where the answer came in one piece.
    """

    status: str
    error: str | None
    ttft_s: float | None
    latency_s: float
    prompt_tokens: int
    tokens: int


class RequestTrace(Protocol):
    """One request of our own programs."""

    def attempt(self, model: str, provider: str, peer: str, *, may_tell: bool) -> Mapping[str, str]:
        """Somebody is asked now: the headers that go with it. `may_tell`: the one asked is a peer that we know."""
        ...

    def attempt_ended(self, outcome: Ended) -> None:
        """The one asked last is done."""
        ...

    def ended(self, model: str, status: str, reason: str = "", attempts: int = 0) -> None:
        """The request is done; `model` is what was asked for."""
        ...


class ServedTrace(Protocol):
    """One request of another peer, run here."""

    def ended(self, endpoint: str, model: str, outcome: Ended) -> None:
        """It is done."""
        ...


class Tracing(Protocol):
    """What a peer tells OpenTelemetry."""

    def request(self, endpoint: str, headers: Mapping[str, str]) -> RequestTrace:
        """A request of our own programs begins; `headers`: as it came."""
        ...

    def served(self, headers: Mapping[str, str], *, is_known: bool) -> ServedTrace:
        """A request of another peer begins; `is_known`: somebody vouches for that peer."""
        ...

    async def close(self) -> None:
        """Send what is left, within a few seconds."""
        ...


class Untraced:
    """Nobody is told anything."""

    def request(self, endpoint: str, headers: Mapping[str, str]) -> "Untraced":
        return self

    def served(self, headers: Mapping[str, str], *, is_known: bool) -> ServedTrace:
        return _UNTRACED

    def attempt(self, model: str, provider: str, peer: str, *, may_tell: bool) -> Mapping[str, str]:
        return _NOTHING

    def attempt_ended(self, outcome: Ended) -> None:
        pass

    def ended(self, model: str, status: str, reason: str = "", attempts: int = 0) -> None:
        pass

    async def close(self) -> None:
        pass


class _UntracedServed:
    def ended(self, endpoint: str, model: str, outcome: Ended) -> None:
        pass


_NOTHING: Mapping[str, str] = {}
_UNTRACED = _UntracedServed()


def check(config: OtelConfig) -> None:
    """Raises OtelError where it is asked for and cannot be had."""
    if not config.endpoint:
        return
    url = urlsplit(config.endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise OtelError(
            f"`otel.endpoint`: `{config.endpoint}` is no address of a collector, e.g. http://127.0.0.1:4318"
        )
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise OtelError("`otel.endpoint` needs OpenTelemetry's SDK: pip install 'ppai[otel]', or leave it empty")
