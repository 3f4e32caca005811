"""Responses and Messages as chat, and chat's answers back, by the adapters of litellm: `pip install 'ppai[litellm]'`.

litellm is imported by the first request that needs them, and asks nobody anything: who answers the chat is routed as
ever. What of a request chat has no word for is left out (`thinking`, `context_management`).
"""

import importlib
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from threading import Lock
from typing import Any

import msgspec

from gateway.engines.litellm_bridge import FIELDS, import_litellm
from gateway.upstream import UpstreamError

_ANTHROPIC = "litellm.llms.anthropic.pass_through.adapters.transformation"
_RESPONSES = "litellm.responses.litellm_completion_transformation"
_NAME = "openai"  # the provider whose form of chat is written
_FIELDS = FIELDS - {"user"}
_OF_A_MESSAGE = frozenset({"role", "content", "tool_calls", "tool_call_id", "name"})
_OF_A_CALL = ("id", "type", "function")
_BEFORE_ANY_MODEL = "gpt-4o"  # litellm looks a model up in its map to know what chat may say to it: a plain one


class Adapters:
    """See gateway.serving.translated.Adapters."""

    endpoints = frozenset({"responses", "messages"})

    def __init__(self) -> None:
        self._lock = Lock()
        self._anthropic: Any = None
        self._responses: Any = None
        self._streamed: Any = None
        self._types: Any = None

    @staticmethod
    def are_installed() -> bool:
        """Whether litellm is there; which costs no import of it."""
        return find_spec("litellm") is not None

    def asked(self, endpoint: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a chat that asks what these fields ask. Takes seconds the first time.

        Raises UpstreamError where litellm cannot be loaded, or cannot say in chat what is asked.
        """
        self._load()
        model, stream = str(fields.get("model") or "auto"), bool(fields.get("stream"))
        try:
            if endpoint == "messages":
                asked = {**fields, "model": _BEFORE_ANY_MODEL}
                said, _ = self._anthropic.translate_completion_input_params_with_tool_mapping(asked)
            else:
                said = self._responses.transform_responses_api_request_to_chat_completion_request(
                    model=_BEFORE_ANY_MODEL, input=fields.get("input") or "", custom_llm_provider=_NAME, stream=stream,
                    responses_api_request={**fields},
                )  # fmt: skip
        except Exception as error:  # whatever litellm meets in what nobody has read
            raise UpstreamError(
                f"no engine here answers /v1/{endpoint}, and litellm cannot say this request as a chat "
                f"({type(error).__name__}): ask /v1/chat/completions",
                status=422,
                code="not_translated",
            ) from error
        kept = {name: value for name, value in dict(said).items() if name in _FIELDS and value is not None}
        if stream:
            kept["stream_options"] = {"include_usage": True}
        return {**kept, "model": model, "stream": stream, "messages": [_plain(turn) for turn in kept["messages"]]}

    def whole(self, endpoint: str, fields: Mapping[str, Any], answer: bytes) -> bytes:
        """A whole answer of a chat, as the endpoint's."""
        said = self._types.ModelResponse(**msgspec.json.decode(answer))
        if endpoint == "messages":
            translated = self._anthropic.translate_completion_output_params(said)
        else:
            translated = self._responses.transform_chat_completion_response_to_responses_api_response(
                chat_completion_response=said, request_input=fields.get("input") or "",
                responses_api_request={**fields},
            )  # fmt: skip
        return msgspec.json.encode({**_as_dict(translated), "model": said.model})

    async def events(
        self, endpoint: str, fields: Mapping[str, Any], chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[tuple[str, bytes]]:
        """(name, data) of the endpoint's events, by the data of a chat's."""
        said = self._chunks(chunks)
        first = await anext(said)
        model, said = first.model, _again(first, said)
        if endpoint == "messages":
            async for event in self._anthropic.translate_completion_output_params_streaming(said, model=model):
                name, _, data = event.decode().strip().partition("\ndata: ")
                yield name.removeprefix("event: "), data.encode()
            return
        streamed = self._streamed.LiteLLMCompletionStreamingIterator(
            model=model, litellm_custom_stream_wrapper=_Stream(said), request_input=fields.get("input") or "",
            responses_api_request={**fields}, custom_llm_provider=_NAME, litellm_metadata={},
        )  # fmt: skip
        number = 0
        async for event in streamed:
            written = {**_as_dict(event), "sequence_number": number}
            number += 1
            yield str(written["type"]), msgspec.json.encode(written)

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            yield self._types.ModelResponseStream(**msgspec.json.decode(chunk))

    def _load(self) -> None:
        with self._lock:
            if self._types is not None:
                return
            try:
                import_litellm()
                self._anthropic = importlib.import_module(_ANTHROPIC).AnthropicAdapter()
                form = importlib.import_module(f"{_RESPONSES}.transformation")
                self._responses = form.LiteLLMCompletionResponsesConfig
                self._streamed = importlib.import_module(f"{_RESPONSES}.streaming_iterator")
                self._types = importlib.import_module("litellm.types.utils")
            except (ImportError, AttributeError) as error:
                raise UpstreamError(
                    f"this litellm has not the adapters that are needed ({error}): pip install -U 'ppai[litellm]'",
                    status=503,
                    code="not_translated",
                ) from error


class _Stream:
    """Chunks as litellm's iterator wants them."""

    logging_obj = None
    custom_llm_provider = _NAME

    def __init__(self, chunks: AsyncIterator[Any]) -> None:
        self._chunks = chunks
        self.chunks: list[Any] = []
        self.model = ""

    def __aiter__(self) -> "_Stream":
        return self

    async def __anext__(self) -> Any:
        return await anext(self._chunks)


async def _again(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """What was read, and the rest."""
    yield first
    async for each in rest:
        yield each


def _plain(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A message without what litellm adds to OpenAI's, such as a stream's `index` in calls."""
    kept = {name: value for name, value in turn.items() if name in _OF_A_MESSAGE}
    if kept.get("tool_calls"):
        kept["tool_calls"] = [{name: call[name] for name in _OF_A_CALL} for call in kept["tool_calls"]]
    return kept


def _as_dict(said: Any) -> dict[str, Any]:
    fields: dict[str, Any] = said.model_dump(exclude_none=True) if hasattr(said, "model_dump") else dict(said)
    return fields
