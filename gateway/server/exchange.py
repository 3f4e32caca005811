"""One request on a connection of ours, and its answer.

An ASGI app meets it as `scope`, `receive` and `send_message`. Our own apps are given it (`meet`, see connection.py) and
spared the messages: the headers are read, a body that is there is given as it is, and an answer's head and body are
written at once. Both ways write the same bytes.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

from gateway.server.answering import NOTHING, AsgiClient, Poured
from gateway.server.fields import Fields, Head, lines_of
from gateway.server.flow import FlowControl

READ_AHEAD_BYTES = 64 << 10  # of a body that nobody has asked for yet; then no more is read
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {code: f"HTTP/1.1 {code} {_PHRASES.get(code, '')}\r\n".encode() for code in range(100, 600)}
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_BREAKS_OUT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # of a header's line
_BODILESS = (204, 304)
_NONE: Mapping[str, Any] = {}


class Carrier(Protocol):
    """The connection of an exchange (gateway/server/connection.py)."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    server: tuple[str, int] | None
    client: tuple[str, int] | None
    scheme: str

    def answered(self, exchange: "Exchange") -> None:
        """The last of an answer was written."""
        ...


class Exchange(AsgiClient):
    """See the module."""

    task: asyncio.Task[None]  # that answers it

    # What is so until something happens.
    is_gone = False  # nobody is there any more who would read the answer
    was_cancelled = False  # the task, since the client hung up
    _is_watched = False
    learn: Callable[[], None] | None = None  # has its head remembered, if the request is not refused
    # what came
    _is_whole = _is_read = False
    _ahead_bytes = 0  # in pieces that came one by one, and that nobody has taken
    _news: asyncio.Event | None = None  # for who waits for more of the body, or for its client to leave
    # what goes out
    _head = b""  # until it goes out with the first piece of the body
    _has_chunks = _is_streaming = False  # the body's pieces are chunks; one of them was written, and not the last
    _pour: Poured | None = None  # what counts what is written by an outlet
    _left: int | None = None  # bytes of the body that are still to be written, where its head said how many

    def __init__(
        self,
        connection: Carrier,
        head: Head,
        anew: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """`anew`: headers whose values are others than those of `head`. `body`: all of it, if it came."""
        self.connection, self.head, self.anew = connection, head, anew
        self.headers = head.headers if anew is None else {**head.headers, **anew}
        self.keeps_alive, self._awaits_word = head.keeps_alive, head.awaits_word
        self._pieces: list[bytes] = [] if body is None else [body]
        self._is_whole = body is not None

    @property
    def method(self) -> str:
        return self.head.method

    @property
    def path(self) -> str:
        """Without what stands behind its question mark."""
        return self.head.path

    @property
    def version(self) -> str:
        """Of HTTP."""
        return self.head.version

    @property
    def ip(self) -> str:
        """The caller's address; empty where its connection is gone already."""
        return self.connection.client[0] if self.connection.client else ""

    @property
    def query(self) -> bytes:
        """What stands behind the path's question mark."""
        return self.head.url.query or b""

    @property
    def raw_path(self) -> str:
        """Path and query, as they came."""
        url = self.head.url
        path: bytes = url.path
        return (b"%b?%b" % (path, url.query) if url.query else path).decode("latin-1")

    def scope(self) -> dict[str, Any]:
        """ASGI's, made anew: whoever has it has this object, which would not be freed at once if it had it, too."""
        connection = self.connection
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": self.version,
            "server": connection.server,
            "client": connection.client,
            "scheme": connection.scheme,
            "method": self.method,
            "root_path": "",
            "path": self.path,
            "raw_path": self.head.url.path,
            "query_string": self.query,
            "headers": [(name.lower(), value) for name, value in self._fields],
            "extensions": {},
        }

    @property
    def _fields(self) -> Fields:
        return self.head.fields if self.anew is None else self.head.lines_with(self.anew)

    # --- the body that comes, as the connection reads it ---

    def take(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._ahead_bytes += len(piece)
        if self._ahead_bytes > READ_AHEAD_BYTES:
            self.connection.flow.pause_reading()
        if self._news is not None:
            self._news.set()

    def took_all(self) -> None:
        self._is_whole = True
        if self._news is not None:
            self._news.set()

    def lose(self) -> None:
        """The client has hung up."""
        self.is_gone, self._is_streaming = True, False
        if self._news is not None:
            self._news.set()
        self._cancel()

    # --- what an app asks ---

    def body(self, limit_bytes: int) -> bytes | None:
        """The whole body, where it has come, is within the limit, and nobody has asked for any of it before."""
        if not self._is_whole or self._is_read or self.is_gone or sum(map(len, self._pieces)) > limit_bytes:
            return None
        self._is_read = True
        return self._pieces.pop() if len(self._pieces) == 1 else self._read()

    def watch(self, is_on: bool) -> None:
        """Have the task cancelled once the client hangs up, or soon if it has; False: no longer."""
        self._is_watched = is_on
        if is_on:
            self.connection.flow.resume_reading()  # what is not read does not end: reading stops behind a large body
            if self.is_gone:
                self.connection.loop.call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._is_watched and not self.is_complete:
            self._is_watched, self.was_cancelled = False, True
            self.task.cancel()

    async def receive(self) -> MutableMapping[str, Any]:
        """ASGI's."""
        if self._news is None:
            self._news = asyncio.Event()
            if self._pieces or (self._is_whole and not self._is_read):
                self._news.set()
        if not self.is_gone and not self.is_complete:
            if self._awaits_word and not self._is_whole and not self.connection.transport.is_closing():
                self._awaits_word = False
                self.connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.connection.flow.resume_reading()
            await self._news.wait()
            self._news.clear()
        if self.is_gone or self.is_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._read(), "more_body": not self._is_whole}

    def _read(self) -> bytes:
        pieces, self._pieces, self._ahead_bytes, self._is_read = self._pieces, [], 0, self._is_whole
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # --- the answer ---

    @property
    def must_wait(self) -> bool:
        """Whether the client has not yet taken what was written before: see `drained`."""
        return self.connection.flow.write_paused and not self.is_gone

    async def drained(self) -> None:
        """Return when the client has taken so much that more may be written, or has left."""
        await self.connection.flow.drain()

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """The head, which goes out with the first piece of the body.

        `lines`: header lines, each with its end. `length`: of the body, where one of them tells it.
        """
        if self.has_started:
            raise RuntimeError("the answer has begun already")
        self._left = 0 if status in _BODILESS else length
        if self._left is None and self.head.version != "1.0" and self.head.method != "HEAD":
            self._has_chunks = True  # HTTP/1.0 knows none: there a body of no length ends as we close
            lines += b"transfer-encoding: chunked\r\n"
        self._head = self._begun(status, lines)

    def _begun(self, status: int, lines: bytes) -> bytes:
        """The whole head, of an answer that has begun by that."""
        self.has_started, self._awaits_word = True, False
        if self.learn is not None and status < 400:
            self.learn()
        ends = b"\r\n" if self.keeps_alive else b"connection: close\r\n\r\n"
        return b"".join((first_lines(status, int(time.time())), lines, ends))

    def write_whole(self, status: int, lines: bytes, body: bytes) -> None:
        """An answer in one write; one of the `lines` tells how long its body is."""
        if self.has_started or self.is_gone or self.head.method == "HEAD" or status in _BODILESS:
            self.begin(status, lines, len(body))
            self.write(body, more=False)
        else:
            self.connection.transport.write(self._begun(status, lines) + body)
            self.end()

    def write(self, piece: bytes, *, more: bool) -> None:
        """Some of the body, after the head; not `more`: it is the last."""
        if self.is_gone:
            self.is_complete = not more
            return
        if self.is_complete or not self.has_started:
            raise RuntimeError("a piece of an answer that has not begun, or is over")
        self._put(piece, more)
        if not more:
            self.end()

    def _put(self, piece: bytes, more: bool) -> None:
        if self.head.method == "HEAD":
            piece = b""
        elif self._has_chunks:
            self._is_streaming = more
            piece = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            piece = piece if more else piece + b"0\r\n\r\n"
        elif self._left is not None:
            self._left -= len(piece)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body is not as long as its head says")
        if self._head or piece:
            self.connection.transport.write(self._head + piece)
            self._head = b""

    def end(self) -> None:
        """Its answer is over."""
        self.is_complete = True
        if self._news is not None:
            self._news.set()
        self.connection.answered(self)

    # --- the answer, as a client of our own apps ---

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self._start(status, content_type, headers)

    def _start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        fields = self.fields(content_type, headers)
        length = fields.get("content-length")
        self.begin(status, lines_of(fields), None if length is None else int(length))

    @property
    def sent(self) -> int:
        return self._sent if self._pour is None else self._sent + self._pour.count

    @property
    def was_poured(self) -> bool:
        """Whether its answer is a stream of which words were written where they arrived."""
        return self._pour is not None

    def add_sent(self, count: int) -> None:
        """So many pieces were sent by somebody else."""
        self._sent += count

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        self._sent += count
        if self.must_wait:
            await self.drained()
        self.write(body, more=more)

    def outlet(
        self, pour: Poured, content_type: str = "", headers: Mapping[str, str] = NOTHING
    ) -> Callable[[bytes], bool] | None:
        if self.must_wait or self.is_gone:
            return None
        if not self.has_started:
            self._start(200, content_type, headers)
        self._sent, self._pour = self.sent, pour
        flow, transport = self.connection.flow, self.connection.transport

        def put(events: bytes) -> bool:
            if flow.write_paused:
                return False
            if self._is_streaming:  # as all but the first are
                transport.write(b"%x\r\n%b\r\n" % (len(events), events))
            elif self.must_wait or self.is_gone:
                return False
            else:
                self.write(events, more=True)
            return True

        return put

    async def comment(self, said: bytes) -> None:
        if self.must_wait:
            await self.drained()
        self.write(said, more=True)

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] = NOTHING) -> None:
        lines = b"%bcontent-length: %d\r\n" % (lines_of(self.fields(content_type, headers)), len(body))
        if self.must_wait:
            self.begin(status, lines, len(body))
            await self.drained()
            self.write(body, more=False)
        else:
            self.write_whole(status, lines, body)
        self._sent = 1

    def hang_up(self) -> None:
        """Close the connection at once, so that nobody takes what was sent for the whole."""
        self.connection.transport.abort()

    def give_up(self) -> None:
        """End an answer that its app did not end; one that has not begun says so."""
        if self.has_started:
            self.connection.transport.close()
        else:
            self.keeps_alive = False
            self.begin(500, b"content-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n", 21)
            self.write(b"Internal Server Error", more=False)

    async def send_message(self, message: Mapping[str, Any]) -> None:  # type: ignore[override]
        """ASGI's `send`."""
        if self.must_wait:
            await self.drained()
        if self.is_gone:
            return
        if message["type"] == "http.response.start":
            self._begin_as_told(message["status"], message.get("headers", ()))
        else:
            self.write(message.get("body", b""), more=message.get("more_body", False))

    def _begin_as_told(self, status: int, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """The head, of header lines that an ASGI app chose."""
        lines, length = [], None
        for name, value in fields:
            if _BREAKS_OUT.search(name) or _BREAKS_OUT.search(value):
                raise RuntimeError(f"the header {name!r} would break out of its line")
            name = name.lower()
            if name == b"connection":  # how it is framed, and whether the connection is kept, is said by us
                self.keeps_alive = self.keeps_alive and b"close" not in value.lower()
            elif name != b"transfer-encoding":
                length = int(value) if name == b"content-length" else length
                lines.append(b"%b: %b\r\n" % (name, value))
        self.begin(status, b"".join(lines), length)


@lru_cache(8)
def first_lines(status: int, unix_s: int) -> bytes:
    """What all answers of this status in this second begin with, made once."""
    return STATUS_LINES[status] + f"date: {formatdate(unix_s, usegmt=True)}\r\n".encode()
