"""Which heads are known again, and how much of them is remembered."""

import pytest

from discovery.heads import HEAD_BYTES, KNOWN_LIMIT, SEEN_LIMIT, KnownHeads

LINES = b"POST / HTTP/1.1\r\nhost: x\r\nContent-Length: %d\r\nauthorization: Bearer k\r\n\r\n"


class Heard:
    """What was read of a head, as far as it matters here."""

    def __init__(self, length: bytes) -> None:
        self.headers = {"content-length": length.decode()}


def knowing(lines: bytes, length: bytes = b"7", times: int = 2, limit_bytes: int = HEAD_BYTES) -> KnownHeads[Heard]:
    known = KnownHeads[Heard](limit_bytes + 9)
    for _ in range(times):
        known.learn(lines, Heard(length))
    return known


def test_a_head_that_came_twice_is_known_with_whatever_length() -> None:
    known = knowing(LINES % 7)

    same, other = known.find(LINES % 7 + b"body"), known.find(LINES % 123)

    assert same is not None and (None, 7, b"body") == same[1:]
    assert other is not None and ({"content-length": "123"}, 123, b"") == other[1:]
    assert same[0] is other[0]


def test_what_came_once_is_not_known() -> None:
    assert knowing(LINES % 7, times=1).find(LINES % 7) is None


@pytest.mark.parametrize(
    "data",
    [
        (LINES % 7)[:-1],
        (LINES % 7)[:-4],
        (LINES % 7).replace(b"Bearer k", b"Bearer l"),
        (LINES % 7).replace(b"Content", b"content"),
        (LINES % 7).replace(b": 7", b": +7"),
        (LINES % 7).replace(b": 7", b":  7"),
        (LINES % 7).replace(b": 7", b": 7 "),
        (LINES % 7).replace(b": 7", b": "),
        (LINES % 7).replace(b": 7", b": 7777777777"),
        (LINES % 7).replace(b": 7", b": 7\r\nx: y"),
        b"\r\n" + LINES % 7,
        b"",
    ],
)
def test_what_differs_in_more_than_the_length_is_not_known(data: bytes) -> None:
    assert knowing(LINES % 7).find(data) is None


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        (b"POST / HTTP/1.1\r\nx-strength: 7\r\ncontent-length: 7\r\n\r\n", b"7"),
        (b"POST /ength: 7 HTTP/1.1\r\ncontent-length: 7\r\n\r\n", b"7"),
        (b"POST / HTTP/1.1\r\ncontent-length: 7 \r\n\r\n", b"7"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b""),
        (b"POST / HTTP/1.1\r\ncontent-length: 1234567890\r\n\r\n", b"1234567890"),
    ],
)
def test_a_head_whose_length_is_not_plain_is_not_remembered(lines: bytes, length: bytes) -> None:
    known = knowing(lines, length)

    assert known.find(lines) is None
    assert known.find(lines.replace(b"7", b"9", 1)) is None


def test_what_is_remembered_is_bounded() -> None:
    """What came last stays, and what never comes again pushes nothing out."""
    known = knowing(LINES % 7)
    for number in range(2 * SEEN_LIMIT):
        known.learn(b"%d" % number + LINES % 7, Heard(b"7"))
    assert known.find(LINES % 7) is not None

    for number in range(KNOWN_LIMIT):
        for _ in range(2):
            known.learn(b"%d" % number + LINES % 7, Heard(b"7"))

    assert known.find(LINES % 7) is None
    assert all(known.find(b"%d" % number + LINES % 7) is not None for number in range(KNOWN_LIMIT))


@pytest.mark.parametrize("limit_bytes", [HEAD_BYTES, 1000])
def test_a_long_head_is_not_remembered(limit_bytes: int) -> None:
    for more, is_known in ((0, True), (1, False)):
        lines = (LINES % 7).replace(b"Bearer k", b"k" * (limit_bytes - len(LINES % 7) + 8 + more))

        assert is_known == (knowing(lines, limit_bytes=limit_bytes).find(lines) is not None)
