"""Reads an engine's own pages, within bounds. No page that is read here makes an engine load a model."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from gateway.upstream import UpstreamError
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import message_in
from gateway.wire.events import EventSplitter
from gateway.wire.text import visible

PAGE_LIMIT_BYTES = 8 << 20  # many times the longest page known, vLLM's /openapi.json
WORDS = 120  # characters of what an engine says while it loads


class StillLoading(aiohttp.ClientError):
    """The engine is there, and loads its model; the message is its own, and may tell how far it is."""


class EngineApi:
    """GET and POST of JSON at one engine, with its key."""

    def __init__(self, url: str, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> None:
        self.url = url
        self.root = "/v1"  # where the API is, below `url`; empty for an engine whose URL was given with another root
        self._session, self._headers = session, headers

    async def get(self, path: str, kind: Any) -> Any:
        """The page as `kind`. Raises UpstreamError, aiohttp.ClientError, or what decoding raises (UNREADABLE)."""
        async with self._session.get(self.at(path), headers=self._headers, allow_redirects=False) as response:
            return await self._page(path, response, kind)

    async def post(self, path: str, body: object, kind: Any) -> Any:
        """The answer as `kind`. Raises as `get` does."""
        url, headers = self.at(path), {**self._headers, "content-type": "application/json"}
        async with self._session.post(
            url, data=msgspec.json.encode(body), headers=headers, allow_redirects=False
        ) as response:
            return await self._page(path, response, kind)

    async def stream(self, path: str, body: object) -> bytes:
        """The whole answer of a POST as it came, events as a rule; cut after the limit. Raises as `get` does.

        On a connection of its own: llama.cpp closes one after a stream, although it promises to keep it.
        """
        url, headers = self.at(path), {**self._headers, "content-type": "application/json", "connection": "close"}
        async with self._session.post(
            url, data=msgspec.json.encode(body), headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise UpstreamError(f"POST {path} answered {response.status}")
            return await _read(response)

    def at(self, path: str) -> str:
        """The URL of a page; one of the OpenAI API, /v1/..., is at `root`."""
        return self.url + (self.root + path[3:] if path.startswith("/v1/") else path)

    async def find(self, path: str, kind: Any) -> Any | None:
        """The page as `kind`; None where it is missing or of another form (LM Studio answers 200 on every path)."""
        try:
            return await self.get(path, kind)
        except (*UNREADABLE, UpstreamError):
            return None

    async def text(self, path: str) -> bytes:
        """The page's bytes, cut after the limit; empty where there is none. Raises aiohttp.ClientError."""
        async with self._session.get(self.at(path), headers=self._headers, allow_redirects=False) as response:
            return await _read(response) if response.status == 200 else b""

    async def status_of(self, path: str, body: object) -> int:
        """The status that a POST is answered with, on a connection of its own. Raises aiohttp.ClientError."""
        headers = {**self._headers, "connection": "close"}
        async with self._session.post(self.at(path), json=body, headers=headers, allow_redirects=False) as response:
            return response.status

    async def ask(self, method: str, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of any page, whose path is encoded already. Raises aiohttp.ClientError."""
        headers = {**self._headers, "content-type": "application/json"}
        url, body = URL(self.at(path), encoded=True), b"{}" if method == "POST" else None
        async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
            return response.status, response.content_type, await _read(response)

    async def events(self, path: str) -> AsyncIterator[bytes]:
        """The data of a stream of events, for as long as it lasts. Raises as `get` does, and OversizedEvent."""
        splitter, headers = EventSplitter(), {**self._headers, "connection": "close"}
        async with self._session.get(self.at(path), headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise UpstreamError(f"GET {path} answered {response.status}")
            async for chunk in response.content.iter_any():
                for event in splitter.feed(chunk):
                    yield event.data

    async def _page(self, path: str, response: aiohttp.ClientResponse, kind: Any) -> Any:
        if response.status in (401, 403):
            raise UpstreamError("it wants an API key: set engine.api_key or PPAI_ENGINE_API_KEY")
        if response.status == 503:
            said = await _read(response)
            raise StillLoading(visible(message_in(said))[:WORDS] if said else "")
        if response.status != 200:
            raise UpstreamError(f"{response.method} {path} answered {response.status}")
        return msgspec.json.decode(await _read(response), type=kind)


async def metrics_page(url: str, session: aiohttp.ClientSession) -> bytes:
    """A page of gauges at any URL, asked without a key; empty where there is none. Raises aiohttp.ClientError."""
    async with session.get(url, allow_redirects=False) as response:
        return await _read(response) if response.status == 200 else b""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, cut after the limit; JSON that was cut cannot be decoded, so its reader raises."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > PAGE_LIMIT_BYTES:
            break
    return bytes(body)
