"""Listening sockets: a taken port says what to do, and the address told is one that can be dialled."""

import asyncio
import resource
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from discovery.identity import Identity
from discovery.pinned import any_certificate
from gateway.server import listeners
from gateway.server.bounds import Bounds
from gateway.server.listeners import (
    PortTaken,
    bind,
    connections_to_peers,
    places_for_peers,
    places_for_programs,
    raise_descriptor_limit,
    server,
    url_of,
)
from gateway.server.places import PlacesConfig
from tests.gateway.server.serving import BOUNDS, said, serving


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

    web = server(app, places_for_programs(1024), Bounds(head_bytes=1024, first_head_s=5))
    with bind("127.0.0.1", 0, "--port") as listener:
        serving = asyncio.create_task(web.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        web.stop()
        async with asyncio.timeout(5):
            await serving

    assert answer.startswith(b"HTTP/1.1 204")
    assert b"server:" not in answer.lower()


async def test_an_answer_in_progress_ends_when_the_server_is_stopped_and_nothing_new_begins() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await may_end.wait()
        await ok(scope, receive, send)

    async with serving(slow) as served, asyncio.timeout(5):
        idle, idle_writer = await served.connect()
        reader, writer = await served.say(ASK)
        await begun.wait()
        served.web.stop()

        assert b"" == await said(idle)  # nothing is asked on it
        with pytest.raises(OSError):
            await served.connect()
        may_end.set()
        assert (await said(reader)).startswith(b"HTTP/1.1 204")
        writer.close()
        idle_writer.close()


async def test_an_answer_that_takes_longer_is_ended_and_may_say_so() -> None:
    begun = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await ok(scope, receive, send)
            raise

    async with serving(endless) as served, asyncio.timeout(5):
        reader, writer = await served.say(ASK)
        await begun.wait()
        served.web.grace_s = 0.0
        served.web.stop()

        assert b"HTTP/1.1 204" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


def _accept(listener: socket.socket) -> socket.socket:
    listener.setblocking(True)
    return listener.accept()[0]


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


ASK = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize("begun", [b"", b"GET / HT", ASK, ASK.replace(b"\r\n\r\n", b"\r\ncontent-length: 9\r\n\r\na")])
async def test_connections_on_which_nothing_is_asked_keep_nobody_out(begun: bytes) -> None:
    """Ten times as many as there are places, and the next one is answered; each newcomer ends the oldest."""
    places = PlacesConfig(in_all=8, for_strangers=8, for_a_site=8, for_a_peer=8, new_burst=999, site_new_burst=999)
    async with serving(ok, places=places) as served:
        idle = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
        for _ in range(80):
            idle.append(await served.connect())
            idle[-1][1].write(begun)
            await asyncio.sleep(0)
        reader, writer = await served.connect()
        writer.write(ASK)

        async with asyncio.timeout(5):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
            assert b"HTTP/1.1 400" not in await said(idle[0][0])
        assert 8 == len(served.web.server_state.connections)
        for _, opened in [*idle, (reader, writer)]:
            opened.close()


async def test_a_newcomer_is_refused_where_all_are_busy() -> None:
    async def wait(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    places = PlacesConfig(in_all=2, for_strangers=2, for_a_site=2, for_a_peer=2)
    async with serving(wait, places=places) as served:
        busy = [await served.say(ASK) for _ in range(2)]
        reader, writer = await served.connect()

        assert b"" == await said(reader)
        for _, opened in [*busy, (reader, writer)]:
            opened.close()


async def test_a_place_is_free_again_when_its_connection_ends() -> None:
    places = PlacesConfig(in_all=1, for_strangers=1, for_a_site=1, for_a_peer=1)
    async with serving(ok, places=places) as served:
        for _ in range(3):
            reader, writer = await served.connect()
            writer.write(ASK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
            assert (await said(reader)).startswith(b"HTTP/1.1 204")
            writer.close()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_tls_handshake_that_does_not_end_is_ended(tmp_path: Path, sent: bytes) -> None:
    """It holds a place meanwhile, and none afterwards."""
    tls = Identity.load_or_create(tmp_path).server_ssl_context()
    places = PlacesConfig(in_all=2, for_strangers=2, for_a_site=2, for_a_peer=2)
    async with serving(ok, replace(BOUNDS, handshake_s=0.1), places, tls) as served:
        pairs = [await served.say(sent) for _ in range(3)]
        assert b"" == await said(pairs[2][0]) or sent.startswith(b"GET")

        for reader, writer in pairs:
            await said(reader)
            writer.close()
        assert not served.web.server_state.connections and not served.web._open and 0 == len(served.web._places)


@pytest.mark.parametrize("descriptors", [256, 1024, 8192])
def test_descriptors_are_left_for_what_the_owner_asks(descriptors: int) -> None:
    """With every place taken, each of his programs' connections has one for an engine, and some are left."""
    peers, programs = places_for_peers(descriptors), places_for_programs(descriptors)

    asked = connections_to_peers(descriptors)  # by us
    assert peers.in_all + asked + 2 * programs.in_all < descriptors * 9 // 10
    assert programs.for_strangers < programs.in_all
    assert 0 < peers.for_a_site < peers.for_strangers < peers.in_all
    assert 2 * peers.for_a_peer <= peers.in_all


def test_as_many_descriptors_are_taken_as_the_system_gives() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        assert min(8192, hard) == raise_descriptor_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_server_that_lets_nobody_in_any_more_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in accepting ends the server, and with it the peer, which says so."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    async def broken(listener: socket.socket) -> None:
        raise RuntimeError("oops")

    with bind("127.0.0.1", 0, "--port") as listener:
        web = server(app, PlacesConfig(9, 9, 9, 9), BOUNDS)
        monkeypatch.setattr(web, "_accept", broken)

        with pytest.raises(RuntimeError, match="oops"):
            await asyncio.wait_for(web.serve(sockets=[listener]), 5)


async def test_a_server_that_nobody_asks_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sets one timer a second, where uvicorn's sets ten: each wakes a processor that has nothing else to do."""
    timers = list[float]()
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def counted(delay_s: float, *args: Any, **context: Any) -> asyncio.TimerHandle:
        timers.append(delay_s)
        return call_later(delay_s, *args, **context)

    async with serving(ok):
        await asyncio.sleep(0)
        monkeypatch.setattr(loop, "call_later", counted)
        await asyncio.sleep(0.35)

    assert {0.35} >= set(timers) - {listeners.CHECK_S}
    assert 1 >= timers.count(listeners.CHECK_S)


async def test_a_server_ends_as_soon_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is told before it began."""
    monkeypatch.setattr(listeners, "CHECK_S", 60.0)
    for is_before in (True, False):
        with bind("127.0.0.1", 0, "--port") as listener:
            web = server(ok, PlacesConfig(9, 9, 9, 9), BOUNDS)
            if is_before:
                web.stop()
            running = asyncio.create_task(web.serve(sockets=[listener]))
            await asyncio.sleep(0)
            web.stop()

            await asyncio.wait_for(running, 5)


@pytest.mark.parametrize("is_tls", [False, True])
async def test_who_never_reads_what_he_was_sent_is_cut_off_when_the_server_has_ended(
    is_tls: bool, tmp_path: Path
) -> None:
    """His connection must not outlive the server, whatever he leaves undone: reading, or the goodbye of TLS."""

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(16 << 20)})
        is_sent.set()

    async def serve() -> int:
        await web.serve(sockets=[listener])
        return len(web.server_state.connections)

    is_sent = asyncio.Event()
    tls = Identity.load_or_create(tmp_path).server_ssl_context() if is_tls else None
    with bind("127.0.0.1", 0, "--port") as listener:
        web = server(large, PlacesConfig(9, 9, 9, 9), BOUNDS, tls)
        web.grace_s = 0.0
        running = asyncio.create_task(serve())
        _, writer = await asyncio.open_connection(
            *listener.getsockname(), limit=1024, ssl=any_certificate() if is_tls else None
        )
        writer.write(ASK)
        await asyncio.wait_for(is_sent.wait(), 5)
        web.stop()

        assert 0 == await asyncio.wait_for(running, 5)
        writer.transport.abort()
