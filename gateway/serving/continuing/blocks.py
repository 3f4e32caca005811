"""Messages: an answer in blocks, of which one may be open when it breaks off (P)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from gateway.serving.continuing.said import Said
from gateway.wire.request import Request

_SILENT = frozenset({"ping"})


class Blocks(Said):
    """See Said. A text of whoever goes on goes into the block that is open; what else comes has blocks after it."""

    UNASKED: ClassVar = frozenset({"thinking"})  # it was thought, or not, before the text began

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._open: int | None = None  # the block that was begun and not ended
        self._blocks = 0  # that were begun
        self._shift: int | None = None  # from whoever goes on's numbers of blocks to ours; None: it has begun none
        self._is_over = False

    def rest(self) -> Request:
        self._shift = None
        return super().rest()

    def passed_on(self, data: bytes) -> bytes:
        event = msgspec.json.decode(data, type=dict[str, Any])
        kind = event.get("type")
        if kind == "message_start":
            return b""
        events = list[dict[str, Any]]()
        if kind == "content_block_start":
            events += self._begun_block(event)
        elif kind in ("content_block_delta", "content_block_stop"):
            events.append({**event, "index": _index(event) + (self._shift or 0)})
        elif kind == "message_delta":
            if self._shift is None:
                events += self._closed()
            events.append({**event, "usage": self._summed(event.get("usage"))})
        else:
            events.append(event)
        return b"".join(map(self._sent, events))

    def ending(self) -> bytes:
        if self._is_over:
            return b""
        events = self._closed()
        if not self._is_finished:
            stop = {"stop_reason": "max_tokens", "stop_sequence": None}
            events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": self._tokens}})
        events.append({"type": "message_stop"})
        return b"".join(map(self._sent, events))

    def _begun_block(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """What says that a block begins: nothing but its words where it goes on with the open one."""
        block, before = event.get("content_block"), list[dict[str, Any]]()
        if self._shift is None:
            if self._open is not None and isinstance(block, dict) and block.get("type") == "text":
                self._shift = self._open - _index(event)
                text = {"type": "text_delta", "text": block.get("text")}
                delta = {"type": "content_block_delta", "index": self._open, "delta": text}
                return [delta] if block.get("text") else []
            before = self._closed()
            self._shift = self._blocks - _index(event)
        return [*before, {**event, "index": _index(event) + self._shift}]

    def _closed(self) -> list[dict[str, Any]]:
        """What ends the open block."""
        return [] if self._open is None else [{"type": "content_block_stop", "index": self._open}]

    def _summed(self, usage: object) -> dict[str, Any]:
        """See `_in_all`; the prompt is counted at the beginning of an answer, and here only where they do."""
        said = usage if isinstance(usage, dict) else {}
        asked = said.get("input_tokens")
        read, written = self._in_all(asked, said.get("output_tokens"))
        return {**said, **({"input_tokens": read} if isinstance(asked, int) else {}), "output_tokens": written}

    def _read_event(self, data: bytes) -> None:
        event = _EVENT.decode(data)
        match event.type:
            case "message_start":
                self._head = msgspec.json.decode(data, type=dict[str, Any])
            case "content_block_start":
                self._open, self._blocks = event.index, max(self._blocks, event.index + 1)
                self._is_text = self._is_text and event.content_block.get("type") == "text"
                self._say(event.content_block.get("text"))
            case "content_block_delta":
                self._is_text = self._is_text and event.delta.get("type") == "text_delta"
                self._say(event.delta.get("text"))
            case "content_block_stop":
                self._open = None
            case "message_delta":
                self._is_finished = self._is_finished or event.delta.get("stop_reason") is not None
            case "message_stop":
                self._is_finished = self._is_over = True
            case kind if kind not in _SILENT:
                self._is_text = False


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    content_block: dict[str, Any] = {}
    delta: dict[str, Any] = {}


_EVENT = msgspec.json.Decoder(_Event)


def _index(event: Mapping[str, Any]) -> int:
    """Raises msgspec.ValidationError."""
    return msgspec.convert(event.get("index"), int)
