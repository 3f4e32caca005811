"""One end of the stream of messages between a worker and its owner."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

from gateway.workers.frames import Frame, Frames, framed


class Link(asyncio.Protocol):
    """Says messages, and has those that come heard in their order; `lost` is called once when it has ended."""

    _transport: asyncio.Transport
    is_full = False  # the other end has still to take much of what was said

    def __init__(
        self, decoder: msgspec.msgpack.Decoder[Any], heard: Callable[[Any], None], lost: Callable[[], None]
    ) -> None:
        self._decode, self._heard, self._lost, self._frames = decoder.decode, heard, lost, Frames()
        self._loop, self._unsent = asyncio.get_running_loop(), list[bytes]()

    def say(self, frame: Frame) -> None:
        """Send a message, with all others of this turn of the event loop; once it has ended, nothing.

        Each write wakes the other process, which costs more than what is written.
        """
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(framed(frame))

    def close(self) -> None:
        """End it, once what was said is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self._transport.is_closing():
            self._transport.write(b"".join(unsent))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods but not the base class

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    def data_received(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            self._heard(self._decode(message))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
