"""What stands in texts: found once, remembered, and looked for within what was said to be read."""

import json
from functools import reduce

import pytest

from gateway.privacy.spellings import SLICE_BYTES, slices
from gateway.privacy.texts import REMEMBERED, Reader, TakesLong, Texts

ESCAPED = reduce(lambda text, _: json.dumps(text), range(12), '"').encode()


def test_a_conversation_is_read_where_it_grew() -> None:
    looked = list[int]()
    reader = Reader({"nothing": lambda spelling: bool(looked.append(len(spelling.text)))})
    turns = ["word " * 600 + f"turn {number}. " for number in range(40)]

    def read(number: int) -> int:
        looked.clear()
        for part in slices("".join(turns[:number]).encode()):
            reader.read(part)
        return sum(looked)

    whole, more = read(39), read(40)

    assert len("".join(turns[:39])) < whole
    assert more <= SLICE_BYTES + len(turns[39])


def test_what_was_found_in_a_text_is_found_again_and_so_is_what_could_not_be_read() -> None:
    reader = Reader({"secret": lambda spelling: "hush" in spelling.text})

    for is_new in (True, False):
        assert ((frozenset({"secret"}), True), is_new) == reader.read(b"hush, hush")
        assert ((frozenset(), True), is_new) == reader.read(b"nothing at all")
        assert not reader.read(ESCAPED)[0].is_whole


def test_bytes_that_are_no_text_hide_nothing_beside_them() -> None:
    reader = Reader({"secret": lambda spelling: "hush" in spelling.text})

    assert {"secret"} == reader.read(b"\xff\xfehush\xc3")[0].signs


def test_no_more_texts_are_remembered_than_there_is_room_for() -> None:
    reader = Reader({})

    for number in range(REMEMBERED + 10):
        reader.read(str(number).encode())

    assert 10 == len(reader._known)


@pytest.mark.parametrize("new_bytes", [0, SLICE_BYTES, 3 * SLICE_BYTES])
def test_no_more_of_a_request_is_read_than_was_said_unless_it_was_read_before(new_bytes: int) -> None:
    """What was read is remembered: who asks again with the same bound gets further each time."""
    looked = list[int]()
    reader = Reader({"secret": lambda spelling: bool(looked.append(len(spelling.text))) or "hush" in spelling.text})
    body = json.dumps([{"role": "user", "content": " ".join(map(str, range(40_000))) + " hush"}]).encode()

    def have() -> bool | None:
        return Texts(body, (), reader, may_split=True, new_bytes=new_bytes).have("secret")

    with pytest.raises(TakesLong):
        have()
    assert looked.count(SLICE_BYTES) * SLICE_BYTES <= new_bytes

    assert Texts(body, (), reader, may_split=True).have("secret")
    looked.clear()
    assert have()
    assert not looked
