"""Copying between two ends, in real sockets."""

import asyncio
import socket

from gateway.peering.reach.both_ways import Connection, copy_both_ways, served_here


async def pair() -> tuple[Connection, socket.socket]:
    near, far = socket.socketpair()
    far.setblocking(False)
    return Connection(*await asyncio.open_unix_connection(sock=near)), far


async def test_each_end_hears_the_other_until_both_have_ended() -> None:
    (one, ada), (other, ben), loop = await pair(), await pair(), asyncio.get_running_loop()
    copying = asyncio.create_task(copy_both_ways(one, other))

    await loop.sock_sendall(ada, b"question")
    ada.shutdown(socket.SHUT_WR)
    assert b"question" == await loop.sock_recv(ben, 100)
    assert b"" == await loop.sock_recv(ben, 100)
    await loop.sock_sendall(ben, b"answer")
    ben.close()
    assert b"answer" == await loop.sock_recv(ada, 100)

    await copying
    ada.close()


async def test_what_breaks_off_ends_the_other() -> None:
    (one, ada), (other, ben), loop = await pair(), await pair(), asyncio.get_running_loop()
    copying = asyncio.create_task(copy_both_ways(one, other))
    ben.close()

    await loop.sock_sendall(ada, b"x" * 1000)
    await copying

    assert b"" == await loop.sock_recv(ada, 100)
    ada.close()


async def test_a_peer_side_without_room_leaves_nothing_open() -> None:
    taken = list[socket.socket]()

    def full(connection: socket.socket, ip: str) -> bool:
        connection.close()
        return False

    def adopt(connection: socket.socket, ip: str) -> bool:
        taken.append(connection)
        return True

    assert await served_here(full, "192.0.2.1") is None
    near = await served_here(adopt, "192.0.2.1")
    assert near is not None
    await near.write(b"hello")

    assert b"hello" == await asyncio.get_running_loop().sock_recv(taken[0], 100)
    await near.abort()
    taken[0].close()
