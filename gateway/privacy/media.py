"""What of a body is read by rules: its texts, and of pictures and recordings no more than their ends (P).

Nobody writes words into the middle of a picture's bytes, and undoing encodings in megabytes of them takes minutes. What
programs write into such files, as the title of a song or the place of a photograph, stands at their ends.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from string import ascii_letters, digits

from gateway.privacy.spellings import Buffer

EDGE_BYTES = 1 << 14  # of a picture or recording, at either end
_LONG_BYTES = 4 * EDGE_BYTES  # of Base64, from which its middle is not read
_BASE64 = (ascii_letters + digits + "+/_=-\\").encode()  # as it stands in JSON, where `/` may be written `\\/`
_HEAD_BYTES = 24  # that say what a file is
_MEDIA = re.compile(  # how pictures, recordings and films begin
    rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....(?:WEBP|WAVE|AVI )|BM....\0\0\0\0|II\*\0|MM\0\*|....ftyp|\x1aE\xdf\xa3"
    rb"|ID3|\xff[\xf2\xf3\xfa\xfb]|OggS|fLaC|#!AMR|\xff[\xf0\xf1\xf8\xf9]",
    re.S,
)


def without_media(body: Buffer, files: Sequence[tuple[int, int]] = ()) -> Iterator[Buffer]:
    """The body in pieces, in order, without the middle of what is long and no text.

    `files`: where the files of a form begin and end. One that is not UTF-8 at its beginning is no text. In the rest a
    long run of Base64 is none that begins as a picture or a recording does.
    """
    view, at = memoryview(body), 0
    for begin, end in (*_middles(files, view), *_pictures(body, files)):
        if begin > at:
            yield view[at:begin]
        at = max(at, end)
    yield view[at:]


def _middles(files: Sequence[tuple[int, int]], view: memoryview) -> Iterator[tuple[int, int]]:
    for begin, end in files:
        if end - begin > 2 * EDGE_BYTES and not _is_text(bytes(view[begin : begin + EDGE_BYTES])):
            yield begin + EDGE_BYTES, end - EDGE_BYTES


def _pictures(body: Buffer, files: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    if files:
        return
    for begin, end in _long_runs(body):
        head = bytes(memoryview(body)[begin : begin + 2 * _HEAD_BYTES]).replace(b"\\", b"")
        if _MEDIA.match(b64decode(head[: len(head) // 4 * 4], b"-_" if b"-" in head or b"_" in head else None)):
            yield begin + EDGE_BYTES, end - EDGE_BYTES


def _long_runs(body: Buffer) -> Iterator[tuple[int, int]]:
    """Where much Base64 begins and ends.

    It is looked for in pieces: a search through megabytes is one step, for which all other threads stand still.
    """
    view, begin = memoryview(body), 0
    if len(view) < _LONG_BYTES:
        return
    for at in range(0, len(view), _LONG_BYTES):
        piece = bytes(view[at : at + _LONG_BYTES])
        if piece.translate(None, _BASE64):  # another sign is among them
            end = at + len(piece) - len(piece.lstrip(_BASE64))
            if end - begin >= _LONG_BYTES:
                yield begin, end
            begin = at + len(piece.rstrip(_BASE64))
    if len(view) - begin >= _LONG_BYTES:
        yield begin, len(view)


def _is_text(head: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters; the last may be a part of one."""
    try:
        text = head[:-4].decode()
    except UnicodeDecodeError as error:
        text = "" if error.start < len(head) - 8 else head[: error.start].decode()
    return bool(text) and not any(sign < " " and sign not in "\t\n\r\f" for sign in text)
