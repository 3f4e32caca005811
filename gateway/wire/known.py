"""What PPAI knows of a body (P): its fields to their leaves, with bounds. Only that may be sent to another machine.

A field, part or tool that is not written here may mean anything to the engine that reads it: "fetch this address", "run
this tool", "hold a million logprobs". A body with one is for our own engine alone, which gets it byte for byte.
"""

import re
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_TOKENS_LIMIT = 32768  # what a peer lets another ask for; more than most local contexts hold
LENGTHS = frozenset({"max_tokens", "max_completion_tokens"})
BODY_LIMIT_BYTES = 8 << 20  # what a delegation holds; a larger body stays here
VALUES_LIMIT = 100_000  # in one delegation: reading more takes longer than others should wait
PROMPTS_LIMIT = 16  # completions of one request, its prompts times `n`: each takes a slot's time
INPUTS_LIMIT = 2048  # texts of one request for embeddings, as at OpenAI

Length = Annotated[float, Meta(ge=-1, le=MAX_TOKENS_LIMIT)]  # -1: no bound, as LM Studio's programs say
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Top = Annotated[int, Meta(ge=0, le=20)]
TokenId = Annotated[int, Meta(ge=0, lt=1 << 20)]  # the largest vocabularies have about 2^18
Stop = Annotated[str, Meta(max_length=256)]
Name = Annotated[str, Meta(max_length=256)]
Schema = dict[str, Any]
Text = str | UnsetType | None
Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
Empty = Annotated[list[None], Meta(max_length=0)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
_Texts = str | list[str | TokenId | list[TokenId]]  # token ids are one prompt, or lists of them several


class NotKnown(Exception):
    """A body holds something that PPAI does not know; `field` names where, in no words of the body's own."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class Turn(NamedTuple):
    """Who said what, whichever API it is written in: `role` as in Chat Completions, `content` as text or parts."""

    role: str | None
    content: Any


class Closed(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An object with these fields and no others. What is null stays null, and what is missing is not written."""


class CacheControl(Closed):
    """Where an engine may cut what it keeps; it changes no answer."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | UnsetType = UNSET
    scope: Literal["global", "organization"] | UnsetType = UNSET


class TextPart(Closed, tag="text"):
    type: ClassVar[str] = "text"
    text: str
    cache_control: CacheControl | UnsetType | None = UNSET


class RefusalPart(Closed, tag="refusal"):
    type: ClassVar[str] = "refusal"
    text: ClassVar[str] = ""
    refusal: str


class ImageUrl(Closed):
    url: msgspec.Raw  # as it came: an inline image may be megabytes long
    detail: Literal["auto", "low", "high"] | UnsetType | None = UNSET


class ImagePart(Closed, tag="image_url"):
    type: ClassVar[str] = "image_url"
    text: ClassVar[str] = ""
    image_url: ImageUrl


KnownPart = TextPart | ImagePart | RefusalPart


class _Called(Closed):
    name: Name
    arguments: str


class _ToolCall(Closed):
    function: _Called
    id: str | UnsetType | None = UNSET
    type: Literal["function"] | UnsetType = UNSET
    index: int | UnsetType | None = UNSET  # programs that put a streamed answer together keep it


class KnownMessage(Closed):
    """A turn, also as SDKs give an answer back: with `audio`, `annotations` and the like, if they are empty."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[KnownPart] | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    tool_calls: list[_ToolCall] | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET
    function_call: _Called | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    reasoning: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType | None = UNSET
    audio: UnsetType | None = UNSET
    annotations: Empty | UnsetType | None = UNSET


class _Function(Closed):
    name: Name
    description: str | UnsetType | None = UNSET
    parameters: Schema | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class _Tool(Closed):
    """A function of the program that asks. Tools of other types are run by the engine."""

    type: Literal["function"]
    function: _Function
    cache_control: CacheControl | UnsetType | None = UNSET


class _FunctionName(Closed):
    name: Name


class _OneTool(Closed):
    type: Literal["function"]
    function: _FunctionName


class _JsonSchema(Closed):
    name: Name
    description: str | UnsetType | None = UNSET
    schema: Schema | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class _ResponseFormat(Closed):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | UnsetType = UNSET
    schema: Schema | UnsetType = UNSET  # llama.cpp's place for it


class _StreamOptions(Closed):
    include_usage: bool | UnsetType | None = UNSET
    include_obfuscation: bool | UnsetType | None = UNSET
    continuous_usage_stats: bool | UnsetType | None = UNSET


class KnownBody(msgspec.Struct, gc=False):
    """The fields that any of the endpoints has. Which others may stand beside them: gateway/privacy/fields.py."""

    REWRITTEN: ClassVar = ("stream_options", "tools", "tool_choice", "response_format")  # fields that are written anew
    SAID: ClassVar = ""  # the field with the conversation, if that has parts
    prompt_cache_key: ClassVar = None

    model: str | None = None
    models: Annotated[list[Name], Meta(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Length | None = None
    max_completion_tokens: Length | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    n: Annotated[float, Meta(ge=1, le=PROMPTS_LIMIT, multiple_of=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stop | Annotated[list[Stop], Meta(max_length=16)] | None = None
    logprobs: bool | _Top | None = None
    top_logprobs: _Top | None = None
    reasoning_effort: Literal["none", "default", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=65536)] | None = None
    user: str | int | None = None
    tools: Annotated[list[_Tool], Meta(max_length=256)] | None = None
    tool_choice: Literal["none", "auto", "required"] | _OneTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None

    @property
    def demands(self) -> str | None:
        """The field that costs an engine more than one plain answer; None where none does.

        Several answers take as many slots; a tool that must be called makes it compile a schema into a grammar.
        """
        if self.n is not None and self.n > 1:
            return "n"
        if self.tool_choice not in (None, "auto", "none"):
            return "tool_choice"
        return "tools" if any(tool.function.strict is True for tool in self.tools or ()) else None

    @property
    def schemas(self) -> list[Schema]:
        """Those of its tools and of its format."""
        found = [tool.function.parameters for tool in self.tools or ()]
        if wanted := self.response_format:
            found += [wanted.schema, wanted.json_schema.schema if wanted.json_schema else None]
        return [schema for schema in found if schema]


class KnownChat(KnownBody, kw_only=True, gc=False):
    SAID: ClassVar = "messages"

    messages: Annotated[list[KnownMessage], Meta(min_length=1)]
    prompt: None = None
    input: None = None

    @property
    def turns(self) -> list[KnownMessage]:
        return self.messages


class KnownCompletion(KnownBody, kw_only=True, gc=False):
    turns: ClassVar = None

    prompt: _Texts
    messages: None = None
    input: None = None


class KnownEmbedding(KnownBody, kw_only=True, gc=False):
    turns: ClassVar = None

    input: _Texts
    messages: None = None
    prompt: None = None


_ELEMENT = re.compile(r"\[[^\]]*\]")
_NAMED = frozenset(  # types of parts and tools that a refusal may name
    {
        *("input_audio", "audio_url", "video_url", "image", "video", "audio", "file", "input_image", "input_file"),
        *("mcp", "web_search", "web_search_preview", "code_interpreter", "file_search", "image_generation"),
        *("computer_use_preview", "local_shell", "shell", "custom", "namespace", "tool_search"),
        *("item_reference", "document", "search_result", "server_tool_use", "compaction"),
    }
)


def place(said: str) -> str:
    """Where a body is not what we know, as `messages.image_url`: in our words, not in those of the body."""
    at = re.search(r"`\$([^`]*)`$", said)
    path = _ELEMENT.sub("", at[1] if at else "").strip(".").split(".")
    quoted = re.search(r"['`]([a-z_]+)['`]", said)
    name = quoted[1] if quoted else ""
    if "missing required field" in said:
        path = [*path, name]
    elif path[-1] == "type":
        path[-1] = name if name in _NAMED else "unknown"
    path = [step for step in path[:-1] if step != "content"] + path[-1:]
    return ".".join([step for step in path if step][:2]) or "body"
