"""An owner that has our engine asked for every chat, and keeps how each attempt did."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from gateway.engines.openai_http import OpenAIEngine
from gateway.server.edge import read_pieces, until_gone
from gateway.server.exchange import Exchange
from gateway.serving.deciding.targets import Attempt, Target
from gateway.serving.forward import Forwarder
from gateway.upstream import Patience
from gateway.wire.request import read_request
from tests.fakes import ScriptedEngine
from tests.gateway.serving.forwarding import GoingOn, Line
from tests.gateway.workers.pair import Working, working

CHAT = "chat/completions"


@dataclass
class Owner:
    """Answers chats by its engines, one after the other."""

    engines: list[OpenAIEngine]
    goes_on: bool = False
    patience: Patience = field(default_factory=lambda: Patience(first_event_s=5, idle_s=5, whole_s=5))
    shown: str = "scripted-1"
    attempts: list[Attempt] = field(default_factory=list)

    async def answer(self, exchange: Exchange) -> None:
        body = exchange.body(1 << 30)
        body = await read_pieces(exchange.receive, 1 << 30) if body is None else body
        try:
            await until_gone(self._forward(exchange, body), exchange)
        except asyncio.CancelledError:  # as ClientApp's: this peer is being stopped
            await exchange.send(b"data: ended\n\n", more=False)
            raise

    async def _forward(self, exchange: Exchange, body: bytes) -> None:
        exchange.request_id, exchange.extra = "r1", {"x-request-id": "r1"}
        targets = [
            Target(engine, (body,), "scripted-1", self.shown, {"x-ppai-peer": f"p{index}"}, began=time.monotonic())
            for index, engine in enumerate(self.engines)
        ]
        line = (GoingOn if self.goes_on else Line)(targets, self.attempts)
        request = read_request(CHAT, body)
        await Forwarder(request, line, self.patience, time.monotonic, continues=self.goes_on).run(exchange, {})


@dataclass
class Asked:
    """A worker before an owner."""

    worker: Working
    owner: Owner
    client: httpx.AsyncClient

    async def chat(self, **fields: object) -> httpx.Response:
        body = {"messages": [{"role": "user", "content": "hi"}], "model": "scripted-1", **fields}
        return await self.client.post("/v1/chat/completions", json=body)


@asynccontextmanager
async def asking(*engines: ScriptedEngine | str, **owner: object) -> AsyncIterator[Asked]:
    """Programs that ask a worker, whose owner has these engines."""
    urls = [engine if isinstance(engine, str) else engine.url for engine in engines]
    answers = Owner([OpenAIEngine(url) for url in urls], **owner)  # type: ignore[arg-type]
    async with working(answers.answer) as worker:
        url = f"http://127.0.0.1:{worker.served.port}"
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            yield Asked(worker, answers, client)
    for engine in answers.engines:
        engine.close()
