"""OpenAI's Responses to their leaves (P), as known.py knows chat.

What an engine would keep, fetch or run by itself is not here, so it stays at our own: stored answers, files, tools that
are built in.
"""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.wire.known import Closed, Count, Effort, Empty, Length, Name, RefusalPart, Schema, Text, TextPart, Turn

_Definition = Annotated[str, Meta(max_length=16_384)]  # of a grammar that an engine compiles
_Status = Literal["in_progress", "completed", "incomplete"]


class InputText(Closed, tag="input_text"):
    type: ClassVar[str] = "text"
    text: str


class OutputText(Closed, tag="output_text"):
    type: ClassVar[str] = "text"
    text: str
    annotations: Empty | UnsetType | None = UNSET
    logprobs: Empty | UnsetType | None = UNSET
    parsed: UnsetType | None = UNSET  # as the SDK of OpenAI writes one that it gives back


class ReasoningText(Closed, tag="reasoning_text"):
    type: ClassVar[str] = "text"
    text: str


class SummaryText(Closed, tag="summary_text"):
    type: ClassVar[str] = "text"
    text: str


class InputImage(Closed, tag="input_image"):
    type: ClassVar[str] = "input_image"
    text: ClassVar[str] = ""
    url: msgspec.Raw = msgspec.field(name="image_url")  # as it came: it may be megabytes long
    detail: Literal["auto", "low", "high", "original"] | UnsetType | None = UNSET
    file_id: UnsetType | None = UNSET


_Parts = str | list[InputText | OutputText | ReasoningText | SummaryText | InputImage | TextPart | RefusalPart]
_CALLS = frozenset({"function_call", "custom_tool_call"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


class _Caller(Closed):
    """Who called: the model itself. A program that it runs would run at the engine."""

    type: Literal["direct"]


class _Item(Closed):
    """A message, a call of a tool of the program's, its result, or a thought: also as SDKs give an answer back."""

    type: (
        Literal["message", "reasoning", "function_call", "custom_tool_call"]
        | Literal["function_call_output", "custom_tool_call_output"]
        | UnsetType
    ) = UNSET
    role: Literal["system", "developer", "user", "assistant"] | UnsetType = UNSET
    content: _Parts | UnsetType | None = UNSET
    id: Text = UNSET
    status: _Status | UnsetType | None = UNSET
    phase: Literal["commentary", "final_answer"] | UnsetType | None = UNSET
    call_id: Text = UNSET
    name: Text = UNSET
    arguments: Text = UNSET
    input: Text = UNSET
    output: _Parts | UnsetType | None = UNSET
    summary: list[SummaryText] | UnsetType | None = UNSET
    encrypted_content: Text = UNSET
    namespace: Text = UNSET
    caller: _Caller | UnsetType | None = UNSET
    created_by: UnsetType | None = UNSET
    waits_not: bool | UnsetType | None = msgspec.field(default=UNSET, name="async")
    async_: UnsetType | None = UNSET  # this and the next: as the SDK of OpenAI writes a call that it gives back
    parsed_arguments: UnsetType | None = UNSET

    def __post_init__(self) -> None:
        if (self.content if self.type in _OUTPUTS else self.output) not in (UNSET, None):
            raise ValueError("an item with the words of another type")  # they would be read by nobody here

    @property
    def turn(self) -> Turn:
        if self.type in _OUTPUTS:
            return Turn("tool", self.output or None)
        if self.type in _CALLS:
            return Turn("assistant", "\n".join(filter(None, (self.name or "", self.arguments or "", self.input or ""))))
        if self.type == "reasoning":
            thought = self.content if isinstance(self.content, list) else []
            return Turn("assistant", [*(self.summary or ()), *thought])
        return Turn(self.role or "user", self.content or None)


class _Format(Closed):
    """What a custom tool is given: any text, or what a grammar lets pass."""

    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] | UnsetType = UNSET
    definition: _Definition | UnsetType = UNSET


class _Described(Closed, kw_only=True):
    name: Name
    description: Text = UNSET
    parameters: Schema | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET
    format: _Format | UnsetType | None = UNSET
    output_schema: Schema | UnsetType | None = UNSET
    defer_loading: bool | UnsetType | None = UNSET
    allowed_callers: list[Literal["direct"]] | UnsetType | None = UNSET
    waits_not: bool | UnsetType | None = msgspec.field(default=UNSET, name="async")


class _Function(_Described, kw_only=True):
    """A tool of the program that asks. Tools of other types are run by the engine."""

    type: Literal["function", "custom"]


class _Tool(_Described, kw_only=True):
    """A tool, or a family of them."""

    type: Literal["function", "custom", "namespace"]
    tools: Annotated[list[_Function], Meta(max_length=256)] | UnsetType | None = UNSET


class _OneTool(Closed):
    type: Literal["function", "custom"]
    name: Name


class _Choice(Closed):
    type: Literal["function", "custom", "allowed_tools"]
    name: Name | UnsetType = UNSET
    mode: Literal["auto", "required"] | UnsetType = UNSET
    tools: Annotated[list[_OneTool], Meta(max_length=256)] | UnsetType = UNSET


class _Reasoning(Closed):
    effort: Effort | UnsetType | None = UNSET
    summary: Literal["auto", "concise", "detailed", "none"] | UnsetType | None = UNSET
    generate_summary: Literal["auto", "concise", "detailed"] | UnsetType | None = UNSET
    context: Literal["auto", "current_turn", "all_turns"] | UnsetType | None = UNSET
    mode: Literal["standard", "pro"] | UnsetType | None = UNSET


class _TextFormat(Closed):
    type: Literal["text", "json_object", "json_schema"]
    name: Name | UnsetType = UNSET
    description: Text = UNSET
    schema: Schema | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class _TextSettings(Closed):
    format: _TextFormat | UnsetType | None = UNSET
    verbosity: Literal["low", "medium", "high"] | UnsetType | None = UNSET


class _ResponsesStream(Closed):
    include_obfuscation: bool | UnsetType | None = UNSET


class KnownResponses(msgspec.Struct, gc=False):
    """The body of /v1/responses. Which other fields may stand beside these: gateway/privacy/fields.py."""

    REWRITTEN: ClassVar = ("stream_options", "tools", "tool_choice", "text", "reasoning", "include")
    SAID: ClassVar = "input"
    max_completion_tokens: ClassVar = None

    input: str | Annotated[list[_Item], Meta(min_length=1)]
    instructions: str | None = None
    model: str | None = None
    models: Annotated[list[Name], Meta(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: _ResponsesStream | None = None
    max_tokens: Length | None = msgspec.field(default=None, name="max_output_tokens")
    max_tool_calls: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: (
        Annotated[list[Literal["reasoning.encrypted_content", "message.output_text.logprobs"]], Meta(max_length=16)]
        | None
    ) = None
    reasoning: _Reasoning | None = None
    text: _TextSettings | None = None
    tools: Annotated[list[_Tool], Meta(max_length=256)] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    background: bool | None = None
    user: str | int | None = None
    prompt_cache_key: str | None = None

    @property
    def turns(self) -> list[Turn]:
        said = [Turn("system", self.instructions)] if self.instructions else []
        if isinstance(self.input, str):
            return [*said, Turn("user", self.input)]
        return said + [item.turn for item in self.input]

    @property
    def all_tools(self) -> list[_Described]:
        """Those of its families too."""
        return [one for tool in self.tools or () for one in (tool, *(tool.tools or ()))]

    @property
    def demands(self) -> str | None:
        """The field that costs an engine more than a plain answer, as in known.py."""
        if self.tool_choice not in (None, "auto", "none"):
            return "tool_choice"
        if any(tool.strict is True or (tool.format and tool.format.type == "grammar") for tool in self.all_tools):
            return "tools"
        return "text" if self.text and self.text.format and self.text.format.type != "text" else None

    @property
    def schemas(self) -> list[Schema]:
        """Those of its tools and of its format."""
        found = [schema for tool in self.all_tools for schema in (tool.parameters, tool.output_schema)]
        if self.text and self.text.format:
            found.append(self.text.format.schema)
        return [schema for schema in found if schema]
