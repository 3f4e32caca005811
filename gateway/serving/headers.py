"""What a request's headers ask of PPAI itself (P). None of them reaches an engine or another peer.

A mark that is misspelt or contradicted must not send a private request away: an unknown header of ours is refused, and
of several marks the strictest counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.prompt import session_key
from gateway.wire.text import read_header_text

_SESSION = ("x-session-id", "x-conversation-id", "x-claude-code-session-id")
_LOCAL_ONLY = ("x-ppai-local-only", "x-ppai-local")
KNOWN = (*_LOCAL_ONLY, "x-ppai-route", "x-ppai-beta", "x-ppai-continue", "x-ppai-as-peer")  # of the names in x-ppai-
_PASSED = ("anthropic-version", "anthropic-beta")  # what an engine with /v1/messages may want to know
_RETRIES = "x-stainless-retry-count"  # the SDKs of OpenAI and Anthropic send it with each request
_READ = frozenset({*_SESSION, *_PASSED})  # and those in x-ppai-; a request without any of them wishes nothing


@dataclass(frozen=True, slots=True)
class Wishes:
    """The headers of one request, as routing reads them (docs/architecture.md lists them)."""

    session: str | None  # the client's own name of the conversation
    pin: str | None  # "local", or the id or name of the peer that is to answer; None: anybody
    stays_here: bool  # on this machine
    is_retry: bool  # an SDK tries again
    beta_per_s: float | None
    may_continue: bool  # an answer that breaks off may be gone on with elsewhere
    as_peer: bool  # a personal agent of ours answers as it answers other peers: without tools that change things
    passed: Mapping[str, str]  # sent on to our own engine


def read_headers(headers: Mapping[str, str]) -> Wishes:
    """Header names are in lower case, values of repeated ones joined by commas. Raises InvalidRequest."""
    is_retry = headers.get(_RETRIES, "0") != "0"
    if _READ.isdisjoint(headers) and "ppai" not in "\n".join(headers):
        return _AGAIN if is_retry else NOTHING
    for name in headers:
        if "ppai" in name and name not in KNOWN and name.replace("_", "-").removeprefix("x-").startswith("ppai"):
            known = ", ".join(f"`{header}`" for header in KNOWN)
            raise InvalidRequest(
                f"the request header `{name[:40]}` means nothing here; PPAI knows {known}",
                param=name[:40], code="unknown_header",
            )  # fmt: skip
    return Wishes(
        session=next((session_key(headers[name]) for name in _SESSION if headers.get(name)), None),
        pin=_pin(read_header_text(headers.get("x-ppai-route", "auto"))),
        stays_here=any(mark.strip() != "0" for name in _LOCAL_ONLY for mark in headers.get(name, "0").split(",")),
        is_retry=is_retry,
        beta_per_s=_number(headers, "x-ppai-beta"),
        may_continue=all(mark.strip() != "0" for mark in headers.get("x-ppai-continue", "1").split(",")),
        as_peer=any(mark.strip() != "0" for mark in headers.get("x-ppai-as-peer", "0").split(",")),
        passed={name: headers[name] for name in _PASSED if name in headers},
    )


def _pin(route: str) -> str | None:
    """Who is to answer. Of several, our own engine goes before anybody else, and a name before `auto`."""
    if "," not in route:
        return None if route == "auto" else route
    names = {name.strip() for name in route.split(",")} - {"auto"}
    if "local" in names:
        return "local"
    return names.pop() if len(names) == 1 else route if names else None


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


NOTHING = Wishes(
    None, None, stays_here=False, is_retry=False, beta_per_s=None, may_continue=True, as_peer=False,
    passed=MappingProxyType({}),
)  # fmt: skip
_AGAIN = replace(NOTHING, is_retry=True)
