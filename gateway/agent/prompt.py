"""What a personal agent writes before a conversation (P): the owner's instructions, then the client's, then passages.

All three stand in one system message, since many models' templates take one only, and none after the first turn. A
client's own instructions stay, under a heading; of what else it sends nothing is touched. Passages are data
(fencing.py).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.agent.fencing import DATA_RULE, fenced
from gateway.agent.material import Passage
from gateway.agent.settings import AgentSettings
from gateway.wire.codec import UNREADABLE, Value, raw, view_of

USERS = "The user's instructions:"
DOCUMENTS = "Passages from the documents that may answer the question:"
_SYSTEM = ("system", "developer")
_MERGED = frozenset({"role", "content"})  # fields of a message that can be one with the owner's
_TEXT = frozenset({"type", "text"})
_MESSAGES: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


def with_prompt(messages: Value, settings: AgentSettings, passages: Sequence[Passage] = ()) -> Value:
    """A request's messages with what the agent writes before them; the same bytes where it writes nothing.

    What is no list of messages is left as it is: the engine says what is wrong with it.
    """
    owner = instructions(settings)
    if not (owner or passages):
        return messages
    try:
        turns = _MESSAGES.decode(view_of(messages))
        clients, count = _leading(turns)
    except UNREADABLE:
        return messages
    if owner and clients:
        clients = [f"{USERS}\n{clients[0]}", *clients[1:]]
    parts = [part for part in (owner, *clients, shown(passages)) if part]
    first = raw({"role": "system", "content": "\n\n".join(parts)})
    return raw([first, *turns[count:]])


def instructions(settings: AgentSettings) -> str:
    """The owner's own: the prompt, and in which language to answer."""
    language = f"Answer in {settings.language}." if settings.language else ""
    return "\n\n".join(part for part in (settings.prompt.strip(), language) if part)


def shown(passages: Sequence[Passage]) -> str:
    """The passages as data, each under its place; empty without any."""
    if not passages:
        return ""
    return "\n\n".join([f"{DATA_RULE}\n{DOCUMENTS}", *(fenced(one.text, place(one)) for one in passages)])


def place(passage: Passage) -> str:
    """Where a passage stands, for a person."""
    return f"{passage.document}, {passage.heading}" if passage.heading else passage.document


def question_in(messages: Value) -> str:
    """What the user said last; empty where nobody can tell."""
    try:
        turns = _MESSAGES.decode(view_of(messages))
        for turn in reversed(turns):
            said: Any = msgspec.json.decode(turn)
            if isinstance(said, dict) and said.get("role") == "user":
                return _words(said.get("content"))
    except UNREADABLE:
        pass
    return ""


def _leading(turns: Sequence[msgspec.Raw]) -> tuple[list[str], int]:
    """The client's instructions before the first turn, and how many messages they are.

    A message that says more than words, such as a name or an image, ends them: it stays a message of its own.
    """
    texts = list[str]()
    for turn in turns:
        said: Any = msgspec.json.decode(turn)
        if not isinstance(said, dict) or said.get("role") not in _SYSTEM or not _MERGED.issuperset(said):
            break
        content = said.get("content")
        if not (isinstance(content, str) or _is_text(content)):
            break
        texts.append(_words(content))
    return [text for text in texts if text.strip()], len(texts)


def _is_text(content: Any) -> bool:
    if not isinstance(content, list):
        return False
    return all(isinstance(part, dict) and part.get("type") == "text" and _TEXT.issuperset(part) for part in content)


def _words(content: Any) -> str:
    """The text of a message's content."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))
