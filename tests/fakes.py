"""Real servers with scripted behaviour, where a real engine would be too slow or would not fail on demand."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from aiohttp import web
from anyio.from_thread import start_blocking_portal

from gateway.engines.learning.going_on import TRIAL
from gateway.wire.bodies import FORM

Answer = Callable[[dict[str, Any]], str]
_EMBEDDING = {"object": "embedding", "index": 0, "embedding": [0.0, 1.0]}


def free_port() -> int:
    """A port where nobody listens; another program may be given it until somebody does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def held_port() -> Iterator[int]:
    """A port where nobody listens, and which nobody else is given, until an engine of ours is served on it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def is_trial(body: dict[str, Any]) -> bool:
    """Whether a peer asks this of its own accord, to learn whether the engine goes on with answers that were begun."""
    asked = (body.get(name) for name in ("messages", "input"))
    return TRIAL in [turns[:1] for turns in asked if isinstance(turns, list)] or (
        body.get("prompt"),
        body.get("max_tokens"),
    ) == ("a", 1)


@dataclass
class ScriptedEngine:
    """An OpenAI-compatible engine over a real socket: `answer` says what, the other fields how it behaves or fails.

    Counts what it was asked and what was hung up on, so that a test can wait for an effect and not for time to pass.
    """

    model: str = "scripted-1"
    answer: Answer = lambda body: "one two three four"
    delay_s: float = 0.0  # before the first token
    token_s: float = 0.0  # between tokens
    finish_reason: str = "stop"
    status: int = 200  # anything else is answered at once, with `error`
    error: bytes = b'{"error":{"message":"scripted failure","type":"server_error","param":null,"code":null}}'
    headers: dict[str, str] = field(default_factory=dict)
    page: bytes | None = None  # what a 200 has for a body, as text/html, instead of an answer
    cut_after: int | None = None  # events, then the connection is closed
    raw: Sequence[bytes] | None = None  # a stream's bytes, sent as they are instead of an answer, and the end
    apis: Mapping[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)  # by endpoint: body -> whole
    # answer, or the pieces of a stream; other endpoints are answered as chat is
    metrics: str | None = None
    is_strict: bool = False  # it knows `model` alone: a request for another is a 404, as vLLM and Ollama answer it
    models: bytes | None = None  # what GET /v1/models answers instead of a list of `model`
    lists: int = 200  # the status of GET /v1/models
    pages: Mapping[str, object] = field(default_factory=dict)  # JSON at further paths, by GET or POST
    context_tokens: int = 4096
    prompt_tokens: Callable[[dict[str, Any]], int] = lambda body: 7
    owned_by: str = "vllm"
    asked: list[dict[str, Any]] = field(default_factory=list)  # without what is tried
    tried: list[dict[str, Any]] = field(default_factory=list)  # by a peer that learns what the engine can
    asked_at: list[float] = field(default_factory=list)  # s, monotonic
    bodies: list[bytes] = field(default_factory=list)
    request_headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)  # every path asked, in order
    authorizations: set[str | None] = field(default_factory=set)  # with which any of them was asked
    transports: set[asyncio.Transport] = field(default_factory=set)  # of all connections that were made
    active: int = 0
    hung_up: int = 0
    url: str = ""

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["ScriptedEngine"]:
        app = web.Application(client_max_size=64 << 20, middlewares=[self._noted])
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/v1/{endpoint:.*}", self._generate)
        app.router.add_route("*", "/{page:.*}", self._page)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        assert runner.server
        self._note_connections(runner.server)
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_port=bool(port), backlog=1024)  # as vLLM: a burst fits
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
            for _ in range(50):  # a connection that was just accepted is noted some rounds of the loop later
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                while any(transport.get_extra_info("socket").fileno() >= 0 for transport in self.transports):
                    for transport in self.transports:
                        transport.abort()  # what nobody reads would keep it open
                    await asyncio.sleep(0)  # what was closed lets go of its socket in a later round
            self.transports.clear()

    def _note_connections(self, server: web.Server) -> None:
        """Every connection that is made, whether it asks anything or not."""
        made = server.connection_made

        def noted(handler: Any, transport: asyncio.Transport) -> None:
            self.transports.add(transport)
            made(handler, transport)

        server.connection_made = noted  # type: ignore[method-assign, assignment]

    @contextmanager
    def serving_beside(self) -> Iterator["ScriptedEngine"]:
        """`serving` on a loop and thread of its own: for fixtures that outlive one test, and for tests that block."""
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(self.serving()):
            yield self

    def begin_again(self) -> "ScriptedEngine":
        """As made without arguments, with nothing seen; for tests that share it. It must be idle."""
        assert self.active == 0, f"{self.active} requests are still answered"
        fresh = ScriptedEngine()
        for named in fields(self):
            if named.name not in ("url", "transports"):
                setattr(self, named.name, getattr(fresh, named.name))
        return self

    async def until(self, condition: Callable[["ScriptedEngine"], bool], timeout_s: float = 5.0) -> None:
        """Wait until the engine has seen something; fails after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                await asyncio.sleep(0.005)

    @web.middleware
    async def _noted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.paths.append(request.path)
        self.authorizations.add(request.headers.get("authorization"))
        return await handler(request)

    async def _page(self, request: web.Request) -> web.Response:
        page = self.pages.get(request.path)
        if callable(page):
            page = page(await request.json())
        if page is None:
            raise web.HTTPNotFound
        return web.json_response(page)

    async def _models(self, request: web.Request) -> web.Response:
        if self.models is not None or self.lists != 200:
            return web.Response(status=self.lists, body=self.models, content_type="application/json")
        entry = {"id": self.model, "object": "model", "owned_by": self.owned_by, "max_model_len": self.context_tokens}
        return web.json_response({"object": "list", "data": [entry]})

    async def _metrics(self, request: web.Request) -> web.Response:
        if self.metrics is None:
            raise web.HTTPNotFound
        return web.Response(text=self.metrics)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if request.content_type == FORM:
            raise web.HTTPNotFound
        body = json.loads(raw)
        if is_trial(body):
            self.tried.append(body)
        else:
            self.asked.append(body)
            self.asked_at.append(time.monotonic())
            self.bodies.append(raw)
            self.request_headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.is_strict and body.get("model") != self.model:
            return web.json_response({"error": {"message": f"no model {body.get('model')}"}}, status=404)
        if self.status != 200:
            return web.Response(
                body=self.error, status=self.status, content_type="application/json", headers=self.headers
            )
        if self.page is not None:
            return web.Response(body=self.page, content_type="text/html")
        self.active += 1
        try:
            await asyncio.sleep(self.delay_s)
            if answer := self.apis.get(request.path.removeprefix("/v1/")):
                said = answer(body)
                if isinstance(said, web.HTTPException):
                    raise said
                return web.json_response(said) if isinstance(said, dict) else await self._pieces(request, said)
            words = self.answer(body).split(" ")
            if request.path == "/v1/embeddings":
                return web.json_response({"object": "list", "model": self.model, "data": [_EMBEDDING]})
            streams = body.get("stream") and not request.path.endswith("count_tokens")
            return await (self._stream(request, body, words) if streams else self._whole(request, body, words))
        except (asyncio.CancelledError, ConnectionResetError):
            self.hung_up += 1
            raise
        finally:
            self.active -= 1

    async def _whole(self, request: web.Request, body: dict[str, Any], words: list[str]) -> web.Response:
        if self.cut_after is not None:
            assert request.transport
            request.transport.abort()
        await asyncio.sleep(self.token_s * len(words))
        message = {"role": "assistant", "content": " ".join(words)}
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": self.model,
                "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
                "usage": self._usage(body, words),
            }
        )

    async def _pieces(self, request: web.Request, pieces: Sequence[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **self.headers})
        await response.prepare(request)
        for sent, piece in enumerate(pieces):
            if sent == self.cut_after:
                assert request.transport
                request.transport.abort()
                return response
            await response.write(piece)
            await asyncio.sleep(self.token_s)
        return response

    async def _stream(self, request: web.Request, body: dict[str, Any], words: list[str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **self.headers})
        await response.prepare(request)
        for piece in self.raw or ():
            await response.write(piece)
            await asyncio.sleep(self.token_s)
        if self.raw is not None:
            return response
        chunks = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
        chunks += [
            {"choices": [{"index": 0, "delta": {"content": word if i == 0 else " " + word}}]}
            for i, word in enumerate(words)
        ]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]}]
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks += [{"choices": [], "usage": self._usage(body, words)}]
        for sent, chunk in enumerate(chunks):
            if sent == self.cut_after:
                assert request.transport
                request.transport.abort()
                return response
            event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model, **chunk}
            await response.write(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")
            await asyncio.sleep(self.token_s)
        await response.write(b"data: [DONE]\n\n")
        return response

    def _usage(self, body: dict[str, Any], words: list[str]) -> dict[str, int]:
        read, said = self.prompt_tokens(body), sum(map(bool, words))
        return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


_TURN = "<turn>{role} {content} </turn>"


def going_on(text: str, **behaviour: Any) -> dict[str, Any]:
    """Behaviour of a scripted vLLM that says `text`, and goes on where a request ends with the beginning of it.

    As the real one it closes the last turn, and begins at the beginning, unless it is told not to.
    """

    def is_begun(body: dict[str, Any]) -> bool:
        last = body["messages"][-1] if body.get("messages") else {"role": ""}
        return last["role"] == "assistant" and body.get("continue_final_message") is True

    def prompt(body: dict[str, Any]) -> list[str]:
        if "prompt" in body:
            return str(body["prompt"]).split()
        shown = "".join(_TURN.format(**turn) + " " for turn in body["messages"])
        return (shown.removesuffix(" </turn> ") if is_begun(body) else f"{shown}<turn>assistant").split()

    def answer(body: dict[str, Any]) -> str:
        begun = body["messages"][-1]["content"] if is_begun(body) else ""
        rest = text.removeprefix(begun) if text.startswith(begun) else text
        bound = body.get("max_tokens")
        return " ".join(rest.split(" ")[: bound and bound + rest.startswith(" ")])

    def tokenize(body: dict[str, Any]) -> dict[str, Any]:
        tokens = [hash(word) for word in prompt(body)]
        return {"count": len(tokens), "tokens": tokens}

    pages = {"/openapi.json": {"paths": {"/v1/chat/completions": {}}}, "/tokenize": tokenize}
    return {"answer": answer, "pages": pages, "prompt_tokens": lambda body: len(prompt(body)), **behaviour}
