"""The application's side: the OpenAI API for this machine's programs, and PPAI's own pages about itself.

The generating endpoints are raw ASGI, since every request pays for each layer. All other pages are a Starlette app
(pages.py) behind them. Who calls, and with which key, is checked before either sees the request.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Annotated, Any, Literal

import msgspec

from gateway.client.api_keys import ApiKeys
from gateway.client.entrance.callers import Call, Callers, Entrance, LetIn
from gateway.client.entrance.paths import ENDPOINT_PATHS, OTHER_PATHS
from gateway.client.entrance.unknown import UnknownCallers
from gateway.client.page.files import is_page
from gateway.server.answering import AsgiClient, Send
from gateway.server.edge import (
    AsgiApp,
    ClientGone,
    Incoming,
    Messages,
    Receive,
    Scope,
    has_left,
    read_pieces,
    until_gone,
)
from gateway.server.packing import PLAIN, charset_of, in_utf8, is_packed, unpacked
from gateway.server.spool import spooled
from gateway.serving.alive import KEEPALIVE_S as COMMENT_AFTER_S
from gateway.serving.dispatch import Dispatcher
from gateway.serving.others import Others
from gateway.wire.errors import InvalidRequest, endpoint_of, error_event, whole_error
from gateway.wire.reading.elsewhere import Elsewhere

log = logging.getLogger(__name__)

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]
Bytes = Annotated[int, msgspec.Meta(ge=1024, le=1 << 30)]

PROBES = ("/health", "/ready")  # monitors and orchestrators ask these and hold no key
EXPOSED_HEADERS = (
    ", ".join(f"x-ppai-{name}" for name in ("peer", "model", "score", "cost-s", "reason", "attempts"))
    + ", x-request-id, server-timing"
)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The application's side."""

    host: str = "127.0.0.1"  # loopback: whoever reaches it can use every model that this peer may ask
    port: Port = 8470  # 8000 is vLLM's own; 0 takes a free one
    # processes that pass answers on, on Linux; 1: the peer does it itself, for all this one is cheaper. auto: 4 from
    # 8 cores on (docs/results/gateway.md#many-cores)
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] | Literal["auto"] = 1
    body_limit_bytes: Bytes = 32 << 20  # long conversations and data: images; vLLM itself has no limit
    first_token_timeout_s: Seconds = 300.0  # a cold model load takes minutes, and hanging up aborts it (Ollama)
    keepalive_s: Seconds = COMMENT_AFTER_S  # without an event, until a stream gets a comment
    idle_timeout_s: Seconds = 60.0  # between two events of a stream that has begun
    answer_timeout_s: Seconds = 600.0  # for an answer in one piece; the OpenAI SDKs give up at 600 s themselves
    cors_origins: tuple[str, ...] = ()  # web pages that may call us; none by default
    api_keys: Literal["auto", "open"] = "auto"  # auto: asked for once `ppai key add` made one, and off loopback always
    allowed_hosts: tuple[str, ...] = ()  # further Host names, besides localhost and our own addresses (DNS rebinding)

    @property
    def callers(self) -> Callers:
        """Who may call."""
        return Callers(self.host, self.allowed_hosts, self.cors_origins, self.api_keys == "open")


class ClientConfigError(Exception):
    """A value under `client` cannot mean anything; the message names its key and the remedy."""


def check_pages(config: ClientConfig) -> None:
    """Raises ClientConfigError for an origin or a Host that no browser sends."""
    for origin in config.cors_origins:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", origin):
            raise ClientConfigError(f"`client.cors_origins`: `{origin}` is no origin, e.g. https://chat.example.org")
    for host in config.allowed_hosts:
        if "/" in host:
            raise ClientConfigError(f"`client.allowed_hosts`: `{host}` is no name of a host, e.g. box.example.org")


class ClientApp:
    """ASGI app of the client listener."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        pages: AsgiApp,
        config: ClientConfig,
        keys: ApiKeys,
        is_owner: Callable[[str], bool],
        others: Others | None = None,
    ) -> None:
        """`is_owner` knows the owner by his bearer token: our own commands and pages need no key.

        `others` answers the endpoints beside chat.
        """
        self._others = others
        self._dispatcher, self._pages, self._config = dispatcher, pages, config
        self._entrance, self._unknown = Entrance(config.callers, keys, is_owner), UnknownCallers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.meet(Messages(scope, receive, send))

    def meet(self, asked: Incoming, let_in: LetIn | None = None) -> Coroutine[Any, Any, None]:
        """Answer a request, which on a connection of ours needs no messages: what is to be awaited.

        `let_in`: another process of ours looked who asks, and read what.

        Mostly it is a program's, who may ask, with a body that is here as a whole: then nobody is waited for before
        that is read, and nothing stands between. Whatever is not so plain, `_meet` looks at from the beginning.
        """
        call = self._entrance.call(asked)
        asked.request_id = name = call.request_id if let_in is None else let_in.request_id
        asked.extra = {"x-request-id": name}
        if not call.is_plain:
            return self._meet(asked, call)
        try:
            key = self._entrance.check_key(call.key) if let_in is None else let_in.key
        except InvalidRequest:
            return self._meet(asked, call)
        body = asked.body(self._config.body_limit_bytes)
        if body is None or charset_of(body) != PLAIN:
            return self._meet(asked, call, body)
        asked.watch(True)
        return self._generate(call, body, asked, key, None if let_in is None else let_in.read)

    async def _meet(self, asked: Incoming, call: Call, body: bytes | None = None) -> None:
        """Answer any request; `body`: all of it, where it was taken already."""
        headers, path, common = asked.headers, asked.path, {"x-request-id": asked.request_id}
        asked.extra = common
        try:
            self._entrance.check_host(call, headers)
            if call.from_page:
                common["vary"] = "origin"
                self._entrance.check_origin(headers)
                common |= _for_page(headers)  # only now: a page that is refused may not read the refusal
                if asked.method == "OPTIONS":
                    await self._hold_up(asked)
                    await asked.answer(204, "text/plain", b"", _PREFLIGHT)
                    return
            try:
                key: str | None = self._entrance.check_key(call.key)
            except InvalidRequest:
                if path not in PROBES and not is_page(path):
                    raise
                await self._hold_up(asked)  # a stranger, who asks what needs no key
                key = None
            if call.generates is None:
                await self._answer_other(asked, key)
                return
            if body is None:
                body = asked.body(self._config.body_limit_bytes)
            if body is None:
                body = await read_pieces(asked.receive, self._config.body_limit_bytes)
            if is_packed(body, call.packed_by):
                body = await self._plain(body, call.packed_by)
        except InvalidRequest as error:
            if error.status in (401, 403):
                await self._hold_up(asked)
            await _answer_invalid(asked, endpoint_of(path), error)
        except ClientGone:
            pass
        except asyncio.CancelledError:
            if not await _is_over(asked, endpoint_of(path)):
                raise
        else:
            asked.watch(True)
            try:
                await self._generate(call, body, asked, key or "")
            finally:
                asked.watch(False)

    async def _answer_other(self, asked: Incoming, key: str | None) -> None:
        """Answer what generates nothing: an endpoint beside chat, or a page. Raises InvalidRequest, ClientGone."""
        path = asked.path
        other = OTHER_PATHS.get(path) if self._others else None
        if other is not None and asked.method == "POST":
            if "content-encoding" in asked.headers:
                raise InvalidRequest("send this body as it is, without a content-encoding", status=415)
            async with spooled(asked.receive, self._config.body_limit_bytes) as file:
                await until_gone(self._pass_on(other, file, asked, key or ""), asked)
        elif path in ENDPOINT_PATHS or other is not None:
            raise InvalidRequest(f"{path} wants a POST", status=405, code="method_not_allowed")
        else:
            # A HEAD is answered as a GET would be; the listener leaves the body out.
            method = "GET" if asked.method == "HEAD" else asked.method
            state = {"request_id": asked.request_id, "is_stranger": key is None, "has_key": bool(key)}
            await self._pages({**asked.scope(), "method": method, "state": state}, asked.receive, asked.pass_on)

    async def _plain(self, body: bytes, packed_by: str | None) -> bytes:
        """The body as it was before it was packed, in UTF-8. Raises InvalidRequest."""
        if packed_by is not None:
            body = await asyncio.to_thread(unpacked, body, packed_by, self._config.body_limit_bytes)
        return body if charset_of(body) == PLAIN else await asyncio.to_thread(in_utf8, body)

    async def _hold_up(self, asked: Incoming) -> None:
        """Who has shown no key does not get answers as fast as he can ask."""
        await asyncio.sleep(self._unknown.pause_s(asked.ip, asyncio.get_running_loop().time()))

    async def _generate(
        self, call: Call, body: bytes, asked: Incoming, key: str, read: Elsewhere | None = None
    ) -> None:
        endpoint = call.generates
        assert endpoint is not None, "it was looked at"
        try:
            await self._dispatcher.answer(
                endpoint, body, asked.headers, asked, asked.request_id, key, read, call.wishes
            )
        except InvalidRequest as error:
            await _answer_invalid(asked, endpoint, error)
        except asyncio.CancelledError:
            if not await _is_over(asked, endpoint):
                raise
        except Exception:  # a bug: the client is told in its own format, whatever it has had so far
            log.exception("bug=request endpoint=%s", endpoint)
            await _break_off(asked, endpoint, 500, _BUG, _BUG_CODE)

    async def _pass_on(self, endpoint: str, body: bytes | mmap, asked: Incoming, key: str) -> None:
        """Answer an endpoint beside chat. An answer that breaks off ends with its connection, as at the engine."""
        assert self._others, "its paths are known then only"
        try:
            kind = asked.headers.get("content-type", "")
            await self._others.answer(endpoint, kind, body, asked.headers, asked, asked.request_id, key)
        except InvalidRequest as error:
            await _answer_invalid(asked, endpoint, error)
        except Exception:  # a bug, which ends this request and no other
            log.exception("bug=request endpoint=%s", endpoint)
            if not asked.has_started:
                await _break_off(asked, endpoint, 500, _BUG, _BUG_CODE)
        if asked.has_started and not asked.is_complete:
            asked.hang_up()
            await asked.send(b"", more=False)


def _for_page(headers: Mapping[str, str]) -> dict[str, str]:
    """What lets a web page that may call us read the answer."""
    if origin := headers["origin"]:
        return {"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED_HEADERS}
    return {}


_BUG, _BUG_CODE = "PPAI failed on this request, which is a bug: please report it with the peer's log", "internal_error"
_STOPPING = "this peer is being stopped: ask again when it runs, or another peer"
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "*, authorization",
    "access-control-max-age": "600",
}


async def _is_over(asked: Incoming, endpoint: str) -> bool:
    """Whether a task was cancelled as its client has left; else this peer is being stopped, as the client is told."""
    if has_left(asked):
        return True
    log.warning("answer_ended_by_stop request=%s", asked.request_id[:64])
    await _break_off(asked, endpoint, 503, _STOPPING, "stopping")
    return False


async def _break_off(client: AsgiClient, endpoint: str, status: int, message: str, code: str) -> None:
    """Tell the client in its own format, whatever it has had so far, that no more comes."""
    if not client.has_started:
        status, written = whole_error(endpoint, client.request_id, status=status, message=message, code=code)
        await client.answer(status, "application/json", written)
    elif not client.is_complete:
        event = error_event(endpoint, client.request_id, client.sent, message=message, code=code)
        await client.send(event, more=False)


async def _answer_invalid(client: AsgiClient, endpoint: str, error: InvalidRequest) -> None:
    if client.has_started:  # a sign of life went before
        await _break_off(client, endpoint, error.status, error.message, error.code or "invalid_request")
        return
    status, body = whole_error(
        endpoint, client.request_id, status=error.status, message=error.message, code=error.code, param=error.param
    )
    await client.answer(status, "application/json", body, {"allow": "POST"} if error.status == 405 else {})
