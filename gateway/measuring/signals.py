"""What a request says of an answer before it, read off its words and never kept (P).

Two signs are read: that the same is asked again, and that code of the last answer fails. Of texts only hashes leave
this file, by a key that ends with the process.
"""

import re
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.wire.codec import UNREADABLE, view_of
from gateway.wire.request import Request

LAST_CHARS = 4000  # of the newest turn: a report of a failure has its cause at its end, or its start

# Of Python, JavaScript, Java, Rust, Go, C, shells, compilers and runners of tests. Each must stand where a program
# writes it: a person who asks what a TypeError is has none of them at the start of a line.
_FAILURES = re.compile(
    r"^Traceback \(most recent call last\):"
    r"|^[ \t]*[\w.]*(?:Error|Exception): .*\n[ \t]+at .+[:(]"
    r"|^Exception in thread "
    r"|^error(?:\[E\d{4}\])?: .*\n[ \t]*--> "
    r"|^panic: |^thread '[^']*' panicked at "
    r"|^\S+:\d+:\d+: (?:fatal )?error: "
    r"|^Segmentation fault"
    r"|^\S+: (?:line )?\d+: .*: (?:command not found|syntax error)"
    r"|^(?:FAILED|FAIL:?)\b.*\d"
    r"|\b(?:exit code|exited with(?: code| status)?|return code):? [1-9]",
    re.MULTILINE,
)


class _Turn(msgspec.Struct):
    role: str = ""
    content: Any = None


_TURNS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


def hashed(key: bytes, *texts: str) -> bytes:
    """16 bytes by which texts are told to be the same; without the key, of up to 64 bytes, they tell nothing."""
    return blake2b("\0".join(texts).encode("utf-8", "replace"), key=key, digest_size=16).digest()


def reports_failure(request: Request) -> bool:
    """Whether the newest turn, the user's or a tool's, holds what a program says when it fails."""
    text = _newest_turn(request)
    return bool(_FAILURES.search(text[:LAST_CHARS]) or _FAILURES.search(text[-LAST_CHARS:]))


def _newest_turn(request: Request) -> str:
    if "messages" not in request.fields:
        return request.text
    try:
        turns = _TURNS.decode(view_of(request.fields["messages"]))
        turn = msgspec.json.decode(turns[-1], type=_Turn) if turns else _Turn()
    except UNREADABLE:
        return ""
    if isinstance(turn.content, str):
        return turn.content
    parts = turn.content if isinstance(turn.content, list) else []
    return "\n".join(text for part in parts if isinstance(part, dict) and isinstance(text := part.get("text"), str))
