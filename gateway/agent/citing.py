"""Where an answer comes from, said at its end (P): annotations as OpenAI has them, and a last line for a person.

An annotation names `ppai:AGENT/DOCUMENT#HEADING`, never a path of the disk. Clients that know annotations show them;
for all others there is the last line (`sources` in the agent's file). An agent with documents that answers without them
says that as well. An answer of a form that the client fixed, such as JSON, gets no line, which would break it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec

from gateway.agent.material import Passage
from gateway.agent.prompt import place
from gateway.wire.codec import UNREADABLE, Fields, view_of
from gateway.wire.events import Event, encode_event

NOT_FROM_DOCUMENTS = "Not from this agent's documents."
_UNCITED = frozenset({"tool_calls", "function_call", "content_filter"})  # ways to finish that are no answer
_PLAIN_FORMS = (None, "text")  # of `response_format`
_DECODE: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Sources:
    """What is said of where an answer comes from.

    `is_from_documents`: None of an agent that has none. `has_line`: whether a last line says it.
    """

    agent: str
    passages: tuple[Passage, ...] = ()
    is_from_documents: bool | None = None
    has_line: bool = True
    has_annotations: bool = True

    @property
    def line(self) -> str:
        """The last line, with what parts it from the answer; empty where nothing is said."""
        if not self.has_line or self.is_from_documents is None:
            return ""
        if not self.is_from_documents:
            return f"\n\n{NOT_FROM_DOCUMENTS}"
        places = list(dict.fromkeys(place(one) for one in self.passages))
        return f"\n\nSource{'s' if len(places) > 1 else ''}: {'; '.join(places)}"

    def annotations(self, at: int) -> list[dict[str, Any]]:
        """One a place; `at`: characters of the answer before the line, in which each is found."""
        cited: dict[str, dict[str, Any]] = {}
        for one in self.passages if self.has_annotations else ():
            title = place(one)
            found = self.line.find(title)
            begin = at + max(0, found)
            end = begin + len(title) if found >= 0 else at
            url = f"ppai:{quote(self.agent)}/{quote(one.document)}" + (f"#{quote(one.heading)}" if one.heading else "")
            about = {"url": url, "title": title, "start_index": begin, "end_index": end}
            cited.setdefault(url, {"type": "url_citation", "url_citation": about})
        return list(cited.values())


def fixes_form(fields: Fields) -> bool:
    """Whether the client fixed the form of the answer, in which a line of ours has no place."""
    try:
        asked = msgspec.json.decode(view_of(fields["response_format"])) if "response_format" in fields else None
    except UNREADABLE:
        return True
    return (asked.get("type") if isinstance(asked, dict) else asked) not in _PLAIN_FORMS


def named_whole(body: bytes, name: str, sources: Sources) -> bytes:
    """A whole answer with the agent's name for a model, and its sources. One that cannot be read stays as it is."""
    try:
        answer = _DECODE.decode(body)
    except UNREADABLE:
        return body
    if "choices" not in answer:  # an error
        return body
    answer["model"] = name
    for choice in _objects(answer["choices"]):
        message = choice.get("message")
        if not isinstance(message, dict) or choice.get("finish_reason") in _UNCITED:
            continue
        text = message.get("content")
        if not isinstance(text, str):
            continue
        message["content"] = text + sources.line
        if annotations := sources.annotations(len(text)):
            message["annotations"] = [*(message.get("annotations") or ()), *annotations]
    if sources.is_from_documents is not None:
        answer["ppai"] = {"from_documents": sources.is_from_documents}
    return msgspec.json.encode(answer)


@dataclass(slots=True)
class NamedStream:
    """The events of a streamed answer with the agent's name, and the sources before each choice's end."""

    name: str
    sources: Sources
    _lengths: dict[int, int] = field(default_factory=dict)  # characters of each choice so far

    def passed(self, event: Event) -> list[Event]:
        """What is sent for one event of the engine's: it, or it in two around the sources."""
        try:
            chunk = _DECODE.decode(event.data)
        except UNREADABLE:
            return [event]
        if "choices" not in chunk:
            return [event]
        chunk["model"] = self.name
        choices = _objects(chunk["choices"])
        for choice in choices:
            content = _delta(choice).get("content")
            if isinstance(content, str):
                at = self._index(choice)
                self._lengths[at] = self._lengths.get(at, 0) + len(content)
        ending = [choice for choice in choices if self._is_cited(choice)]
        if not ending or not (self.sources.line or self.sources.is_from_documents is not None):
            return [_event(chunk)]
        said = [{**choice, "finish_reason": None} for choice in choices if _delta(choice)]
        cited = {**chunk, "choices": [self._cited(choice) for choice in ending]}
        cited["ppai"] = {"from_documents": self.sources.is_from_documents}
        last = {**chunk, "choices": [{**choice, "delta": {}} if choice in ending else choice for choice in choices]}
        cited.pop("usage", None)
        before = [{**chunk, "choices": said}] if any(map(_says, said)) else []
        for one in before:
            one.pop("usage", None)
        return [_event(one) for one in (*before, cited, last)]

    def _is_cited(self, choice: dict[str, Any]) -> bool:
        return isinstance(ended := choice.get("finish_reason"), str) and ended not in _UNCITED

    def _cited(self, choice: dict[str, Any]) -> dict[str, Any]:
        """The chunk of one choice that says its sources."""
        at = self._index(choice)
        delta: dict[str, Any] = {"content": self.sources.line}
        if annotations := self.sources.annotations(self._lengths.get(at, 0)):
            delta["annotations"] = annotations
        return {"index": at, "delta": delta, "finish_reason": None}

    def _index(self, choice: dict[str, Any]) -> int:
        return index if isinstance(index := choice.get("index"), int) else 0


def _objects(found: Any) -> Sequence[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _delta(choice: dict[str, Any]) -> dict[str, Any]:
    return delta if isinstance(delta := choice.get("delta"), dict) else {}


def _says(choice: dict[str, Any]) -> bool:
    """Whether a chunk's choice says anything; some engines repeat the role in the last one."""
    return any(value for key, value in _delta(choice).items() if key != "role")


def _event(chunk: dict[str, Any]) -> Event:
    data = msgspec.json.encode(chunk)
    return Event(encode_event(data), data)
