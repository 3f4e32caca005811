"""The same bytes sent to a connection of ours and to uvicorn's, in front of the same app: what each answers and asks.

No sockets: a protocol is given the bytes as a transport would give them, so that a hundred thousand sequences take
minutes. Uvicorn's, as it comes, is the reference: ours must read and answer HTTP as it does.
"""

import asyncio
import random
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn.server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from discovery.heads import KnownHeads
from discovery.session_heads import SessionHeads
from gateway.client.api_keys import ApiKeys
from gateway.client.app import ClientApp, ClientConfig
from gateway.server.answering import AsgiClient
from gateway.server.bounds import Bounds
from gateway.server.connection import KEEPALIVE_S, Connection, ServerState
from gateway.server.edge import AsgiApp
from gateway.server.fields import Head
from gateway.server.places import Place
from gateway.server.turns import Turns, meeting
from tests.gateway.workers.pair import pair

BOUNDS = Bounds(head_bytes=1 << 16, first_head_s=60.0, linger_s=0.0)
KNOWING = replace(BOUNDS, heads=KnownHeads)
IN_SESSIONS = replace(BOUNDS, heads=SessionHeads)
NOTED = ("x", "ppai-session", "ppai-mac", "ppai-sha256", "content-length")  # headers
_OWN = (b"date:", b"x-request-id:", b"transfer-encoding:")  # lines that differ from answer to answer


@dataclass
class Told:
    """What came of one sequence of bytes."""

    written: bytearray = field(default_factory=bytearray)
    asked: list[tuple[str, bytes, list[str]]] = field(default_factory=list)  # (endpoint, body, NOTED), as serving heard
    is_closed: bool = False
    is_kept: bool = True  # the connection, until the client hung up
    is_refused: bool = False  # what was sent is no HTTP

    @property
    def answers(self) -> list[tuple[bytes, tuple[bytes, ...], bytes]]:
        """(status, header lines, body) of each whole answer, but for refusals to read on.

        How a body is framed is left out: uvicorn sends chunks to HTTP/1.0, too.
        """
        found = []
        for answer in re.split(rb"(?=HTTP/1\.1 \d{3} )", bytes(self.written))[1:]:
            head, _, body = answer.partition(b"\r\n\r\n")
            status, *lines = head.lower().split(b"\r\n")
            if status.startswith(b"http/1.1 100 "):
                continue
            if b"transfer-encoding: chunked" in lines:
                if not body.endswith(b"\r\n0\r\n\r\n"):  # cut off by a refusal
                    break
                body = out_of_chunks(body)
            if b"no HTTP that we take" in body or body == b"Invalid HTTP request received.":
                break
            lines = sorted(line for line in lines if not line.startswith(_OWN))
            found.append((status[9:12], tuple(lines), re.sub(rb'"[0-9a-f]{32}"', b'"ID"', body)))
        return found


class Transport(asyncio.Transport):
    """Where a connection writes, and who takes all of it at once."""

    def __init__(self, told: Told) -> None:
        super().__init__({"socket": None, "peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 8470)})
        self._told = told

    def write(self, data: Any) -> None:
        if not self._told.is_closed:
            self._told.written += data

    def close(self) -> None:
        self._told.is_closed = True

    def abort(self) -> None:
        self._told.is_closed = True

    def is_closing(self) -> bool:
        return self._told.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


class Serving:
    """Stands where the Dispatcher does: notes what it hears, and answers whole or as a stream."""

    def __init__(self, told: Told) -> None:
        self._told = told

    async def answer(
        self, endpoint: str, body: bytes, headers: Mapping[str, str], client: AsgiClient, request_id: str, *more: object
    ) -> None:
        self._told.asked.append((endpoint, body, [headers.get(name, "") for name in NOTED]))
        said = b'{"size":%d,"sum":%d}' % (len(body), zlib.crc32(body))
        await asyncio.sleep(0)
        if b"stream" not in body:
            await client.answer(200, "application/json", said, {"x-ppai-peer": headers.get("x", "")})
            return
        await client.start(200, "text/event-stream", {})
        await client.comment(b": comment\n\n")
        for piece in (b"data: 1\n\n", b"data: 2\n\n"):
            await client.send(piece, more=True)
            await asyncio.sleep(0)
        await client.send(b"data: " + said + b"\n\n", more=False)


async def a_page(scope: Any, receive: Any, send: Any) -> None:
    client = AsgiClient(send, {})
    body = b"" if scope["method"] == "HEAD" else scope["method"].encode() + b" " + scope["raw_path"]
    await client.answer(200, "application/json", body)


class Reference(HttpToolsProtocol):
    """Uvicorn's, which notes that it refuses to read on, and does not take trailers for header lines as uvicorn does.

    A trailer comes behind everything that looks at the head: RFC 9110, section 6.5.1, forbids to merge it.
    """

    def __init__(self, told: Told, config: uvicorn.Config, state: uvicorn.server.ServerState) -> None:
        super().__init__(config, state, {})
        self._told, self._is_in_head = told, False

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._is_in_head = False

    def send_400_response(self, msg: str) -> None:
        self._told.is_refused = True
        super().send_400_response(msg)


def through_messages(app: AsgiApp) -> AsgiApp:
    """`app`, which does not see that the server is ours."""

    async def hidden(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    return hidden


class AtOnce(ThreadPoolExecutor):
    """Instead of threads, which take their time: a body in another charset is read where it is met."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        found = Future[Any]()
        try:
            found.set_result(call(*args, **named))
        except Exception as error:
            found.set_exception(error)
        return found


class Counting:
    """Heads that are remembered, and how many were found again."""

    found = 0

    def find(self, data: bytes) -> Any:
        found = super().find(data)  # type: ignore[misc]  # of those beside it
        self.found += found is not None
        return found


class CountingHeads(Counting, KnownHeads[Head]):
    pass


class CountingSessionHeads(Counting, SessionHeads[Head]):
    pass


class Side:
    """One of those that are compared.

    `kind` is `direct`, `knowing` (heads that came before), `in sessions` (those of peers), `messages`, `worker` (and
    its owner) or `uvicorn`.
    """

    def __init__(self, kind: str, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._kind, self._keys = kind, ApiKeys(home / "api_keys.json", clock)
        self._state: ServerState | uvicorn.server.ServerState
        self._state = uvicorn.server.ServerState() if kind == "uvicorn" else ServerState()
        self._config = uvicorn.Config(
            None,  # type: ignore[arg-type]  # each connection has an app of its own
            interface="asgi3", ws="none", lifespan="off", access_log=False, log_config=None, server_header=False,
            date_header=False, proxy_headers=False, timeout_keep_alive=KEEPALIVE_S,
        )  # fmt: skip
        self._config.load()

    def connect(self, told: Told) -> asyncio.Protocol:
        app: Any = ClientApp(Serving(told), a_page, ClientConfig(), self._keys, "tok".__eq__)  # type: ignore[arg-type]
        made: asyncio.Protocol
        if isinstance(self._state, ServerState):
            made_of = {"messages": through_messages, "worker": lambda app: pair(app)[0]}
            meet = meeting(made_of.get(self._kind, lambda app: app)(app))
            bounds = {"knowing": KNOWING, "in sessions": IN_SESSIONS}.get(self._kind, BOUNDS)
            made = Connection(meet, self._state, bounds, Place("127.0.0.1"), lambda *_: True, lambda _: None, Turns())
        else:
            self._config.loaded_app = app
            made = Reference(told, self._config, self._state)
        made.connection_made(Transport(told))
        return made

    def remember(self, heads: CountingHeads | CountingSessionHeads) -> None:
        """Have heads remembered there, by one that is ours."""
        assert isinstance(self._state, ServerState)
        self._state.heads = heads

    async def say(self, pieces: Sequence[bytes], is_patient: bool = True) -> Told:
        """Send these, and hang up when all is answered; not `is_patient`: at once."""
        asyncio.get_running_loop().set_default_executor(AtOnce())
        told = Told()
        connection = self.connect(told)
        for piece in pieces:
            if piece and not told.is_closed:
                connection.data_received(piece)
            await asyncio.sleep(0)
        if is_patient:
            await self._rest()
        if isinstance(connection, Connection):
            told.is_closed |= is_over(connection)
            told.is_refused = connection._is_refused and not is_over(connection)
        told.is_kept = not told.is_closed and not told.is_refused
        connection.connection_lost(None)
        await self._rest()
        return told

    async def _rest(self) -> None:
        """Until nothing goes on any more but what waits for more bytes."""
        for _ in range(8):
            await asyncio.sleep(0)
        for _ in range(200):
            if not self._state.tasks:
                return
            await asyncio.sleep(0)


def is_over(connection: Connection) -> bool:
    """Whether the last request was answered, and only the rest of its body may come: nothing is heard any more."""
    last = connection._reading if connection._body is not None else None
    return last is not None and last.is_complete and not last.is_gone and not last.keeps_alive


# --- sequences ---

HOST = b"host: localhost\r\n"
BODIES = (b"{}", b'{"stream":true}', b'{"messages":[{"role":"user","content":"hello"}]}', b"", b"x" * 3000)
LINES = (
    *(b"GET / HTTP/1.1", b"GET /health HTTP/1.1", b"HEAD /v1/models HTTP/1.1", b"OPTIONS * HTTP/1.1"),
    *(b"POST /v1/chat/completions HTTP/1.1",) * 6,
    *(b"POST /v1/chat%2Fcompletions?beta=1 HTTP/1.1", b"POST /v1/completions HTTP/1.0", b"GET /v1/models HTTP/1.0"),
    *(b"POST http://localhost/v1/embeddings HTTP/1.1", b"PUT /v1/messages HTTP/1.1", b"GET /a#b?c HTTP/1.1"),
)
FIELDS = (
    *(b"x: 1", b"X: 2", b"x:  3 \t", b"connection: close", b"connection: keep-alive", b"expect: 100-continue"),
    *(b"content-type: application/json", b"x-empty:", b"x-request-id: r", b"x-session-id: s"),
    *(b"origin: http://localhost", b"origin: http://evil.example", b"authorization: Bearer tok", b"x: \xc3\xa4"),
    *(b"accept: */*", b"te: trailers", b"x-ppai-peer: \xe5\xb7\xa5", b"host: other.example"),
)
FRAMES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(lambda body, rng: b"content-length: %d\r\n\r\n" % len(body) + body,) * 3,
    lambda body, rng: b"transfer-encoding: chunked\r\n\r\n" + in_chunks(body, rng),
    lambda body, rng: b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n" % len(body) + in_chunks(body, rng),
    lambda body, rng: b"content-length: %d\r\n\r\n" % (len(body) + rng.choice((-1, 1, 9))) + body,
    lambda body, rng: b"\r\n",
)
ODD = (*(bytes([byte]) for byte in b"\r\n\0 \t:,%5\xff"), b"\r\n", b"0\r\n\r\n", b"HTTP/1.1", b"chunked")


def out_of_chunks(body: bytes) -> bytes:
    whole = b""
    while size := int((head := body.partition(b"\r\n"))[0], 16):
        assert head[2][size : size + 2] == b"\r\n"
        whole, body = whole + head[2][:size], head[2][size + 2 :]
    assert head[2] == b"\r\n"
    return whole


def in_chunks(body: bytes, rng: random.Random) -> bytes:
    cut = rng.randint(0, len(body))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
    return chunks + rng.choice((b"0\r\n\r\n", b"0\r\nx: trailer\r\n\r\n", b"0;a=b\r\n\r\n"))


def request(rng: random.Random) -> bytes:
    fields = [HOST] if rng.random() < 0.9 else []
    fields += [line + b"\r\n" for line in rng.sample(FIELDS, rng.randint(0, 3))]
    return rng.choice(LINES) + b"\r\n" + b"".join(fields) + rng.choice(FRAMES)(rng.choice(BODIES), rng)


def sequence(seed: int) -> list[bytes]:
    """One to three requests, some of them spoilt, cut into pieces: the same for the same seed."""
    rng = random.Random(seed)
    sent = b"".join(request(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    return list(_cut(_spoilt(sent, rng), rng))


KNOWN = tuple(
    line + b"\r\n" + fields
    for line in (*LINES[4:5], *LINES[10:12], b"POST /v1/messages HTTP/1.1")
    for fields in (
        HOST + b"content-length: LENGTH\r\n\r\n",
        HOST + b"Content-Length: LENGTH\r\nConnection: keep-alive\r\nAuthorization: Bearer tok\r\n\r\n",
        b"X-Strength: 7\r\n" + HOST + b"Content-Length: LENGTH\r\n\r\n",
        b"x: 1\r\n" + HOST + b"content-length: LENGTH\r\nX:2\r\nconnection: close\r\n\r\n",
        b"expect: 100-continue\r\n" + HOST + b"content-length: LENGTH\r\n\r\n",
        b"upgrade: h2c\r\nconnection: upgrade\r\n" + HOST + b"content-length: LENGTH\r\n\r\n",
        HOST + b"CONTENT-LENGTH: LENGTH\r\ncontent-type: application/json\r\n\r\n",
    )
)  # heads that come again, but for the length
LENGTHS = (b"0", b"2", b"15", b"3000", b"02", b"2 ", b" 2", b"+2", b"", b"2,2", b"2\r\ncontent-length: 2", b"9" * 30)


PROOF = b"ppai-session: NUMBER\r\nppai-mac: MAC\r\nppai-sha256: SHA\r\ncontent-length: LENGTH\r\n\r\n"
PROVED = tuple(
    line + b"\r\n" + fields
    for line in (LINES[4], b"POST /v1/messages HTTP/1.1")
    for fields in (
        HOST + PROOF,
        HOST + b"traceparent: 00\r\n" + PROOF,
        HOST + b"ppai-mac: MAC\r\n" + PROOF,
        HOST + b"content-length: 2\r\n" + PROOF,
        HOST + b"expect: 100-continue\r\nx: 1\r\n" + PROOF,
        b"connection: close\r\n" + HOST + PROOF,
        HOST + PROOF.replace(b"ppai-sha256", b"x: 1\r\nppai-sha256"),
        HOST + PROOF.replace(b"ppai-mac", b"Ppai-Mac"),
    )
)  # heads of a session
MACS = (b"%064x" % 7, b"%064X" % (1 << 250), b"%062x" % 7, b"%064x " % 7, b"", b"x" * 64, b"%064x, 1" % 7)
NUMBERS = (b"1", b"17", b"0", b"017", b"-1", b"1.0", b"9" * 16, b"9" * 17, b"", b" 3")


def sequence_of_known(seed: int, *, in_session: bool = False) -> list[bytes]:
    """The same, of requests with a few heads and many lengths; most are as they should be, and wait for their turn.

    An empty piece waits for what is under way.
    """
    rng = random.Random(seed)
    sent = list[bytes]()
    for body in rng.choices(BODIES, k=rng.choice((1, 2, 3))):
        length = b"%d" % len(body) if rng.random() < 0.9 else rng.choice(LENGTHS)
        head = rng.choice(PROVED if in_session else KNOWN).replace(b"LENGTH", length)
        if in_session:
            is_odd = rng.random() < 0.2
            number = rng.choice(NUMBERS) if is_odd else b"%d" % rng.randrange(99)
            macs = [rng.choice(MACS) if is_odd else rng.randbytes(32).hex().encode() for _ in range(2)]
            head = head.replace(b"NUMBER", number).replace(b"MAC", macs[0]).replace(b"SHA", macs[1])
        sent += rng.choice(([head + body], [head, body], _cut(head + body, rng)))
        sent += [b""] * (12 if rng.random() < 0.8 else 0)
    if rng.random() < 0.2:
        sent.insert(rng.randrange(len(sent) + 1), rng.choice((b"\r\n", request(rng))))
    if rng.random() < 0.2:
        at = rng.randrange(len(sent))
        sent[at] = _spoilt(sent[at], rng)
    return sent if rng.random() < 0.8 else list(_cut(b"".join(sent), rng))


def _spoilt(sent: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
        at, length = rng.randrange(len(sent) + 1), rng.choice((0, 0, 1, 1, 4, 40))
        instead = rng.choice((b"", rng.choice(ODD), rng.randbytes(1), sent[at : at + length] * 2))
        sent = sent[:at] + instead + sent[at + length :]
    return sent


def _cut(sent: bytes, rng: random.Random) -> Iterator[bytes]:
    cuts = sorted(rng.randrange(len(sent) + 1) for _ in range(rng.choice((0, 0, 1, 2, 5))))
    for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        if begin < end:
            yield sent[begin:end]
