"""The ways in which one text can be written (P): what a program escapes, wraps or encodes is read as it would be meant.

A secret that is written `\\u0073k-...` in JSON, `%40` in a URL, `&#64;` in a page, with zero-width characters, in
full-width digits or as Base64 is the same secret. `spellings` gives a text as it came, then with those undone, step by
step, and what is encoded in it by itself.
"""

import re
from base64 import b32decode
from binascii import Error, a2b_base64, unhexlify
from collections.abc import Iterator
from functools import cached_property
from html import unescape
from itertools import repeat
from mmap import mmap
from unicodedata import digit, normalize
from urllib.parse import unquote

Buffer = bytes | memoryview | mmap

SLICE_BYTES = 1 << 16  # looked at in one go: one pattern over megabytes would hold up everybody else
OVERLAP_BYTES = 1 << 12  # that two slices have in common: a secret up to so long lies whole in one of them
STEPS = 8  # times that escapes are undone; what is escaped more often cannot be read
DEPTH = 3  # encodings inside encodings
LONG = 12  # letters of a word that may hold a secret, or be an encoded one
_WRAPPED = 40  # letters of a line from which on the next may belong to it, as e-mail programs wrap Base64
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e001f\U000e007f-\U000e01ef]"
)
_TAG = re.compile("[\U000e0020-\U000e007e]")  # invisible twins of ASCII
_HALF = re.compile("[\ud800-\udfff]")
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.S)
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_ENTITY = re.compile(r"&#?\w{1,32};")
_QUOTED = re.compile(r"=(?:([0-9A-F]{2})|\r?\n)")
_QUOTED_LEAST = 3  # of those, below which they are taken for names and values
_MEANT = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": "\0"}
_IN_WORDS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-="
_BLANKS = bytes(sign if sign in _IN_WORDS else 0x20 for sign in range(256))
_STANDARD = bytes.maketrans(b"-_", b"+/")
_DIGITS, _HEX_DIGITS, _BASE32 = b"0123456789", b"0123456789abcdefABCDEF", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_NOT_DIGITS = bytes(set(range(256)) - set(_DIGITS))
_HEX_PAIRS = re.compile(r"(?:(?:0x)?[0-9a-fA-F]{2}[ :,\t\n-]{1,2}){6,}(?:0x)?[0-9a-fA-F]{2}")
_HEX_SIGNS = re.compile(r"0x|[ :,\t\n-]")
_PRINTED = re.compile(rb"[\t\n\r\x20-\x7e]{6,}")
_WIDE = re.compile(rb"(?:[\t\n\r\x20-\x7e]\x00){6,}|(?:\x00[\t\n\r\x20-\x7e]){6,}")  # UTF-16
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Unreadable(Exception):
    """A text is escaped or encoded more often than it is undone here."""


class Spelling:
    """One way to write a text, and what many patterns want to know of it, found once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def _bytes(self) -> bytes:
        return self.text.encode("utf-8", "replace")

    @cached_property
    def words(self) -> list[bytes]:
        """All runs of letters, digits and the other signs of Base64, in order."""
        return self._bytes.translate(_BLANKS).split()

    @cached_property
    def long_words(self) -> list[str]:
        """Those of LONG letters and more."""
        return [word.decode() for word in self.words if len(word) >= LONG]

    @cached_property
    def digits(self) -> int:
        """How many ASCII digits there are."""
        return len(self._bytes.translate(None, _NOT_DIGITS))


def slices(body: Buffer) -> Iterator[str]:
    """A body of any kind as text, in slices that overlap; bytes that are none stand as U+FFFD."""
    view = memoryview(body)
    for begin in range(0, max(1, len(view) - OVERLAP_BYTES), SLICE_BYTES - OVERLAP_BYTES):
        yield bytes(view[begin : begin + SLICE_BYTES]).decode("utf-8", "replace")


def spellings(text: str, depth: int = DEPTH) -> Iterator[Spelling]:
    """The text as it came, with what is escaped in it undone until nothing is, and what is encoded in any of those.

    Raises Unreadable once there is more than STEPS and DEPTH allow.
    """
    seen = {text}
    for _ in range(STEPS):
        spelling = Spelling(text)
        yield spelling
        if inside := "\n".join(_encoded(spelling)):
            if not depth:
                raise Unreadable
            yield from spellings(inside, depth - 1)
        text = _undone(text)
        if text in seen:
            return
        seen.add(text)
    raise Unreadable


def _undone(text: str) -> str:
    """The text with one layer of each kind of escape undone."""
    if not text.isascii():
        text = _TAG.sub(lambda found: chr(ord(found[0]) - 0xE0000), text)
        text = _INVISIBLE.sub("", normalize("NFKC", text))
        text = _FOREIGN_DIGIT.sub(lambda found: str(digit(found[0], 0)), text)
    if "\\" in text:
        text = _ESCAPE.sub(_meant, text)
        if _HALF.search(text):  # JSON writes what is beyond U+FFFF as two escapes
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "%" in text and _PERCENT.search(text):
        text = unquote(text, errors="replace")
    if "&" in text and _ENTITY.search(text):
        text = unescape(text)
    return text


def _meant(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3] or escape[4]
    if code is None:
        return _MEANT.get(escape[5], escape[5])
    return chr(min(int(code, 16), 0x10FFFF))


def _of_quoted(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else ""


def _encoded(spelling: Spelling) -> Iterator[str]:
    """What stands in the text as Base64, Base32, hexadecimal digits or quoted-printable, if that is text again."""
    if spelling.text.count("=") >= _QUOTED_LEAST and len(_QUOTED.findall(spelling.text)) >= _QUOTED_LEAST:
        yield _QUOTED.sub(_of_quoted, spelling.text)
    words = spelling.words
    lengths = list(map(len, words))
    for word in _runs([word for word, chars in zip(words, lengths, strict=True) if chars >= LONG or word[-1:] == b"="]):
        letters = word.rstrip(b"=")
        if b"=" in letters:  # a name and its value
            for part in letters.split(b"="):
                yield from _of_word(part)
        else:
            yield from _of_word(letters)
    row = bytes(map(min, lengths, repeat(255)))
    if b"\2" * 6 in row or b"\4" * 6 in row:
        for run in _HEX_PAIRS.finditer(spelling.text):
            yield from _of_hex(_HEX_SIGNS.sub("", run[0]).encode())


def _runs(words: list[bytes]) -> Iterator[bytes]:
    """Words that may be encoded text: each by itself, and those of wrapped lines as one, too."""
    run = b""
    for word in words:
        if len(word) >= 8:  # what is shorter than LONG ends with `=`
            yield word
        run += word
        if len(word) < _WRAPPED:
            if len(run) > len(word):
                yield run
            run = b""
    if run:
        yield run


def _of_word(word: bytes) -> Iterator[str]:
    if word.islower() and not word.strip(_IN_WORDS[26:52] + b"+/_-"):
        return  # small letters alone are never encoded text, but names and words
    letters = word.translate(_STANDARD)
    for shift in range(4):  # something of the same alphabet may stand right before it, such as a path
        yield from _read(a2b_base64(_whole(letters[shift:])))
    if not word.translate(None, _HEX_DIGITS):
        yield from _of_hex(word)
    elif word.startswith(b"0x"):
        yield from _of_hex(word[2:])
    if not word.translate(None, _BASE32):
        yield from _read(b32decode(word[: len(word) // 8 * 8]))


def _of_hex(digits: bytes) -> Iterator[str]:
    try:
        yield from _read(unhexlify(digits[: len(digits) // 2 * 2]))
    except Error:
        return


def _whole(letters: bytes) -> bytes:
    """Base64 with its padding; a last letter that stands for no byte is left out."""
    letters = letters[:-1] if len(letters) % 4 == 1 else letters
    return letters + b"=" * (-len(letters) % 4)


def _read(found: bytes) -> Iterator[str]:
    """The text in decoded bytes: all of it where they are text, else what of them can be printed."""
    if len(found) < 6:
        return
    try:
        text = found.decode()
        if not _CONTROL.search(text):
            yield text
            return
    except UnicodeDecodeError:
        pass
    for run in _PRINTED.findall(found):
        yield run.decode()
    if b"\0" in found:
        for run in _WIDE.findall(found):
            yield run.replace(b"\0", b"").decode()
