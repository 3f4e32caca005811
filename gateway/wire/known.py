"""What PPAI knows of a body (P): its fields to their leaves, with bounds. Only that may be sent to another machine.

A field, part or tool that is not written here may mean anything to the engine that reads it: "fetch this address", "run
this tool", "hold a million logprobs". A body with one is for our own engine alone, which gets it byte for byte.
"""

import re
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.wire.codec import LARGE_BYTES, UNREADABLE
from gateway.wire.values import has_more_values

MAX_TOKENS_LIMIT = 32768  # what a peer lets another ask for; more than most local contexts hold
LENGTHS = frozenset({"max_tokens", "max_completion_tokens"})
BODY_LIMIT_BYTES = 8 << 20  # what a delegation holds; a larger body stays here
VALUES_LIMIT = 100_000  # in one delegation: reading more takes longer than others should wait
PROMPTS_LIMIT = 16  # completions of one request, its prompts times `n`: each takes a slot's time
INPUTS_LIMIT = 2048  # texts of one request for embeddings, as at OpenAI

_Length = Annotated[float, Meta(ge=-1, le=MAX_TOKENS_LIMIT)]  # -1: no bound, as LM Studio's programs say
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Top = Annotated[int, Meta(ge=0, le=20)]
TokenId = Annotated[int, Meta(ge=0, lt=1 << 20)]  # the largest vocabularies have about 2^18
_Stop = Annotated[str, Meta(max_length=256)]
_Name = Annotated[str, Meta(max_length=256)]
Schema = dict[str, Any]
_Texts = str | list[str | TokenId | list[TokenId]]  # token ids are one prompt, or lists of them several


class NotKnown(Exception):
    """A body holds something that PPAI does not know; `field` names where, in no words of the body's own."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class _Closed(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An object with these fields and no others. What is null stays null, and what is missing is not written."""


class _CacheControl(_Closed):
    """Where an engine may cut what it keeps; it changes no answer."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | UnsetType = UNSET


class TextPart(_Closed, tag="text"):
    type: ClassVar[str] = "text"
    text: str
    cache_control: _CacheControl | UnsetType | None = UNSET


class RefusalPart(_Closed, tag="refusal"):
    type: ClassVar[str] = "refusal"
    text: ClassVar[str] = ""
    refusal: str


class ImageUrl(_Closed):
    url: msgspec.Raw  # as it came: an inline image may be megabytes long
    detail: Literal["auto", "low", "high"] | UnsetType | None = UNSET


class ImagePart(_Closed, tag="image_url"):
    type: ClassVar[str] = "image_url"
    text: ClassVar[str] = ""
    image_url: ImageUrl


KnownPart = TextPart | ImagePart | RefusalPart


class _Called(_Closed):
    name: _Name
    arguments: str


class _ToolCall(_Closed):
    function: _Called
    id: str | UnsetType | None = UNSET
    type: Literal["function"] | UnsetType = UNSET
    index: int | UnsetType | None = UNSET  # programs that put a streamed answer together keep it


class KnownMessage(_Closed):
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
    annotations: Annotated[list[None], Meta(max_length=0)] | UnsetType | None = UNSET


class _Function(_Closed):
    name: _Name
    description: str | UnsetType | None = UNSET
    parameters: Schema | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class _Tool(_Closed):
    """A function of the program that asks. Tools of other types are run by the engine."""

    type: Literal["function"]
    function: _Function
    cache_control: _CacheControl | UnsetType | None = UNSET


class _FunctionName(_Closed):
    name: _Name


class _OneTool(_Closed):
    type: Literal["function"]
    function: _FunctionName


class _JsonSchema(_Closed):
    name: _Name
    description: str | UnsetType | None = UNSET
    schema: Schema | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class _ResponseFormat(_Closed):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | UnsetType = UNSET
    schema: Schema | UnsetType = UNSET  # llama.cpp's place for it


class _StreamOptions(_Closed):
    include_usage: bool | UnsetType | None = UNSET
    include_obfuscation: bool | UnsetType | None = UNSET
    continuous_usage_stats: bool | UnsetType | None = UNSET


class KnownBody(msgspec.Struct, gc=False):
    """The fields that any of the endpoints has. Which others may stand beside them: gateway/privacy/fields.py."""

    model: str | None = None
    models: Annotated[list[_Name], Meta(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Length | None = None
    max_completion_tokens: _Length | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    n: Annotated[float, Meta(ge=1, le=PROMPTS_LIMIT, multiple_of=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: _Stop | Annotated[list[_Stop], Meta(max_length=16)] | None = None
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
    messages: Annotated[list[KnownMessage], Meta(min_length=1)]
    prompt: None = None
    input: None = None


class KnownCompletion(KnownBody, kw_only=True, gc=False):
    prompt: _Texts
    messages: None = None
    input: None = None


class KnownEmbedding(KnownBody, kw_only=True, gc=False):
    input: _Texts
    messages: None = None
    prompt: None = None


Known = KnownChat | KnownCompletion | KnownEmbedding
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "chat/completions": msgspec.json.Decoder(KnownChat),
    "completions": msgspec.json.Decoder(KnownCompletion),
    "embeddings": msgspec.json.Decoder(KnownEmbedding),
}
_TEXTS = {"completions": ("prompt", PROMPTS_LIMIT), "embeddings": ("input", INPUTS_LIMIT)}


def read_known(endpoint: str, body: bytes | msgspec.Raw) -> Known:
    """The body, if PPAI knows all that it looks at. Raises NotKnown."""
    view = memoryview(body)
    if endpoint not in _DECODERS or len(view) > BODY_LIMIT_BYTES or _has_many_values(body):
        raise NotKnown("size")
    try:
        known: Known = _DECODERS[endpoint].decode(view)
    except msgspec.ValidationError as error:
        raise NotKnown(place(str(error))) from error
    except UNREADABLE as error:
        raise NotKnown("unreadable") from error
    if endpoint in _TEXTS:
        name, limit = _TEXTS[endpoint]
        texts = getattr(known, name)
        several = len(texts) if isinstance(texts, list) and list(map(type, texts)).count(int) < len(texts) else 1
        if several > limit:
            raise NotKnown(name)
        if several * (known.n or 1) > limit:
            raise NotKnown("n")
    return known


_ELEMENT = re.compile(r"\[[^\]]*\]")
_NAMED = frozenset(  # types of parts and tools that a refusal may name
    {
        *("input_audio", "audio_url", "video_url", "image", "video", "audio", "file", "input_image", "input_file"),
        *("mcp", "web_search", "web_search_preview", "code_interpreter", "file_search", "image_generation"),
        *("computer_use_preview", "local_shell", "shell", "custom"),
    }
)


def _has_many_values(body: bytes | msgspec.Raw) -> bool:
    """Whether a program's body has too many for a delegation; one that was delegated is counted before it is read."""
    return isinstance(body, bytes) and len(body) > LARGE_BYTES and has_more_values(body, VALUES_LIMIT - 100)


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
