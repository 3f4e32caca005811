"""A request as it came (P): what it asks for, read once, and the exact bytes of each of its fields.

What travels, what asks for usage and what renames the model work on those fields: nothing reads the body again.
A request in which nothing changes is sent on byte for byte. Knows nothing of sockets or peers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from gateway.wire.bodies import AGENT_BODIES, AGENT_ENDPOINTS, COUNTING, ResponsesBody, decode_body
from gateway.wire.codec import UNREADABLE, Fields, Pieces, raw, read_fields, view_of, write_fields
from gateway.wire.estimate import estimated_tokens
from gateway.wire.known import NotKnown, Turn
from gateway.wire.rewriting import Known, read_known, write_known

VIRTUAL_MODEL = "auto"  # the name that stands for "whoever answers best"
ROUTED_TEXT_CHARS = (
    1000  # of a turn: half from its start, half from its end; the gate reads 500 without greeting and thanks
)
ROUTED_TURNS = 6  # the newest of the user's
ROUTED_TOOLS = 64  # names of tools that say what a program is for
SESSION_CHARS = 128  # of a conversation's own name; a longer one is remembered by its hash
OPENING_CHARS = 1 << 16  # of a turn that opens a conversation, beyond which its middle does not identify it
MEDIA_NEEDS = {  # type of a part -> what a model must do
    **dict.fromkeys(("image_url", "input_image", "image"), "image"),
    "input_audio": "audio",
    **dict.fromkeys(("file", "input_file", "document"), "file"),
}
MEDIA_TOKENS = 1000  # what one of them counts as
MESSAGE_TOKENS = 4  # what a chat template puts around a message
_SETTING_ROLES = ("system", "developer")
_TEXT_KEYS = ("text", "content", "output", "input", "arguments", "thinking", "summary")  # of what is not known
_THOUGHT = frozenset({"function_call", "custom_tool_call", "reasoning"})  # types of items that a model wrote


@dataclass(frozen=True, slots=True)
class Request:
    """What one request asks for, as far as routing cares, and all of its fields as they came.

    `text` is what the gate reads, and `earlier` what the user said before, newest first; `setting` is what the program
    said before that (its system prompt), and `tools` are the names of what it can call;
    `prompt_tokens` is an estimate (estimate.py; 1,000 an image), tools and their descriptions included;
    `max_tokens` None means the client set no bound; `needs` are modalities and abilities that a model must have;
    `body` is what the client sent, None as soon as a field is another than it sent;
    `written` are fields written anew from what PPAI knows of them, `unknown` names what it does not know (known.py);
    `demands` names the field that costs an engine more than one plain answer (known.py).
    """

    endpoint: str
    model: str
    stream: bool
    text: str
    earlier: tuple[str, ...]
    prompt_tokens: int
    max_tokens: int | None
    session: str
    needs: frozenset[str]
    include_usage: bool
    fields: Fields
    body: bytes | None
    written: Fields = field(default_factory=dict)
    unknown: str | None = None
    demands: str | None = None
    instead: tuple[str, ...] = ()  # models that will do where `model` will not, the most wanted first
    setting: str = ""
    tools: tuple[str, ...] = ()
    continues: bool = False  # it ends with what an agent that broke off has said, and asks for the rest


def read_request(endpoint: str, body: bytes | msgspec.Raw, session: str | None = None) -> Request:
    """What `body` asks of `endpoint`; `session` is the client's own session header, if it sent one.

    A `body` that is part of a larger message is never sent on as it is. Raises InvalidRequest naming the field.
    """
    unknown: str | None = None
    known: Known | None = None
    asked: Any
    try:
        asked = known = read_known(endpoint, body)
    except NotKnown as error:
        asked, unknown = decode_body(endpoint, body), error.field
    fields = read_fields(body)
    if hasattr(asked, "turns"):
        said = _read_turns(asked.turns)
        prompt_tokens = MESSAGE_TOKENS * len(said.words)
    elif isinstance(asked, AGENT_BODIES):
        said = _read_turns(_loose_turns(asked))
        prompt_tokens = MESSAGE_TOKENS * len(said.words)
    else:
        prompt = asked.input if endpoint == "embeddings" else asked.prompt
        text = _plain_text(prompt)
        said = _Said([text], [text], [text[:200]])
        prompt_tokens = _token_ids(prompt)
    if asked.tools:
        said.words.append(bytes(fields["tools"]).decode("utf-8", "replace"))
    prompt_tokens += estimated_tokens(said.words) + MEDIA_TOKENS * sum(part.type in MEDIA_NEEDS for part in said.media)
    needs = {MEDIA_NEEDS[part.type] for part in said.media if part.type in MEDIA_NEEDS}
    needs.add("embeddings" if endpoint == "embeddings" else "text")
    if asked.tools and endpoint not in COUNTING and _offers_functions(endpoint, fields):
        needs.add("tools")
    model, *instead = _models(asked)
    written: Fields = {}
    if known:
        try:
            written = write_known(known, said.media, fields, body)
        except NotKnown as error:
            unknown = error.field
    options, turns = asked.stream_options, said.asked
    return Request(
        endpoint=endpoint,
        model=model,
        stream=bool(asked.stream) and endpoint not in COUNTING,
        text=_ends(turns[-1].strip(), ROUTED_TEXT_CHARS) if turns else "",
        earlier=tuple(_ends(turn.strip(), ROUTED_TEXT_CHARS) for turn in turns[-2 : -ROUTED_TURNS - 1 : -1]),
        prompt_tokens=prompt_tokens,
        max_tokens=1 if endpoint in COUNTING else _count(asked.max_completion_tokens or asked.max_tokens),
        session=session_key(session or asked.prompt_cache_key or _name(asked.user)) or _conversation(said.opening),
        needs=frozenset(needs),
        include_usage=endpoint in AGENT_ENDPOINTS or bool(options and options.include_usage),
        fields=fields,
        body=body if isinstance(body, bytes) else None,
        written=written,
        unknown=unknown,
        demands=known.demands if known else None,
        instead=tuple(instead),
        setting=said.setting,
        tools=_tool_names(fields) if asked.tools else (),
    )


def encode_request(request: Request, model: str, continuing: Mapping[str, object] = MappingProxyType({})) -> Pieces:
    """The body that asks an engine for `model`: as the client sent it, or with its fields' exact bytes around that.

    `continuing`: what the engine must be told besides where it is to go on with a chat's last turn.
    """
    if request.continues and request.endpoint == "chat/completions":
        request = replace(request, fields={**request.fields, **{name: raw(it) for name, it in continuing.items()}})
    if request.model != model:
        return write_fields({**request.fields, "model": raw(model)})
    return (request.body,) if request.body is not None else write_fields(request.fields)


_OWN_TOOLS = frozenset(
    {"function", "custom", "namespace", None}
)  # types of tools of the program's; Anthropic's have none


class _Typed(msgspec.Struct):
    """A tool, or a choice of one, of either API."""

    type: str | None = None


_TOOLS: msgspec.json.Decoder[list[_Typed]] = msgspec.json.Decoder(list[_Typed])
_TOOL_CHOICE: msgspec.json.Decoder[str | _Typed | None] = msgspec.json.Decoder(str | _Typed | None)


class _Tool(msgspec.Struct):
    """A tool, as far as its name goes: Chat Completions has it one level deeper than Responses and Messages."""

    name: str = ""
    function: "_Tool | None" = None


_TOOL_NAMES: msgspec.json.Decoder[list[_Tool]] = msgspec.json.Decoder(list[_Tool])


def _tool_names(fields: Fields) -> tuple[str, ...]:
    """The names of a request's tools; none where they are of another form, which the engine judges."""
    try:
        tools = _TOOL_NAMES.decode(view_of(fields["tools"]))
    except UNREADABLE:
        return ()
    return tuple((tool.function or tool).name for tool in tools[:ROUTED_TOOLS])


def _offers_functions(endpoint: str, fields: Fields) -> bool:
    """Whether the program's own tools may be called. Those that an engine has itself are its own matter.

    What is of another form than the APIs' is left to the engine, which says what is wrong with it.
    """
    try:
        tools = _TOOLS.decode(view_of(fields["tools"])) if endpoint in AGENT_ENDPOINTS else []
        choice = _TOOL_CHOICE.decode(view_of(fields["tool_choice"])) if "tool_choice" in fields else None
    except UNREADABLE:
        return endpoint not in AGENT_ENDPOINTS
    if (choice.type if isinstance(choice, _Typed) else choice) == "none":  # as in an agent's last turn
        return False
    return endpoint not in AGENT_ENDPOINTS or any(tool.type in _OWN_TOOLS for tool in tools)


class _Part(NamedTuple):
    """A piece of a message that is not known: what it is, and its words where it is text."""

    type: str
    text: str = ""


@dataclass(slots=True)
class _Said:
    """All words, what the user said, what identifies the conversation: each by turns; the setting, and other parts."""

    words: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    opening: list[str] = field(default_factory=list)
    setting: str = ""
    media: list[Any] = field(default_factory=list)


def _read_turns(turns: Iterable[Any]) -> _Said:
    """What these turns say; each has a `role`, and a `content` of text or of parts with a `type` and a `text`."""
    said, setting = _Said(), list[str]()
    for turn in turns:
        if isinstance(turn.content, list):
            words = "\n".join([part.text for part in turn.content if part.text])
            said.media += [part for part in turn.content if part.type != "text"]
        else:
            words = turn.content or ""
        said.words.append(words)
        if turn.role == "user":
            said.asked.append(words)
        if turn.role in _SETTING_ROLES:
            setting.append(_ends(words.strip(), ROUTED_TEXT_CHARS))
        if turn.role in _SETTING_ROLES or (turn.role == "user" and len(said.asked) == 1):
            said.opening.append(_ends(words, OPENING_CHARS))
    said.setting = _ends("\n".join(setting), ROUTED_TEXT_CHARS)
    return said


def _loose_turns(asked: Any) -> Iterator[Turn]:
    """The turns of a body that is not known, of Responses or Messages."""
    is_responses = isinstance(asked, ResponsesBody)
    setting, items = (asked.instructions, asked.input) if is_responses else (asked.system, asked.messages)
    if setting:
        yield Turn("system", list(_parts(setting)))
    for item in items if isinstance(items, list) else [items]:
        yield Turn(_role_of(item), list(_parts(item)))


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


def session_key(name: str | None) -> str:
    """A conversation's own name as it is remembered: a long one by its hash, since thousands are kept."""
    if not name or len(name) <= SESSION_CHARS:
        return name or ""
    return blake2b(name.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _conversation(opening: Iterable[str]) -> str:
    """A name for the conversation that opens so."""
    return blake2b("\n".join(opening).encode("utf-8", "replace"), digest_size=12).hexdigest()


def _ends(text: str, limit_chars: int) -> str:
    """What of a turn is read: people put what they want before a long paste, or after it."""
    half = limit_chars // 2
    return text if len(text) <= 2 * half else f"{text[:half]}\n{text[-half:]}"


def _plain_text(prompt: str | list[str | int | list[int]]) -> str:
    """The words of a prompt; token ids have none that the gate could read."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(item for item in prompt if isinstance(item, str))


def _token_ids(prompt: str | list[str | int | list[int]]) -> int:
    """How many tokens a prompt of token ids has."""
    if isinstance(prompt, str):
        return 0
    return sum(len(item) if isinstance(item, list) else isinstance(item, int) for item in prompt)


def _models(asked: Any) -> list[str]:
    """Which models are asked for, the most wanted first; never empty."""
    return [name for name in (asked.model, *(asked.models or ())) if name] or [VIRTUAL_MODEL]


def _name(user: str | int | None) -> str:
    return "" if user is None else str(user)


def _count(number: float | None) -> int | None:
    """A bound as a whole number, within what arrays hold; None for a negative one, which engines read as no bound."""
    return None if number is None or number < 0 else int(min(number, 2**31))
