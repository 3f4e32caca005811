"""A worker before ada's dispatcher (tests/gateway/serving/desk.py), which gives it standing orders."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.client.api_keys import ApiKeys
from gateway.client.app import ClientApp, ClientConfig
from gateway.client.entrance.callers import Entrance
from gateway.workers.answering import Answering
from gateway.workers.carrying import Carrying
from gateway.workers.lending import Lending
from tests.discovery.loopback import until
from tests.fakes import ScriptedEngine
from tests.gateway.server.serving import serving
from tests.gateway.serving.desk import Desk, desk
from tests.gateway.workers.pair import pair

CHAT = {"model": "scripted-1", "messages": [{"role": "user", "content": "hi"}]}


@dataclass
class Working:
    """A worker, what its owner heard of it, and a program that asks it."""

    ada: Desk
    carrying: Carrying
    answering: Answering
    lending: Lending
    client: httpx.AsyncClient
    heard: list[str] = field(default_factory=list)  # the kinds of messages

    async def chat(self, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
        return await self.client.post("/v1/chat/completions", json={**CHAT, **fields}, headers=headers)

    @property
    def loaned(self) -> int:
        """Slots that are set aside, or used by an order."""
        return self.ada.door._line.aside + self.ada.door.lent.running

    async def given(self) -> None:
        """An order for chats stands, after one that was decided."""
        await self.chat()
        await self.stands()

    async def stands(self) -> None:
        """An order stands; what was heard before is forgotten."""
        await until(lambda: bool(self.carrying._taking._by_kind))
        self.heard.clear()

    async def lines(self, number: int) -> list[dict[str, Any]]:
        """So many lines of the route log."""
        await until(lambda: len(self.ada.route_log.tail) == number)
        return self.ada.route_log.tail


@asynccontextmanager
async def standing(
    home: Path, engine: ScriptedEngine, slots: int = 8, config: ClientConfig | None = None
) -> AsyncIterator[Working]:
    """One of one worker, and an engine with so many slots. No order ends by time: a test says when its lender looks."""
    config = config or ClientConfig()
    keys = ApiKeys(home / "api_keys.json")
    async with desk(home, engine, ScriptedEngine(url="http://127.0.0.1:9"), slots=slots, alone=True, only=True) as ada:
        app = ClientApp(ada.dispatcher, None, config, keys, lambda token: False)  # type: ignore[arg-type]  # no page is asked for
        lending = Lending(ada.dispatcher.by_order, workers=1)
        carrying, answering = pair(app, lending)
        (lender,) = lending._lenders
        lender._timer = asyncio.get_running_loop().call_later(3600.0, lambda: None)
        carrying.let_in_by(Entrance(config.callers, keys, lambda token: False), config.body_limit_bytes)
        async with serving(carrying) as served:  # type: ignore[arg-type]  # it meets its exchanges
            url = f"http://127.0.0.1:{served.port}"
            async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                worker = Working(ada, carrying, answering, lending, client)
                hear = answering.hear
                answering.link._heard = lambda frame: (worker.heard.append(type(frame).__name__), hear(frame))  # type: ignore[func-returns-value]
                yield worker
        carrying.close()
        await asyncio.sleep(0.02)
