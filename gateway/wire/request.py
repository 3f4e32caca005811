"""A request as it came (P): what it asks for, read once, and the exact bytes of each of its fields.

What travels, what asks for usage and what renames the model work on those fields: nothing reads the body again.
A request in which nothing changes is sent on byte for byte. Knows nothing of sockets or peers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.wire.bodies import ChatBody, CompletionBody, Message, Part, PassedBody, ResponsesBody, decode_body
from gateway.wire.codec import UNREADABLE, Fields, Pieces, raw, read_fields, view_of, write_fields
from gateway.wire.estimate import estimated_tokens
from gateway.wire.known import (
    Known,
    KnownChat,
    KnownCompletion,
    KnownMessage,
    KnownPart,
    NotKnown,
    read_known,
)
from gateway.wire.rewriting import write_known

VIRTUAL_MODEL = "auto"  # the name that stands for "whoever answers best"
ROUTED_TEXT_CHARS = (
    1000  # of a turn: half from its start, half from its end; the gate reads 500 without greeting and thanks
)
ROUTED_TURNS = 6  # the newest of the user's
ROUTED_TOOLS = 64  # names of tools that say what a program is for
SESSION_CHARS = 128  # of a conversation's own name; a longer one is remembered by its hash
OPENING_CHARS = 1 << 16  # of a turn that opens a conversation, beyond which its middle does not identify it
PASSED_OPENING_CHARS = 4000  # of a request that only our engine is asked
MEDIA_NEEDS = {"image_url": "image", "input_audio": "audio", "file": "file"}  # type of a part -> what a model must do
MEDIA_TOKENS = 1000  # what one of them counts as
MESSAGE_TOKENS = 4  # what a chat template puts around a message
_TEXT_KEYS = ("text", "content", "output", "input")  # of nested messages that only our engine is asked


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
    try:
        asked = known = read_known(endpoint, body)
    except NotKnown as error:
        asked, unknown = decode_body(endpoint, body), error.field
    if isinstance(asked, PassedBody):
        return _passed_request(endpoint, asked, body, session)
    media: list[Part | KnownPart] = []
    fields = read_fields(body)
    if isinstance(asked, ChatBody | KnownChat):
        words, turns, opening, setting = _read_messages(asked.messages, media)
        prompt_tokens = MESSAGE_TOKENS * len(words)
    else:
        prompt = asked.prompt if isinstance(asked, CompletionBody | KnownCompletion) else asked.input
        text = _plain_text(prompt)
        words, turns, opening, setting = [text], [text], [text[:200]], ""
        prompt_tokens = _token_ids(prompt)
    if asked.tools:
        words.append(bytes(fields["tools"]).decode("utf-8", "replace"))
    prompt_tokens += estimated_tokens(words) + MEDIA_TOKENS * sum(part.type in MEDIA_NEEDS for part in media)
    needs = {MEDIA_NEEDS[part.type] for part in media if part.type in MEDIA_NEEDS}
    needs.add("embeddings" if endpoint == "embeddings" else "text")
    calls_none = bytes(fields.get("tool_choice", b"")) == b'"none"'  # as in an agent's last turn
    if asked.tools and not calls_none:
        needs.add("tools")
    model, *instead = _models(asked)
    written: Fields = {}
    if known:
        try:
            written = write_known(known, media, fields, body)
        except NotKnown as error:
            unknown = error.field
    return Request(
        endpoint=endpoint,
        model=model,
        stream=bool(asked.stream),
        text=_ends(turns[-1].strip(), ROUTED_TEXT_CHARS) if turns else "",
        earlier=tuple(_ends(turn.strip(), ROUTED_TEXT_CHARS) for turn in turns[-2 : -ROUTED_TURNS - 1 : -1]),
        prompt_tokens=prompt_tokens,
        max_tokens=_count(asked.max_completion_tokens or asked.max_tokens),
        session=session_key(session or _name(asked.user)) or _conversation(opening),
        needs=frozenset(needs),
        include_usage=bool(asked.stream_options and asked.stream_options.include_usage),
        fields=fields,
        body=body if isinstance(body, bytes) else None,
        written=written,
        unknown=unknown,
        demands=known.demands if known else None,
        instead=tuple(instead),
        setting=setting,
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


def _passed_request(endpoint: str, asked: Any, body: bytes | msgspec.Raw, session: str | None) -> Request:
    """Responses and messages: their words count as prompt, and what opens the conversation identifies it."""
    if isinstance(asked, ResponsesBody):
        words, limit, user = [asked.instructions, asked.input], asked.max_output_tokens, asked.user
    else:
        words, limit, user = [asked.system, *asked.messages], asked.max_tokens, None
    model, *instead = _models(asked)
    fields = read_fields(body)
    return Request(
        endpoint=endpoint,
        model=model,
        stream=bool(asked.stream),
        text="",
        earlier=(),
        prompt_tokens=estimated_tokens(list(_texts(words))),
        max_tokens=_count(limit),
        session=session_key(session or _name(user)) or _conversation(_opening(words[:2])),
        needs=frozenset({"tools"} if endpoint in _CALLING and _offers_functions(fields) else ()),
        include_usage=True,
        fields=fields,
        body=body if isinstance(body, bytes) else None,
        instead=tuple(instead),
    )


_CALLING = frozenset({"responses", "messages"})  # of the endpoints that are passed on: where tools may be called
_OWN_TOOLS = frozenset({"function", "custom", None})  # types of tools that the program runs; Anthropic's may have none


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


def _offers_functions(fields: Fields) -> bool:
    """Whether the program's own tools may be called. Those that an engine has itself are its own matter.

    What is of another form than the two APIs' is left to the engine, which says what is wrong with it.
    """
    try:
        tools = _TOOLS.decode(view_of(fields["tools"])) if "tools" in fields else []
        choice = _TOOL_CHOICE.decode(view_of(fields["tool_choice"])) if "tool_choice" in fields else None
    except UNREADABLE:
        return False
    is_barred = (choice.type if isinstance(choice, _Typed) else choice) == "none"
    return not is_barred and any(tool.type in _OWN_TOOLS for tool in tools)


def _read_messages(
    messages: Iterable[Message | KnownMessage], media: list[Part | KnownPart]
) -> tuple[list[str], list[str], list[str], str]:
    """(all words, what the user said, what identifies the conversation: each by turns; the setting); fills `media`."""
    setting: list[str] = []
    said: list[str] = []
    asked: list[str] = []
    opening: list[str] = []
    for message in messages:
        if isinstance(message.content, list):
            words = "\n".join([part.text for part in message.content if part.text])
            media += [part for part in message.content if part.type != "text"]
        else:
            words = message.content or ""
        said.append(words)
        if message.role == "user":
            asked.append(words)
        if message.role in ("system", "developer"):
            setting.append(_ends(words.strip(), ROUTED_TEXT_CHARS))
        if message.role in ("system", "developer") or (message.role == "user" and len(asked) == 1):
            opening.append(_ends(words, OPENING_CHARS))
    return said, asked, opening, _ends("\n".join(setting), ROUTED_TEXT_CHARS)


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


def _texts(words: Any) -> Iterator[str]:
    """The texts in nested messages, whatever their shape; inline images and files are none.

    A list of what is left takes the same time at every depth; a function that calls itself would not, and would fail.
    """
    left = [words]
    while left:
        word = left.pop()
        if isinstance(word, str):
            yield word
        elif isinstance(word, list):
            left += reversed(word)
        elif isinstance(word, dict):
            left += [word[key] for key in reversed(_TEXT_KEYS) if key in word]


def _opening(words: Any) -> Iterator[str]:
    """The first PASSED_OPENING_CHARS of nested messages: what later turns add behind them changes nothing."""
    left = PASSED_OPENING_CHARS
    for text in _texts(words):
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return


def _models(asked: Any) -> list[str]:
    """Which models are asked for, the most wanted first; never empty."""
    return [name for name in (asked.model, *(asked.models or ())) if name] or [VIRTUAL_MODEL]


def _name(user: str | int | None) -> str:
    return "" if user is None else str(user)


def _count(number: float | None) -> int | None:
    """A bound as a whole number, within what arrays hold; None for a negative one, which engines read as no bound."""
    return None if number is None or number < 0 else int(min(number, 2**31))
