"""A mock engine that answers at once: `python -m benchmarks.gateway.engine PORT`. Real HTTP, canned words.

A stream has as many words as `max_tokens` says, INTERVAL_S apart; what is measured is what stands in front of it.
"""

import asyncio
import sys
from collections.abc import Iterable
from typing import cast

import httptools
import msgspec

MODEL = "mock-model"
INTERVAL_S = 0.02  # between two words of a stream: an engine at 50 tokens a second

_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"mock-model","choices":[%s]}\n\n'
)
_WORD = _CHUNK % b'{"index":0,"delta":{"content":" word"},"finish_reason":null}'
_LAST = _CHUNK % b'{"index":0,"delta":{},"finish_reason":"stop"}'
_USAGE = (_CHUNK % b"")[:-3] + b',"usage":{"prompt_tokens":40,"completion_tokens":8,"total_tokens":48}}\n\n'
_WHOLE = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"mock-model","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Good morning, and welcome."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":40,"completion_tokens":8,"total_tokens":48}}'
)
_MODELS = (  # it takes whatever a peer takes: images, and megabytes of text
    b'{"object":"list","data":[{"id":"mock-model","object":"model","owned_by":"mock","max_model_len":16777216,'
    b'"architecture":{"input_modalities":["text","image"]}}]}'
)


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Body(msgspec.Struct):
    stream: bool = False
    max_tokens: int = 8
    stream_options: _StreamOptions = msgspec.field(default_factory=_StreamOptions)


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", bytearray()
        self._streaming: asyncio.Task[None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._streaming:
            self._streaming.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body = b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url == b"/v1/chat/completions":
            body = msgspec.json.decode(self._body, type=_Body)
            if body.stream:
                self._streaming = asyncio.get_running_loop().create_task(self._stream(body))
            else:
                self._answer(200, _WHOLE)
        elif self._url == b"/v1/models":
            self._answer(200, _MODELS)
        else:
            self._answer(200 if self._url == b"/health" else 404, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        self._transport.write(head + body)

    async def _stream(self, body: _Body) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        end = (_LAST, *([_USAGE] if body.stream_options.include_usage else []), b"data: [DONE]\n\n")
        self._transport.write(head + _chunked([_WORD]))
        for _ in range(body.max_tokens - 1):
            await asyncio.sleep(INTERVAL_S)
            self._transport.write(_chunked([_WORD]))
        self._transport.write(_chunked(end) + b"0\r\n\r\n")


def _chunked(pieces: Iterable[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
