"""A request as it came (P): what it asks for, read once, and its body.

The exact bytes of each field are found when somebody asks for one (reading/content.py): what travels, what asks for
usage and what renames the model work on those. A request in which nothing changes is sent on byte for byte. Knows
nothing of sockets or peers.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.wire.bodies import AGENT_ENDPOINTS, COUNTING, METERED, decode_body
from gateway.wire.claims import whole
from gateway.wire.codec import QUICK_BYTES, UNREADABLE, Fields, Pieces, raw, takes_long, view_of, write_fields
from gateway.wire.known import KnownChat, NotKnown, Turn
from gateway.wire.reading.content import Content, Read
from gateway.wire.reading.prompt import Prompt
from gateway.wire.reading.turns import MEDIA_NEEDS, Said, loose_turns
from gateway.wire.rewriting import Known, read_known

VIRTUAL_MODEL = "auto"  # the name that stands for "whoever answers best"
ROUTED_TOOLS = 64  # names of tools that say what a program is for
PROMPT_CHARS = 200  # of a prompt without turns, by which it is told from others
_TEXT, _EMBEDDINGS = frozenset({"text"}), frozenset({"embeddings"})  # what a model must do at least
_SELDOM = attrgetter("models", "n", "stream_options", "tools", "user")  # of a chat, where it says nothing else
_UNSAID = (None,) * 5
MEDIA_TOKENS = 1000  # what one of them counts as
QUICK_CHAT_BYTES = 1 << 16  # of a chat that goes nowhere else: a millisecond or two, whatever it holds
MESSAGE_TOKENS = 4  # what a chat template puts around a message


class Request(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one request asks for, as far as routing cares, and all of its fields as they came.

    `prompt_tokens` are an estimate (1,000 an image), tools and their descriptions included;
    `max_tokens` None means the client set no bound; `needs` are modalities and abilities that a model must have;
    `choices` is how many answers it asks for, `n` for each of its prompts.
    What else it says is read off `said` and `content` when somebody asks for it.
    """

    endpoint: str
    model: str
    stream: bool
    prompt: Prompt
    max_tokens: int | None
    content: Content
    choices: int = 1
    needs: frozenset[str] = _TEXT
    include_usage: bool = False
    instead: tuple[str, ...] = ()  # models that will do where `model` will not, the most wanted first
    continues: bool = False  # it ends with what an agent that broke off has said, and asks for the rest

    @property
    def said(self) -> Said:
        """What its turns say."""
        return self.content.reading.said

    @property
    def prompt_tokens(self) -> int:
        return self.prompt.tokens

    @property
    def session(self) -> str:
        """The conversation that it goes on with."""
        return self.prompt.session

    @property
    def text(self) -> str:
        """What the gate reads."""
        return self.said.wording.text

    @property
    def earlier(self) -> tuple[str, ...]:
        """What the user said before, newest first."""
        return self.said.wording.earlier

    @property
    def setting(self) -> str:
        """What the program said before that: its system prompt."""
        return self.said.wording.setting

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of what it can call."""
        return _tool_names(self.fields) if "tools" in self.fields else ()

    @property
    def fields(self) -> Fields:
        return self.content.fields

    @property
    def written(self) -> Fields:
        """Fields written anew from what PPAI knows of them (known.py)."""
        return self.content.written

    @property
    def unknown(self) -> str | None:
        """What it does not know of them."""
        return self.content.unknown

    @property
    def demands(self) -> str | None:
        """The field that costs an engine more than one plain answer."""
        return self.content.demands

    def changed(self, fields: Fields, written: Fields | None = None, **changes: Any) -> "Request":
        """The request with these fields and no others; `written` as in Content.rewritten."""
        return msgspec.structs.replace(self, content=self.content.rewritten(fields, written), **changes)


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
    opening: str | None = None
    turns = _turns(endpoint, asked, known)
    if turns is not None:
        said = Said(turns)
        beside = MESSAGE_TOKENS * len(turns)
    else:
        prompt = asked.input if endpoint == "embeddings" else asked.prompt
        said = Said([Turn("user", _plain_text(prompt))])
        opening, beside = said.words[0][:PROMPT_CHARS], _token_ids(prompt)
    reading, most = Read(said, known, unknown), asked.max_completion_tokens or asked.max_tokens
    request = Request(
        endpoint=endpoint,
        model=asked.model or VIRTUAL_MODEL,
        stream=asked.stream is True,
        prompt=Prompt(reading, said.words, beside, session or "", opening),
        max_tokens=None if most is None else _count(most),
        content=Content(body, reading),
    )
    if type(known) is KnownChat and not said.parts and _SELDOM(known) == _UNSAID:  # as in most
        return request
    return _with_what_is_seldom_said(request, asked, beside, session, opening)


def _turns(endpoint: str, asked: Any, known: Known | None) -> Sequence[Any] | None:
    """Who says what; None: it has a prompt."""
    if type(known) is KnownChat:
        return known.messages
    turns: Sequence[Any] | None = (
        asked.turns if known is not None or endpoint not in AGENT_ENDPOINTS else [*loose_turns(asked)]
    )
    return turns


def _with_what_is_seldom_said(
    request: Request, asked: Any, beside: int, session: str | None, opening: str | None
) -> Request:
    """The same with all that a chat of texts alone says nothing of, and what another endpoint means by itself."""
    endpoint, content, said = request.endpoint, request.content, request.said
    words, needs = said.words, _EMBEDDINGS if endpoint == "embeddings" else _TEXT
    if asked.tools:
        words = [*words, bytes(view_of(content.fields["tools"])).decode("utf-8", "replace")]
        is_known = content.reading.known is not None
        if endpoint not in COUNTING and _offers_functions(endpoint, content.fields, is_known=is_known):
            needs |= {"tools"}
    if said.parts:
        media = [MEDIA_NEEDS[part.type] for part in said.parts if part.type in MEDIA_NEEDS]
        beside += MEDIA_TOKENS * len(media)
        needs = needs.union(media)
    options = asked.stream_options
    name = session or asked.prompt_cache_key or ("" if asked.user is None else str(asked.user))
    model, *instead = _models(asked) if asked.models else (request.model,)
    return msgspec.structs.replace(
        request,
        model=model,
        stream=request.stream and endpoint not in COUNTING,
        prompt=Prompt(content.reading, words, beside, name, opening),
        max_tokens=1 if endpoint in COUNTING else request.max_tokens,
        choices=_choices(asked) if endpoint in METERED else 1,
        needs=needs,
        include_usage=endpoint in AGENT_ENDPOINTS or bool(options and options.include_usage),
        instead=tuple(instead),
    )


def is_quickly_read(endpoint: str, body: bytes, may_leave: bool) -> bool:
    """Whether reading it holds up nobody; else a thread should do it. What `may_leave` this machine is read twice."""
    if len(body) <= QUICK_BYTES:
        return True
    quick_bytes = QUICK_CHAT_BYTES if endpoint == "chat/completions" and not may_leave else QUICK_BYTES
    return not takes_long(body, quick_bytes)


def encode_request(request: Request, model: str, continuing: Mapping[str, object] = MappingProxyType({})) -> Pieces:
    """The body that asks an engine for `model`: as the client sent it, or with its fields' exact bytes around that.

    `continuing`: what the engine must be told besides where it is to go on with a chat's last turn.
    """
    if request.continues and request.endpoint == "chat/completions":
        anew = {name: raw(value) for name, value in continuing.items()}
        return write_fields({**request.fields, **anew, "model": raw(model)})
    if request.model != model:
        return write_fields({**request.fields, "model": raw(model)})
    return request.content.pieces


# Types of tools of the program's; Anthropic's have none.
_OWN_TOOLS = frozenset({"function", "custom", "namespace", None})


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


def _offers_functions(endpoint: str, fields: Fields, *, is_known: bool) -> bool:
    """Whether the program's own tools may be called. Those that an engine has itself are its own matter.

    Of a body that is known they are all the program's. What is of another form than the APIs' is left to the engine,
    which says what is wrong with it.
    """
    has_own = is_known or endpoint not in AGENT_ENDPOINTS
    try:
        choice = _TOOL_CHOICE.decode(view_of(fields["tool_choice"])) if "tool_choice" in fields else None
        tools = [] if has_own else _TOOLS.decode(view_of(fields["tools"]))
    except UNREADABLE:
        return endpoint not in AGENT_ENDPOINTS
    if (choice.type if isinstance(choice, _Typed) else choice) == "none":  # as in an agent's last turn
        return False
    return has_own or any(tool.type in _OWN_TOOLS for tool in tools)


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
    """Which of several models are asked for, the most wanted first; never empty."""
    return [name for name in (asked.model, *asked.models) if name] or [VIRTUAL_MODEL]


def _choices(asked: Any) -> int:
    """How many answers a chat or completion asks for."""
    prompt = asked.prompt
    if asked.n is None and type(prompt) is not list:
        return 1
    several = sum(not isinstance(item, int) for item in prompt or ()) if isinstance(prompt, list) else 1
    return whole(int(asked.n or 1), 1, 2**31) * max(1, several)  # a list of token ids is one prompt


def _count(number: float) -> int | None:
    """A bound as a whole number, within what arrays hold; None for a negative one, which engines read as no bound."""
    return None if number < 0 else int(min(number, 2**31))
