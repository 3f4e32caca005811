"""Of one connection's transport: whether it is to read on, whether it can be written to, and who is at its ends."""

import asyncio


class FlowControl:
    """Whether a transport reads, and whether its reader keeps up."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = self.write_paused = False
        self._is_writable = asyncio.Event()
        self._is_writable.set()

    async def drain(self) -> None:
        """Wait until its reader keeps up."""
        await self._is_writable.wait()

    def pause_reading(self) -> None:
        """Leave what comes to the system."""
        if not self.read_paused:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self.read_paused:
            self.read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Its reader does not keep up."""
        self.write_paused = True
        self._is_writable.clear()

    def resume_writing(self) -> None:
        """Its reader keeps up again, or has left."""
        self.write_paused = False
        self._is_writable.set()


def address(transport: asyncio.Transport, of: str) -> tuple[str, int] | None:
    """IP address and port, `of` the `peername` or the `sockname`; None where the connection has none of both."""
    place = transport.get_extra_info(of)
    return (str(place[0]), int(place[1])) if isinstance(place, tuple) and len(place) >= 2 else None
