"""A head is told once, and its owner has the same one for all requests that come with it."""

from gateway.server.fields import Head
from gateway.workers.heads import KEPT_BYTES, KEPT_LIMIT, Hearing, Telling, Told


def head(*fields: tuple[bytes, bytes]) -> Head:
    return Head("POST", b"/v1/chat/completions?x=1", "1.1", [(b"Host", b"localhost"), *fields], True)


def test_a_head_that_comes_again_is_told_by_its_number() -> None:
    telling, hearing, one = Telling(), Hearing(), head((b"x", b"\xff"))

    first, second = telling.tell(one), telling.tell(one)
    heard = hearing.head(first)

    assert (one.method, one.line, one.headers, one.path) == (heard.method, heard.line, heard.headers, heard.path)
    assert (0, heard) == (second, hearing.head(second))


def test_the_oldest_makes_room_and_both_ends_agree_on_it() -> None:
    telling, hearing = Telling(), Hearing()
    heads = [head((b"x", b"%d" % number)) for number in range(KEPT_LIMIT + 5)]

    for one in (*heads, *heads[::-1]):
        assert one.headers == hearing.head(telling.tell(one)).headers

    assert KEPT_LIMIT == len(hearing._kept)


def test_a_long_head_is_not_kept() -> None:
    telling, long = Telling(), head((b"x", b"x" * KEPT_BYTES))

    told = [telling.tell(long) for _ in range(2)]

    assert [None, None] == [one.number for one in told if isinstance(one, Told)]
