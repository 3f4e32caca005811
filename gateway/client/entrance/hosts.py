"""Which programs and web pages may call us, by the Host and Origin that they send (P).

A browser lets every page send requests to this machine. A page reaches us under its own domain by DNS rebinding, which
the Host header shows, or calls us from its own origin, which the Origin header shows.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

LOCAL_NAMES = frozenset({"localhost", "ip6-localhost", "host.docker.internal"})


def is_allowed_host(host: str, allowed: Collection[str]) -> bool:
    """Whether a Host header may name us. A rebound DNS name is what an attacker's page has; an address is not."""
    name = _host_in(f"//{host}").rstrip(".")
    return name in LOCAL_NAMES or name in allowed or _is_address(name)


def is_allowed_origin(origin: str, host: str, allowed: Collection[str]) -> bool:
    """Whether a browser's page of `origin` may call us: our own page, a page on this machine, or a configured one."""
    if origin in allowed or "*" in allowed:
        return True
    if host and origin.partition("://")[2] == host:
        return True
    name = _host_in(origin)
    return name == "localhost" or (_is_address(name) and ip_address(name).is_loopback)


def _host_in(url: str) -> str:
    """Its host's name in lower case; empty where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
