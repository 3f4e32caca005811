"""Which steps an agent with tools takes on one request (P): what the engine is asked next, and what it may call.

The model is told of the agent's tools and of the client's. A call of the agent's own is run inside, and the model is
asked again with its result; a call of the client's ends the loop and goes out. The client never sees the agent's own.
Tools and the system message are settled with the request: nothing that a tool says adds to them. steps.py carries this
out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from gateway.agent.fencing import harmless
from gateway.agent.material import Result, Tool
from gateway.wire.codec import UNREADABLE, Fields, raw, view_of

CALLS_LIMIT = 16  # of one step; a model that wants more has lost its way
OWN_PREFIX = "own__"  # before the name of a tool of the agent's that the client has, too
STOPPED = "I stopped: {steps} steps with tools brought no answer."
_TWICE = "You called this before with the same arguments, and its result stands above. Answer with what you know now."
_TOO_MANY = f"Not run: more than {CALLS_LIMIT} calls at once."
_NO_TOOL = "There is no such tool."
_NO_OBJECT = "Not run: the arguments are no JSON object."


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the model wrote it; `arguments` is JSON, which it may have got wrong."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the model said in one step."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: str = "stop"
    tokens: int = 0  # that it wrote


@dataclass(frozen=True, slots=True)
class Run:
    """Calls to run, by the names that the agent's tools have; those that are not run have their result already."""

    calls: tuple[tuple[Call, str, Mapping[str, Any]], ...]
    refused: tuple[tuple[Call, Result], ...] = ()


@dataclass(frozen=True, slots=True)
class HandOver:
    """Calls of the client's own tools, which the client is to run."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is there. `text`: what is to be said beside what the model said."""

    finish_reason: str = "stop"
    text: str = ""


@dataclass(frozen=True, slots=True)
class InForm:
    """The tools have done their work; the answer is now written in the form that the client wishes."""


Next = Run | HandOver | Finish | InForm


class Loop:
    """The steps of one request."""

    def __init__(self, fields: Fields, tools: Sequence[Tool], steps: int) -> None:
        """`fields`: what the engine is asked first, with the agent's prompt in it. Raises what UNREADABLE names."""
        self._fields, self._steps = fields, steps
        self._messages = _RAWS.decode(view_of(fields["messages"]))
        theirs = _RAWS_OR_NONE.decode(view_of(fields["tools"])) if "tools" in fields else None
        self._choice = _choice(fields)
        self._theirs = theirs or []
        taken = {name for each in self._theirs if (name := _name_of(each))}
        self._own = {OWN_PREFIX + tool.name if tool.name in taken else tool.name: tool for tool in tools}
        self._form = wants_form(fields)
        self._asked: set[tuple[str, bytes]] = set()
        self._left: int | None = _bound(fields)  # tokens that the client still wants
        self.taken, self._is_last, self._in_form = 0, steps <= 1, False

    @property
    def has_tools(self) -> bool:
        """Whether any tool of the agent's may be called: not where the client insists on a call of its own."""
        return bool(self._own) and self._choice not in ("required", "named")

    @property
    def is_silent(self) -> bool:
        """Whether what the model says now is not the answer yet, since the answer is to have a form."""
        return self._form and not self._in_form

    def ask(self) -> dict[str, Any]:
        """The fields of what the engine is asked now."""
        if not self.has_tools:
            return dict(self._fields)
        fields = {**self._fields, "messages": raw(self._messages)}
        if self._left is not None:
            fields |= {name: raw(self._left) for name in _BOUNDS if name in fields}
        if self._in_form:
            return {name: value for name, value in fields.items() if name not in _OF_TOOLS}
        fields.pop("response_format", None)
        theirs = [] if self._choice == "none" else self._theirs
        fields["tools"] = raw([*theirs, *(_as_function(name, tool) for name, tool in self._own.items())])
        fields["tool_choice"] = raw("none" if self._is_last else "auto")
        return fields

    def hear(self, said: Said) -> Next:
        """What follows from what the model said."""
        if self._in_form:
            return Finish(said.finish_reason)
        self.taken += 1
        if said.text and not self.is_silent and self._left is not None:
            self._left -= max(1, said.tokens)
        theirs = tuple(call for call in said.calls if call.name not in self._own and self._is_theirs(call.name))
        if theirs:
            return HandOver(_with_ids(theirs, self.taken))
        if self._left is not None and self._left < 1:
            return Finish("length")
        if not said.calls or self._is_last:
            return self._finished(said)
        return self._run(said)

    def hear_results(self, results: Sequence[tuple[Call, Result]]) -> None:
        """What the tools said, in the order of the calls."""
        self._messages += [
            raw({"role": "tool", "tool_call_id": call.id, "content": _shown(result)}) for call, result in results
        ]
        self._is_last = self._is_last or self.taken >= self._steps - 1

    def end(self) -> None:
        """No more tools: the next step is the last, since their time is over."""
        self._is_last = True

    def _run(self, said: Said) -> Run:
        said = replace(said, calls=_with_ids(said.calls, self.taken))
        self._messages.append(raw(_as_message(said)))
        run: list[tuple[Call, str, Mapping[str, Any]]] = []
        refused: list[tuple[Call, Result]] = []
        for call in said.calls:
            arguments = _object(call.arguments)
            if call.name not in self._own:
                refused.append((call, Result(_NO_TOOL, is_error=True)))
            elif arguments is None:
                refused.append((call, Result(_NO_OBJECT, is_error=True)))
            elif (key := (call.name, _CANONICAL.encode(arguments))) in self._asked:
                refused.append((call, Result(_TWICE, is_error=True)))
                self._is_last = True
            elif len(run) >= CALLS_LIMIT:
                refused.append((call, Result(_TOO_MANY, is_error=True)))
            else:
                self._asked.add(key)
                run.append((call, self._own[call.name].name, arguments))
        return Run(tuple(run), tuple(refused))

    def _finished(self, said: Said) -> Next:
        if self._form:
            if said.text and self.taken > 1:
                self._messages.append(raw({"role": "assistant", "content": said.text}))
                self._messages.append(raw({"role": "user", "content": "Now give that answer in the form asked for."}))
            self._in_form = True
            return InForm()
        if said.calls and not said.text:
            return Finish("stop", STOPPED.format(steps=self.taken))
        return Finish("length" if said.finish_reason == "length" else "stop")

    def _is_theirs(self, name: str) -> bool:
        return self._choice != "none" and any(_name_of(each) == name for each in self._theirs)


_RAWS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_RAWS_OR_NONE: msgspec.json.Decoder[list[msgspec.Raw] | None] = msgspec.json.Decoder(list[msgspec.Raw] | None)
_CANONICAL = msgspec.json.Encoder(order="deterministic")
_OF_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
_BOUNDS = ("max_tokens", "max_completion_tokens")


class _Function(msgspec.Struct):
    name: str = ""


class _Offered(msgspec.Struct):
    function: _Function | None = None


def _name_of(tool: msgspec.Raw) -> str:
    try:
        offered = msgspec.json.decode(tool, type=_Offered)
    except UNREADABLE:
        return ""
    return offered.function.name if offered.function else ""


def _choice(fields: Fields) -> Literal["auto", "none", "required", "named"]:
    """How the client lets the model choose among its tools."""
    chosen = msgspec.json.decode(view_of(fields["tool_choice"])) if "tool_choice" in fields else None
    if isinstance(chosen, dict):
        return "named"
    return chosen if chosen in ("none", "required") else "auto"


def wants_form(fields: Fields) -> bool:
    """Whether the answer is to have a form other than text."""
    wanted = msgspec.json.decode(view_of(fields["response_format"])) if "response_format" in fields else None
    return isinstance(wanted, dict) and wanted.get("type") != "text"


def _bound(fields: Fields) -> int | None:
    """How many tokens the client wants at most."""
    for name in _BOUNDS:
        if name in fields and isinstance(bound := msgspec.json.decode(view_of(fields[name])), int | float):
            return int(bound) if bound > 0 else None
    return None


def _as_function(name: str, tool: Tool) -> dict[str, Any]:
    function = {"name": name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _as_message(said: Said) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _sound(call.arguments)}}
        for call in said.calls
    ]
    return {"role": "assistant", "content": said.text or None, "tool_calls": calls}


def _with_ids(calls: tuple[Call, ...], step: int) -> tuple[Call, ...]:
    """Each with an id of its own: some engines give none, or the same to all."""
    seen, given = set[str](), list[Call]()
    for place, call in enumerate(calls):
        if not call.id or call.id in seen:
            call = replace(call, id=f"call_{step}_{place}")
        seen.add(call.id)
        given.append(call)
    return tuple(given)


def _object(arguments: str) -> Mapping[str, Any] | None:
    """The arguments; None where they are no JSON object. Some models write nothing for none."""
    try:
        read = msgspec.json.decode(arguments or "{}")
    except UNREADABLE:
        return None
    return read if isinstance(read, dict) else None


def _sound(arguments: str) -> str:
    """The arguments as they may stand in the history: templates of some models decode them."""
    return arguments if _object(arguments) is not None and arguments else "{}"


def _shown(result: Result) -> str:
    text = harmless(result.text)
    return f"Error: {text}" if result.is_error else text
