"""Bytes that no client should send, and clients that go away: each told or dropped, and everybody else unharmed."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.e2e.network import CHAT, HELLO
from tests.e2e.peer import PeerProcess
from tests.fakes import ScriptedEngine

NOBODY = "http://127.0.0.1:9"  # the edge is tried before any engine is asked
ORIGIN = "https://chat.example.org"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerProcess]:
    pages = {"PPAI_CLIENT_CORS_ORIGINS": ORIGIN}
    with PeerProcess(tmp_path_factory.mktemp("edge") / "home", "--engine", NOBODY, env=pages) as peer:
        yield peer


def dial(peer: PeerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(peer.url.rpartition(":")[2])), timeout=5)


def say(peer: PeerProcess, sent: bytes) -> bytes:
    """The first line that is answered; empty where the connection is closed."""
    with dial(peer) as connection:
        connection.sendall(sent)
        return connection.makefile("rb").readline().strip()


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(HEAD, id="headers that never end"),
        pytest.param(HEAD + b"content-length: 100000\r\n\r\n{", id="a body that comes byte by byte"),
    ],
)
def test_who_dawdles_holds_up_nobody(peer: PeerProcess, begun: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(dial(peer))
            connection.sendall(begun)

        assert 200 == peer.get("/health")[0]


def test_500_idle_connections_hold_up_nobody(peer: PeerProcess) -> None:
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(dial(peer))

        assert 200 == peer.get("/health")[0]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(
            HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="both lengths (CL+TE)"
        ),
        pytest.param(HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", id="two lengths"),
        pytest.param(HEAD + b"content-length: two\r\n\r\n{}", id="a length that is no number"),
        pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", id="a chunk without a size"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="TLS where none is spoken"),
    ],
)
def test_what_is_no_http_is_refused(peer: PeerProcess, sent: bytes) -> None:
    assert b"HTTP/1.1 400 Bad Request" == say(peer, sent)
    assert 200 == peer.get("/health")[0]


BODY = b'{"messages":[{"role":"user","content":"hi"}]}'
TAKEN = b"HTTP/1.1 503 Service Unavailable"  # read and decided; nobody is there to answer
ODD = {
    "a query, as Anthropic's SDK sends": (b"/v1/chat/completions?beta=true", b"", BODY, TAKEN),
    "a percent-encoded path": (b"/v1/chat%2Fcompletions", b"", BODY, TAKEN),
    "a whole URL": (b"http://localhost/v1/chat/completions", b"", BODY, TAKEN),
    "no type": (b"/v1/chat/completions", b"", BODY, TAKEN),
    "another type": (b"/v1/chat/completions", b"content-type: text/plain\r\n", BODY, TAKEN),
    "a header beyond ASCII": (b"/v1/chat/completions", "x-title: 工\r\n".encode(), BODY, TAKEN),
    "a mark before it": (b"/v1/chat/completions", b"", b"\xef\xbb\xbf" + BODY, TAKEN),
    "UTF-16": (b"/v1/chat/completions", b"", BODY.decode().encode("utf-16"), TAKEN),
    "nothing": (b"/v1/chat/completions", b"", b"", b"HTTP/1.1 400 Bad Request"),
    "another method's path": (b"/v1/models", b"", BODY, b"HTTP/1.1 405 Method Not Allowed"),
    "two slashes": (b"/v1//chat/completions", b"", BODY, b"HTTP/1.1 404 Not Found"),
    "a path beyond ASCII": ("/v1/工".encode(), b"", BODY, b"HTTP/1.1 400 Bad Request"),
}


@pytest.mark.parametrize(("path", "lines", "body", "told"), ODD.values(), ids=ODD.keys())
def test_what_is_odd_is_taken_or_refused_clearly(
    peer: PeerProcess, path: bytes, lines: bytes, body: bytes, told: bytes
) -> None:
    head = b"POST " + path + b" HTTP/1.1\r\nhost: localhost\r\n" + lines

    assert told == say(peer, head + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert "Traceback" not in peer.output


def test_a_body_shorter_than_it_said_asks_for_nothing(peer: PeerProcess) -> None:
    with dial(peer) as connection:
        connection.sendall(HEAD + b"content-length: 100\r\n\r\n{")

    assert 200 == peer.get("/health")[0]
    assert "Traceback" not in peer.output


def test_a_body_longer_than_it_said_is_cut_there_and_the_rest_is_refused(peer: PeerProcess) -> None:
    """What follows would be another request, and is none: nobody's words are taken for somebody else's."""
    with dial(peer) as connection:
        connection.sendall(HEAD + b"content-length: 2\r\n\r\n{}GARBAGE / HTTP/1.1\r\n\r\n")
        answers = b"".join(iter(lambda: connection.recv(1 << 16), b""))

    assert b"HTTP/1.1 400" in answers
    assert b" 200 " not in answers
    assert 200 == peer.get("/health")[0]


def dial_as_peer(peer: PeerProcess) -> ssl.SSLSocket:
    """A stranger at the other peers' door: TLS, and no word that is signed."""
    host, _, port = peer.get("/ppai/v1/status")[1]["network"]["addresses"][0].rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=5))


PEER_HEAD = b"POST /peer/1/delegate HTTP/1.1\r\nhost: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(PEER_HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="CL+TE"),
        pytest.param(PEER_HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", id="two lengths"),
        pytest.param(PEER_HEAD + b"content-length: 2\r\nupgrade: h2c\r\n\r\n{}", id="an upgrade"),
        pytest.param(
            PEER_HEAD + b"content-length: 2\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n{}",
            id="an upgrade of the connection",
        ),
        pytest.param(PEER_HEAD + b"content-length: 2\r\ncontent-encoding: gzip\r\n\r\n{}", id="compressed"),
    ],
)
def test_at_the_other_peers_door_it_is_refused_too(peer: PeerProcess, sent: bytes) -> None:
    with dial_as_peer(peer) as connection:
        connection.sendall(sent)
        first = connection.makefile("rb").readline().strip()

    assert first.startswith(b"HTTP/1.1 400"), first
    assert 200 == peer.get("/health")[0]


def test_who_dawdles_at_the_other_peers_door_holds_up_nobody(peer: PeerProcess) -> None:
    with ExitStack() as stack:
        for begun in (PEER_HEAD, PEER_HEAD + b"content-length: 100000\r\n\r\n{") * 20:
            stack.enter_context(dial_as_peer(peer)).sendall(begun)

        with dial_as_peer(peer) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 404")
        assert 200 == peer.get("/health")[0]


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_an_upgrade_is_not_made(peer: PeerProcess, protocol: bytes) -> None:
    upgrade = b"connection: upgrade\r\nupgrade: " + protocol + b"\r\nsec-websocket-key: eA==\r\n\r\n"

    assert b"HTTP/1.1 200 OK" == say(peer, b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + upgrade)
    assert 200 == peer.get("/health")[0]


async def test_pages_of_a_configured_origin_may_call_and_read_our_headers(peer: PeerProcess) -> None:
    asking = {"origin": ORIGIN, "x-request-id": "r-1"}
    async with aiohttp.ClientSession() as http:
        async with http.options(peer.url + CHAT, headers=asking) as preflight:
            assert (204, ORIGIN) == (preflight.status, preflight.headers["access-control-allow-origin"])
            assert "authorization" in preflight.headers["access-control-allow-headers"]
        async with http.post(peer.url + CHAT, json=HELLO, headers=asking) as answer:
            assert (503, "r-1") == (answer.status, answer.headers["x-request-id"])
            assert "x-ppai-peer" in answer.headers["access-control-expose-headers"]
        async with http.post(peer.url + CHAT, json=HELLO, headers={"origin": "https://evil.example"}) as foreign:
            assert (403, "bad_origin") == (foreign.status, (await foreign.json())["error"]["code"])


@pytest.mark.alone
@pytest.mark.slow
async def test_1000_clients_that_vanish_in_mid_stream_leave_nothing_behind(tmp_path: Path) -> None:
    """No open upstream, and memory back within 10 MB of what the first 200 left."""
    async with (
        ScriptedEngine(token_s=60).serving() as engine,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        peer = PeerProcess(tmp_path / "home", "--engine", engine.url)
        await asyncio.to_thread(peer.__enter__)
        try:
            await asyncio.to_thread(peer.wait_ready)
            process, after = psutil.Process(peer.pid), list[int]()
            for wave in range(6):
                streams = await asyncio.gather(*(_begin(http, peer.url) for _ in range(200)))
                for stream in streams:
                    stream.close()
                await engine.until(lambda e, wave=wave: e.active == 0 and e.hung_up == 200 * (wave + 1), timeout_s=20)
                after.append(process.memory_info().rss)
        finally:
            await asyncio.to_thread(peer.stop)

    assert after[-1] - after[0] < 10 << 20, after


async def _begin(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientResponse:
    return await http.post(url + CHAT, json={**HELLO, "stream": True})
