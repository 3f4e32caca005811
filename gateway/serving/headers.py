"""What a request's headers ask of PPAI itself (P). None of them reaches an engine or another peer."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.wire.errors import InvalidRequest

_SESSION = ("x-session-id", "x-conversation-id", "x-claude-code-session-id")
_PASSED = ("anthropic-version", "anthropic-beta")  # what an engine with /v1/messages may want to know


@dataclass(frozen=True, slots=True)
class Wishes:
    """The headers of one request, as routing reads them (docs/architecture.md lists them)."""

    session: str | None  # the client's own name of the conversation
    pin: str | None  # "local", or the id or name of the peer that is to answer; None: anybody
    stays_here: bool
    is_retry: bool  # an SDK tries again
    beta_per_s: float | None
    passed: Mapping[str, str]  # sent on to our own engine


def read_headers(headers: Mapping[str, str]) -> Wishes:
    """Header names are in lower case. Raises InvalidRequest naming the header."""
    pin = headers.get("x-ppai-route", "auto")
    return Wishes(
        session=next((headers[name] for name in _SESSION if headers.get(name)), None),
        pin=None if pin == "auto" else pin,
        stays_here=headers.get("x-ppai-local-only", "0") not in ("", "0"),
        is_retry=headers.get("x-stainless-retry-count", "0") != "0",
        beta_per_s=_number(headers, "x-ppai-beta"),
        passed={name: headers[name] for name in _PASSED if name in headers},
    )


def _number(headers: Mapping[str, str], name: str) -> float | None:
    """A finite number ≥ 0 in a header. Raises InvalidRequest."""
    if name not in headers:
        return None
    try:
        value = float(headers[name])
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise InvalidRequest(f"the header `{name}` must be a number from 0 up", param=name)
    return value
