"""Anthropic's Messages to their leaves (P), as known.py knows chat.

What an engine would fetch or run by itself is not here, so it stays at our own: files, and tools that are built in.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.wire.known import CacheControl, Closed, Count, Effort, Empty, Length, Name, Schema, Stop, Text, Turn


class TextBlock(Closed, tag="text"):
    type: ClassVar[str] = "text"
    text: str
    cache_control: CacheControl | UnsetType | None = UNSET
    citations: Empty | UnsetType | None = UNSET


class Pixels(Closed):
    """An image that the body itself holds; one at an address would have to be fetched."""

    type: Literal["base64"]
    media_type: Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
    url: msgspec.Raw = msgspec.field(name="data")  # as it came


class ImageBlock(Closed, tag="image"):
    type: ClassVar[str] = "image"
    text: ClassVar[str] = ""
    source: Pixels
    cache_control: CacheControl | UnsetType | None = UNSET


class ThinkingBlock(Closed, tag="thinking"):
    type: ClassVar[str] = "text"
    text: str = msgspec.field(name="thinking")
    signature: Text = UNSET


class RedactedBlock(Closed, tag="redacted_thinking"):
    type: ClassVar[str] = "text"
    text: ClassVar[str] = ""
    data: str


class _Caller(Closed):
    type: Literal["direct"]


class CallBlock(Closed, tag="tool_use"):
    """A call of a tool of the program's."""

    type: ClassVar[str] = "text"
    id: str
    name: Name
    input: dict[str, Any]
    cache_control: CacheControl | UnsetType | None = UNSET
    caller: _Caller | UnsetType | None = UNSET
    toolset_name: Text = UNSET

    @property
    def text(self) -> str:
        return f"{self.name}\n{msgspec.json.encode(self.input).decode()}"


class ResultBlock(Closed, tag="tool_result"):
    type: ClassVar[str] = "tool_result"
    text: ClassVar[str] = ""
    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] | UnsetType | None = UNSET
    is_error: bool | UnsetType | None = UNSET
    toolset_name: Text = UNSET
    cache_control: CacheControl | UnsetType | None = UNSET


_Block = TextBlock | ImageBlock | ThinkingBlock | RedactedBlock | CallBlock | ResultBlock


class _Message(Closed):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Block]

    @property
    def turns(self) -> Sequence["Turn | _Message"]:
        """Results of tools are turns of their own: the user did not say them."""
        if isinstance(self.content, str):
            return (self,)
        results = [block for block in self.content if isinstance(block, ResultBlock)]
        if not results:
            return (self,)
        turns = [Turn("tool", result.content or None) for result in results]
        if len(results) < len(self.content):
            turns.append(Turn(self.role, [block for block in self.content if not isinstance(block, ResultBlock)]))
        return turns


class _AnthropicTool(Closed):
    """A tool of the program that asks. Those with a type of Anthropic's are its own."""

    name: Name
    type: Literal["custom"] | UnsetType | None = UNSET
    description: Text = UNSET
    input_schema: Schema | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET
    cache_control: CacheControl | UnsetType | None = UNSET
    eager_input_streaming: bool | UnsetType | None = UNSET
    defer_loading: bool | UnsetType | None = UNSET
    allowed_callers: list[Literal["direct"]] | UnsetType | None = UNSET
    input_examples: Annotated[list[dict[str, Any]], Meta(max_length=64)] | UnsetType | None = UNSET


class _AnthropicChoice(Closed):
    type: Literal["auto", "any", "tool", "none"]
    name: Name | UnsetType = UNSET
    disable_parallel_tool_use: bool | UnsetType = UNSET


class _Thinking(Closed):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Count | UnsetType | None = UNSET
    display: Literal["summarized", "omitted"] | UnsetType | None = UNSET


class _OutputFormat(Closed):
    type: Literal["json_schema"]
    schema: Schema


class _OutputConfig(Closed):
    effort: Effort | UnsetType | None = UNSET
    format: _OutputFormat | UnsetType | None = UNSET


class _Amount(Closed):
    type: Literal["input_tokens", "tool_uses", "thinking_turns"]
    value: Count


class _Edit(Closed):
    """What is to be left out of a long conversation before the model reads it."""

    type: Literal["clear_tool_uses_20250919", "clear_thinking_20251015"]
    trigger: _Amount | UnsetType | None = UNSET
    keep: Literal["all"] | _Amount | UnsetType | None = UNSET
    clear_at_least: _Amount | UnsetType | None = UNSET
    exclude_tools: Annotated[list[Name], Meta(max_length=256)] | UnsetType | None = UNSET
    clear_tool_inputs: bool | UnsetType | None = UNSET


class _ContextManagement(Closed):
    edits: Annotated[list[_Edit], Meta(max_length=16)] | UnsetType = UNSET


class KnownMessages(msgspec.Struct, gc=False):
    """The body of /v1/messages and of its count_tokens."""

    REWRITTEN: ClassVar = ("system", "tools", "tool_choice", "thinking", "output_config", "context_management")
    SAID: ClassVar = "messages"
    max_completion_tokens: ClassVar = None
    stream_options: ClassVar = None
    user: ClassVar = None
    prompt_cache_key: ClassVar = None

    messages: Annotated[list[_Message], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    model: str | None = None
    models: Annotated[list[Name], Meta(max_length=16)] | None = None
    stream: bool | None = None
    max_tokens: Length | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop_sequences: Annotated[list[Stop], Meta(max_length=16)] | None = None
    tools: Annotated[list[_AnthropicTool], Meta(max_length=256)] | None = None
    tool_choice: _AnthropicChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    context_management: _ContextManagement | None = None

    @property
    def turns(self) -> list[Turn | _Message]:
        said: list[Turn | _Message] = [Turn("system", self.system)] if self.system else []
        for message in self.messages:
            said += message.turns
        return said

    @property
    def demands(self) -> str | None:
        if self.tool_choice and self.tool_choice.type in ("any", "tool"):
            return "tool_choice"
        if any(tool.strict is True for tool in self.tools or ()):
            return "tools"
        return "output_config" if self.output_config and self.output_config.format else None

    @property
    def schemas(self) -> list[Schema]:
        found = [tool.input_schema for tool in self.tools or ()]
        if self.output_config and self.output_config.format:
            found.append(self.output_config.format.schema)
        return [schema for schema in found if schema]
