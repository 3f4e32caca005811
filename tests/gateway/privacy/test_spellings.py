"""A text is read as it would be meant, however it is written."""

import json
import time

import pytest

from gateway.privacy.spellings import OVERLAP_BYTES, SLICE_BYTES, Unreadable, slices, spellings
from tests.gateway.privacy.secrets import WRITTEN

SECRET = "Meet 4242 at Ada's, 7 pm sharp"


@pytest.mark.parametrize("way", WRITTEN)
def test_what_is_written_in_another_way_is_read(way: str) -> None:
    found = [spelling.text for spelling in spellings(f"so: {WRITTEN[way](SECRET)}; ok?")]

    assert any(SECRET in text for text in found)
    assert len(found) < 40


def test_plain_text_is_read_once() -> None:
    """Words, paths and names of programs are not taken for encoded text."""
    text = "internationalization of gateway/privacy/rules and some-long-name_with_parts costs 12 % more, see above."

    assert [text] == [spelling.text for spelling in spellings(text)]


def test_what_is_encoded_without_end_cannot_be_read() -> None:
    text = SECRET
    for _ in range(6):
        text = WRITTEN["Base64"](text)

    with pytest.raises(Unreadable):
        list(spellings(text))


def test_what_is_escaped_without_end_cannot_be_read() -> None:
    text = '"'
    for _ in range(12):
        text = json.dumps(text)

    with pytest.raises(Unreadable):
        list(spellings(text))


@pytest.mark.parametrize("at", [0, SLICE_BYTES - 10, SLICE_BYTES - OVERLAP_BYTES, 2 * SLICE_BYTES, 300_000 - 30])
def test_every_part_of_a_long_body_is_whole_in_some_slice(at: int) -> None:
    body = bytearray(b"x" * 300_000)
    body[at : at + len(SECRET)] = SECRET.encode()

    found = list(slices(bytes(body)))

    assert any(SECRET in text for text in found)
    assert max(map(len, found)) <= SLICE_BYTES


@pytest.mark.parametrize("piece", ["a", "9 ", "AAAA", "%41", "\\u0041", "&#65;", "=41", "@", "QUJD\n", "34 ", "\\"])
def test_no_text_takes_long(piece: str) -> None:
    """A slice of one kind of piece takes less than a second; a pattern that tries everything takes minutes."""
    began = time.process_time()
    try:
        for _ in spellings(piece * (SLICE_BYTES // len(piece))):
            pass
    except Unreadable:
        pass

    assert time.process_time() - began < 1.0
