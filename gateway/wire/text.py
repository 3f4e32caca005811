"""Foreign text fit for a terminal, a log and a header (P): what peers, engines and models say, steering none of them.

An escape character starts commands to the terminal (colours, cursor, clipboard), a carriage return overwrites what was
said before, and a bidirectional control shows words in another order than they have.
"""

import re
from urllib.parse import quote, unquote

_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\ud800-\udfff]"  # halves of a pair: no encoding has them, so printing one fails
)

_ASCII = "".join(map(chr, range(0x20, 0x7F)))


def header_text(text: str) -> str:
    """`text` as it may stand in a header: characters beyond ASCII as their UTF-8, percent-encoded (RFC 3986).

    Example: a peer called `工作站` is `%E5%B7%A5%E4%BD%9C%E7%AB%99`, which every client can send and read.
    """
    return text if text.isascii() else quote(text, safe=_ASCII, errors="replace")


def one_line(value: str) -> str:
    """A header's value without unprintable characters, such as those that would end its line."""
    return value if value.isprintable() else "".join(c for c in value if c.isprintable())


def read_header_text(value: str) -> str:
    """What a header says that was written by `header_text`, or in UTF-8 as it is, as curl does."""
    if not value.isascii():
        try:
            return value.encode("latin-1").decode()
        except UnicodeError:
            return value
    return unquote(value) if "%" in value else value


def visible(text: str) -> str:
    """`text` without control, bidirectional and escape characters; tabs and lines stay."""
    return _STEERS.sub("", text)
