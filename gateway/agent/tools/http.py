"""A server of tools that speaks HTTP: the SDK's transport, with what it does not bound (the size of an answer)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from gateway.agent.tools.lines import LINE_BYTES
from gateway.agent.tools.stdio import Unusable

ANSWER_BYTES = 4 * LINE_BYTES  # of one answer; each event in it has LINE_BYTES
_TIMES = httpx2.Timeout(10.0, read=300.0)  # s; a call has its own, shorter


class Site:
    """The server at an address (a transport of the SDK): `async with site.streams() as (read, write)`."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Raises Unusable where it is no address of a web server."""
        if not url.startswith(("http://", "https://")):
            raise Unusable(f"`url` is {url!r}: it must begin with http:// or https://")
        self._url, self._headers = url, dict(headers)
        self.gone = asyncio.Event()
        self.problem = ""

    def last_words(self) -> str:
        """Nothing: what it says to people stays where it runs."""
        return ""

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[Any]:
        """What it says and what it is told."""
        async with (
            httpx2.AsyncClient(transport=_Bounded(self._refuse), headers=self._headers, timeout=_TIMES) as client,
            streamable_http_client(self._url, http_client=client, max_sse_event_size=LINE_BYTES) as streams,
        ):
            yield streams

    def _refuse(self) -> httpx2.ReadError:
        self.problem = f"it sent an answer of over {ANSWER_BYTES >> 20} MiB"
        return httpx2.ReadError(self.problem)


class _Bounded(httpx2.AsyncHTTPTransport):
    """Answers of at most ANSWER_BYTES."""

    def __init__(self, refuse: Callable[[], Exception]) -> None:
        super().__init__()
        self._refuse = refuse

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        response.stream = _BoundedStream(response.stream, self._refuse)  # type: ignore[arg-type]  # of two kinds, by type
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, refuse: Callable[[], Exception]) -> None:
        self._stream, self._refuse = stream, refuse

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > ANSWER_BYTES:
                raise self._refuse()
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
