"""The process of a worker: `python -m gateway.workers.process LISTENER LINK FILES LEVEL`, which its owner starts.

LISTENER and LINK are descriptors that it inherits: a socket that listens, and one end of the stream to its owner. FILES
is how many it may open, LEVEL that of its log. It lives as long as its owner.
"""

import asyncio
import logging
import signal
import socket
import sys
from math import inf
from pathlib import Path

from gateway.client.api_keys import ApiKeys
from gateway.client.entrance.callers import Entrance
from gateway.server.event_loop import collect_from_now, new_event_loop
from gateway.server.listeners import CLIENT_BOUNDS, SAY_SO_S, places_for_programs, server
from gateway.workers.carrying import Carrying
from gateway.workers.frames import FROM_OWNER, Frame, FromOwner, LetsIn, Logged, Stop
from gateway.workers.link import Link


def main(listener: int, link: int, files: int, level: str) -> None:
    """Serve until the owner says that it is enough, or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # ^C and systemd tell all processes of a service: the owner tells us
        signal.signal(number, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(socket.socket(fileno=listener), socket.socket(fileno=link), files, level))


async def _serve(listener: socket.socket, connection: socket.socket, files: int, level: str) -> None:
    link: Link
    carrying = Carrying(lambda frame: link.say(frame), lambda: link.is_full)
    serving = server(carrying, places_for_programs(files), CLIENT_BOUNDS)
    serving.grace_s = inf  # the owner sees to it
    lost = asyncio.Event()

    def hear(frame: FromOwner) -> None:
        if isinstance(frame, Stop):
            serving.stop()
        elif isinstance(frame, LetsIn):
            entrance = Entrance(frame.callers, ApiKeys(Path(frame.keys_file)), lambda token: False)
            carrying.let_in_by(entrance, frame.body_limit_bytes)
        else:
            carrying.hear(frame)

    link = Link(FROM_OWNER, hear, lost.set)
    connection.setblocking(False)
    await asyncio.get_running_loop().create_connection(lambda: link, sock=connection)
    logging.basicConfig(level=level.upper(), handlers=[_ToOwner(link)])
    listener.setblocking(False)
    collect_from_now()
    until = {asyncio.create_task(serving.serve([listener])), asyncio.create_task(lost.wait())}
    ended, _ = await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
    if lost.is_set():
        serving.stop()
        carrying.end()
        await asyncio.wait(until, timeout=SAY_SO_S)
    carrying.close()
    link.close()
    await asyncio.wait([asyncio.create_task(lost.wait())], timeout=SAY_SO_S)  # until all is sent
    for task in ended:  # the bug that ended serving
        task.result()


class _ToOwner(logging.Handler):
    """Lines of the log go where the owner's go."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        frame: Frame = Logged(0, record.levelno, record.name, self.format(record))
        self._link.say(frame)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
