"""A large body lies in a file and not in memory; a small one makes no file."""

import mmap
import tracemalloc
from typing import Any

import pytest

from gateway.server.edge import ClientGone
from gateway.server.spool import IN_MEMORY_BYTES, spooled
from gateway.wire.errors import InvalidRequest


def sending(*messages: dict[str, Any]) -> Any:
    left = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left)

    return receive


def pieces(count: int, size: int = 1 << 16) -> list[dict[str, Any]]:
    return [{"type": "http.request", "body": bytes(size), "more_body": at < count - 1} for at in range(count)]


async def test_a_small_body_is_read() -> None:
    seen: list[bytes] = []
    async with spooled(sending({"type": "http.request", "body": b"hi"}), 10, seen.append) as body:
        assert (b"hi", [b"hi"]) == (body, seen)


async def test_a_large_body_takes_no_memory() -> None:
    """Of 32 MiB not one is on the heap at any time."""

    async def receive() -> dict[str, Any]:
        left[0] -= 1
        return {"type": "http.request", "body": piece, "more_body": left[0] > 0}

    left, piece = [512], b"x" * (1 << 16)
    tracemalloc.start()
    try:
        async with spooled(receive, 32 << 20) as body:
            assert isinstance(body, mmap.mmap) and 32 << 20 == len(body)
            assert b"xx" == body[-2:]
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


async def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"raise client\.body_limit_bytes"):
        async with spooled(sending(*pieces(9)), 8 << 16):
            pass


async def test_who_leaves_leaves_nothing() -> None:
    with pytest.raises(ClientGone):
        async with spooled(sending(*pieces(9)[:8], {"type": "http.disconnect"}), 1 << 30):
            pass


async def test_a_part_that_is_still_used_outlives_the_body() -> None:
    """An engine that answers before it has read all."""
    async with spooled(sending(*pieces(1 + (IN_MEMORY_BYTES >> 16))), 1 << 30) as body:
        view = memoryview(body)[-4:]
    assert bytes(4) == bytes(view)
