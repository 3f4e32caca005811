"""Bytes that come over TLS reach the protocol inside whole and in order, and nothing of what came before."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from discovery.buffered import Buffered
from discovery.connections import Connections
from discovery.identity import Identity
from discovery.pinned import any_certificate
from tests.garbage import garbage

SAID = bytes(range(256)) * 2000  # several buffers of it


class Heard(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.bytes = b""

    def data_received(self, data: bytes) -> None:
        self.bytes += data


def test_each_read_is_what_came_with_it() -> None:
    """The buffer is used again, and by all connections."""
    one, other = Heard(), Heard()
    for inside, said in ((one, b"a long text"), (other, b"no"), (one, b"!")):
        outside = Buffered(inside)
        outside.get_buffer(-1)[: len(said)] = said
        outside.buffer_updated(len(said))

    assert (b"a long text!", b"no") == (one.bytes, other.bytes)


def test_event_loops_of_two_threads_read_to_two_places() -> None:
    """TLS is read without Python's lock, so that one would write into what the other reads."""
    with ThreadPoolExecutor() as threads:
        there = threads.submit(lambda: Buffered(Heard()).get_buffer(-1)).result()

    here = [Buffered(Heard()).get_buffer(-1) for _ in range(2)]
    assert here[0].obj is here[1].obj is not there.obj


async def test_a_large_answer_over_tls_comes_whole_and_leaves_nothing(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(SAID) + SAID)

    tls = Identity.load_or_create(tmp_path).server_ssl_context()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with garbage() as found:
        connections = Connections(url, connect_s=5, keep_s=5, secure=any_certificate())
        with await connections.post("/", {}, (b"",), keep=False, within_s=5) as answer:
            assert SAID == await answer.read(len(SAID), 5)
        connections.close()
        del connections, answer
        await asyncio.sleep(0.05)
    server.close()

    assert "discovery.connection.Answer" not in found
