"""The edge: bounded bodies, and clients that leave."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.server.edge import DISCARD_FACTOR, Asking, ClientGone, read_pieces, until_gone
from gateway.wire.errors import InvalidRequest


class Sender:
    """What a server's `receive` yields, in order; then the client waits for its answer."""

    def __init__(self, *pieces: bytes, gone: bool = False, is_complete: bool = True) -> None:
        self.messages = [
            {"type": "http.request", "body": piece, "more_body": not is_complete or number < len(pieces) - 1}
            for number, piece in enumerate(pieces)
        ]
        if gone:
            self.messages.append({"type": "http.disconnect"})
        self.read = 0

    async def __call__(self) -> Mapping[str, Any]:
        self.read += 1
        if self.read > len(self.messages):
            await asyncio.Event().wait()
        return self.messages[self.read - 1]


@pytest.mark.parametrize("pieces", [(b"",), (b"abcd",), (b"ab", b"cd"), (b"a", b"", b"bcd", b"")], ids=str)
async def test_a_body_is_read_whole(pieces: tuple[bytes, ...]) -> None:
    taken: list[bytes] = []

    assert b"".join(pieces) == await read_pieces(Sender(*pieces), 4, taken.append)
    assert b"".join(pieces) == b"".join(taken)


@pytest.mark.parametrize(
    ("pieces", "read"),
    [
        ((b"12345",), 1),
        ((b"1234", b"5"), 2),
        ((b"1234", b"5", b"", b"6", b"7"), 5),  # to the end: many clients listen only when they have sent all
        ((b"1234",) * 100, DISCARD_FACTOR + 1),  # but not for ever
    ],
)
async def test_a_body_over_the_limit_is_discarded(pieces: tuple[bytes, ...], read: int) -> None:
    sender = Sender(*pieces)

    with pytest.raises(InvalidRequest, match="body_limit_bytes") as caught:
        await read_pieces(sender, 4)

    assert (413, read) == (caught.value.status, sender.read)


@pytest.mark.parametrize("pieces", [(), (b"half",), (b"1234", b"56")])
async def test_a_client_that_leaves_before_its_body_is_complete(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(ClientGone):
        await read_pieces(Sender(*pieces, gone=True, is_complete=False), 4)


async def test_work_is_cancelled_when_the_client_hangs_up() -> None:
    cleaned_up = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.set()

    async with asyncio.timeout(5):
        await until_gone(work(), Asking(Sender(gone=True)))

    assert cleaned_up.is_set()


async def test_work_ends_where_the_client_stays() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(True)

    async with asyncio.timeout(5):
        await until_gone(work(), Asking(Sender()))

    assert [True] == done
