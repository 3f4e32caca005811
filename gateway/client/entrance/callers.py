"""Who may ask on the applications' side, by the host, the page and the key that a request names.

Needs nothing but the file of keys, so that a worker (gateway/workers) lets in by the same rules as the peer itself.
"""

import os
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.client.api_keys import ApiKeyError, ApiKeys, asks_for_key, bearer_of
from gateway.client.entrance.hosts import is_allowed_host, is_allowed_origin
from gateway.client.entrance.paths import ENDPOINT_PATHS
from gateway.serving.headers import Wishes, read_headers
from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.elsewhere import Elsewhere

PACKED = "content-encoding"
REQUEST_ID_CHARS = 200  # of what a program calls its request


class Callers(msgspec.Struct, frozen=True, array_like=True):
    """What `client` in the configuration says of who may call (gateway.client.app.ClientConfig)."""

    host: str
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    is_open: bool  # no key is asked for


class LetIn(msgspec.Struct, frozen=True, array_like=True):
    """What one process found of a request that it let in: what it is called, whose key it shows, what its body asks."""

    request_id: str
    key: str
    read: Elsewhere


class Call(NamedTuple):
    """What a head asks of us; equal heads ask the same (gateway/server/fields.py)."""

    is_ours: bool  # it names this peer
    generates: str | None  # the generating endpoint that it is a POST to
    from_page: bool
    key: str  # as it was given, to be looked up for each request
    packed_by: str | None
    name: str  # as its program calls the request; empty: it does not
    wishes: Wishes | None  # None where they mean nothing, which reading them anew (serving/headers.py) says in words
    is_plain: bool  # a program's request to generate, to us, whose body is what it says

    @property
    def request_id(self) -> str:
        """What the request is called: as its program has it, or drawn."""
        return self.name or os.urandom(16).hex()


class Asked(Protocol):
    """A request whose head came."""

    head: Any  # where `kept` is what was read of it

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Entrance:
    """See the module."""

    def __init__(self, callers: Callers, keys: ApiKeys, is_owner: Callable[[str], bool]) -> None:
        """`is_owner` knows the owner by his bearer token: our own commands and pages need no key."""
        self._keys, self._is_owner, self._is_open, self._origins = keys, is_owner, callers.is_open, callers.cors_origins
        self._asks_for_key = {any_: asks_for_key(callers.host, any_, callers.is_open) for any_ in (False, True)}
        allowed = {callers.host, *callers.allowed_hosts}
        self._may_name_us = lru_cache(256)(partial(is_allowed_host, allowed=allowed))

    def call(self, asked: Asked) -> Call:
        """What its head asks of us."""
        call: Call | None = asked.head.kept
        if call is None:
            call = asked.head.kept = self._read(asked)
        return call

    def check_host(self, call: Call, headers: Mapping[str, str]) -> None:
        """Raises InvalidRequest (403) for a name that is not ours."""
        if not call.is_ours:
            raise InvalidRequest(
                f"Host `{headers.get('host', '')}` is not one of this peer's; add it to client.allowed_hosts",
                status=403,
                code="bad_host",
            )

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Raises InvalidRequest (403) for a page that may not call us."""
        origin = headers["origin"]
        if origin and not is_allowed_origin(origin, headers.get("host", ""), self._origins):
            raise InvalidRequest(
                f"pages of `{origin}` may not call this peer; add it to client.cors_origins",
                status=403,
                code="bad_origin",
            )

    def check_key(self, given: str) -> str:
        """The name of the key; empty of none. Raises InvalidRequest (401) where keys are asked for and this is none."""
        try:
            name, are_there_any = self._keys.look_up(given) if given or not self._is_open else ("", False)
        except ApiKeyError as error:
            raise InvalidRequest(str(error), status=503, code="keys_unreadable") from error
        if not name and self._asks_for_key[are_there_any] and not self._is_owner(given):
            raise InvalidRequest(
                "Incorrect API key provided; the owner of this peer makes one with `ppai key add NAME`",
                status=401,
                code="invalid_api_key",
            )
        return name

    def _read(self, asked: Asked) -> Call:
        headers = asked.headers
        generates = ENDPOINT_PATHS.get(asked.path) if asked.method == "POST" else None
        key = bearer_of(headers.get("authorization", ""), headers.get("x-api-key", ""))
        try:
            wishes = read_headers(headers)
        except InvalidRequest:
            wishes = None
        is_ours, from_page, packed_by = self._names_us(headers, asked.version), "origin" in headers, headers.get(PACKED)
        return Call(
            is_ours, generates, from_page, key, packed_by, headers.get("x-request-id", "")[:REQUEST_ID_CHARS], wishes,
            is_plain=is_ours and generates is not None and not from_page and packed_by is None,
        )  # fmt: skip

    def _names_us(self, headers: Mapping[str, str], http_version: str) -> bool:
        """Whether its Host is ours. HTTP/1.0, as monitors speak it, has none.

        A page cannot leave the name out: every browser sends it.
        """
        return self._may_name_us(headers.get("host", "")) or (http_version == "1.0" and "host" not in headers)
