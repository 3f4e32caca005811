"""The client of an API that no engine here has, answered as a chat: what chat says is said to it in its API.

Adapters know both forms (gateway/serving/litellm_adapters.py); this knows neither, and whom the chat goes to even less.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

from gateway.privacy.agent_fields import STATELESS
from gateway.serving.relaying import Client
from gateway.upstream import UpstreamError
from gateway.wire.codec import view_of
from gateway.wire.errors import error_event, message_in, whole_error
from gateway.wire.events import EventSplitter, encode_event
from gateway.wire.request import Request


class Adapters(Protocol):
    """What says requests of other APIs as chats, and answers of chats in those."""

    @property
    def endpoints(self) -> frozenset[str]:
        """Those that can be said as a chat."""
        ...

    def are_installed(self) -> bool: ...

    def asked(self, endpoint: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a chat. Raises UpstreamError; may take seconds."""
        ...

    def whole(self, endpoint: str, fields: Mapping[str, Any], answer: bytes) -> bytes:
        """A whole answer of a chat, as the endpoint's."""
        ...

    def events(
        self, endpoint: str, fields: Mapping[str, Any], chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[tuple[str, bytes]]:
        """(name, data) of the endpoint's events, by the data of a chat's."""
        ...


def may_be_chat(adapters: Adapters | None, endpoint: str) -> bool:
    """Whether a request can be said as a chat, unless it wants what only an engine of this endpoint does."""
    return adapters is not None and endpoint in adapters.endpoints and adapters.are_installed()


def fields_of(request: Request) -> dict[str, Any]:
    """A request's fields as values; of Responses with `store: false`, which is what a chat does."""
    fields = {**request.fields, **(STATELESS if request.endpoint == "responses" else {})}
    return {name: msgspec.json.decode(view_of(value)) for name, value in fields.items()}


class Translated:
    """See the module; a Client (gateway/serving/relaying.py) that is told chat."""

    def __init__(self, client: Client, endpoint: str, fields: Mapping[str, Any], adapters: Adapters) -> None:
        self.request_id = client.request_id
        self._client, self._endpoint, self._fields, self._adapters = client, endpoint, fields, adapters
        self._splitter = EventSplitter()
        self._said: asyncio.Queue[bytes | None] = asyncio.Queue(1)  # data of chat's events; None: that was the last
        self._saying: asyncio.Task[None] | None = None

    @property
    def sent(self) -> int:
        return self._client.sent

    @property
    def has_started(self) -> bool:
        return self._client.has_started

    @property
    def is_complete(self) -> bool:
        return self._client.is_complete

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        await self._client.start(status, content_type, headers)
        self._saying = asyncio.create_task(self._say())

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        for event in self._splitter.feed(body):
            if event.is_error:
                await self._end()
                message = message_in(event.data)
                last = error_event(
                    self._endpoint, self.request_id, self.sent, message=message, code="upstream_error", said=event.data
                )
                await self._client.send(last, more=False)
                return
            if event.is_object:
                await self._hear(event.data)
        if not more:
            await self._hear(None)
            if self._saying is not None:
                await self._saying
            await self._client.send(b"", more=False)

    def outlet(self, pour: object, content_type: str, headers: Mapping[str, str]) -> None:
        """None: each of them is said otherwise."""

    async def comment(self, said: bytes) -> None:
        await self._client.comment(said)

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        if status < 400:
            said = self._adapters.whole(self._endpoint, self._fields, body)
        else:
            status, said = whole_error(
                self._endpoint, self.request_id, status=status, message=message_in(body), said=body
            )
        await self._client.answer(status, content_type, said, headers)

    async def close(self) -> None:
        """Nothing more will be said."""
        await self._end()

    async def _hear(self, data: bytes | None) -> None:
        """Hand on an event; raises what saying the one before raised."""
        assert self._saying, "a stream that has started"
        putting = asyncio.ensure_future(self._said.put(data))
        await asyncio.wait((putting, self._saying), return_when=asyncio.FIRST_COMPLETED)
        if self._saying.done():
            putting.cancel()
            self._saying.result()
        else:
            await putting

    async def _say(self) -> None:
        """Send what the adapters make of what was heard."""
        try:
            async for name, data in self._adapters.events(self._endpoint, self._fields, self._heard()):
                await self._client.send(encode_event(data, name), more=True)
        except (UpstreamError, OSError, asyncio.CancelledError):
            raise
        except Exception as error:  # whatever an adapter meets in what an engine said
            raise UpstreamError(
                f"an answer cannot be said as /v1/{self._endpoint} ({type(error).__name__})", code="not_translated"
            ) from error

    async def _heard(self) -> AsyncIterator[bytes]:
        while (data := await self._said.get()) is not None:
            yield data

    async def _end(self) -> None:
        if self._saying is not None and not self._saying.done():
            self._saying.cancel()
            await asyncio.wait((self._saying,))
