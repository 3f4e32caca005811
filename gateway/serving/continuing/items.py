"""Responses: an answer in items, whose events each repeat more of it, up to the whole (P)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from gateway.serving.continuing.said import Said
from gateway.wire.request import Request

_BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_OF_NOW = frozenset({"status", "output", "usage", "completed_at", "error", "incomplete_details"})  # the rest is kept
# The events of an answer's one message, in their order, but for the words themselves.
_STEPS = (
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
)
_DELTA = "response.output_text.delta"
_PLACE = ("item_id", "output_index", "content_index")  # of an event's words; engines leave out some


class Items(Said):
    """See Said. A text of whoever goes on goes into the message that is open; what else comes are items after it."""

    UNASKED: ClassVar = frozenset({"reasoning"})  # it was thought, or not, before the text began

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._place: dict[str, Any] = {}  # of its message; empty until that has begun
        self._steps = 0  # of its message that were heard
        self._number: int | None = None  # of the next event; None: they have none
        self._is_over = False
        self._shift: int | None = None  # from whoever goes on's numbers of items to ours; None: it has begun none
        self._joins: Mapping[str, Any] | None = None  # the event with which its message began that goes on with ours
        self._ended: tuple[dict[str, Any], ...] = ()  # our message, where it was not gone on with

    def rest(self) -> Request:
        self._shift, self._joins, self._ended = None, None, ()
        return super().rest()

    def passed_on(self, data: bytes) -> bytes:
        event = msgspec.json.decode(data, type=dict[str, Any])
        kind = event.get("type")
        if kind in _BEGINNINGS:
            return b""
        before = list[dict[str, Any]]()
        if kind == _STEPS[0] and self._shift is None:
            if self._place and self._steps <= 2 and _item(event).get("type") == "message":
                self._shift, self._joins = 0, event
                return b""
            before = self._closed()
            self._shift = len(self._ended)
        if kind in _ENDS:
            before = self._closed() if self._shift is None else []
            event["response"] = self._whole(event.get("response"))
        elif self._joins is not None and _is_of(event, self._joins):
            if kind == _STEPS[1] and self._steps >= 2:
                return b""
            event = self._of_message(event)
        elif isinstance(event.get("output_index"), int):
            event["output_index"] += self._shift or 0
        return b"".join(map(self._sent, (*before, event)))

    def ending(self) -> bytes:
        if self._is_over:
            return b""
        asked = self.request.prompt_tokens
        usage = {
            "input_tokens": asked, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": self._tokens,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": asked + self._tokens,
        }  # fmt: skip
        why = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        closed = self._closed("incomplete")
        response = {**self._head, **why, "output": [*self._ended], "usage": usage}
        return b"".join(map(self._sent, (*closed, {"type": "response.incomplete", "response": response})))

    def _message(self, status: str = "completed") -> dict[str, Any]:
        """The message as an item of the answer."""
        item = {"type": "message", "id": self._place.get("item_id"), "status": status, "role": "assistant"}
        return {**item, "content": [self._part]}

    @property
    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self.text, "annotations": []}

    def _of_message(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event of the message that goes on, as one of ours, with all of the text where it repeats that."""
        kind, repeats = event["type"], dict[str, Any]()
        if kind == _STEPS[2]:
            repeats = {"text": self.text}
        elif kind == _STEPS[3]:
            repeats = {"part": self._part}
        elif kind == _STEPS[4]:
            status = _item(event).get("status")
            repeats = {"item": self._message(status if isinstance(status, str) else "completed")}
        return {**event, **self._at(kind), **repeats}

    def _at(self, kind: str) -> dict[str, Any]:
        """Where an event of this kind stands: those of whole items name the item themselves."""
        left_out = ("item_id", "content_index") if kind in (_STEPS[0], _STEPS[4]) else ()
        return {name: value for name, value in self._place.items() if name not in left_out}

    def _closed(self, status: str = "completed") -> list[dict[str, Any]]:
        """What ends the message, as far as it was begun and has not ended."""
        if not self._place:
            return []
        self._ended = (self._message(status),)
        ends: list[tuple[str, dict[str, Any]]] = [
            (_STEPS[2], {"text": self.text, "logprobs": []}),
            (_STEPS[3], {"part": self._part}),
            (_STEPS[4], {"item": self._ended[0]}),
        ]
        return [{"type": kind, **self._at(kind), **said} for kind, said in ends[max(0, self._steps - 2) :]]

    def _whole(self, said: object) -> dict[str, Any]:
        """The answer as a whole, by what whoever goes on says of its part; nobody keeps it."""
        theirs: dict[str, Any] = said if isinstance(said, dict) else {}
        output = theirs.get("output")
        items = [*output] if isinstance(output, list) else []
        if self._joins is not None:
            items = [self._message("incomplete" if theirs.get("status") == "incomplete" else "completed"), *items[1:]]
        elif self._shift is None:
            items = [*self._ended]
        else:
            items = [*self._ended, *items]
        kept = {"store": False} if "store" in self._head else {}
        return {**theirs, **self._head, **kept, "output": items, "usage": self._summed(theirs.get("usage"))}

    def _summed(self, usage: object) -> dict[str, Any] | None:
        """See `_in_all`."""
        if not isinstance(usage, dict):
            return None
        read, written = self._in_all(usage.get("input_tokens"), usage.get("output_tokens"))
        return {**usage, "input_tokens": read, "output_tokens": written, "total_tokens": read + written}

    def _sent(self, event: dict[str, Any]) -> bytes:
        """Numbered, where the events are."""
        if self._number is None:
            event.pop("sequence_number", None)
        else:
            event["sequence_number"] = self._number
        return super()._sent(event)

    def _read_event(self, data: bytes) -> None:
        event = _EVENT.decode(data)
        self._number = None if event.sequence_number is None else event.sequence_number + 1
        if event.type in _BEGINNINGS:
            self._head = self._head or {name: value for name, value in event.response.items() if name not in _OF_NOW}
        elif event.type in _ENDS:
            self._is_finished = self._is_over = True
        elif event.type == _DELTA and not event.logprobs:
            if not self._place:
                self._keep_place(data)
            self._say(event.delta)
        elif event.type in _STEPS and self._steps < (step := _STEPS.index(event.type) + 1):
            self._steps = step
            if step <= 2 or not self._place:
                self._keep_place(data)
            held = event.item if step in (1, 5) else event.part if step in (2, 4) else {"type": "output_text"}
            self._is_text = self._is_text and held.get("type") in ("message", "output_text")
        else:
            self._is_text = False

    def _keep_place(self, data: bytes) -> None:
        """Where the words stand, as far as an event tells."""
        event = msgspec.json.decode(data, type=dict[str, Any])
        named = {"item_id": _item(event)["id"]} if "id" in _item(event) else {}
        self._place |= named | {name: event[name] for name in _PLACE if name in event}


class _Event(msgspec.Struct):
    type: str
    sequence_number: int | None = None
    response: dict[str, Any] = {}
    item: dict[str, Any] = {}
    part: dict[str, Any] = {}
    delta: str | None = None
    logprobs: Any = None


_EVENT = msgspec.json.Decoder(_Event)


def _item(event: Mapping[str, Any]) -> dict[str, Any]:
    item = event.get("item")
    return item if isinstance(item, dict) else {}


def _is_of(event: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Whether an event is of the item that `first` added."""
    if "output_index" in event and "output_index" in first:
        return bool(event["output_index"] == first["output_index"])
    return (event.get("item_id") or _item(event).get("id")) == _item(first).get("id")
