"""What routing weighs of a prompt (P): how long it is, and which conversation it goes on with.

Both are worked out when they are first asked for: a request of another peer is answered here, and routed nowhere.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from gateway.wire.estimate import estimated_tokens
from gateway.wire.reading.content import Reading

SESSION_CHARS = 128  # of a conversation's own name; a longer one is remembered by its hash


class Prompt(msgspec.Struct, eq=False):
    """See the module."""

    _reading: Reading
    _words: Sequence[str]  # of which tokens are estimated,
    _beside: int  # and so many besides
    _name: str = ""  # of the conversation, where it has one
    _opening: str | None = None  # what tells it from others where it has none; None: what was said first
    _tokens: int | None = None
    _session: str | None = None

    __repr__ = object.__repr__  # without a word of it

    @property
    def tokens(self) -> int:
        """An estimate (estimate.py)."""
        if self._tokens is None:
            self._tokens = self._beside + estimated_tokens(self._words)
        return self._tokens

    @property
    def session(self) -> str:
        """The conversation's name, for as long as we remember it."""
        if self._session is None:
            opening = self._reading.said.opening if self._opening is None else self._opening
            self._session = session_key(self._name) if self._name else _hashed(opening)
        return self._session

    def longer(self, by: int) -> "Prompt":
        """The same with so many more tokens."""
        tokens = None if self._tokens is None else self._tokens + by
        return msgspec.structs.replace(self, _beside=self._beside + by, _tokens=tokens)


def session_key(name: str | None) -> str:
    """A conversation's own name as it is remembered: a long one by its hash, since thousands are kept."""
    return _hashed(name) if name and len(name) > SESSION_CHARS else name or ""


def _hashed(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()
