"""What an engine or a model says, fit for a terminal. Pure.

Names of models, answers and problems are others' words: an escape character in them would start a command to the
terminal, and a bidirectional control would show the words in another order. `visible` is the rule of
gateway/wire/text.py: that room imports no other.
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


def cell(text: str) -> str:
    """The same for a table of rich's, where `[red]` would be an order, too."""
    from rich.markup import escape

    return escape(visible(text))
