"""What a worker and its owner say to each other: messages, each behind its length, on one stream of bytes.

Whatever belongs to a request carries its number, which its worker gave it. What a worker says stands first.
"""

from collections.abc import Iterator, Mapping

import msgspec

from gateway.client.entrance.callers import Callers, LetIn
from gateway.engines.asked import Manner
from gateway.serving.relaying import Loan
from gateway.serving.standing.orders import Entered, Leave, Went
from gateway.upstream import Patience
from gateway.wire.tokens import Seen
from gateway.workers.heads import Told

_LENGTH_BYTES = 4


class Frame(msgspec.Struct, array_like=True, gc=False):
    """Of a request, or of the worker as a whole where `number` is 0."""

    number: int


class Came(Frame, tag=0):
    """A request: its head, and its body where that is there as a whole."""

    head: Told | int
    anew: dict[str, str] | None  # headers whose values are others than the head's
    server: tuple[str, int] | None
    client: tuple[str, int] | None
    body: bytes | None
    let_in: LetIn | None = None  # what was found out of it (reading.py), with the body
    is_plain: bool = False  # and its headers wish nothing
    has_tried: bool = False  # it was asked by a standing order: what came of that follows, as if there had been an Ask
    has_started: bool = False  # and the client has the head of an answer


class Piece(Frame, tag=1):
    """More of its body, as it was asked for (Read)."""

    body: bytes
    is_last: bool


class Gone(Frame, tag=2):
    """Its client has left, before it was answered."""


class Took(Frame, tag=3):
    """Its client took so many more bytes of what the owner wrote."""

    size: int


class Held(Frame, tag=4):
    """An engine's answer that is not passed on: all of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_open: bool  # whether the client has a stream by now, in which nobody has answered


class Broke(Frame, tag=5):
    """An engine could not be asked: see `broken` and `raised`."""

    kind: str
    message: str
    errno: int | None
    is_open: bool


class Failed(msgspec.Struct, array_like=True, gc=False):
    """An UpstreamError."""

    message: str
    status: int
    code: str
    retry_after_s: float | None
    by_engine: bool
    is_unsuited: bool
    said: bytes | None


class Passed(Frame, tag=6):
    """An engine's answer was passed on, to its end or as far as it came."""

    first_event_at: float | None
    said: tuple[int, int] | None  # (prompt, completion) tokens, as it tells
    seen: Seen
    sent: int  # pieces of the body
    has_started: bool
    is_over: bool
    is_open: bool
    failed: Failed | None


class Heard(Frame, tag=7):
    """Whole events that a stream's client was sent."""

    events: bytes


class Logged(Frame, tag=8):
    """A line of the worker's log."""

    level: int
    name: str
    text: str


class Done(Frame, tag=9):
    """What was done by the standing order of this number since the last of these."""

    entered: list[Entered]
    went: list[Went]
    running: int  # requests that are not answered yet
    most: int  # of them, at once
    at: float  # s of the machine's monotonic clock
    is_back: bool  # it was called back, and no more are taken


class Begin(Frame, tag=20):
    """The head of an answer (Exchange.begin)."""

    status: int
    lines: bytes
    length: int | None
    keeps_alive: bool


class Write(Frame, tag=21):
    """Some of its body, after the head (Exchange.write)."""

    piece: bytes
    more: bool


class Read(Frame, tag=22):
    """The next piece of the request's body is wanted."""


class Ask(Frame, tag=23):
    """Ask an engine for it, and pass a good answer on.

    `body`: pieces; a number stands for so many bytes of the request's own body, from its beginning.
    """

    manner: Manner
    body: tuple[bytes | int, ...]
    within_s: float
    loan: Loan


class LeaveOff(Frame, tag=24):
    """Pass nothing on any more, and say how far it came."""


class GiveUp(Frame, tag=25):
    """Close its connection; what was sent is not the whole."""


class Stop(Frame, tag=26):
    """Take no more connections; what is under way may end."""


class LetsIn(Frame, tag=27):
    """Who may ask: requests are let in and read by that, from now on, and not only handed over."""

    callers: Callers
    keys_file: str
    body_limit_bytes: int  # of a longer body nobody reads more


class Order(Frame, tag=28):
    """A standing order, by this number (gateway/serving/standing/orders.py): at most so many requests at once.

    Once more by the same number: from now on so. It stands until it is called back.
    """

    leave: Leave
    manner: Manner
    patience: Patience
    keepalive_s: float  # without an event, until a stream gets a comment (alive.py)
    slots: int


class CallBack(Frame, tag=29):
    """The order of this number stands no more."""


FromWorker = Came | Piece | Gone | Took | Held | Broke | Passed | Heard | Logged | Done
FromOwner = Begin | Write | Read | Ask | LeaveOff | GiveUp | Stop | LetsIn | Order | CallBack
FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
FROM_OWNER: msgspec.msgpack.Decoder[FromOwner] = msgspec.msgpack.Decoder(FromOwner)
_encode = msgspec.msgpack.Encoder().encode


def framed(frame: Frame) -> bytes:
    """A message behind its length."""
    message = _encode(frame)
    return len(message).to_bytes(_LENGTH_BYTES) + message


class Frames:
    """Finds whole messages in a stream of bytes."""

    def __init__(self) -> None:
        self._pieces, self._came, self._needed = list[bytes](), 0, 0

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """The messages that are whole by now."""
        if self._pieces:
            self._pieces.append(data)
            self._came += len(data)
            if self._came < self._needed:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
        view, at = memoryview(data), 0
        while (begin := at + _LENGTH_BYTES) <= len(view):
            end = begin + int.from_bytes(view[at:begin])
            if end > len(view):
                break
            yield view[begin:end]
            at = end
        if at < len(view):
            left = view[at:]
            self._pieces, self._came = [bytes(left)], len(left)
            self._needed = _LENGTH_BYTES + (int.from_bytes(left[:_LENGTH_BYTES]) if len(left) >= _LENGTH_BYTES else 0)
