"""A stream as the whole answer that its client asked for.

`transformers serve` streams an answer of Responses unless `stream` is false. A client that leaves it out means false.
"""

from typing import Any, Protocol

import msgspec

from gateway.wire.events import LAST_EVENTS

CALLS_LIMIT = 1024  # tool calls of one choice
CHOICES_LIMIT = 1024  # as many as may be asked for, and more


class Gathered(Protocol):
    """Events in, the whole answer out."""

    def add(self, data: bytes) -> None:
        """The data of the next event. Raises what UNREADABLE names where it is no JSON object."""
        ...

    def whole(self) -> bytes | None:
        """The answer that was told; None where none was."""
        ...


def gathered(endpoint: str) -> Gathered | None:
    """What gathers a stream of this endpoint; None where a stream passes as it is."""
    if endpoint == "responses":
        return Response()
    return Completion() if endpoint in ("chat/completions", "completions") else None


class Response:
    """Responses: its last event holds the whole answer."""

    def __init__(self) -> None:
        self._last: Any = None

    def add(self, data: bytes) -> None:
        event = msgspec.json.decode(data, type=dict[str, Any])
        if str(event.get("type")).encode() in LAST_EVENTS:
            self._last = event.get("response")

    def whole(self) -> bytes | None:
        return msgspec.json.encode(self._last) if isinstance(self._last, dict) else None


class Completion:
    """Chat or completions: chunks, each a piece of some choices."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, data: bytes) -> None:
        if data == b"[DONE]":
            return
        chunk = msgspec.json.decode(data, type=dict[str, Any])
        self._head |= {key: value for key, value in chunk.items() if key != "choices" and value is not None}
        for piece in _objects(chunk.get("choices")):
            place = _place(piece, 0)
            if place in self._choices or len(self._choices) < CHOICES_LIMIT:
                self._choices.setdefault(place, _Choice()).add(piece)

    def whole(self) -> bytes | None:
        if not self._choices:
            return None
        choices = [{"index": place, **self._choices[place].whole()} for place in sorted(self._choices)]
        form = "chat.completion" if any("message" in choice for choice in choices) else "text_completion"
        return msgspec.json.encode({**self._head, "object": form, "choices": choices})


class _Choice:
    def __init__(self) -> None:
        self._finish: Any = None
        self._texts = _Texts()  # `text` of completions
        self._message: _Texts | None = None
        self._calls: dict[int, tuple[_Texts, _Texts]] = {}  # of each call its own fields, and those of its function
        self._logprobs: dict[str, list[Any]] = {}

    def add(self, piece: dict[str, Any]) -> None:
        self._finish = piece.get("finish_reason") or self._finish
        if "text" in piece:
            self._texts.add({"text": piece["text"]})
        if isinstance(delta := piece.get("delta"), dict):
            self._message = self._message or _Texts({"role": "assistant", "content": None})
            self._message.add({key: value for key, value in delta.items() if key != "tool_calls"})
            for call in _objects(delta.get("tool_calls")):
                self._add_call(call)
        for logprobs in _objects([piece.get("logprobs")]):
            for key, said in logprobs.items():
                self._logprobs.setdefault(key, []).extend(said if isinstance(said, list) else ())

    def _add_call(self, piece: dict[str, Any]) -> None:
        """A piece of the call at its place; an engine that tells none begins a new call with each id."""
        place = _place(piece, max(self._calls, default=-1) + bool(piece.get("id")))
        if place in self._calls or len(self._calls) < CALLS_LIMIT:
            fields = _Texts({"id": "", "type": "function"}), _Texts({"name": "", "arguments": ""})
            call, function = self._calls.setdefault(place, fields)
            call.add({key: value for key, value in piece.items() if key not in ("index", "function")})
            for said in _objects([piece.get("function")]):
                function.add(said)

    def whole(self) -> dict[str, Any]:
        choice: dict[str, Any] = self._texts.whole()
        if self._message is not None:
            choice["message"] = self._message.whole()
            if self._calls:
                said = (self._calls[place] for place in sorted(self._calls))
                calls = [{**call.whole(), "function": function.whole()} for call, function in said]
                choice["message"]["tool_calls"] = calls
        return {**choice, "finish_reason": self._finish, **({"logprobs": self._logprobs} if self._logprobs else {})}


class _Texts:
    """Fields of which each chunk adds a piece of text; those that are no text, or a name, are told as a whole."""

    _NAMES = ("role", "type", "id", "name")

    def __init__(self, first: dict[str, Any] | None = None) -> None:
        self._values: dict[str, Any] = first or {}
        self._pieces: dict[str, list[str]] = {}

    def add(self, said: dict[str, Any]) -> None:
        for key, value in said.items():
            if isinstance(value, str) and key not in self._NAMES:
                self._pieces.setdefault(key, []).append(value)
            elif value:
                self._values[key] = value

    def whole(self) -> dict[str, Any]:
        return self._values | {key: "".join(pieces) for key, pieces in self._pieces.items()}


def _place(said: dict[str, Any], otherwise: int) -> int:
    place = said.get("index")
    return place if isinstance(place, int) and place >= 0 else otherwise


def _objects(said: Any) -> list[dict[str, Any]]:
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
