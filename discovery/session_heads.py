"""Heads of requests in a session that came before, but for what proves each of them.

See heads.py: a head that the parser has read is known when it comes again. Those of a peer's requests in one session
(sessions.py) end on four lines that differ, which PPAI's peers write last and in this order:

    ppai-session: 17
    ppai-mac: 64 hexadecimal digits
    ppai-sha256: 64 hexadecimal digits
    content-length: 384

What stands before them is what is known. Whether they prove anything is seen for each request, as of one that the
parser read: a known head lets nobody in.
"""

import re
from typing import Generic

from discovery.heads import HEAD_BYTES, LENGTH_DIGITS, Found, Head, Twice, is_said
from discovery.request_auth import BODY_HEADER
from discovery.sessions import MAC_HEADER, NUMBER_HEADER

_NUMBER_DIGITS = 16
_NAMES = (NUMBER_HEADER, MAC_HEADER, BODY_HEADER, "content-length")
_FIRST = f"\r\n{NUMBER_HEADER}: ".encode()
_ENDS = re.compile(
    rf"(\d{{1,{_NUMBER_DIGITS}}})\r\n{MAC_HEADER}: ([0-9a-f]{{64}})\r\n{BODY_HEADER}: ([0-9a-f]{{64}})\r\n"
    rf"content-length: (\d{{1,{LENGTH_DIGITS}}})\r\n\r\n".encode()
)
_ENDS_BYTES = 256  # more than the longest has


class SessionHeads(Generic[Head]):
    """See the module."""

    def __init__(self, limit_bytes: int = HEAD_BYTES) -> None:
        """`limit_bytes`: of the longest head that may be read at all."""
        self._limit_bytes = min(HEAD_BYTES, limit_bytes) - _ENDS_BYTES
        self._heads = Twice[bytes, Head]()
        self._known = self._heads.known  # by the lines before those that differ

    def find(self, data: bytes) -> Found[Head] | None:
        """See Heads."""
        lines, _, rest = data.partition(_FIRST)
        head = self._known.get(lines)
        if head is None or (ends := _ENDS.match(rest)) is None:
            return None
        anew = dict(zip(_NAMES, b" ".join(ends.groups()).decode("ascii").split(), strict=True))
        return head, anew, int(anew["content-length"]), rest[ends.end() :]

    def learn(self, data: bytes, head: Head) -> None:
        """See Heads."""
        lines, _, rest = data.partition(_FIRST)
        ends = _ENDS.fullmatch(rest)
        if ends is None or len(lines) > self._limit_bytes:
            return
        if all(is_said(head, name, value) for name, value in zip(_NAMES, ends.groups(), strict=True)):
            self._heads.learn(lines, head)
