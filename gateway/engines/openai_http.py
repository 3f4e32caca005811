"""Any engine that has the OpenAI API: its models, its load, and one request at a time to it.

Knows the quirks of vLLM and llama.cpp; knows nothing of peers, scores or clients.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import msgspec

from discovery.envelopes import UNREADABLE
from gateway.sse import Event, EventSplitter, OversizedEvent
from gateway.upstream import REPLY_LIMIT_BYTES, Patience, UpstreamError

DEFAULT_SLOTS = 8  # where neither the configuration nor the engine says
KEEPALIVE_S = 4.0  # vLLM closes idle connections at 5 s: be first
CONNECT_TIMEOUT_S = 5.0
IDENTIFY_EVERY = 10  # refreshes between two looks at the list of models, which Ollama changes while it runs
CHECK_TIMEOUT_S = 5.0  # /v1/models and /metrics; a busy llama.cpp took 3-14 ms, one short of HTTP threads 12 s

OPENAPI_LIMIT_BYTES = 8 << 20  # vLLM's page has some 300 KB

# Load gauges by exact name: (running, waiting). A renamed gauge must read as missing, never as idle.
LOAD_GAUGES = (
    (b"vllm:num_requests_running", b"vllm:num_requests_waiting"),
    (b"llamacpp:requests_processing", b"llamacpp:requests_deferred"),
    (b"sglang:num_running_reqs", b"sglang:num_queue_reqs"),
)


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A model as its engine serves it; `context_tokens` is 0 where the engine does not say."""

    id: str
    context_tokens: int = 0
    modalities: tuple[str, ...] = ("text",)


@dataclass(frozen=True, slots=True)
class EngineState:
    """What is known of the engine now. `problem` is None while it answers."""

    problem: str | None = "not asked yet"
    family: str = "unknown"
    models: tuple[EngineModel, ...] = ()
    slots: int = DEFAULT_SLOTS
    running: int = 0
    waiting: int = 0
    load_source: str = "own count"  # or "metrics"
    others: int = 0  # jobs that it has beyond ours: of programs that use it directly

    @property
    def is_ready(self) -> bool:
        return self.problem is None and bool(self.models)


class OpenAIEngine:
    """One engine behind `url` (http://host:port, with or without /v1)."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, api_key: str = "", slots: int = 0) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.state = EngineState()
        self.in_flight = 0  # requests that we have open at it
        self._session = session
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._configured_slots = slots
        self._refreshes = 0
        self._embeds: bool | None = None

    async def refresh(self) -> None:
        """Ask the engine who it is and how busy it is; afterwards `state` holds the answer or the problem."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                if not self.state.is_ready or self._refreshes % IDENTIFY_EVERY == 0:
                    self.state = await self._identify()
                self._refreshes += 1
                self.state = await self._measure_load(self.state)
        except TimeoutError as error:
            if not self.in_flight:  # an engine that works on our requests is busy, not dead
                self.state = replace(self.state, problem=self._describe(error))
        except (aiohttp.ClientError, OSError) as error:
            self.state = replace(self.state, problem=self._describe(error))
        except (*UNREADABLE, UpstreamError) as error:
            self.state = replace(self.state, problem=f"{self.url} does not speak the OpenAI API: {error}")

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: bytes, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator["EngineReply"]:
        """Ask the engine; leaving the context hangs up, which makes it stop generating. Raises UpstreamError."""
        self.in_flight += 1
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._begin(
                endpoint, body, headers, patience.first_event_s if stream else patience.whole_s
            )
            if response.headers.get("content-encoding", "identity") != "identity":  # unasked: it may be a bomb
                raise UpstreamError(f"the engine at {self.url} compresses its answers", code="bad_encoding")
            yield EngineReply(response, patience, self.url)
        finally:
            self.in_flight -= 1
            if response is not None:
                response.release()  # closes the connection where the answer was not read to its end

    async def _begin(
        self, endpoint: str, body: bytes, headers: Mapping[str, str], wait_s: float
    ) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(wait_s):
                return await self._post(endpoint, body, headers)
        except TimeoutError as error:
            message = f"the engine at {self.url} did not begin to answer within {wait_s:g} s"
            raise UpstreamError(message, code="engine_timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            self.state = replace(self.state, problem=self._describe(error))
            raise UpstreamError(self._describe(error), code="engine_unreachable") from error

    async def _post(self, endpoint: str, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """POST; once more on a fresh connection if a kept one was closed under us.

        llama.cpp closes the connection after a stream though it promised to keep it: its connections are never reused.
        """
        url = f"{self.url}/v1/{endpoint}"
        headers = {"content-type": "application/json", **self._headers, **headers}
        if self.state.family == "llamacpp":
            headers["connection"] = "close"
        try:
            return await self._session.post(url, data=body, headers=headers, allow_redirects=False)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            headers["connection"] = "close"
            return await self._session.post(url, data=body, headers=headers, allow_redirects=False)

    async def _identify(self) -> EngineState:
        listing = await self._get("/v1/models", _Models)
        if any(entry.owned_by == "ppai" for entry in listing.data):
            raise UpstreamError(
                "it is another PPAI peer, which would send requests in a circle; name its engine instead"
            )
        family = next((entry.owned_by for entry in listing.data if entry.owned_by), "unknown")
        if family != self.state.family or self._embeds is None:
            self._embeds = await self._has_embeddings(family)
        slots, context = DEFAULT_SLOTS, 0
        if family == "llamacpp":
            props = await self._get("/props", _Props)
            slots, context = props.total_slots, props.default_generation_settings.n_ctx
        return EngineState(
            problem=None if listing.data else f"{self.url} serves no model yet",
            family=family,
            models=tuple(_engine_model(entry, context, self._embeds) for entry in listing.data),
            slots=self._configured_slots or slots,
        )

    async def _has_embeddings(self, family: str) -> bool:
        """Whether it makes embeddings, as far as it can be found out without loading a model; else it may be tried.

        vLLM has the path only where its model can; llama.cpp has it always, and answers 501 at once.
        """
        if family == "vllm":
            url = f"{self.url}/openapi.json"
            async with self._session.get(url, headers=self._headers, allow_redirects=False) as response:
                page = await response.content.read(OPENAPI_LIMIT_BYTES) if response.status == 200 else b""
                return not page or b'"/v1/embeddings"' in page
        if family == "llamacpp":
            url, headers = f"{self.url}/v1/embeddings", {**self._headers, "connection": "close"}
            async with self._session.post(url, json={"input": "a"}, headers=headers, allow_redirects=False) as response:
                return response.status != 501
        return True

    async def _measure_load(self, state: EngineState) -> EngineState:
        """Load as the engine itself reports it, else as many as we have open there."""
        ours = self.in_flight  # as it was when the engine counted: what ends meanwhile is nobody else's job
        async with self._session.get(f"{self.url}/metrics", headers=self._headers, allow_redirects=False) as response:
            text = await response.read() if response.status == 200 else b""
        load = read_load(text)
        if load is None:
            running = min(self.in_flight, state.slots)
            return replace(state, running=running, waiting=self.in_flight - running, others=0, load_source="own count")
        others = max(0, sum(load) - max(ours, self.in_flight))
        return replace(state, running=load[0], waiting=load[1], others=others, load_source="metrics")

    async def _get(self, path: str, kind: Any) -> Any:
        async with self._session.get(self.url + path, headers=self._headers, allow_redirects=False) as response:
            if response.status in (401, 403):
                raise UpstreamError("it wants an API key: set engine.api_key or PPAI_ENGINE_API_KEY")
            if response.status == 503:
                raise aiohttp.ClientError("it is still loading its model")
            if response.status != 200:
                raise UpstreamError(f"GET {path} answered {response.status}")
            return msgspec.json.decode(await response.content.read(1 << 20), type=kind)

    def _describe(self, error: Exception) -> str:
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = os.strerror(error.os_error.errno or 0)
            return f"the engine at {self.url} does not answer ({reason}); start it, or name another with --engine URL"
        if isinstance(error, TimeoutError):
            return f"the engine at {self.url} does not answer in time"
        return f"the engine at {self.url} failed: {error or type(error).__name__}"


class EngineReply:
    """An engine's answer that has begun (see gateway.upstream.Reply)."""

    def __init__(self, response: aiohttp.ClientResponse, patience: Patience, url: str) -> None:
        self.status = response.status
        self.content_type = response.headers.get("content-type", "application/json")
        self.retry_after = response.headers.get("retry-after")
        self._response, self._patience, self._url = response, patience, url

    @property
    def is_stream(self) -> bool:
        return self.content_type.startswith("text/event-stream")

    async def read(self) -> bytes:
        try:
            async with asyncio.timeout(self._patience.whole_s):
                body = bytearray()
                async for chunk in self._response.content.iter_any():
                    body += chunk
                    if len(body) > REPLY_LIMIT_BYTES:
                        raise UpstreamError(
                            f"the engine's reply is over {REPLY_LIMIT_BYTES} bytes", code="reply_too_large"
                        )
                return bytes(body)
        except TimeoutError as error:
            raise UpstreamError(f"the engine at {self._url} stalled", code="engine_timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._cut_short(error) from error

    async def events(self) -> AsyncIterator[Event]:
        splitter, wait_s = EventSplitter(), self._patience.first_event_s
        is_complete = False
        try:
            while True:
                async with asyncio.timeout(wait_s):
                    chunk = await self._response.content.readany()
                if not chunk and is_complete:
                    return
                if not chunk:
                    raise self._cut_short(None)
                for event in splitter.feed(chunk):
                    wait_s = self._patience.idle_s
                    is_complete = is_complete or event.ends_stream
                    yield event
                    if event.is_done:
                        await self._drain()
                        return
        except TimeoutError as error:
            message = f"the engine at {self._url} sent nothing for {wait_s:g} s"
            raise UpstreamError(message, code="engine_timeout") from error
        except OversizedEvent as error:
            raise UpstreamError(f"the engine at {self._url} sent {error}", code="bad_stream") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._cut_short(error) from error

    async def _drain(self) -> None:
        """Read the end of the chunked body, so that the connection can be used again."""
        try:
            async with asyncio.timeout(0.05):
                await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass

    def _cut_short(self, error: Exception | None) -> UpstreamError:
        reason = f" ({error or type(error).__name__})" if error else ""
        return UpstreamError(f"the engine at {self._url} ended its answer too early{reason}", code="stream_cut_short")


def read_load(metrics: bytes) -> tuple[int, int] | None:
    """(running, waiting) summed over engine processes, from Prometheus text; None where the gauges are missing."""
    for running, waiting in LOAD_GAUGES:
        values = [_sum_of(metrics, name) for name in (running, waiting)]
        if None not in values:
            return int(values[0] or 0), int(values[1] or 0)
    return None


def _sum_of(metrics: bytes, name: bytes) -> float | None:
    """None where the gauge is missing, or is no number of requests."""
    lines = [
        line
        for line in metrics.splitlines()
        if line.startswith(name) and line[len(name) : len(name) + 1] in (b"{", b" ")
    ]
    try:
        total = sum(float(line.rsplit(b" ", 1)[1]) for line in lines)
    except (ValueError, IndexError):
        return None
    return total if lines and 0 <= total < 2**31 else None


class _Architecture(msgspec.Struct):
    input_modalities: tuple[str, ...] = ("text",)


class _Meta(msgspec.Struct):
    n_ctx_train: int = 0


class _ModelEntry(msgspec.Struct):
    id: str
    owned_by: str = ""
    max_model_len: int | None = None
    architecture: _Architecture | None = None
    meta: _Meta | None = None


class _Models(msgspec.Struct):
    data: list[_ModelEntry]


class _GenerationSettings(msgspec.Struct):
    n_ctx: int = 0


class _Props(msgspec.Struct):
    total_slots: int = DEFAULT_SLOTS
    default_generation_settings: _GenerationSettings = msgspec.field(default_factory=_GenerationSettings)


def _engine_model(entry: _ModelEntry, served_context: int, embeds: bool) -> EngineModel:
    modalities = entry.architecture.input_modalities if entry.architecture else ("text",)
    trained = entry.meta.n_ctx_train if entry.meta else 0
    return EngineModel(
        id=entry.id,
        context_tokens=served_context or entry.max_model_len or trained,
        modalities=(*modalities, "embeddings") if embeds else modalities,
    )
