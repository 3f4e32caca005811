"""One streamed answer, as far as its client has it: what every API shares (P)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from gateway.wire.bodies import TURNS, begun_turn
from gateway.wire.codec import UNREADABLE, Fields, Value, pieces_of, raw, view_of
from gateway.wire.events import encode_event
from gateway.wire.request import Request

_NOTHING = (b"null", b"false", b"0", b'""', b"[]", b"{}")
_BOUNDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class Said(ABC):
    """What one answer has said, what asks for the rest of it, and how that is passed on."""

    UNASKED: ClassVar[frozenset[str]] = frozenset()  # fields of which whoever goes on with a text has no need

    def __init__(self, request: Request) -> None:
        self.request = request
        self._head: dict[str, Any] = {}  # what the first event says of the answer as a whole
        self._text: list[str] = []
        self._tokens = self._begun = 0  # in all, and by those before whoever goes on now
        self._is_text = True  # and nothing else, which could not go on
        self._is_finished = False  # it told why it ended

    def hear(self, data: bytes) -> None:
        """An event that the client is sent."""
        try:
            self._read_event(data)
        except UNREADABLE:
            self._is_text = False

    @property
    def tokens(self) -> int:
        """How many tokens were said, at one an event."""
        return self._tokens

    @property
    def text(self) -> str:
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        return self._text[0] if self._text else ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing but the end is missing: it is finished, or as long as it may be."""
        bound = self.request.max_tokens
        return self._is_text and (self._is_finished or (bound is not None and self._tokens >= bound))

    @property
    def may_go_on(self) -> bool:
        """Whether it is text alone, and not at its end."""
        return self._is_text and not self.is_whole

    def rest(self) -> Request:
        """What asks for the rest: the request with what was said as its last turn, and that much less to say."""
        text, tokens, request = self.text, self.tokens, self.request
        self._begun = tokens
        if not text:
            return request
        bound = None if request.max_tokens is None else max(1, request.max_tokens - tokens)
        fields = {name: value for name, value in request.fields.items() if name not in self.UNASKED}
        fields |= self._turns(fields, text)
        if bound is not None:
            fields |= {name: raw(bound) for name in _BOUNDS if name in fields and not says_nothing(fields[name])}
        if "min_tokens" in fields:
            fields["min_tokens"] = raw(_less(fields["min_tokens"], tokens))
        return request.changed(
            fields, {**request.written, **self._turns(request.written, text)},
            max_tokens=bound, prompt=request.prompt.longer(tokens), continues=True,
        )  # fmt: skip

    @abstractmethod
    def passed_on(self, data: bytes) -> bytes:
        """The events to send for an event of whoever goes on, as parts of this answer; nothing where it says nothing.

        Raises what UNREADABLE names where it is no event of an answer.
        """

    @abstractmethod
    def ending(self) -> bytes:
        """The events that end an answer of which only these are missing."""

    @abstractmethod
    def _read_event(self, data: bytes) -> None:
        """Raises what UNREADABLE names."""

    def _sent(self, event: dict[str, Any]) -> bytes:
        """An event named by its type, as the client is sent it."""
        data = msgspec.json.encode(event)
        self.hear(data)
        return encode_event(data, str(event.get("type") or ""))

    def _in_all(self, asked: object, added: object) -> tuple[int, int]:
        """(prompt, answer) tokens of all parts, by what whoever goes on counts of its own.

        What was said before was a prompt to it, and is part of the answer. No number: as far as we know ourselves.
        """
        read = max(0, asked - self._begun) if isinstance(asked, int) else self.request.prompt_tokens
        return read, self._begun + added if isinstance(added, int) else self.tokens

    def _turns(self, fields: Fields, text: str) -> dict[str, Value]:
        """Those of these fields that hold what is asked, with the text as what was answered so far."""
        endpoint = self.request.endpoint
        held = TURNS.get(endpoint, "prompt")
        if held not in fields:
            return {}
        said, turn = fields[held], begun_turn(endpoint, text)
        if bytes(view_of(said)[:1]) != b'"':
            return {held: _with(said, turn)}
        words = msgspec.json.decode(view_of(said), type=str)
        return {held: raw(words + text if endpoint == "completions" else [{"role": "user", "content": words}, turn])}

    def _say(self, text: str | None) -> None:
        """A token of the answer."""
        if text:
            self._text.append(text)
            self._tokens += 1


def says_nothing(value: Value) -> bool:
    return bytes(view_of(value)) in _NOTHING


def _with(turns: Value, turn: Mapping[str, Any]) -> Value:
    """A list with one more turn at its end; large images in it are not copied."""
    *before, last = pieces_of(turns)
    return (*before, bytes(last).rstrip()[:-1] + b"," + msgspec.json.encode(turn) + b"]")


def _less(value: Value, tokens: int) -> object:
    """A number less so many tokens, at least 0; anything else as it is."""
    number = msgspec.json.decode(view_of(value))
    return max(0, number - tokens) if isinstance(number, int | float) else number
