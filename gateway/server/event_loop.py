"""The event loop that a peer runs on: uvloop where the platform has it, else asyncio's own."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A fresh event loop, not yet running."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()

    class Loop(uvloop.Loop):
        async def create_connection(  # type: ignore[override]  # uvloop has a dozen arguments, passed on
            self,
            factory: Callable[[], asyncio.BaseProtocol],
            *args: Any,
            sock: socket.socket | None = None,
            **named: Any,
        ) -> Any:
            """As uvloop's; afterwards `sock` no longer owns its descriptor, whether or not the connection came about.

            A connection that the other side resets while it is made leaves `sock` with a descriptor that uvloop has
            closed. When `sock` is collected, Python closes that number again, and with it whatever connection has
            been given the number meanwhile. Another peer's death, or its will, would so break our other connections.
            """
            if sock is None:
                return await super().create_connection(factory, *args, **named)
            try:
                return await super().create_connection(factory, *args, sock=sock, **named)
            finally:
                sock.detach()

    return Loop()


def call_on_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Have SIGTERM and ^C call `stop`. Windows' loop takes no signals: there Python's own handler passes them on."""
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
