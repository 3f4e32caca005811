"""What a process of a peer runs on: uvloop where the platform has it, else asyncio's loop; and Python's collector.

The collector frees what refers to itself in a circle, and nothing else does.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

COLLECT_AFTER = 10_000  # objects made and not freed; Python's 700 is some ten requests that are under way
COLLECT_S = 60.0  # and this often: it counts objects, and not what they hold


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


def collect_from_now() -> None:
    """Leave out what was loaded and built, which lives as long as the peer, and look at what comes."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(COLLECT_AFTER)


async def collecting(pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Free every COLLECT_S what nothing else frees, until cancelled. It takes some milliseconds.

    Nothing of ours that ends leaves such circles (tests/garbage.py). uvloop leaves one, with TLS's buffers, where
    whoever dials another peer leaves in the moment in which it is reached.
    """
    while True:
        await pause(COLLECT_S)
        gc.collect()
