"""A text is read as it would be meant, however it is written."""

import json
import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.privacy import detectors
from gateway.privacy import spellings as module
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

    found = [str(part, "utf-8") for part in slices(bytes(body))]

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


ESCAPED = st.lists(st.sampled_from(["\\", "\\\\", "n", '"', "u0041", "u{1F600}", "ud83d", "x4", "x41", "/", "\n", "é"]))
WORDS = st.lists(st.sampled_from(["=", " ", "a", "a1+/_-", "b" * 11, "C" * 12, "d" * 41, "==", "\n", "é", "x=y"]))


@given(ESCAPED)
def test_escapes_are_undone_from_the_left(pieces: list[str]) -> None:
    """The quick way does what one pass from the left does."""
    text = "".join(pieces)
    plain = module._ESCAPE.sub(module._meant, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    assert unicodedata.normalize("NFKC", plain) == unicodedata.normalize("NFKC", module._undone(text))


@given(WORDS)
def test_words_that_may_hold_something_are_those_that_a_pattern_finds(pieces: list[str]) -> None:
    text = "".join(pieces)
    words = [word.encode() for word in re.findall(r"[A-Za-z0-9+/_=-]+", text)]

    found = module.Spelling(text)

    assert [word for word in words if len(word) >= module.LONG or word.endswith(b"=")] == found.maybe_encoded()
    assert [word.decode() for word in words if len(word) >= module.LONG] == found.long_words


@settings(max_examples=30)
@given(st.from_regex(module._HEX_PAIRS))
def test_no_dump_of_bytes_is_passed_over(text: str) -> None:
    assert module.Spelling(text).may_have_hex_pairs


@pytest.mark.parametrize("name", ["_DOTTED_KEYS", "_BOT", "_JWT", "_BEARER", "_GIVEN"])
def test_what_is_looked_for_in_values_alone_has_one(name: str) -> None:
    @settings(max_examples=30)
    @given(st.from_regex(getattr(detectors, name)))
    def has_value(text: str) -> None:
        assert module.Spelling(text).has_value

    has_value()


def test_small_letters_stand_where_the_large_ones_did() -> None:
    """One letter becomes two small ones, and a secret behind it would be looked for a place too far."""
    assert "i secret" == module.Spelling("\u0130 SECRET").lower
    assert detectors.DETECTORS["token"](module.Spelling("\u0130 PASSWORD=q8Zr2LmT5vXw91Kd"))
