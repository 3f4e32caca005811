"""The door to the local engine: our own programs enter at once, other peers' work when there is room.

A request of our own that another peer may answer as well can wait at the door instead (`wait_turn`): what the engine
has not seen can still be decided again. Counts what passes, for pulses and probes. Policy is admission.py's; this is
its shell.
"""

import asyncio
from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import TypeVar

from discovery.records import AdmissionState, PeerId, Pulse
from gateway.capacity.rules import (
    AdmissionConfig,
    EngineLoad,
    admission_state,
    may_start_local,
    may_start_remote,
    retry_after_s,
)
from gateway.engines.local import LocalEngine
from gateway.upstream import Patience, Reply, UpstreamError
from gateway.wire.codec import Pieces

LINE_LIMIT = 256  # requests of our own that wait at the door; more enter the engine, which queues them as it always did
LOOK_S = 0.5  # between two looks for somebody else, where no news comes: a few decisions a second
LOOKERS = 8  # the oldest in line look; when they leave, others become the oldest
Found = TypeVar("Found")


class _Waiting:
    """A request of our own in line. `is_let_in`: the slot is its own."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.is_let_in = False
        self.woken = asyncio.Event()


class Door:
    """An Upstream for our own programs (`open`), and the queue for other peers' work (`remote_turn`)."""

    def __init__(
        self,
        engine: LocalEngine,
        config: AdmissionConfig,
        clock: Callable[[], float],
        mean_service_s: Callable[[], float],
        door_changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`door_changed` is told when the door closes to other peers, and when it opens again."""
        self.engine = engine
        self.arrivals = self.completions = self.tokens_in = self.tokens_out = 0
        self._config, self._clock, self._mean_service_s = config, clock, mean_service_s
        self._door_changed, self._is_closed = door_changed, False
        self._local = self._remote = 0  # in the engine now
        self._let_in = 0  # of the line, those whose turn has come but who have not woken yet
        self._line: list[_Waiting] = []  # our own, oldest first
        self._queue: deque[asyncio.Future[None]] = deque()  # other peers'
        self._busy_s, self._booked_at, self._began = 0.0, clock(), clock()

    @property
    def load(self) -> EngineLoad:
        """What the engine is doing: our own jobs as they are this moment, others' as it last told."""
        state, local = self.engine.state, self._local + self._let_in
        slots, ours = max(1, state.slots), local + self._remote
        jobs = ours + state.others
        running = min(slots, jobs)
        waiting = len(self._line) + len(self._queue) + jobs - running
        local_waiting = len(self._line) + max(0, local - max(0, slots - self._remote))
        return EngineLoad(slots, running, self._remote, waiting, local_waiting, ours, state.is_elastic)

    @property
    def is_full(self) -> bool:
        """Whether a request of our own should rather wait at the door (`wait_turn`) than in the engine."""
        return self.engine.state.is_ready and len(self._line) < LINE_LIMIT and not may_start_local(self.load)

    @property
    def cold(self) -> tuple[str, ...]:
        """Agents whose model the engine would have to load first."""
        return tuple(sorted(self.engine.state.cold))

    def own_load(self) -> tuple[int, int, int]:
        """(jobs in the engine or waiting for it, whoever sent them; slots; tokens read and written in all)."""
        load = self.load
        return load.running + load.waiting, load.slots, self.tokens_in + self.tokens_out

    @property
    def admission(self) -> AdmissionState:
        """Whether other peers' work would be taken: closed while there is no engine."""
        return admission_state(self.load, self._config) if self.engine.state.is_ready else "closed"

    def pulse(self, me: PeerId) -> Pulse:
        """How we are doing, as others may know it; id, gen and seq are the publisher's."""
        self._book()
        load, t_ms = self.load, int((self._clock() - self._began) * 1000)
        return Pulse(
            id=me, gen=0, seq=0,
            running=load.running, waiting=load.waiting, slots=load.slots,
            arrivals=self.arrivals, completions=self.completions,
            busy_ms=int(self._busy_s * 1000), t_ms=t_ms,
            tokens_in=self.tokens_in, tokens_out=self.tokens_out, admission=self.admission,
        )  # fmt: skip

    def count_tokens(self, prompt_tokens: int, tokens: int) -> None:
        """What one answered request read and wrote."""
        self.tokens_in += prompt_tokens
        self.tokens_out += tokens

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        """Our own programs' way in: at once, the engine queues by itself (see gateway.upstream.Upstream)."""
        self._change(local=+1)
        try:
            async with self.engine.open(endpoint, body, headers, stream=stream, patience=patience) as reply:
                yield reply
            self.completions += 1
        finally:
            self._change(local=-1)
            self.admit_waiting()

    async def wait_turn(self, since: float, elsewhere: Callable[[], Awaitable[Found | None]]) -> Found | None:
        """Wait at the door, in the order of `since`: None when a slot is free (then `open` at once, awaiting nothing).

        Now and then, and whenever somebody may have room again, the oldest ask `elsewhere`; what it finds is returned.
        """
        waiting = _Waiting(since)
        insort(self._line, waiting, key=lambda one: one.since)
        self._watch_door()
        try:
            while not waiting.is_let_in:
                waiting.woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await waiting.woken.wait()
                if waiting in self._line[:LOOKERS]:
                    found = await elsewhere()
                    if found is not None and not waiting.is_let_in:
                        self._line.remove(waiting)
                        return found
        except BaseException:  # hung up: whoever is next may have the slot
            self._gone(waiting)
            raise
        self._let_in -= 1
        return None

    def look_around(self) -> None:
        """Somebody may have room again: the oldest in line look for it."""
        for waiting in islice(self._line, LOOKERS):
            waiting.woken.set()

    @asynccontextmanager
    async def remote_turn(self) -> AsyncIterator[None]:
        """Another peer's work: wait for a turn, then be inside. Raises UpstreamError (429) when the door is closed."""
        if self.admission == "closed":
            wait_s = retry_after_s(self.load, self._config, self._mean_service_s())
            raise UpstreamError("this peer is busy", status=429, code="busy", retry_after_s=wait_s)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self.admit_waiting()
        self._watch_door()
        try:
            await turn
            yield
            self.completions += 1
        finally:
            if not turn.cancelled():
                self._change(remote=-1)
            elif turn in self._queue:
                self._queue.remove(turn)
            self.admit_waiting()

    def admit_waiting(self) -> None:
        """Let those in whose turn has come; called when a job ends, and when the engine's state was read.

        Our own first. An engine that is gone lets all of them in: they must hear of it.
        """
        while self._line and (may_start_local(self.load) or not self.engine.state.is_ready):
            waiting = self._line.pop(0)
            self._let_in += 1
            waiting.is_let_in = True
            waiting.woken.set()
        while self._queue and may_start_remote(self.load, self._config):
            turn = self._queue.popleft()
            if turn.cancelled():
                continue  # its waiter has gone, but has not run since
            self._change(remote=+1)  # counted now, not when the waiter wakes: the next look must see it
            turn.set_result(None)

    def _gone(self, waiting: _Waiting) -> None:
        if waiting.is_let_in:
            self._let_in -= 1
        else:
            self._line.remove(waiting)
        self.admit_waiting()

    def _change(self, local: int = 0, remote: int = 0) -> None:
        """Somebody enters or leaves the engine; slot-seconds worked until now are booked first."""
        self._book()
        self._local += local
        self._remote += remote
        self.arrivals += max(0, local) + max(0, remote)
        self._watch_door()

    def _watch_door(self) -> None:
        is_closed = self.admission == "closed"
        if is_closed != self._is_closed:
            self._is_closed = is_closed
            self._door_changed()

    def _book(self) -> None:
        now = self._clock()
        self._busy_s += min(self._local + self._remote, max(1, self.engine.state.slots)) * (now - self._booked_at)
        self._booked_at = now
