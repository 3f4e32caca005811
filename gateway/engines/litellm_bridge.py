"""Engines without the OpenAI API (Anthropic, Bedrock, ...), through litellm: `engine.url: litellm:PROVIDER/MODEL`.

litellm is imported only where such an engine is named, since importing it takes seconds and much memory; requests to
other engines do not go through it. A provider is never asked to find out whether it is up, since that costs money.
"""

import asyncio
import importlib
import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec

from gateway.engines.address import Place
from gateway.engines.engine_state import BY_DEFAULT, DEFAULT_SLOTS, UNTOLD, EngineModel, EngineState
from gateway.upstream import Patience, Reply, UpstreamError
from gateway.wire.codec import UNREADABLE, Pieces
from gateway.wire.errors import error_body
from gateway.wire.events import DONE, Event, encode_event

SCHEME = "litellm:"
UNREACHABLE_FOR_S = 5.0  # s for which a provider that could not be reached is not offered

# The fields that a request may have. litellm acts on others: `api_base` would send the key to an address in the body.
FIELDS = frozenset(
    {
        *("messages", "prompt", "input", "model", "stream", "stream_options", "user", "n"),
        *("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop", "logit_bias"),
        *("logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "reasoning_effort"),
        *("response_format", "encoding_format", "dimensions", "modalities", "audio"),
    }
)
_CALLS = {"chat/completions": "acompletion", "completions": "atext_completion", "embeddings": "aembedding"}


class LiteLLMEngine:
    """The named models of one or more providers as one engine (see gateway.engines.local.Engine)."""

    def __init__(
        self,
        models: tuple[str, ...],
        *,
        api_key: str = "",
        api_base: str = "",
        slots: int = 0,
        place: Place | None = None,
    ) -> None:
        """`models` as litellm calls them, e.g. `anthropic/claude-sonnet-4-5`. Without `api_key`, litellm takes the
        provider's own from the environment (ANTHROPIC_API_KEY, AWS_ACCESS_KEY_ID, ...).

        `place`: where the providers are, if not in the cloud."""
        self.state = EngineState(
            "litellm is being loaded", "litellm", slots=slots or DEFAULT_SLOTS, place=place or "cloud"
        )
        self.in_flight = 0
        self._models = models
        self._to_whom = {key: value for key, value in (("api_key", api_key), ("api_base", api_base)) if value}
        self._litellm: Any = None
        self._clock = asyncio.get_running_loop().time
        self._offered_from = 0.0

    async def refresh(self) -> None:
        """Load litellm at the first call; at others, update the load from the requests that we have open."""
        if self._litellm is None:
            try:
                self._litellm = await asyncio.to_thread(import_litellm)
            except ImportError as error:
                problem = f"litellm cannot be loaded ({error}): pip install 'ppai[litellm]'"
                self.state = replace(self.state, problem=problem)
                return
            known = self._litellm.model_cost
            self.state = replace(self.state, models=tuple(_described(model, known) for model in self._models))
        running = min(self.in_flight, self.state.slots)
        still = self.state.problem if self._clock() < self._offered_from else None
        self.state = replace(self.state, problem=still, running=running, waiting=self.in_flight - running)

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        """Ask the provider; leaving the context hangs up. A refusal is a reply with the provider's status.

        Raises UpstreamError where the provider could not be reached or did not answer in time.
        """
        self.in_flight += 1
        answer: Any = None
        try:
            fields = _fields(body)
            if refusal := _refusal(endpoint, fields):
                yield refusal
                return
            answer = await self._ask(endpoint, fields, patience.begins_within_s(stream))
            model = fields["model"]
            yield answer if isinstance(answer, _Whole) else _as_reply(answer, model, stream, patience, self._errors)
        finally:
            self.in_flight -= 1
            if hasattr(answer, "aclose"):
                await answer.aclose()

    to_learn: str | None = None
    is_followed = False

    async def follow(self) -> None:
        """Nothing: a provider tells of no model that it loads."""

    async def learn(self) -> bool:
        """Nothing: what a provider makes of an unfinished answer is its own matter."""
        return False

    async def stored(self, method: str, path: str) -> tuple[int, str, bytes]:
        """It keeps no answer."""
        return 404, "application/json", b"{}"

    def close(self) -> None:
        """Does nothing: no connection is kept."""

    @property
    def _errors(self) -> type[Exception]:
        """The class that litellm's exceptions derive from."""
        errors: type[Exception] = self._litellm.exceptions.openai.OpenAIError
        return errors

    async def _ask(self, endpoint: str, fields: dict[str, Any], wait_s: float) -> Any:
        """litellm's answer, or a refusal as a reply. Raises UpstreamError."""
        if self._litellm is None:
            raise UpstreamError(str(self.state.problem), status=503, code="no_engine", retry_after_s=2)
        call = getattr(self._litellm, _CALLS[endpoint])
        try:
            async with asyncio.timeout(wait_s):
                return await call(**fields, **self._to_whom, timeout=wait_s, max_retries=0, num_retries=0)
        except TimeoutError as error:
            raise UpstreamError(
                f"{fields['model']} did not answer within {wait_s:g} s", code="engine_timeout"
            ) from error
        except self._errors as error:
            if unreachable := _unreachable(error):
                self._offered_from = self._clock() + UNREACHABLE_FOR_S
                said = f"the provider of {fields['model']} cannot be reached ({unreachable})"
                self.state = replace(self.state, problem=said)
                raise UpstreamError(said, code="engine_unreachable") from error
            return _refused(error)


def models_of(url: str) -> tuple[str, ...]:
    """The models in `litellm:PROVIDER/MODEL,PROVIDER/MODEL`."""
    return tuple(name for part in url.removeprefix(SCHEME).split(",") if (name := part.strip()))


def import_litellm() -> Any:
    """Import litellm, which takes seconds. Without the local price map it would ask the internet for one."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True  # it prints to stdout
    litellm.turn_off_message_logging = True
    litellm.drop_params = False  # what a provider cannot do is refused, not dropped
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # prompts are never logged
    return litellm


def _described(model: str, known: Mapping[str, Mapping[str, Any]]) -> EngineModel:
    """A model as litellm's map `known` describes it; one that is not in the map may be tried for everything."""
    entry = known.get(model) or known.get(model.partition("/")[2])
    if entry is None:
        return EngineModel(model, modalities=BY_DEFAULT, untold=UNTOLD, endpoints=tuple(_CALLS))
    context = entry.get("max_input_tokens") or entry.get("max_tokens") or 0
    if entry.get("mode") == "embedding":
        return EngineModel(model, int(context), ("embeddings",), endpoints=tuple(_CALLS))
    abilities = {"tools": "supports_function_calling", "image": "supports_vision", "audio": "supports_audio_input"}
    able = ("text", *(name for name, key in abilities.items() if entry.get(key)))
    return EngineModel(model, int(context), able, endpoints=tuple(_CALLS))


def _fields(body: Pieces) -> dict[str, Any]:
    """The fields of a valid request, each decoded. Raises UpstreamError (400)."""
    try:
        return msgspec.json.decode(b"".join(body), type=dict[str, Any])
    except UNREADABLE as error:  # too deep, or no text in a field that nobody has read before
        raise UpstreamError("the body is not valid JSON", status=400, code="invalid_json") from error


def _refusal(endpoint: str, fields: Mapping[str, Any]) -> "_Whole | None":
    """What is not handed to litellm at all."""
    if endpoint not in _CALLS:
        return _Whole(404, error_body(f"a litellm engine has no /v1/{endpoint}", "not_found_error"))
    if unknown := sorted(fields.keys() - FIELDS):
        said = f"the field `{unknown[0]}` is not passed on to providers by litellm"
        return _Whole(400, error_body(said, "invalid_request_error", unknown[0], "unknown_field"))
    return None


def _refused(error: Exception) -> "_Whole":
    """A refusal with the provider's own status and message.

    litellm turns some statuses into others (a 529 into a 500); the innermost cause of the error has the provider's.
    """
    statuses = [status for cause in _causes(error) if isinstance(status := getattr(cause, "status_code", None), int)]
    status = statuses[-1] if statuses else 500
    kind = "invalid_request_error" if status < 500 else "server_error"
    headers = getattr(error, "litellm_response_headers", None) or {}
    body = error_body(str(getattr(error, "message", error)), kind, code=type(error).__name__)
    return _Whole(status, body, headers.get("retry-after"))


def _unreachable(error: Exception) -> str | None:
    """Why the provider could not be reached; None where it answered.

    litellm reports a refused connection as a 500, like a provider's own 500; only the error's causes tell them apart.
    """
    for cause in _causes(error):
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
            return str(cause) or type(cause).__name__
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes, outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _as_reply(answer: Any, model: str, stream: bool, patience: Patience, errors: type[Exception]) -> Reply:
    if stream and hasattr(answer, "__aiter__"):
        return _Events(answer, model, patience, errors)
    return _Whole(200, _named(answer, model))


def _named(answer: Any, model: str) -> bytes:
    """One of litellm's objects as OpenAI's JSON, with the model's name as it was asked for."""
    fields = answer.model_dump(exclude_none=True)
    usage_alone = fields.get("usage") and not any(_has_content(choice) for choice in fields.get("choices", ()))
    if fields.get("object") == "chat.completion.chunk" and usage_alone:
        fields["choices"] = []  # OpenAI's form, by which usage is recognised and kept from clients that did not ask
    return msgspec.json.encode(fields | {"model": model}, enc_hook=str)


def _has_content(choice: Mapping[str, Any]) -> bool:
    return bool(choice.get("finish_reason") or any(choice.get("delta", {}).values()))


class _Whole:
    """An answer in one piece, or a refusal (see gateway.upstream.Reply)."""

    content_type, is_stream = "application/json", False

    def __init__(self, status: int, body: bytes, retry_after: str | None = None) -> None:
        self.status, self.retry_after, self._body = status, retry_after, body

    async def read(self) -> bytes:
        return self._body

    async def events(self) -> AsyncIterator[Event]:
        """The whole answer as one event."""
        yield Event(encode_event(self._body), self._body)


class _Events:
    """A stream of litellm's chunks as whole events, ended by [DONE] (see gateway.upstream.Reply)."""

    status, content_type, is_stream = 200, "text/event-stream", True

    def __init__(self, chunks: Any, model: str, patience: Patience, errors: type[Exception]) -> None:
        self.retry_after: str | None = None
        self._chunks, self._model, self._patience, self._errors = aiter(chunks), model, patience, errors

    async def read(self) -> bytes:
        return b"".join([event.raw async for event in self.events()])

    async def events(self) -> AsyncIterator[Event]:
        wait_s = self._patience.first_event_s
        try:
            while True:
                async with asyncio.timeout(wait_s):
                    chunk = await anext(self._chunks)
                wait_s = self._patience.idle_s
                data = _named(chunk, self._model)
                yield Event(encode_event(data), data)
        except StopAsyncIteration:
            yield Event(DONE, b"[DONE]")
        except TimeoutError as error:
            raise UpstreamError(f"{self._model} sent nothing for {wait_s:g} s", code="engine_timeout") from error
        except self._errors as error:
            raise UpstreamError(f"{self._model} broke off: {error}", code="stream_cut_short") from error
