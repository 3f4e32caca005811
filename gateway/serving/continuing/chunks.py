"""Chat and completions: an answer in chunks, which all have the same head (P)."""

from typing import Any

import msgspec

from gateway.serving.continuing.said import Said
from gateway.wire.events import DONE, encode_event
from gateway.wire.request import Request

_HEAD = ("id", "object", "created", "model", "system_fingerprint")  # of the first event, kept in all


class Chunks(Said):
    """See Said."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._has_usage = False

    def passed_on(self, data: bytes) -> bytes:
        chunk = msgspec.json.decode(data, type=dict[str, Any])
        choices = [choice for choice in chunk.get("choices") or () if isinstance(choice, dict)]
        usage = chunk.get("usage")
        if not usage and not any(map(_says_something, choices)):
            return b""
        for choice in choices:
            if isinstance(delta := choice.get("delta"), dict):
                delta.pop("role", None)
        if isinstance(usage, dict):
            chunk["usage"] = usage | _usage(*self._in_all(usage.get("prompt_tokens"), usage.get("completion_tokens")))
        passed = msgspec.json.encode({**chunk, **self._head})
        self.hear(passed)
        return encode_event(passed)

    def ending(self) -> bytes:
        events: list[bytes] = []
        if not self._is_finished:
            last: dict[str, object] = {"text": ""} if self.request.endpoint == "completions" else {"delta": {}}
            events.append(self._event({"choices": [{"index": 0, **last, "finish_reason": "length"}]}))
        if self.request.include_usage and not self._has_usage:
            asked = self.request.prompt_tokens
            events.append(self._event({"choices": [], "usage": _usage(asked, self._tokens)}))
        return b"".join((*events, DONE))

    def _event(self, chunk: dict[str, Any]) -> bytes:
        return encode_event(msgspec.json.encode({**self._head, **chunk}))

    def _read_event(self, data: bytes) -> None:
        chunk = _CHUNK.decode(data)
        if not self._head:
            whole = msgspec.json.decode(data, type=dict[str, Any])
            self._head = {name: whole[name] for name in _HEAD if name in whole}
        self._has_usage = self._has_usage or (chunk.usage is not None and not chunk.choices)
        for choice in chunk.choices or ():
            self._read_choice(choice)

    def _read_choice(self, choice: "_Choice") -> None:
        said = choice.text
        if choice.delta is not None:
            said = choice.delta.pop("content", None)
            choice.delta.pop("role", None)
        if choice.index or choice.logprobs or any((choice.delta or {}).values()) or not isinstance(said, str | None):
            self._is_text = False
        else:
            self._say(said)
        self._is_finished = self._is_finished or choice.finish_reason is not None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None


_CHUNK = msgspec.json.Decoder(_Chunk)


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _says_something(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta")
    said = {**(delta if isinstance(delta, dict) else {}), "text": choice.get("text")}
    return bool(choice.get("finish_reason")) or any(value for name, value in said.items() if name != "role")
