"""One stream of messages: in their order, in one write a turn of the event loop."""

import asyncio
from typing import Any

from gateway.workers.frames import FROM_WORKER, Frame, Gone, framed
from gateway.workers.link import Link


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_closed = list[bytes](), False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


def linked() -> tuple[Link, Transport, list[Frame | None]]:
    heard = list[Frame | None]()
    link, transport = Link(FROM_WORKER, heard.append, lambda: heard.append(None)), Transport()
    link.connection_made(transport)
    return link, transport, heard


async def test_what_is_said_in_one_turn_is_one_write() -> None:
    link, transport, _ = linked()

    for number in range(3):
        link.say(Gone(number))
    await asyncio.sleep(0)
    link.say(Gone(3))
    await asyncio.sleep(0)

    assert [b"".join(framed(Gone(number)) for number in range(3)), framed(Gone(3))] == transport.written


async def test_what_was_said_before_the_end_is_sent() -> None:
    link, transport, _ = linked()

    link.say(Gone(1))
    link.close()
    link.say(Gone(2))
    await asyncio.sleep(0)

    assert ([framed(Gone(1))], True) == (transport.written, transport.is_closed)


async def test_messages_are_heard_in_their_order_and_then_the_end() -> None:
    link, _, heard = linked()

    link.data_received(framed(Gone(1)) + framed(Gone(2)))
    link.connection_lost(None)

    assert [Gone(1), Gone(2), None] == heard
