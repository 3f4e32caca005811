"""What an engine says in one step of an agent (P), chunk by chunk or whole: its words, its calls, its usage.

Words are passed on as they come; calls are gathered, since only the whole of them tells whose they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.agent.loop import Call, Said

_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_NOT_PASSED = ("tool_calls", "function_call")


@dataclass
class _Gathered:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass
class Usage:
    """The tokens of all steps together."""

    counts: dict[str, Any] = field(default_factory=dict)

    def add(self, said: Any) -> int:
        """Add what a step reports; how many tokens it wrote."""
        if not isinstance(said, dict):
            return 0
        sums = {name: _whole(self.counts.get(name)) + _whole(said.get(name)) for name in _TOKENS}
        self.counts = {**said, **sums}
        return _whole(said.get("completion_tokens"))


class Heard:
    """One step of a stream."""

    def __init__(self, usage: Usage, head: Mapping[str, Any], lead: str = "", *, has_begun: bool = False) -> None:
        """`head`: id and the like of the steps before, empty for the first; `lead` parts its words from theirs.

        `has_begun`: something of the answer was passed on before this step.
        """
        self._usage, self._lead, self._is_first, self._has_begun = usage, lead, not head, has_begun
        self._calls: list[_Gathered] = []
        self._by_index: dict[int, _Gathered] = {}
        self._text: list[str] = []
        self._finish, self._tokens, self._chunks = "", 0, 0
        self.head: dict[str, Any] = dict(head)
        self.is_speaking = False  # whether the last chunk said more than who speaks

    def chunk(self, data: bytes) -> bytes | None:
        """What of a chunk is to be passed on: no calls, no end, no usage. None where nothing is left.

        A chunk that has none of them passes as it came. Raises what UNREADABLE names.
        """
        chunk = msgspec.json.decode(data, type=dict[str, Any])
        if chunk.get("usage"):
            self._tokens = self._usage.add(chunk["usage"])
        if not self.head:
            self.head = {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return None
        choice = choices[0]
        delta = _object(choice.get("delta"))
        self._hear(choice, delta)
        passed = {name: value for name, value in delta.items() if name not in _NOT_PASSED}
        if self._has_begun:
            passed.pop("role", None)
        self.is_speaking = any(value for name, value in passed.items() if name != "role")
        if not any(passed.values()):
            return None
        if self._is_first and passed == delta and not choice.get("finish_reason") and not chunk.get("usage"):
            return data
        if self._lead and passed.get("content"):
            passed["content"], self._lead = self._lead + str(passed["content"]), ""
        return msgspec.json.encode({**self.head, "choices": [{**choice, "delta": passed, "finish_reason": None}]})

    def _hear(self, choice: Mapping[str, Any], delta: Mapping[str, Any]) -> None:
        self._finish = str(choice.get("finish_reason") or self._finish)
        for call in delta.get("tool_calls") or ():
            if isinstance(call, dict):
                self._gather(call)
        if isinstance(text := delta.get("content"), str):
            self._text.append(text)
            self._chunks += bool(text)

    def _gather(self, call: Mapping[str, Any]) -> None:
        """A piece of a call. A new id begins a new one, also at an index that was there: some engines count none."""
        index = _whole(call.get("index"))
        gathered = self._by_index.get(index)
        if gathered is None or (call.get("id") and gathered.id and call["id"] != gathered.id):
            gathered = self._by_index[index] = _Gathered()
            self._calls.append(gathered)
        function = _object(call.get("function"))
        gathered.id = gathered.id or str(call.get("id") or "")
        gathered.name = gathered.name or str(function.get("name") or "")
        gathered.arguments += _as_text(function.get("arguments"))

    @property
    def said(self) -> Said:
        """All of the step."""
        calls = tuple(Call(each.id, each.name, each.arguments) for each in self._calls)
        return Said("".join(self._text), calls, self._finish or "stop", self._tokens or self._chunks)


def heard_whole(body: Mapping[str, Any], usage: Usage) -> Said:
    """What an answer in one piece says."""
    tokens = usage.add(body.get("usage"))
    choices = body.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    message, calls = _object(choice.get("message")), list[Call]()
    for call in map(_object, message.get("tool_calls") or ()):
        if function := _object(call.get("function")):
            arguments = _as_text(function.get("arguments"))
            calls.append(Call(str(call.get("id") or ""), str(function.get("name") or ""), arguments))
    text = message.get("content")
    return Said(text if isinstance(text, str) else "", tuple(calls), choice.get("finish_reason") or "stop", tokens)


def called(calls: tuple[Call, ...]) -> list[dict[str, Any]]:
    """Calls as the client is told of them, in one piece; in a stream each has its place besides."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]


def _as_text(arguments: Any) -> str:
    """Some engines write the arguments as an object, where the API has text."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else msgspec.json.encode(arguments).decode()


def _object(value: Any) -> dict[str, Any]:
    """The value where it is an object, as the API has it there."""
    return value if isinstance(value, dict) else {}


def _whole(count: Any) -> int:
    return count if isinstance(count, int) and 0 <= count < 2**31 else 0
