"""Signs of life for a client whose stream has nothing to say yet: a long prefill, a cold load, a line at a door.

Comments, which every client of server-sent events reads over. A stream that begins with one has its status and headers
already, so what those would say follows in a comment, or in the error event of the API.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from gateway.serving.relaying import STREAM, Client, Hands, hands_of
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import error_event, message_in
from gateway.wire.streams.pour import Pour, Put
from gateway.wire.text import header_text, one_line

KEEPALIVE_S = 10.0  # s: half of the shortest read timeout that is common among clients and proxies
ENGINE_COMMENT_AFTER_S = 1.0  # s in which an engine's comment begins no stream: mostly an answer follows at once
WAITING = b": ppai waiting\n\n"
_TOLD = ("retry-after",)  # of the headers that are not ours, those that a comment tells


class KeptAlive:
    """The client of a stream, which gets a comment after every `interval_s` in which it got nothing, until `close`.

    A Client (gateway/serving/relaying.py) whose answer starts later than its stream may. `headers` are those that are
    known before anybody answers.
    """

    # What is so until something happens.
    loading: Callable[[], float | None] = staticmethod(lambda: None)  # how much of a model that is waited for is loaded
    may_lend: Callable[[], bool] = staticmethod(lambda: True)  # whether nothing is to be said of that meanwhile
    _has_started = _has_opened = _is_sending = False
    _hands: Hands | None = None
    _pour: Pour | None = None  # by which the client gets something, without its coming by here
    _beat: asyncio.Task[None] | None = None

    def __init__(self, client: Client, endpoint: str, headers: Mapping[str, str], interval_s: float) -> None:
        self.request_id = client.request_id
        self._client, self._endpoint, self._headers, self._interval_s = client, endpoint, headers, interval_s
        self._loop = loop = asyncio.get_running_loop()
        self._opened_at = self._last = loop.time()  # `_last`: when the client last got something
        self._timer: asyncio.TimerHandle | None = loop.call_later(interval_s, self._look)

    @property
    def has_started(self) -> bool:
        """Whether the answer has, and not only the stream."""
        return self._has_started or (not self._is_open and self._client.has_started)

    @property
    def _is_open(self) -> bool:
        """Whether the stream began before its answer."""
        return self._has_opened or (self._hands is not None and self._hands.is_open)

    def hands(self) -> Hands | None:
        """Those of the client (relaying.py), which keep it alive by themselves while they ask."""
        if not hasattr(self._client, "hands") or self._is_open or self._is_sending or not self.may_lend():
            return None
        self._hands = hands_of(self._client)
        if self._hands is not None:
            self._hands.keepalive = self._interval_s, self._headers
        return self._hands

    @property
    def sent(self) -> int:
        return self._client.sent

    @property
    def is_complete(self) -> bool:
        return self._client.is_complete

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self._has_started = True
        if self._is_open:
            await self._write(_told(headers))
        else:
            await self._client.start(status, content_type, headers)

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        if not more:
            self.close()
        self._is_sending = True
        await self._client.send(body, more=more, count=count)
        self._is_sending, self._last = False, self._loop.time()

    def outlet(self, pour: Pour, content_type: str, headers: Mapping[str, str]) -> Put | None:
        if self._is_open and not self._has_started:  # what headers would say is told first
            return None
        put = self._client.outlet(pour, content_type, headers)
        if put is not None:
            self._has_started, self._pour = True, pour
        return put

    async def comment(self, said: bytes) -> None:
        """An engine's sign of life, which counts as one of ours."""
        if self.has_started or self._is_open or self._loop.time() - self._opened_at >= ENGINE_COMMENT_AFTER_S:
            await self._write(said)

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        """A whole answer; in a stream that has begun, an error of the same words."""
        self._has_started = True
        self.close()
        if not self._is_open:
            await self._client.answer(status, content_type, body, headers)
            return
        if status < 400:
            message, code, said = "the engine answers in one piece: ask without `stream`", "no_stream", None
        else:
            message, code, said = message_in(body), _code_in(body), body
        event = error_event(self._endpoint, self.request_id, self.sent, message=message, code=code, said=said)
        await self._client.comment(_told(headers))
        await self._client.send(event, more=False)

    def close(self) -> None:
        """No more signs of life."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._beat is not None:
            self._beat.cancel()

    def _look(self) -> None:
        """Send a sign of life, if it is time; look again when the next is due."""
        if self._hands is not None and self._hands.is_asking:
            self._last = self._loop.time()
        elif self._pour is not None:
            self._last = max(self._last, self._pour.at)
        since = self._loop.time() - self._last
        due = since >= self._interval_s
        self._timer = self._loop.call_later(self._interval_s if due else self._interval_s - since, self._look)
        if due and not self._is_sending:  # what is being sent, the client does not take yet
            self._beat = self._loop.create_task(self._write(self._waiting()))

    def _waiting(self) -> bytes:
        """What is said while nothing else is; of a model that is being loaded, how far it is."""
        loaded = self.loading()
        return WAITING if loaded is None else b": ppai waiting loaded=%d%%\n\n" % (100 * loaded)

    async def _write(self, comment: bytes) -> None:
        """A comment, before which the stream begins if it has not."""
        self._is_sending, self._last = True, self._loop.time()
        if not (self._is_open or self.has_started):
            self._has_opened = True
            await self._client.start(200, STREAM, self._headers)
        await self._client.comment(comment)
        self._is_sending, self._last = False, self._loop.time()


def _told(headers: Mapping[str, str]) -> bytes:
    """What the headers of an answer say, as a comment: `: ppai peer=ada reason=best attempts=1`. A blank is `%20`."""
    named = {name.removeprefix("x-ppai-"): text for name, text in headers.items() if _is_told(name)}
    said = (f"{name}={header_text(one_line(text)).replace(' ', '%20')}" for name, text in named.items())
    return f": ppai {' '.join(said)}\n\n".encode()


def _is_told(name: str) -> bool:
    return name.startswith("x-ppai-") or name in _TOLD


class _Coded(msgspec.Struct):
    code: str | int | None = None


class _Error(msgspec.Struct):
    error: _Coded


def _code_in(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=_Error).error.code or "upstream_error")
    except UNREADABLE:
        return "upstream_error"
