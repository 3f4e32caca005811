"""Of one connection's transport: whether it is to read on, whether it can be written to, and who is at its ends."""

import asyncio

from discovery.uploads import acknowledged_bytes


class FlowControl:
    """Whether a transport reads, and whether its reader keeps up."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = self.write_paused = False
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._progress: tuple[float, object] = (0.0, None)  # when the reader last took something, and how far he was

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

    def pause_writing(self, now: float) -> None:
        """Its reader does not keep up."""
        self.write_paused = True
        self._is_writable.clear()
        self._progress = now, self._taken()

    def resume_writing(self) -> None:
        """Its reader keeps up again, or has left."""
        self.write_paused = False
        self._is_writable.set()

    def is_unread(self, now: float, within_s: float) -> bool:
        """Whether its reader, who does not keep up, has taken nothing for so long, as far as this was looked at."""
        if not self.write_paused:
            return False
        since, before = self._progress
        if (taken := self._taken()) != before:
            self._progress = now, taken
            return False
        return now - since > within_s

    def _taken(self) -> object:
        """Something that changes whenever the reader takes something."""
        return self._transport.get_write_buffer_size(), acknowledged_bytes(self._transport.get_extra_info("socket"))


def address(transport: asyncio.Transport, of: str) -> tuple[str, int] | None:
    """IP address and port, `of` the `peername` or the `sockname`; None where the connection has none of both."""
    place = transport.get_extra_info(of)
    return (str(place[0]), int(place[1])) if isinstance(place, tuple) and len(place) >= 2 else None
