"""Reads an engine's own pages, within bounds. No page that is read here makes an engine load a model."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from discovery.answer import Answer, ConnectionBroken
from discovery.connections import Connections
from gateway.home.port_owner import person_on
from gateway.upstream import UpstreamError
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import message_in
from gateway.wire.events import EventSplitter
from gateway.wire.text import visible

KEEPALIVE_S = 4.0  # s for which an idle connection is kept; vLLM closes it after 5 s
CONNECT_TIMEOUT_S = 5.0
WAIT_S = 60.0  # s for an answer to begin, and for each piece of it; who asks sets a time for all of it, which is less
PAGE_LIMIT_BYTES = 8 << 20  # many times the longest page known, vLLM's /openapi.json
WORDS = 120  # characters of what an engine says while it loads


class StillLoading(Exception):
    """The engine is there, and loads its model; the message is its own, and may tell how far it is."""


NO_PAGE = "no_page"  # the code of an UpstreamError: the engine is there, and has no such page or fails at it

# What asking an engine raises where it is not there, or answers nothing that can be read. A TimeoutError is an OSError.
NO_ANSWER = (ConnectionBroken, StillLoading, OSError)


def connections_to(url: str, found_at: int = 0) -> Connections:
    """Connections to the engine at `url`; `found_at`: the port where it was found, if it was not named."""

    def require_no_other_person(transport: asyncio.Transport) -> None:
        if (why := taken_over(found_at)) is not None:
            raise ConnectionBroken(why)

    on_dial = require_no_other_person if found_at else None
    return Connections(url, connect_s=CONNECT_TIMEOUT_S, keep_s=KEEPALIVE_S, on_dial=on_dial)


def taken_over(port: int) -> str | None:
    """Why nobody is asked any more where our engine was found: another person listens there. None: it may be asked."""
    person = person_on(port)
    return None if person is None else f"port {port}, where our engine was found, is `{person}`'s now"


class EngineApi:
    """GET and POST of JSON at one engine, with its key. Nothing is redirected, and no answer is unpacked.

    Each call that waits may be cancelled, and raises what NO_ANSWER names.
    """

    def __init__(self, url: str, connections: Connections, headers: Mapping[str, str]) -> None:
        """`connections`: to the engine at `url`, which may have a path."""
        self.root = "/v1"  # where the API is, below `url`; empty for an engine whose URL was given with another root
        self._path, self._connections = urlsplit(url).path, connections
        self._headers, self._json = headers, {**headers, "content-type": "application/json"}

    async def get(self, path: str, kind: Any) -> Any:
        """The page as `kind`. Raises UpstreamError, or what decoding raises (UNREADABLE), too."""
        with await self._send("GET", path) as answer:
            return await _page(f"GET {path}", answer, kind)

    async def post(self, path: str, body: object, kind: Any) -> Any:
        """The answer as `kind`. Raises as `get` does."""
        with await self._send("POST", path, msgspec.json.encode(body)) as answer:
            return await _page(f"POST {path}", answer, kind)

    async def stream(self, path: str, body: object) -> bytes:
        """The whole answer of a POST as it came, events as a rule; cut after the limit. Raises as `get` does.

        On a connection of its own: llama.cpp closes one after a stream, although it promises to keep it.
        """
        with await self._send("POST", path, msgspec.json.encode(body), keep=False) as answer:
            if answer.status != 200:
                raise UpstreamError(f"POST {path} answered {answer.status}")
            return await answer.read(PAGE_LIMIT_BYTES, WAIT_S)

    def at(self, path: str) -> str:
        """The path of a page at the engine; one of the OpenAI API, /v1/..., is at `root`."""
        return self._path + (self.root + path[3:] if path.startswith("/v1/") else path)

    async def find(self, path: str, kind: Any) -> Any | None:
        """The page as `kind`; None where it is missing or of another form (LM Studio answers 200 on every path)."""
        try:
            return await self.get(path, kind)
        except (*UNREADABLE, UpstreamError):
            return None

    async def text(self, path: str) -> bytes:
        """The page's bytes, cut after the limit; empty where there is none."""
        with await self._send("GET", path) as answer:
            return await answer.read(PAGE_LIMIT_BYTES, WAIT_S) if answer.status == 200 else b""

    async def status_of(self, path: str, body: object) -> int:
        """The status that a POST is answered with, on a connection of its own."""
        with await self._send("POST", path, msgspec.json.encode(body), keep=False) as answer:
            return answer.status

    async def ask(self, method: str, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of any page, whose path is encoded already."""
        with await self._send(method, path, b"{}" if method == "POST" else None) as answer:
            kind = answer.headers.get("content-type", "application/octet-stream")
            body = await answer.read(PAGE_LIMIT_BYTES, WAIT_S)
            return answer.status, kind.partition(";")[0].strip().lower(), body

    async def events(self, path: str) -> AsyncIterator[bytes]:
        """The data of a stream of events, for as long as it lasts. Raises as `get` does, and OversizedEvent."""
        splitter = EventSplitter()
        with await self._send("GET", path, keep=False) as answer:
            if answer.status != 200:
                raise UpstreamError(f"GET {path} answered {answer.status}")
            while piece := await answer.piece(WAIT_S):
                for event in splitter.feed(piece):
                    yield event.data

    async def _send(self, method: str, path: str, body: bytes | None = None, *, keep: bool = True) -> Answer:
        headers = self._headers if body is None else self._json
        lines = self._connections.lines(self.at(path), headers, keep=keep, method=method)
        return await self._connections.send(lines, () if body is None else (body,), keep=keep, within_s=WAIT_S)


class MetricsPage:
    """A page of gauges at any URL, asked for without a key."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connections = connections_to(url)
        self._lines = self._connections.lines(parts.path + (f"?{parts.query}" if parts.query else ""), {}, method="GET")

    async def read(self) -> bytes:
        """Its bytes; empty where there is none. Raises as EngineApi does."""
        with await self._connections.send(self._lines, (), keep=True, within_s=WAIT_S) as answer:
            return await answer.read(PAGE_LIMIT_BYTES, WAIT_S) if answer.status == 200 else b""

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connections.close()


async def _page(asked: str, answer: Answer, kind: Any) -> Any:
    if answer.status in (401, 403):
        raise UpstreamError("it wants an API key: set engine.api_key or PPAI_ENGINE_API_KEY")
    if answer.status == 503:
        said = await answer.read(PAGE_LIMIT_BYTES, WAIT_S)
        raise StillLoading(visible(message_in(said))[:WORDS] if said else "")
    if answer.status != 200:
        raise UpstreamError(f"{asked} answered {answer.status}", code=NO_PAGE)
    # JSON that is longer is cut, and cannot be decoded
    return msgspec.json.decode(await answer.read(PAGE_LIMIT_BYTES, WAIT_S), type=kind)
