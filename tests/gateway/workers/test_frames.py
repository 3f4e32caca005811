"""Messages come out whole, in their order, however the stream of bytes is cut."""

import random

from gateway.client.entrance.callers import Callers, LetIn
from gateway.engines.asked import Manner, Way
from gateway.serving.relaying import Loan, Terms
from gateway.serving.standing.orders import Entered, Forecast, Kind, Leave, Went
from gateway.upstream import Patience
from gateway.wire.reading.elsewhere import Elsewhere, to_tell
from gateway.wire.request import read_request
from gateway.wire.tokens import Seen
from gateway.workers.frames import (
    FROM_OWNER,
    FROM_WORKER,
    Ask,
    Begin,
    Broke,
    CallBack,
    Came,
    Done,
    Failed,
    Frame,
    Frames,
    GiveUp,
    Gone,
    Heard,
    Held,
    LeaveOff,
    LetsIn,
    Logged,
    Order,
    Passed,
    Piece,
    Read,
    Stop,
    Took,
    Write,
    framed,
)
from gateway.workers.heads import Told

MANNER = Manner(Way("http://127.0.0.1:8000", 8000), b"POST / HTTP/1.1\r\n", True)
PLACES = ("127.0.0.1", 8470), ("127.0.0.1", 5)
LOAN = Loan(
    Terms("chat/completions", True, False, "m-1", "auto"), Patience(1.0, 2.0, 3.0), {"x-ppai-peer": "ada"},
    {"x-request-id": "r"}, "r", True, 10.0, {"server-timing": "route"},
)  # fmt: skip
LEAVE = Leave(
    Kind("chat/completions", "auto", (), frozenset({"text"})), "m-1", "m", "m", {"x-ppai-peer": "ada"}, 4096.0,
    Forecast(0.5, 1e-3, 2e-2, 100.0),
)  # fmt: skip
FAILED = Failed("it stalled", 502, "engine_timeout", 2.5, True, False, b"{}")
LET_IN = LetIn("r1", "phone", Elsewhere(to_tell(read_request("completions", b'{"prompt":"hi"}')), 0.5))
WORKER = (
    Came(1, Told(7, "POST", b"/", "1.1", [(b"host", b"x"), (b"x", b"\xff")], True), None, *PLACES, b"{}"),
    Came(1, 7, {"content-length": "12"}, *PLACES, b"{}", LET_IN),
    Came(2, Told(None, "GET", b"/", "1.0", [], False), None, None, None, None),
    Piece(2, b"x" * 70_000, False), Piece(2, b"", True),
    Gone(3), Took(4, 70_000), Held(5, 429, {"retry-after": "1"}, b"{}", False),
    Done(3, [Entered(1, "r1", 12, None, "s", True, 200, 1e-5, 1e-6, 5.5)],
         [Went(1, "ok", 0.5, 6.5, 12, 7)], 0, 1, 6.5, True),
    Broke(6, "system", "refused", 111, True), Heard(7, b"data: 1\n\n"), Logged(0, 30, "gateway", "said"),
    Passed(8, 1.5, (7, 4), Seen(5, 4, 300, 60), 5, True, True, False, None),
    Passed(9, None, None, Seen(), 0, False, False, True, FAILED),
)  # fmt: skip
OWNER = (
    Begin(1, 200, b"content-type: text/plain\r\n", 5, True), Begin(2, 204, b"", None, False), Write(1, b"hello", False),
    Read(2), Ask(3, MANNER, (12, b"}"), 300.0, LOAN),
    LeaveOff(4), GiveUp(5), Stop(0), Order(3, LEAVE, MANNER, Patience(1.0, 2.0, 3.0), 10.0, 4), CallBack(3),
    LetsIn(0, Callers("127.0.0.1", ("box",), ("*",), True), "/home/ada/api_keys.json", 1 << 20),
)  # fmt: skip


def cut(stream: bytes, rng: random.Random) -> list[bytes]:
    cuts = sorted(rng.randrange(len(stream) + 1) for _ in range(rng.choice((0, 1, 5, 40))))
    return [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def test_every_message_is_read_as_it_was_written() -> None:
    for said, decoder in ((WORKER, FROM_WORKER), (OWNER, FROM_OWNER)):
        heard = [decoder.decode(message) for frame in said for message in Frames().feed(framed(frame))]

        assert list(said) == heard


def test_a_stream_may_be_cut_anywhere() -> None:
    rng = random.Random(0)
    for _ in range(100):
        said: list[Frame] = rng.choices(WORKER, k=rng.randint(1, 8))
        frames = Frames()

        heard = [
            FROM_WORKER.decode(message)
            for piece in cut(b"".join(map(framed, said)), rng)
            for message in frames.feed(piece)
        ]

        assert said == heard
