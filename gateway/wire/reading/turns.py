"""The turns of a request (P): who said what, whichever API they are written in, and what of it routing reads."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from gateway.wire.bodies import ResponsesBody
from gateway.wire.known import Turn

# Of a turn: half from its start, half from its end; the gate reads 500 without greeting and thanks.
ROUTED_TEXT_CHARS = 1000
ROUTED_TURNS = 6  # the newest of the user's
OPENING_CHARS = 1 << 13  # of what opens a conversation, beyond which its middle does not identify it
MEDIA_NEEDS = {  # type of a part -> what a model must do
    **dict.fromkeys(("image_url", "input_image", "image"), "image"),
    "input_audio": "audio",
    **dict.fromkeys(("file", "input_file", "document"), "file"),
}
_ROLE, _CONTENT = attrgetter("role"), attrgetter("content")
_SETTING_ROLES = ("system", "developer")
_ONE_ASKS = ["user"]  # the roles of a request of one turn
_ONLY_TEXT = frozenset({str})  # the types of the contents of most conversations
_TEXT_KEYS = ("text", "content", "output", "input", "arguments", "thinking", "summary")  # of what is not known
_THOUGHT = frozenset({"function_call", "custom_tool_call", "reasoning"})  # types of items that a model wrote


class Said:
    """What turns say: `words` by turn, `roles` beside them, and the `parts` of all that are no text.

    What a topic is read from is worked out when it is first asked for.
    """

    def __init__(self, turns: Sequence[Any]) -> None:
        """Each turn has a `role`, and a `content` of text or of parts with a `type` and a `text`."""
        self.roles: list[str | None] = [*map(_ROLE, turns)]
        self.words: list[str] = [*map(_CONTENT, turns)]
        self.parts: list[Any] = []
        self._wording: Wording | None = None
        if not _ONLY_TEXT.issuperset(map(type, self.words)):
            self.words = [self._words_of(content) for content in self.words]

    def _words_of(self, content: Any) -> str:
        if type(content) is not list:
            return content or ""
        self.parts += [part for part in content if part.type != "text"]
        return "\n".join([part.text for part in content if part.text])

    @property
    def opening(self) -> str:
        """What tells this conversation from others: all up to what the user said first."""
        end = self.roles.index("user") + 1 if "user" in self.roles else 1
        said = "\n".join(self.words[:end])
        return said if len(said) <= OPENING_CHARS else _ends(said, OPENING_CHARS)

    @property
    def wording(self) -> "Wording":
        """What of it tells its topic."""
        if self._wording is None:
            self._wording = self._worded()
        return self._wording

    def _worded(self) -> "Wording":
        if self.roles == _ONE_ASKS:
            return Wording(_routed(self.words[0]), (), "")
        asked, setting = list[str](), list[str]()
        for role, words in zip(self.roles, self.words, strict=True):
            if role == "user":
                asked.append(words)
            elif role in _SETTING_ROLES:
                setting.append(_routed(words))
        text, *earlier = map(_routed, asked[: -ROUTED_TURNS - 1 : -1] or [""])
        return Wording(text, tuple(earlier), _ends("\n".join(setting), ROUTED_TEXT_CHARS))


class Wording(NamedTuple):
    """What of a request tells its topic."""

    text: str  # what the user said last
    earlier: tuple[str, ...]  # and before, newest first
    setting: str  # what the program said before that: its system prompt


def loose_turns(asked: Any) -> Iterator[Turn]:
    """The turns of a body that is not known, of Responses or Messages."""
    is_responses = isinstance(asked, ResponsesBody)
    setting, items = (asked.instructions, asked.input) if is_responses else (asked.system, asked.messages)
    if setting:
        yield Turn("system", list(_parts(setting)))
    for item in items if isinstance(items, list) else [items]:
        yield Turn(_role_of(item), list(_parts(item)))


class _Part(NamedTuple):
    """A piece of a message that is not known: what it is, and its words where it is text."""

    type: str
    text: str = ""


def _role_of(item: Any) -> str:
    """Who speaks in an item of any kind."""
    if not isinstance(item, dict):
        return "user"
    role, kind, blocks = item.get("role"), item.get("type"), item.get("content")
    if role is not None:
        listed = blocks if isinstance(blocks, list) else []
        has_result = any(isinstance(block, dict) and block.get("type") == "tool_result" for block in listed)
        return "tool" if has_result else str(role)
    return "assistant" if kind in _THOUGHT else "user" if kind in (None, "message") else "tool"


def _parts(words: Any) -> Iterator[_Part]:
    """The texts and media in nested messages, whatever their shape; the bytes of images and files are none.

    A list of what is left takes the same time at every depth; a function that calls itself would not, and would fail.
    """
    left = [words]
    while left:
        word = left.pop()
        if isinstance(word, str):
            yield _Part("text", word)
        elif isinstance(word, list):
            left += reversed(word)
        elif isinstance(word, dict):
            if isinstance(kind := word.get("type"), str) and kind in MEDIA_NEEDS:
                yield _Part(kind)
            left += [word[key] for key in reversed(_TEXT_KEYS) if key in word]


def _ends(text: str, limit_chars: int) -> str:
    """What of a turn is read: people put what they want before a long paste, or after it."""
    if len(text) <= limit_chars:
        return text
    half = limit_chars // 2
    return f"{text[:half]}\n{text[-half:]}"


def _routed(words: str) -> str:
    """What of a turn routing reads."""
    return _ends(words.strip(), ROUTED_TEXT_CHARS)
