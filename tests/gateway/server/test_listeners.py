"""Listening sockets: a taken port says what to do, and the address told is one that can be dialled."""

import asyncio
import socket

import pytest

from gateway.server.listeners import PortTaken, bind, server, url_of


def test_a_taken_port_names_the_flag() -> None:
    with bind("127.0.0.1", 0, "--port") as listener:
        port = listener.getsockname()[1]

        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is taken.*--peer-port N"):
            bind("127.0.0.1", port, "--peer-port")


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host.invalid"])
def test_a_host_that_is_not_ours_names_the_flag(host: str) -> None:
    with pytest.raises(PortTaken, match="--port N"):
        bind(host, 0, "--port")


def test_a_port_left_a_moment_ago_can_be_taken_again() -> None:
    """A restart does not wait for the connections of before."""
    listener = bind("127.0.0.1", 0, "--port")
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted = _accept(listener)
        accepted.close()
    listener.close()

    bind("127.0.0.1", port, "--port").close()


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_the_url_can_be_dialled_from_here(host: str, shown: str) -> None:
    try:
        listener = bind(host, 0, "--port")
    except PortTaken as error:
        pytest.skip(f"no IPv6 here: {error}")
    with listener:
        port = listener.getsockname()[1]

        assert (f"http://{shown}:{port}", f"https://{shown}:{port}") == (url_of(listener), url_of(listener, "https"))
        socket.create_connection((shown.strip("[]"), port), timeout=2).close()


async def test_a_server_serves_and_stops_when_told() -> None:
    """Without a word of what server it is."""

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    web = server(app)
    with bind("127.0.0.1", 0, "--port") as listener:
        serving = asyncio.create_task(web.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        web.should_exit = True
        async with asyncio.timeout(5):
            await serving

    assert answer.startswith(b"HTTP/1.1 204")
    assert b"server:" not in answer.lower()


def _accept(listener: socket.socket) -> socket.socket:
    listener.setblocking(True)
    return listener.accept()[0]
