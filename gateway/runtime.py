"""The running peer: the only place that makes tasks, clients, clocks and random numbers, and hands them down."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

import aiohttp
import numpy as np
from discovery.identity import Identity

from gateway.belief_table import Beliefs
from gateway.client_app import ClientApp, Parts, seldom_app
from gateway.config import Config
from gateway.dispatch import Dispatcher, own_agents
from gateway.engines.embedded import EmbeddedEngine
from gateway.engines.local import LocalEngine
from gateway.engines.openai_http import CONNECT_TIMEOUT_S, KEEPALIVE_S
from gateway.home import Home, HomeError, Running
from gateway.listeners import Server, bind, server, url_of
from gateway.node import Node
from gateway.policies import policy
from gateway.telemetry import RouteLog, Telemetry
from gateway.weights import locate

Say = Callable[[str], None]


def run_peer(config: Config, home: Home, say: Say) -> None:
    """Serve until SIGTERM or ^C. Raises HomeError, PortTaken."""
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its start and stop are ours to tell
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(config, home, say))


async def _serve(config: Config, home: Home, say: Say) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Runtime(config, home, say) as runtime:
        await runtime.run(stop)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Runtime:
    """One peer's parts, built on entry and closed on exit."""

    def __init__(self, config: Config, home: Home, say: Say) -> None:
        self._config, self._home, self._say = config, home, say
        self._stack = AsyncExitStack()
        self._told = ""  # what the user was last told of the engine

    async def __aenter__(self) -> "Runtime":
        home, config = self._home, self._config
        home.prepare()
        if other := home.running():
            raise HomeError(
                f"a peer is already running from {home.path} (process {other.pid}, {other.url}); "
                "stop it, or start this one with another --home"
            )
        async with AsyncExitStack() as stack:
            self._listener = bind(config.client.host, config.client.port, "--port")
            stack.callback(self._listener.close)
            self._session = await stack.enter_async_context(_engine_session())
            self._engine = LocalEngine(config.engine, self._session, self._new_embedded)
            stack.push_async_callback(self._engine.stop)
            route_log = RouteLog(home.path / "route.jsonl")
            stack.callback(route_log.close)
            self._node = self._new_node()
            telemetry, url = Telemetry(), url_of(self._listener)
            dispatcher = Dispatcher(
                config, self._node, self._engine, telemetry, route_log, clock=time.monotonic, wall_clock=time.time
            )
            parts = Parts(self._node, self._engine, telemetry, url, time.monotonic, time.monotonic())
            self._client_server = server(ClientApp(dispatcher, seldom_app(parts), config.client))
            home.announce(Running(url=url, pid=os.getpid(), token=secrets.token_urlsafe(32)))
            stack.callback(home.retire)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self._client_server.serve(sockets=[self._listener]), name="client side")
            watching = tasks.create_task(self._engine.run(tasks, self._engine_seen), name="engine")
            self._say(f"PPAI peer `{self._node.name}` serves http://{_netloc(self._listener)}/v1")
            self._say(_names_rule(self._config))
            await stop.wait()
            self._say("stopping: answers in progress may end")
            watching.cancel()
            await _shut(self._client_server, serving)
            await self._engine.stop()

    def _new_node(self) -> Node:
        identity = Identity.load_or_create(self._home.path)
        name = self._config.name or socket.gethostname()
        beliefs, rng = Beliefs(self._config.beliefs), np.random.default_rng()
        return Node(identity.id, name, policy(self._config.scheduler), beliefs, rng)

    def _new_embedded(self) -> EmbeddedEngine:
        model = locate("smollm2", self._home.weights)
        return EmbeddedEngine(model, self._config.embedded, self._home.path / "engine.log")

    def _engine_seen(self) -> None:
        state, agents = self._engine.state, own_agents(self._engine)
        self._node.observe_own_load(state.running, state.waiting, state.slots, time.monotonic())
        if agents != self._node.own_agents:
            self._node.serve(agents)
        models = ", ".join(model.id for model in state.models)
        told = f"{self._engine.origin}, serving {models}, {state.slots} slots" if state.is_ready else str(state.problem)
        if told != self._told:
            self._told = told
            self._say(f"engine: {told}")


def _engine_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=["accept-encoding", "user-agent"],
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=1 << 18,
    )


async def _shut(listening: Server, serving: asyncio.Task[None]) -> None:
    listening.should_exit = True
    await serving


def _netloc(listener: socket.socket) -> str:
    return url_of(listener).removeprefix("http://")


def _names_rule(config: Config) -> str:
    if config.routing.transparent:
        return "model names: unknown ones and the engine's own are routed like `auto` (--transparent)"
    return "model names: `auto` lets PPAI choose; unknown ones are refused (route them too with --transparent)"
