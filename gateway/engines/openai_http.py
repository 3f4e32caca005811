"""Speaks to any engine with the OpenAI API: reads its models and load, and sends it requests.

gateway/engines/families.py reads what a family tells of itself beyond that API. Knows nothing of peers or scores.
"""

import asyncio
import os
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from gateway.engines.address import Place, metrics_page_of, read_address
from gateway.engines.answering import Began
from gateway.engines.asked import Asked, Hands, Manner, Way
from gateway.engines.engine_api import NO_ANSWER, NO_PAGE, EngineApi, MetricsPage, StillLoading, connections_to
from gateway.engines.engine_state import EngineState, bounded
from gateway.engines.families import recognise
from gateway.engines.family import Family, Listing, listing_of, read_load
from gateway.engines.learning.going_on import continues
from gateway.upstream import Patience, UpstreamError
from gateway.wire.bodies import OTHERS
from gateway.wire.codec import UNREADABLE, Pieces

IDENTIFY_EVERY = 10  # refreshes between two reads of the list of models, which Ollama changes while it runs
LEARN_TIMEOUT_S = 60.0  # s for all that one model is asked once, behind whatever the engine is doing
LEARN_ATTEMPTS = 3  # of those in which it did not answer
CHECK_TIMEOUT_S = 5.0  # s for /v1/models and /metrics together


class OpenAIEngine:
    """One engine behind `url` (http://host:port, with or without /v1 and credentials)."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str = "",
        slots: int = 0,
        place: Place | None = None,
        found_at: int = 0,
        is_embedded: bool = False,
        metrics_urls: Sequence[str] = (),
        named: Sequence[str] = (),
    ) -> None:
        """`place`: where it runs, if its URL does not tell. `found_at`: the port where it was found, if not named.

        `metrics_urls`: where its load is read, if not at its own /metrics; the loads are added. `named`: models that
        its owner names, which are tried where it does not list them. Raises EngineAddressError.
        """
        address = read_address(url, api_key)
        self.url = address.url
        self.place = place or address.place
        self.state = EngineState(place=self.place, is_embedded=is_embedded)
        self.in_flight = 0  # requests that we have open at it
        self._connections = connections_to(self.url, found_at)
        self._way, self._path = Way(self.url, found_at), urlsplit(self.url).path
        self._request_headers = {"content-type": "application/json", **address.headers}
        self._configured_slots, self._named = slots, tuple(named)
        self._metrics_pages = tuple(MetricsPage(metrics_page_of(each)) for each in metrics_urls)
        self._api = EngineApi(self.url, self._connections, address.headers)
        self._family: Family | None = None
        self._owner = ""  # `owned_by` of its models when its family was recognised
        self._refreshes = 0
        self._is_list_old = False  # it did not know a model of its own list
        self.refused: dict[str, frozenset[str]] = {}  # by endpoint: optional fields that it does not know
        # What the head of each request begins with that has no headers of its own: by endpoint, and whether the
        # connection is kept.
        self._lines: dict[tuple[str, bool], bytes] = {}
        self._continues: dict[str, tuple[str, ...]] = {}  # by model, as it was tested
        self._learn_attempts: dict[str, int] = {}  # by model

    async def refresh(self) -> None:
        """Ask the engine what it serves and how busy it is; afterwards `state` holds the answer or the problem."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                is_due = self._is_list_old or self._refreshes % IDENTIFY_EVERY == 0
                if self._family is None or not self.state.is_ready or is_due:
                    self._is_list_old = False
                    self._family, self.state = await self._identify()
                self._refreshes += 1
                self.state = self._as_learnt(bounded(await self._look(self._family, self.state)))
        except TimeoutError as error:
            if not self.in_flight:  # an engine that works on our requests is busy, not dead
                self.state = replace(self.state, problem=self._describe(error))
        except NO_ANSWER as error:
            self._family = None  # another engine may listen there next time
            self.state = replace(self.state, problem=self._describe(error))
        except (*UNREADABLE, UpstreamError) as error:
            self._family = None
            self.state = replace(self.state, problem=f"{self.url} does not speak the OpenAI API: {error}")

    @property
    def to_learn(self) -> str | None:
        """A model that is loaded and was not asked yet what `learn` asks; None where there is none."""
        if not self.state.is_ready or self._family is None:
            return None
        loaded = (model.id for model in self.state.models if model.is_loaded and "text" in model.modalities)
        return next((model for model in loaded if model not in self._continues), None)

    @property
    def is_followed(self) -> bool:
        """Whether a model is being loaded of which `follow` reads how far it is."""
        return any(each.loading is not None for each in self.state.models)

    async def follow(self) -> None:
        """Read for a while how far models are loaded, which the next looks tell."""
        if self._family is not None:
            await self._family.follow(self._api)

    async def learn(self) -> bool:
        """Ask a model once whether it goes on with an answer that was begun; True where the next look tells that."""
        model, family = self.to_learn, self._family
        if model is None or family is None:
            return False
        found: tuple[str, ...] | None = None
        try:
            async with asyncio.timeout(LEARN_TIMEOUT_S):
                tells = next((each.endpoints for each in self.state.models if each.id == model), ())
                found = await continues(self._api, family.name, model, tells)
        except NO_ANSWER:
            self._learn_attempts[model] = self._learn_attempts.get(model, 0) + 1
        if found is None and self._learn_attempts[model] >= LEARN_ATTEMPTS:
            found = ()
        if found is not None and family is self._family:
            self._continues[model] = found
        return bool(found)

    def _as_learnt(self, state: EngineState) -> EngineState:
        models = (replace(model, continues=self._continues.get(model.id, ())) for model in state.models)
        return replace(state, models=tuple(models)) if any(self._continues.values()) else state

    def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> Asked:
        """Ask the engine (see gateway.upstream.Upstream)."""
        return Asked(self, endpoint, body, headers, stream, patience)

    async def stored(self, method: str, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a page about an answer that it keeps. Raises UpstreamError."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._api.ask(method, path)
        except NO_ANSWER as error:
            raise UpstreamError(self._describe(error), code="engine_unreachable") from error

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connections.close()
        for page in self._metrics_pages:
            page.close()

    def begin(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], within_s: float, hands: Hands | None = None
    ) -> Awaitable[Began]:
        """Send a request (see gateway.engines.asked.Asking)."""
        way, lines, keep = self._sent(endpoint, headers)
        if hands is not None:
            return hands.send(way, lines, body, keep=keep, within_s=within_s)
        return self._connections.send(lines, body, keep=keep, within_s=within_s)

    def manner(self, endpoint: str) -> Manner | None:
        """How it is sent a request, by whoever sends it; None where its body may have to be another."""
        return None if endpoint in self.refused else Manner(*self._sent(endpoint, {}))

    def _sent(self, endpoint: str, headers: Mapping[str, str]) -> tuple[Way, bytes, bool]:
        keep = self.state.family != "llamacpp"  # that closes them after a stream although it promises to keep them
        lines = None if headers else self._lines.get((endpoint, keep))
        if lines is None:
            all_of_them = {**self._request_headers, **headers}
            lines = self._connections.lines(self._path_of(endpoint), all_of_them, keep=keep)
            if not headers:
                self._lines[endpoint, keep] = lines
        return self._way, lines, keep

    def not_begun(self, error: Exception, within_s: float) -> UpstreamError:
        """What is told of a request that could not be sent, or did not begin to be answered."""
        if isinstance(error, TimeoutError):
            message = f"the engine at {self.url} did not begin to answer within {within_s:g} s"
            return UpstreamError(message, code="engine_timeout")
        self.state = replace(self.state, problem=self._describe(error))
        return UpstreamError(self._describe(error), code="engine_unreachable")

    def knows_not_model(self) -> None:
        """It did not know a model of its own list, which the next look reads again."""
        self._is_list_old = True

    def _path_of(self, endpoint: str) -> str:
        """Where it is asked for this; what is no part of the OpenAI API has a path of its own (OTHERS)."""
        return self._api.at(OTHERS.get(endpoint) or f"/v1/{endpoint}")

    async def _identify(self) -> tuple[Family, EngineState]:
        listing = await self._listing()
        if any(entry.owned_by == "ppai" for entry in listing.data):
            raise UpstreamError(
                "it is another PPAI peer, which would send requests in a circle; name its engine instead"
            )
        if self._family is None or listing.owner != self._owner:
            self._continues, self._learn_attempts, self.refused = {}, {}, {}  # another program may listen there now
            self._family, self._owner = await recognise(self._api, listing), listing.owner
        served = await self._family.describe(self._api, listing)
        self._lines.clear()  # the root of its paths may be another
        state = EngineState(
            problem=None if served.models else f"{self.url} serves no model yet",
            family=self._family.name,
            models=served.models,
            slots=self._configured_slots or served.slots,
            is_slots_known=bool(self._configured_slots) or served.is_slots_known,
            place=self.place,
            is_embedded=self.state.is_embedded,
        )
        return self._family, bounded(state)

    async def _listing(self) -> Listing:
        """What the engine serves, and what its owner names."""
        try:
            return Listing((await self._listed()).data, self._named)
        except UpstreamError as error:
            if error.code != NO_PAGE:
                raise
            if not self._named:
                raise UpstreamError(f"{error}; if it answers requests, name its models in engine.serve") from error
            return Listing([], self._named)

    async def _listed(self) -> Listing:
        """What the engine lists. A URL with a path of its own may be the API's root already, such as /v3 or /api."""
        try:
            return await listing_of(self._api)
        except (*UNREADABLE, UpstreamError):
            if not self._path:
                raise
        first, self._api.root = self._api.root, "" if self._api.root else "/v1"
        try:
            return await listing_of(self._api)
        except BaseException:
            self._api.root = first
            raise

    async def _look(self, family: Family, state: EngineState) -> EngineState:
        """The state with the load that the engine reports, else with the requests that we have open there."""
        ours = self.in_flight  # taken before the engine counts, so that a job that ends meanwhile counts as ours
        models, load = await family.look(self._api, state.models)
        if self._metrics_pages:  # what a router says of itself hides the queues behind it
            pages = await asyncio.gather(*(page.read() for page in self._metrics_pages))
            loads = [read_load(page) for page in pages]
            known = [each for each in loads if each is not None]
            load = (sum(r for r, _ in known), sum(w for _, w in known)) if len(known) == len(loads) else None
        if load is None:
            running = min(self.in_flight, state.slots)
            return replace(
                state, models=models, running=running, waiting=self.in_flight - running, others=0,
                load_source="own count",
            )  # fmt: skip
        others = max(0, sum(load) - max(ours, self.in_flight))
        return replace(state, models=models, running=load[0], waiting=load[1], others=others, load_source="metrics")

    def _describe(self, error: Exception) -> str:
        if isinstance(error, StillLoading):
            said = f" (it says: {error})" if str(error) else ""
            return f"the engine at {self.url} is still loading its model{said}"
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
            return f"the engine at {self.url} does not answer ({reason}); start it, or name another with --engine URL"
        if isinstance(error, TimeoutError):
            return f"the engine at {self.url} does not answer in time"
        return f"the engine at {self.url} failed: {error or type(error).__name__}"
