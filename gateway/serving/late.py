"""Another peer, asked for a stream until its first word is late and somebody else is the better choice by then.

Its answer begins when `open` does. Knows nothing of how long that may take, nor of who else there is.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.upstream import Patience, Reply, Upstream, UpstreamError
from gateway.wire.codec import Pieces

LATE = "peer_late"  # the code of the error of who was left
LONGEST_PAUSE_S = 30.0  # between two looks, of which each is twice as long as the one before


class Leavable:
    """`look` is called once the first word is late: whether to leave for somebody else. `began`: if it comes then."""

    def __init__(
        self,
        upstream: Upstream,
        name: str,
        late_after_s: float,
        look: Callable[[], Awaitable[bool]],
        began: Callable[[], None],
    ) -> None:
        self._upstream, self._name, self._late_after_s = upstream, name, late_after_s
        self._look, self._began = look, began

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        """Ask; leaving the context hangs up. Raises UpstreamError, with the code LATE where it was left."""
        opened = self._upstream.open(endpoint, body, headers, stream=stream, patience=patience)
        loop, looking = asyncio.get_running_loop(), list[asyncio.Task[None]]()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(None) as limit:
                    late = loop.call_later(
                        self._late_after_s, lambda: looking.append(asyncio.create_task(self._looks(limit)))
                    )
                    try:
                        reply = await stack.enter_async_context(opened)
                    finally:
                        late.cancel()
                        for task in looking:
                            task.cancel()
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise UpstreamError(f"peer {self._name} had not begun in time", status=503, code=LATE) from error
            if looking:
                self._began()
            yield reply

    async def _looks(self, limit: asyncio.Timeout) -> None:
        """Look again and again, until it is left or has begun."""
        pause_s = self._late_after_s
        while not await self._look():
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        limit.reschedule(asyncio.get_running_loop().time())
