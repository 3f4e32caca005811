"""Our engine: the one that is named, the first one found on this machine, or the embedded one.

It watches the engine, and goes on looking where there is none: a peer starts and joins without one, and then gets its
answers from other peers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Protocol

import msgspec

from discovery.connections import Connections
from discovery.records import printable
from gateway.engines import litellm_bridge
from gateway.engines.address import EngineAddressError, Place, metrics_page_of, read_address
from gateway.engines.embedded import EmbeddedEngine, EngineUnusable, ModelMissing
from gateway.engines.engine_api import KEEPALIVE_S, NO_ANSWER, EngineApi, taken_over
from gateway.engines.engine_state import NOT_WANTED, EngineState, ModelFacts, as_owner_says
from gateway.engines.family import listing_of
from gateway.engines.naming import NamedReply, asking_by_id, ids_by_name
from gateway.engines.openai_http import OpenAIEngine
from gateway.home.port_owner import is_our_own, is_person_else, name_of, owner_of
from gateway.upstream import Patience, Reply, Upstream, UpstreamError
from gateway.wire.codec import UNREADABLE, Pieces

ADOPTABLE_PORTS = {8000: "vLLM", 11434: "Ollama", 1234: "LM Studio", 8080: "llama.cpp"}
ADOPTION_TIMEOUT_S = 0.3  # s for a well-known port to answer; loopback answers or refuses at once
LLAMACPP_INTERVAL_S = 2.0  # s between two reads of its metrics, at least: see `_interval_s`
# An engine that is not there is looked for after UNREADY_INTERVAL_S, so that one that starts is noticed soon. The pause
# grows by the factor UNREADY_GROWTH, up to UNREADY_LIMIT_S: looking takes processor time (docs/decisions.md#engines).
UNREADY_INTERVAL_S = 0.25
UNREADY_GROWTH = 1.05
UNREADY_LIMIT_S = 2.0
LEARN_SOON_S = 3.0  # s for which others are not told yet what an engine does, since what is tried is mostly known then
NONE_YET = "still looking for an engine"  # why there is none, until all that may be one was looked for
LOOK_AGAIN_S = 2.0  # s that a request waits for a look at an engine which did not know a model of its own list


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One of this peer's engines, and how it is reached."""

    # http://[user:password@]host:port[/v1] | embedded | none | litellm:PROVIDER/MODEL |
    # auto (all that are found at 8000, 11434, 1234, 8080, else embedded)
    url: str = "auto"
    api_key: str = ""  # sent as a bearer token to the engine that `url` names, never to one found on a port
    api_base: str = ""  # where litellm reaches the provider, if not at its usual address
    # where its models run. auto: here if `url` is loopback, else an other host or a cloud by its address, with litellm
    # a cloud. A request that must stay on this machine is answered by an engine that is here only
    place: Literal["auto", "here", "other host", "cloud"] = "auto"
    slots: Annotated[int, msgspec.Meta(ge=0, le=4095)] = 0  # requests it works on at once; 0 asks the engine, else 8
    # where its load is read, if not at its own /metrics: of the engines behind a router, whose loads are added
    metrics_urls: tuple[str, ...] = ()
    serve: tuple[str, ...] = ()  # which of its models this peer serves, by id or name; empty: all
    # whether a model that is not loaded yet is loaded because another peer asks for it, which may cost the owner's own
    # its place; false: others are answered with models that are loaded. A limit (admission.limits) may say otherwise
    load_for_others: bool = False
    last_resort: bool = False  # asked when nobody else can answer, and never for what must stay on this machine
    # what its models can do and hold, by name, where it does not tell; e.g. {NAME: {abilities: [text, image]}}
    models: dict[str, ModelFacts] = field(default_factory=dict)
    # which endpoints it answers, where it does not tell, e.g. [chat/completions, rerank]; () as it tells
    endpoints: tuple[str, ...] = ()
    # s between two reads of its load (costs: docs/results/gateway.md)
    scrape_interval_s: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 1.0
    name: str = ""  # what it is called where several serve models of one name (MODEL@NAME); empty: by its address


_WITHOUT_ADDRESS = ("auto", "embedded", "none")  # values of engine.url


def unready_interval_s(looks: int) -> float:
    """Seconds until the next look at an engine that was not there at the last `looks` looks."""
    return min(UNREADY_INTERVAL_S * UNREADY_GROWTH ** min(looks, 100), UNREADY_LIMIT_S)


class Engine(Upstream, Protocol):
    """What the gateway needs of an engine, by whatever API."""

    state: EngineState
    in_flight: int  # requests that we have open at it

    async def refresh(self) -> None:
        """Ask the engine what it serves and how busy it is; afterwards `state` holds the answer or the problem."""
        ...

    @property
    def to_learn(self) -> str | None:
        """A model whose abilities can only be found by trying, and were not yet; None where there is none."""
        ...

    async def learn(self) -> bool:
        """Try one of them; True where that found an ability, which the next look tells."""
        ...

    @property
    def is_followed(self) -> bool:
        """Whether it loads a model, and tells how far it is to who asks for that: `follow`."""
        ...

    async def follow(self) -> None:
        """Read for a while how far that is, which the next looks tell."""
        ...

    async def stored(self, method: str, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a page about an answer that it keeps. Raises UpstreamError."""
        ...

    def close(self) -> None:
        """Close the connections that are kept."""
        ...


class LocalEngine:
    """Our own engine as an Upstream: `run` watches it, `state` says what is known of it, `open` asks it."""

    def __init__(
        self,
        config: EngineConfig,
        embedded: Callable[[], EmbeddedEngine],
        ports: Mapping[int, str] = ADOPTABLE_PORTS,
        embeds: Callable[[], bool] = lambda: True,
    ) -> None:
        """`embedded` makes the embedded engine, or raises ModelMissing; `ports` are tried where the url is auto.

        `embeds`: whether the embedded one is to be started where none of them is found. Raises EngineAddressError.
        """
        self._shown_url = check(config)
        self.config, self._embeds = config, embeds
        self.has_looked = False  # at least once
        self.origin = "none"  # which engine was taken, in words for the user
        self._new_embedded, self._ports = embedded, ports
        self._embedded: EmbeddedEngine | None = None
        self._engine: Engine | None = None
        self._adopted_port = 0  # where the engine was found, if it was not named
        self.not_adopted: tuple[str, ...] = ()  # engines of other people, each with what takes it
        self._problem = NONE_YET
        self._unready_looks = 0  # in a row
        self._learning: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._learns_since: float | None = None  # when there was first something to learn; None: there is nothing
        self._told: EngineState | None = None  # of which `_state` was made
        self._state: EngineState
        self._ids: dict[str, str] = {}  # name -> id of models whose id a card cannot hold
        self._is_wanted = asyncio.Event()  # a look before its time
        self._waiting: list[asyncio.Future[None]] = []  # for the end of the next look

    @property
    def state(self) -> EngineState:
        if self._engine is None:
            return EngineState(problem=self._problem)
        if self._embedded and self._embedded.state.phase != "ready":
            return replace(self._engine.state, problem=f"the embedded engine is {self._embedded.state}")
        if (state := self._engine.state) is not self._told:
            config, self._told = self.config, state
            self._state = as_owner_says(state, config.models, config.serve, config.endpoints)
        return self._state

    @property
    def name(self) -> str:
        """What it is called among our engines."""
        if self.config.name:
            return self.config.name
        address = self._shown_url.partition("//")[2] or self.config.url
        return printable(address, 40) or "engine"

    @property
    def is_there(self) -> bool:
        """Whether it was named or found, though it may not answer."""
        return self._engine is not None

    @property
    def in_flight(self) -> int:
        return self._engine.in_flight if self._engine else 0

    @property
    def direct(self) -> OpenAIEngine | None:
        """The engine whom others may ask in our place (OpenAIEngine.manner); None where we stand between."""
        return self._engine if isinstance(self._engine, OpenAIEngine) and not self._ids else None

    @property
    def _place(self) -> Place | None:
        """Where the owner says that the engine runs; None: its address tells."""
        return None if self.config.place == "auto" else self.config.place

    def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AbstractAsyncContextManager[Reply]:
        """Ask the engine (see gateway.upstream.Upstream). Raises UpstreamError, with 503 where there is none."""
        if self._engine is None:
            raise UpstreamError(self._problem, status=503, code="no_engine", retry_after_s=2)
        if not self._ids:
            return self._engine.open(endpoint, body, headers, stream=stream, patience=patience)
        body, name = asking_by_id(body, self._ids)
        return _named(self._engine.open(endpoint, body, headers, stream=stream, patience=patience), name)

    async def stored(self, method: str, path: str) -> tuple[int, str, bytes]:
        """What the engine says of an answer that it keeps, as `Engine.stored`. Raises UpstreamError."""
        if self._engine is None:
            raise UpstreamError(self._problem, status=503, code="no_engine")
        return await self._engine.stored(method, path)

    async def run(self, tasks: asyncio.TaskGroup, seen: Callable[[], None]) -> None:
        """Find the engine, then read its state until cancelled; `seen` is called after every read."""
        try:
            await self._watch(tasks, seen)
        finally:
            for task in (self._learning, self._following):
                if task:
                    task.cancel()

    async def _watch(self, tasks: asyncio.TaskGroup, seen: Callable[[], None]) -> None:
        while True:
            waiting, self._waiting = self._waiting, []
            self._is_wanted.clear()
            self._drop_where_another_person_listens()
            if self._engine is None:
                await self._find(tasks)
            if self._engine is not None:
                await self._engine.refresh()
                self._ids = ids_by_name(self._engine.state.models)
            self.has_looked = True
            seen()
            self._begin_to_learn(tasks)
            self._begin_to_follow(tasks)
            self._unready_looks = 0 if self.state.is_ready else self._unready_looks + 1
            for looked in waiting:
                if not looked.done():
                    looked.set_result(None)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s()):
                    await self._is_wanted.wait()

    @property
    def is_new(self) -> bool:
        """Whether what it can do is being tried, and soon known: LEARN_SOON_S at most after it was loaded."""
        now = asyncio.get_running_loop().time()
        return self._may_learn and (self._learns_since is None or now - self._learns_since < LEARN_SOON_S)

    @property
    def _may_learn(self) -> bool:
        """Whether there is something that only trying tells; not where each request may cost money."""
        is_free = not self.config.last_resort and self.state.place != "cloud"
        return self._engine is not None and bool(self._engine.to_learn) and self.state.is_ready and is_free

    def _begin_to_learn(self, tasks: asyncio.TaskGroup) -> None:
        """Have the engine try what only trying tells, one model at a time."""
        if not self._may_learn:
            self._learns_since = None
            return
        self._learns_since = self._learns_since or asyncio.get_running_loop().time()
        if self._engine is not None and (self._learning is None or self._learning.done()):
            self._learning = tasks.create_task(self._learn(self._engine), name=f"learning {self.name}")

    def _begin_to_follow(self, tasks: asyncio.TaskGroup) -> None:
        """Have read how far the engine is with what it loads."""
        if self._engine is not None and self._engine.is_followed and (not self._following or self._following.done()):
            self._following = tasks.create_task(self._engine.follow(), name=f"following {self.name}")

    async def _learn(self, engine: Engine) -> None:
        if await engine.learn():
            self._is_wanted.set()

    async def look_again(self) -> None:
        """Have the engine looked at now, and wait until its state is what it says: LOOK_AGAIN_S at most."""
        looked = asyncio.get_running_loop().create_future()
        self._waiting.append(looked)
        self._is_wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await looked

    def _interval_s(self) -> float:
        """Seconds until the next read.

        llama.cpp notices that a caller hung up only after a second in which nobody reads its metrics
        (docs/decisions.md#engines).
        """
        if not self.state.is_ready:
            return unready_interval_s(self._unready_looks)
        least_s = LLAMACPP_INTERVAL_S if self.state.family == "llamacpp" else 0.0
        return max(self.config.scrape_interval_s, least_s)

    async def stop(self) -> None:
        if self._engine:
            self._engine.close()
        if self._embedded:
            await self._embedded.stop()

    async def _find(self, tasks: asyncio.TaskGroup) -> None:
        if self.config.url.startswith(litellm_bridge.SCHEME):
            self._bridge()
            return
        if self.config.url == "none":
            self._problem = f"{NOT_WANTED}: name one with --engine URL, or start another peer"
            return
        if self.config.url not in _WITHOUT_ADDRESS:
            self._take(self.config.url, f"the engine at {self._shown_url}", self.config.api_key)
            return
        if self.config.url == "auto" and (found := await self._adoptable()):
            port, name = found
            # without engine.api_key, which is for the engine that was named, not for any program on a port
            self._take(f"http://127.0.0.1:{port}", f"{name} found on port {port}", "", port)
            return
        if self._embeds():
            await self._start_embedded(tasks)
        elif self._ports:
            self._problem = f"no engine of yours on this machine's {_ports_in_words(self._ports)}"

    def _bridge(self) -> None:
        config, models = self.config, litellm_bridge.models_of(self.config.url)
        self.origin = f"{', '.join(models)} by litellm"
        self._engine = litellm_bridge.LiteLLMEngine(
            models, api_key=config.api_key, api_base=config.api_base, slots=config.slots, place=self._place
        )

    async def _start_embedded(self, tasks: asyncio.TaskGroup) -> None:
        try:
            engine = self._new_embedded()
            await engine.start()
        except ModelMissing as error:
            ports = _ports_in_words(self._ports or ADOPTABLE_PORTS)
            sought = f"no engine of yours on this machine's {ports}, and " if self.config.url == "auto" else ""
            self._problem = f"{sought}the embedded engine has no model: {error}, or name an engine with --engine URL"
            return
        except EngineUnusable as error:
            self._problem = str(error)
            return
        assert engine.url, "a started engine has a url"
        self._embedded, engine.on_ready = engine, self._is_wanted.set  # requests may wait for it: look at once
        tasks.create_task(engine.run(), name="embedded engine")
        self._take(engine.url, "the embedded engine", engine.api_key)

    def _take(self, url: str, origin: str, api_key: str, found_at: int = 0) -> None:
        self.origin, self._adopted_port = origin, found_at
        self._engine = OpenAIEngine(
            url, api_key=api_key, slots=self.config.slots, place=self._place, found_at=found_at,
            is_embedded=self._embedded is not None, metrics_urls=self.config.metrics_urls, named=self.config.serve,
        )  # fmt: skip

    def _drop_where_another_person_listens(self) -> None:
        """An adopted engine that ended leaves its port to whoever comes first."""
        if self._adopted_port and (why := taken_over(self._adopted_port)) is not None:
            assert self._engine, "an engine was adopted"
            self._engine.close()
            self.origin, self._engine, self._adopted_port, self._problem = "none", None, 0, why

    async def _adoptable(self) -> tuple[int, str] | None:
        """(port, name) of the first well-known loopback port that lists models and is not another PPAI peer.

        Programs of other people are passed over: whoever answers a prompt reads it.
        """
        replies = await asyncio.gather(*(self._lists_models(port) for port in self._ports))
        found = [item for item, lists in zip(self._ports.items(), replies, strict=True) if lists]
        whose = {port: await _stranger_on(port) for port, _ in found}
        self.not_adopted = tuple(
            f"{name} on port {port} is run by {whose[port]}: adopt it with --engine http://127.0.0.1:{port}"
            for port, name in found
            if whose[port]
        )
        return next(((port, name) for port, name in found if not whose[port]), None)

    async def _lists_models(self, port: int) -> bool:
        url = f"http://127.0.0.1:{port}"
        connections = Connections(url, connect_s=ADOPTION_TIMEOUT_S, keep_s=KEEPALIVE_S)
        try:
            async with asyncio.timeout(ADOPTION_TIMEOUT_S):
                models = (await listing_of(EngineApi(url, connections, {}))).data
                return bool(models) and all(model.owned_by != "ppai" for model in models)
        except (*NO_ANSWER, *UNREADABLE, UpstreamError):
            return False
        finally:
            connections.close()


def _ports_in_words(ports: Mapping[int, str]) -> str:
    shown = ", ".join(f"{port} ({name})" for port, name in ports.items())
    return f"ports {shown}" if len(ports) > 1 else f"port {shown}"


async def _stranger_on(port: int) -> str:
    """Whose the program on this port is, in words; empty where it is ours, root's or an account of the system's."""
    owner = owner_of("127.0.0.1", port)
    if owner is not None:
        return f"`{name_of(owner)}`" if is_person_else(owner) else ""
    return "" if await asyncio.to_thread(is_our_own, port) else "somebody whom this system does not name"


def check(config: EngineConfig) -> str:
    """The engine's URL as it may be shown; empty where none is named. Raises EngineAddressError."""
    if "@" in config.api_base:
        raise EngineAddressError("engine.api_base holds a user or password; put the provider's key into engine.api_key")
    if config.api_base and not config.api_base.startswith(("http://", "https://")):
        raise EngineAddressError("engine.api_base is no URL; expected https://HOST[/PATH]")
    for url in config.metrics_urls:
        metrics_page_of(url)
    if config.metrics_urls and (config.url in _WITHOUT_ADDRESS or config.url.startswith(litellm_bridge.SCHEME)):
        raise EngineAddressError("engine.metrics_urls is for an engine that engine.url names by its http:// address")
    if config.url.lower() in _WITHOUT_ADDRESS and config.url not in _WITHOUT_ADDRESS:
        raise EngineAddressError(f"engine.url is `{config.url}`: write it in small letters, `{config.url.lower()}`")
    if config.url.startswith(litellm_bridge.SCHEME) and not config.url.removeprefix(litellm_bridge.SCHEME).strip():
        raise EngineAddressError("engine.url names no model; expected litellm:PROVIDER/MODEL")
    if config.url in _WITHOUT_ADDRESS or config.url.startswith(litellm_bridge.SCHEME):
        return ""
    return read_address(config.url, config.api_key).url


@asynccontextmanager
async def _named(opened: AbstractAsyncContextManager[Reply], name: str | None) -> AsyncIterator[Reply]:
    """A reply with the model's name as it was asked for."""
    async with opened as reply:
        yield reply if name is None else NamedReply(reply, name)
