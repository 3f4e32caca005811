"""Foreign text fit for a terminal and a log (P): what peers, engines and models say, without what would steer either.

An escape character starts commands to the terminal (colours, cursor, clipboard), a carriage return overwrites what was
said before, and a bidirectional control shows words in another order than they have.
"""

import re

_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\ud800-\udfff]"  # halves of a pair: no encoding has them, so printing one fails
)


def visible(text: str) -> str:
    """`text` without control, bidirectional and escape characters; tabs and lines stay."""
    return _STEERS.sub("", text)
