"""Where an engine is (P): its URL without credentials, the header that carries them, and whether it is this machine.

A password in a URL would stand in messages, pages and logs, so it is taken out where the URL is read.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import unquote, urlsplit

Place = Literal["here", "other host", "cloud"]  # this machine, one of ours, anybody's

_LOCAL_NAMES = (".local", ".lan", ".home.arpa", ".internal")  # ends of names that only a local network resolves


_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+(%[\w.-]+)?")
_HOST_AND_PORT = re.compile(r"(localhost|[\w.-]+(?=:\d)|\[[0-9a-fA-F:.]+\])(:\d+)?(/|$)")  # without a scheme


class EngineAddressError(Exception):
    """The URL of an engine cannot be used; the message names the remedy, and never repeats what may be a secret."""


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """`url` may be shown on this machine; `headers` carry the credentials, in every request to the engine."""

    url: str
    headers: dict[str, str]
    place: Place


def read_address(url: str, api_key: str = "") -> EngineAddress:
    """An engine's address as the owner wrote it: http(s)://[user:password@]host[:port][/path][/v1].

    Raises EngineAddressError.
    """
    url = url.strip()
    url = f"http://{url}" if _HOST_AND_PORT.match(url) else url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise EngineAddressError("engine.url is no URL; expected http://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not host:
        raise EngineAddressError(
            "engine.url is none that an engine has; expected http://HOST:PORT, `embedded`, `auto`, `none` or "
            "`litellm:PROVIDER/MODEL`"
        )
    if port == 0 or not _HOST.fullmatch(host):
        raise EngineAddressError("engine.url has no host and port that an engine can have; expected http://HOST:PORT")
    if parts.query or parts.fragment:
        raise EngineAddressError(
            "engine.url has more behind its path, from `?` or `#` on; put a key into engine.api_key, leave out the rest"
        )
    if parts.username is not None and api_key:
        raise EngineAddressError(
            "engine.url holds a user or password, and engine.api_key (PPAI_ENGINE_API_KEY) is set too; an engine is "
            "asked with one of them: remove the other"
        )
    name = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{name}{f':{port}' if port is not None else ''}{parts.path}"
    return EngineAddress(
        shown.rstrip("/").removesuffix("/v1"), _credentials(parts.username, parts.password, api_key), place_of(host)
    )


def metrics_page_of(url: str) -> str:
    """The page of gauges that the owner named, `/metrics` where the URL has no path. Raises EngineAddressError."""
    try:
        address = read_address(url)
    except EngineAddressError as error:
        raise EngineAddressError(str(error).replace("engine.url", "engine.metrics_urls")) from None
    if address.headers:
        raise EngineAddressError("engine.metrics_urls holds a user or password: gauges are asked for without one")
    return address.url if urlsplit(address.url).path.strip("/") else f"{address.url}/metrics"


def place_of(host: str) -> Place:
    """Where the machine of this name or address is, as far as that can be told without asking anybody.

    Names are not looked up: whoever answers for a name may answer otherwise tomorrow. So only loopback is here.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return "here"
    try:
        ip = ip_address(host.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
    except ValueError:
        return "other host" if "." not in host or host.endswith(_LOCAL_NAMES) else "cloud"
    if ip.is_loopback or ip.is_unspecified:  # 0.0.0.0 is what many engines print when they start
        return "here"
    return "cloud" if ip.is_global else "other host"


def _credentials(user: str | None, password: str | None, api_key: str) -> dict[str, str]:
    """The header that authenticates us; none where nothing was given."""
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}".encode()
        return {"authorization": f"Basic {b64encode(pair).decode()}"}
    key = api_key.strip()
    if not key.isprintable():
        raise EngineAddressError("engine.api_key (PPAI_ENGINE_API_KEY) holds a line end or another control character")
    return {"authorization": f"Bearer {key}"} if key else {}
