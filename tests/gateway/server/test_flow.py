"""A transport is told once, and a writer waits for as long as its reader does not keep up."""

import asyncio
from typing import Any

import pytest

from gateway.server.flow import FlowControl, address


class Told(asyncio.Transport):
    """Notes what it is told."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(extra)
        self.said = list[str]()
        self.unsent_bytes = 0

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes


async def test_reading_is_paused_and_resumed_once() -> None:
    """asyncio's transports of another event loop may not be told twice."""
    flow = FlowControl(told := Told())

    flow.resume_reading()
    for _ in range(2):
        flow.pause_reading()
    for _ in range(2):
        flow.resume_reading()

    assert ["pause", "resume"] == told.said


async def test_a_writer_waits_for_its_reader() -> None:
    flow = FlowControl(Told())
    await flow.drain()

    flow.pause_writing(0.0)
    waiting = asyncio.create_task(flow.drain())
    await asyncio.sleep(0)
    assert not waiting.done()

    flow.resume_writing()
    async with asyncio.timeout(1):
        await waiting


async def test_a_reader_who_takes_nothing_for_so_long_has_stopped_reading() -> None:
    """As long as he takes something, however little, he has not, nor if there is nothing for him to take."""
    flow = FlowControl(told := Told())
    assert not flow.is_unread(100.0, 10.0)

    told.unsent_bytes = 9
    flow.pause_writing(100.0)
    assert not flow.is_unread(110.0, 10.0)
    assert flow.is_unread(110.1, 10.0)
    told.unsent_bytes = 8
    assert [False, False, True] == [flow.is_unread(now, 10.0) for now in (110.2, 120.2, 120.3)]

    flow.resume_writing()
    assert not flow.is_unread(200.0, 10.0)


@pytest.mark.parametrize(
    ("told", "known"),
    [(("192.0.2.1", 5), ("192.0.2.1", 5)), (("2001:db8::1", 5, 0, 0), ("2001:db8::1", 5)), ("", None), (None, None)],
)
def test_an_address_is_ip_and_port_or_none(told: object, known: object) -> None:
    """A Unix socket has a path, or nothing."""
    assert known == address(Told(peername=told), "peername")
