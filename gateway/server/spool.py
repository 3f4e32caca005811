"""A body that is kept in a file, however large: recordings are not held in memory."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from mmap import ACCESS_READ, mmap

from gateway.server.edge import DISCARD_FACTOR, SEND_LESS, ClientGone, Receive
from gateway.wire.errors import InvalidRequest

IN_MEMORY_BYTES = 256 << 10  # of a body that makes no file


@asynccontextmanager
async def spooled(
    receive: Receive,
    limit_bytes: int,
    taken: Callable[[bytes], None] = lambda piece: None,
    remedy: str = SEND_LESS,
) -> AsyncIterator[bytes | mmap]:
    """The whole body, mapped from a file without a name that ends with the block; `taken` is given each piece.

    Raises InvalidRequest (413), which names the `remedy`, ClientGone, and OSError where the disk is full.
    """
    size = 0
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            size += len(piece)
            if size <= limit_bytes:
                file.write(piece)
                taken(piece)
            elif not message.get("more_body") or size > DISCARD_FACTOR * limit_bytes:
                raise InvalidRequest(
                    f"the body is over {limit_bytes} bytes; {remedy}", status=413, code="body_too_large"
                )
            if not message.get("more_body"):
                break
        if size <= IN_MEMORY_BYTES:
            file.seek(0)
            yield file.read()
            return
        file.flush()
        body = mmap(file.fileno(), 0, access=ACCESS_READ)
        try:
            yield body
        finally:
            with suppress(BufferError):  # a part of it is still being sent: unmapped with that
                body.close()
