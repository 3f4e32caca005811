"""Speaks to any engine with the OpenAI API: reads its models and load, and sends it requests.

gateway/engines/families.py reads what a family tells of itself beyond that API. Knows nothing of peers or scores.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from discovery.connections import Answer, ConnectionBroken, Connections
from gateway.engines.address import Place, metrics_page_of, read_address
from gateway.engines.engine_api import EngineApi, StillLoading, metrics_page
from gateway.engines.engine_state import EngineState, bounded
from gateway.engines.families import recognise
from gateway.engines.family import Family, Listing, read_listing, read_load
from gateway.engines.learning.going_on import continues
from gateway.upstream import REPLY_LIMIT_BYTES, Patience, UpstreamError
from gateway.wire.bodies import OPTIONAL, OTHERS, leaving_out, says_not_known, without
from gateway.wire.codec import UNREADABLE, Pieces
from gateway.wire.events import DONE, Event, EventSplitter, OversizedEvent, plain_events

KEEPALIVE_S = 4.0  # s for which an idle connection is kept; vLLM closes it after 5 s
CONNECT_TIMEOUT_S = 5.0
IDENTIFY_EVERY = 10  # refreshes between two reads of the list of models, which Ollama changes while it runs
_REFUSED = (400, 422)  # statuses of a body with a field that the engine does not know
REFUSALS = 3  # of optional fields, after each of which a request is asked once more: many engines name the first alone
_EVENTS = ("text/event-stream", "text/plain", "application/octet-stream")  # what servers call a stream of events
LEARN_TIMEOUT_S = 60.0  # s for all that one model is asked once, behind whatever the engine is doing
LEARN_ATTEMPTS = 3  # of those in which it did not answer
CHECK_TIMEOUT_S = 5.0  # s for /v1/models and /metrics together


def engine_session() -> aiohttp.ClientSession:
    """The HTTP client for engines: no proxy, no cookies, no limit on connections, bodies as they come."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=["accept-encoding", "user-agent"],
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=1 << 18,
    )


class OpenAIEngine:
    """One engine behind `url` (http://host:port, with or without /v1 and credentials)."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        api_key: str = "",
        slots: int = 0,
        place: Place | None = None,
        on_dial: Callable[[], None] | None = None,
        is_embedded: bool = False,
        metrics_urls: Sequence[str] = (),
    ) -> None:
        """`place`: where it runs, if its URL does not tell. `on_dial` is called on each new
        connection, see Connections.

        `metrics_urls`: where its load is read, if not at its own /metrics; the loads are added. Raises
        EngineAddressError.
        """
        address = read_address(url, api_key)
        self.url = address.url
        self.place = place or address.place
        self.state = EngineState(place=self.place, is_embedded=is_embedded)
        self.in_flight = 0  # requests that we have open at it
        self._session = session
        self._connections = Connections(
            self.url, connect_s=CONNECT_TIMEOUT_S, keep_s=KEEPALIVE_S,
            on_dial=(lambda transport: on_dial()) if on_dial else None,
        )  # fmt: skip
        self._path = urlsplit(self.url).path
        self._request_headers = {"content-type": "application/json", **address.headers}
        self._configured_slots = slots
        self._metrics_pages = tuple(map(metrics_page_of, metrics_urls))
        self._api = EngineApi(self.url, session, address.headers)
        self._family: Family | None = None
        self._owner = ""  # `owned_by` of its models when its family was recognised
        self._refreshes = 0
        self._is_list_old = False  # it did not know a model of its own list
        self._refused: dict[str, frozenset[str]] = {}  # by endpoint: optional fields that it does not know
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
        except (aiohttp.ClientError, OSError) as error:
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
        except (TimeoutError, aiohttp.ClientError, OSError):
            self._learn_attempts[model] = self._learn_attempts.get(model, 0) + 1
        if found is None and self._learn_attempts[model] >= LEARN_ATTEMPTS:
            found = ()
        if found is not None and family is self._family:
            self._continues[model] = found
        return bool(found)

    def _as_learnt(self, state: EngineState) -> EngineState:
        models = (replace(model, continues=self._continues.get(model.id, ())) for model in state.models)
        return replace(state, models=tuple(models)) if any(self._continues.values()) else state

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator["EngineReply"]:
        """Ask the engine; leaving the context hangs up, which makes it stop generating. Raises UpstreamError."""
        self.in_flight += 1
        answer: Answer | None = None
        within_s = patience.first_event_s if stream else patience.whole_s
        try:
            asked, _ = without(body, self._refused.get(endpoint, frozenset()))
            answer = await self._begin(endpoint, asked, headers, within_s)
            said: bytes | None = None
            refused, refusals = frozenset[str](), 0
            if answer.status == 404:
                self._is_list_old = True  # its list of models may have changed: the next look reads it again
            while answer.status in _REFUSED and endpoint in OPTIONAL and refusals < REFUSALS:
                said = await EngineReply(answer, patience, self.url, stream=False).read()
                asked, named = leaving_out(endpoint, asked, said)
                if not named:
                    break
                refusals += 1
                refused |= named if says_not_known(said) else frozenset()
                answer.release()
                answer, said = None, None
                answer = await self._begin(endpoint, asked, headers, within_s)
            if refused and answer.status == 200:  # it did help: the next request is asked without them at once
                self._refused[endpoint] = self._refused.get(endpoint, frozenset()) | refused
            if answer.headers.get("content-encoding", "identity") != "identity":  # we asked for none; a bomb, perhaps
                raise UpstreamError(f"the engine at {self.url} compresses its answers", code="bad_encoding")
            yield EngineReply(answer, patience, self.url, stream=stream, said=said)
        finally:
            self.in_flight -= 1
            if answer is not None:
                answer.release()  # closes the connection where the answer was not read to its end

    async def stored(self, method: str, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a page about an answer that it keeps. Raises UpstreamError."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._api.ask(method, path)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UpstreamError(self._describe(error), code="engine_unreachable") from error

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connections.close()

    async def _begin(self, endpoint: str, body: Pieces, headers: Mapping[str, str], wait_s: float) -> Answer:
        """Send the request and wait for the head of the answer. Raises UpstreamError.

        Connections to llama.cpp are not kept: it closes them after a stream although it promises to keep them.
        """
        at = f"{self._api.root}/{endpoint}"
        if endpoint in OTHERS and not OTHERS[endpoint].startswith("/v1/"):
            at = OTHERS[endpoint]
        path, keep = self._path + at, self.state.family != "llamacpp"
        try:
            return await self._connections.post(
                path, {**self._request_headers, **headers}, body, keep=keep, within_s=wait_s
            )
        except TimeoutError as error:
            message = f"the engine at {self.url} did not begin to answer within {wait_s:g} s"
            raise UpstreamError(message, code="engine_timeout") from error
        except (ConnectionBroken, OSError) as error:
            self.state = replace(self.state, problem=self._describe(error))
            raise UpstreamError(self._describe(error), code="engine_unreachable") from error

    async def _identify(self) -> tuple[Family, EngineState]:
        listing = await self._listing()
        if any(entry.owned_by == "ppai" for entry in listing.data):
            raise UpstreamError(
                "it is another PPAI peer, which would send requests in a circle; name its engine instead"
            )
        if self._family is None or listing.owner != self._owner:
            self._continues, self._learn_attempts, self._refused = {}, {}, {}  # another program may listen there now
            self._family, self._owner = await recognise(self._api, listing), listing.owner
        served = await self._family.describe(self._api, listing)
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
        """What the engine serves. A URL with a path of its own may be the API's root already, such as /v3 or /api."""
        try:
            return read_listing(await self._api.get("/v1/models", Any))
        except (*UNREADABLE, UpstreamError):
            if not self._path:
                raise
        first, self._api.root = self._api.root, "" if self._api.root else "/v1"
        try:
            return read_listing(await self._api.get("/v1/models", Any))
        except BaseException:
            self._api.root = first
            raise

    async def _look(self, family: Family, state: EngineState) -> EngineState:
        """The state with the load that the engine reports, else with the requests that we have open there."""
        ours = self.in_flight  # taken before the engine counts, so that a job that ends meanwhile counts as ours
        models, load = await family.look(self._api, state.models)
        if self._metrics_pages:  # what a router says of itself hides the queues behind it
            pages = await asyncio.gather(*(metrics_page(page, self._session) for page in self._metrics_pages))
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
        if isinstance(error, aiohttp.ClientConnectorError):
            error = error.os_error
        if isinstance(error, StillLoading):
            said = f" (it says: {error})" if str(error) else ""
            return f"the engine at {self.url} is still loading its model{said}"
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            reason = os.strerror(error.errno) if error.errno else error
            return f"the engine at {self.url} does not answer ({reason}); start it, or name another with --engine URL"
        if isinstance(error, TimeoutError):
            return f"the engine at {self.url} does not answer in time"
        return f"the engine at {self.url} failed: {error or type(error).__name__}"


class EngineReply:
    """An engine's answer that has begun (see gateway.upstream.Reply)."""

    def __init__(
        self, answer: Answer, patience: Patience, url: str, *, stream: bool, said: bytes | None = None
    ) -> None:
        """`stream`: events were asked for, so that a body of no particular type is taken for them.

        `said`: the whole body, where it has been read.
        """
        self._said = said
        self.status = answer.status
        self.content_type = answer.headers.get("content-type", "")
        may_be = _EVENTS if stream else _EVENTS[:1]
        self.is_stream = self.content_type.startswith(may_be) or (stream and not self.content_type)
        self.retry_after = answer.headers.get("retry-after")
        self._answer, self._patience, self._url = answer, patience, url
        self._splitter = EventSplitter(with_comments=True)
        self._last = deque[bytes](maxlen=2)  # events, of which the last may tell the usage, and the one before the end
        self._clock = asyncio.get_running_loop().time

    async def read(self) -> bytes:
        if self._said is not None:
            return self._said
        try:
            until = self._clock() + self._patience.whole_s
            pieces, size = list[bytes](), 0
            while piece := await self._answer.piece(until - self._clock()):
                pieces.append(piece)
                size += len(piece)
                if size > REPLY_LIMIT_BYTES:
                    raise UpstreamError(f"the engine's reply is over {REPLY_LIMIT_BYTES} bytes", code="reply_too_large")
            return b"".join(pieces)
        except TimeoutError as error:
            raise UpstreamError(f"the engine at {self._url} stalled", code="engine_timeout") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; `patience.whole_s` for the first piece, `idle_s` between two. Raises UpstreamError."""
        wait_s = self._patience.whole_s
        try:
            while piece := await self._answer.piece(wait_s):
                wait_s = self._patience.idle_s
                yield piece
        except TimeoutError as error:
            raise UpstreamError(f"the engine at {self._url} stalled", code="engine_timeout") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    def pour(self, takes: Callable[[bytes, int], bool]) -> None:
        """See gateway.upstream.pour."""

        def take(piece: bytes) -> bool:
            if not self._splitter.is_between or not (count := plain_events(piece)) or not takes(piece, count):
                return False
            self._last.append(piece)
            return True

        self._answer.pour(take)

    async def events(self) -> AsyncIterator[Event]:
        is_complete, wait_s = False, self._patience.first_event_s
        try:
            while True:
                piece = await self._answer.piece(wait_s)
                if not piece and is_complete:
                    return
                if not piece and any(event.finishes for event in EventSplitter().feed(b"".join(self._last))[-2:]):
                    yield Event(DONE, b"[DONE]")  # it was left out; the answer is whole
                    return
                if not piece:
                    raise self._cut_short(None)
                for event in self._splitter.feed(piece):
                    if event.is_comment:
                        yield event
                        continue
                    wait_s = self._patience.idle_s
                    is_complete = is_complete or event.ends_stream
                    self._last.append(event.raw)
                    yield event
                    if event.is_done:
                        self._answer.release(at_its_end=True)
                        return
        except TimeoutError as error:
            message = f"the engine at {self._url} sent nothing for {wait_s:g} s"
            raise UpstreamError(message, code="engine_timeout") from error
        except OversizedEvent as error:
            raise UpstreamError(f"the engine at {self._url} sent {error}", code="bad_stream") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    def _cut_short(self, error: Exception | None) -> UpstreamError:
        reason = f" ({error or type(error).__name__})" if error else ""
        return UpstreamError(f"the engine at {self._url} ended its answer too early{reason}", code="stream_cut_short")
