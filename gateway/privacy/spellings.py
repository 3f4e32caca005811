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
from mmap import mmap
from unicodedata import digit, normalize
from urllib.parse import unquote

Buffer = bytes | memoryview | mmap

SLICE_BYTES = 1 << 14  # looked at in one go, and once as long as it stays the same: conversations grow at their end
OVERLAP_BYTES = 1 << 12  # that two slices have in common: a secret up to so long lies whole in one of them
STEPS = 8  # times that escapes are undone; what is escaped more often cannot be read
DEPTH = 3  # encodings inside encodings
LONG = 12  # letters of a word that may hold a secret, or be an encoded one
VALUE = 16  # letters and other signs without a gap, of which a random value has at least so many
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
_PLAIN = {"\\n": "\n", '\\"': '"', "\\t": "\t", "\\/": "/", "\\r": "\r", "\\'": "'"}  # escapes that need no look around
_IN_WORDS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-="
_STANDARD = bytes.maketrans(b"-_", b"+/")
_DIGITS, _HEX_DIGITS, _BASE32 = b"0123456789", b"0123456789abcdefABCDEF", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# Texts as patterns of a few letters, in which runs of a kind are found by bytes.find: many times as fast as a pattern.
_WORD_OR_BLANK = bytes(ord("w" if sign in _IN_WORDS else " ") for sign in range(256))
_HEX_OR_BLANK = bytes(
    ord("h" if sign in _HEX_DIGITS else "x" if sign == ord("x") else " " if sign in b" :,\t\n-" else ".")
    for sign in range(256)
)
_VALUE_OR_BLANK = bytes(ord("v" if sign > 127 or sign in _IN_WORDS + b".~!@#$%^&*" else " ") for sign in range(256))
_LONG_RUN, _LONG_VALUE = b"w" * LONG, b"v" * VALUE
_ENDING = re.compile(rb"=(?![A-Za-z0-9+/_=-])")
_NOT_DIGITS = bytes(set(range(256)) - set(_DIGITS))
_HEX_PAIRS = re.compile(r"(?:(?:0x)?[0-9a-fA-F]{2}[ :,\t\n-]{1,2}){6,}(?:0x)?[0-9a-fA-F]{2}")
_HEX_SIGNS = re.compile(r"0x|[ :,\t\n-]")
_PRINTED = re.compile(rb"[\t\n\r\x20-\x7e]{6,}")
_WIDE = re.compile(rb"(?:[\t\n\r\x20-\x7e]\x00){6,}|(?:\x00[\t\n\r\x20-\x7e]){6,}")  # UTF-16
_KINDS = bytes(  # of bytes: control characters, printed ones, others
    ord("p" if sign in b"\t\n\r" or 0x20 <= sign < 0x7F else "c" if sign < 0x20 else "o") for sign in range(256)
)


class Unreadable(Exception):
    """A text is escaped or encoded more often than it is undone here."""


class Spelling:
    """One way to write a text, and what many patterns want to know of it, found once.

    `digits` says how many ASCII digits it has, `has_value` whether VALUE signs of those that stand in passwords and
    keys follow each other.
    """

    def __init__(self, text: str) -> None:
        self.text, self._bytes = text, text.encode("utf-8", "replace")
        self._shape = self._bytes.translate(_WORD_OR_BLANK)  # as many signs: `w` for one of a word, else a blank
        self._long = _long_runs(self._shape)
        self.digits = len(self._bytes.translate(None, _NOT_DIGITS))
        self.has_value = _LONG_VALUE in self._bytes.translate(_VALUE_OR_BLANK)

    @cached_property
    def lower(self) -> str:
        """The text in small letters, each at the place of its own."""
        lower = self.text.lower()
        return lower if len(lower) == len(self.text) else "".join(sign.lower()[0] for sign in self.text)

    @property
    def long_words(self) -> list[str]:
        """Runs of LONG or more letters, digits and other signs of Base64, in order."""
        return [self._bytes[begin:end].decode() for begin, end in self._long]

    def maybe_encoded(self) -> list[bytes]:
        """Those, and shorter ones that end with `=`, in order."""
        data, found = self._bytes, self._long
        if b"=" in data:
            ends = (sign.end() for sign in _ENDING.finditer(data))
            begun = ((self._shape.rfind(b" ", 0, end) + 1, end) for end in ends)
            found = sorted([*found, *((begin, end) for begin, end in begun if end - begin < LONG)])
        return [data[begin:end] for begin, end in found]

    @property
    def may_have_hex_pairs(self) -> bool:
        """Whether two pairs of hexadecimal digits follow each other as in a dump of bytes: `4d 5a`, `0x4d, 0x5a`."""
        shape = self._bytes.translate(_HEX_OR_BLANK)
        shape = shape.replace(b"hxhh", b"hh") if b"hxhh" in shape else shape
        return b" hh hh " in shape or b" hh  hh " in shape


def _long_runs(shape: bytes) -> list[tuple[int, int]]:
    """Where the long words of a text of this shape begin and end."""
    found, end = list[tuple[int, int]](), 0
    while (begin := shape.find(_LONG_RUN, end)) >= 0:
        end = shape.find(b" ", begin)
        end = len(shape) if end < 0 else end
        found.append((begin, end))
    return found


def slices(body: Buffer) -> list[memoryview]:
    """A body of any kind in slices that overlap, not copied."""
    view = memoryview(body)
    begins = range(0, max(1, len(view) - OVERLAP_BYTES), SLICE_BYTES - OVERLAP_BYTES)
    return [view[begin : begin + SLICE_BYTES] for begin in begins]


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
        text = "\\".join(map(_unescaped, text.split("\\\\")))
        if not text.isascii() and _HALF.search(text):  # JSON writes what is beyond U+FFFF as two escapes
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "%" in text and _PERCENT.search(text):
        text = unquote(text, errors="replace")
    if "&" in text and _ENTITY.search(text):
        text = unescape(text)
    return text


def _unescaped(text: str) -> str:
    """One layer of escapes undone, in a text that holds no escaped backslash."""
    plain = text
    for escape, meant in _PLAIN.items():
        plain = plain.replace(escape, meant)
    return plain if "\\" not in plain else _ESCAPE.sub(_meant, text)


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
    for word in _runs(spelling.maybe_encoded()):
        letters = word.rstrip(b"=")
        if b"=" in letters:  # a name and its value
            for part in letters.split(b"="):
                yield from _of_word(part)
        else:
            yield from _of_word(letters)
    if spelling.may_have_hex_pairs:
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
    kinds = found.translate(_KINDS)
    if len(found) >= 6 and b"c" not in kinds:
        try:
            yield found.decode()
            return
        except UnicodeDecodeError:
            pass
    if b"pppppp" not in kinds and b"\0" not in found:
        return
    for run in _PRINTED.findall(found):
        yield run.decode()
    if b"\0" in found:
        for run in _WIDE.findall(found):
            yield run.replace(b"\0", b"").decode()
