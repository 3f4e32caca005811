"""The door before our engine: the shell that lets requests wait in the Line, and counts what passes.

Our own programs' requests and other peers' both come through here. Who waits and who enters next is line.py's to say;
how much of the engine others get is rules.py's. The counts make pulses and answers to probes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar

from discovery.records import AdmissionState, PeerId, Pulse
from gateway.beliefs.jobs import Doing
from gateway.capacity.fair_share import Weight
from gateway.capacity.lent import Lent, Work
from gateway.capacity.line import LOOK_S, Line, Ticket
from gateway.capacity.rules import AdmissionConfig, EngineLoad, Room, admission_state, retry_after_s
from gateway.engines.engine_state import EngineState
from gateway.upstream import Upstream, UpstreamError

Found = TypeVar("Found")
KEPT_SHUT_S = 60.0  # s after which a peer may ask again whom the owner lets have nothing for now


class OwnEngine(Upstream, Protocol):
    """What stands behind the door: it answers, and says how it is (engines' LocalEngine)."""

    @property
    def state(self) -> EngineState: ...

    @property
    def name(self) -> str:
        """What it is called among our engines."""
        ...

    @property
    def is_there(self) -> bool:
        """Whether it was named or found, though it may not answer."""
        ...

    @property
    def origin(self) -> str:
        """What it is and where it was found, in words for the owner."""
        ...

    @property
    def not_adopted(self) -> tuple[str, ...]:
        """Engines of other people on this machine, each with what makes it ours, in words for the owner."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests that we have open at it."""
        ...

    async def stored(self, method: str, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a page about an answer that it keeps. Raises UpstreamError."""
        ...

    async def look_again(self) -> None:
        """Have its state read now, and wait for that, seconds at most."""
        ...


class Turn(Ticket, eq=False, kw_only=True):
    """A request at the door, and the task that waits for it to enter, if it has to.

    Once inside it is held there by `with`. It is completed unless that ends with an error; a job whose client hangs up
    has ended too: it had its slot for a while, and E[S] is how long a job has one.
    """

    door: "Door"
    is_turned_away: bool = False
    usage: tuple[int, int] = (0, 0)  # tokens that it read and wrote
    gives_back: Callable[[], None] | None = None  # what its peer holds besides, at the end
    _woken: asyncio.Event | None = None  # None: nobody has waited yet

    def __enter__(self) -> "Turn":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        has_failed = kind is not None and not issubclass(kind, asyncio.CancelledError | GeneratorExit)
        self.door.ended(self, has_failed, *self.usage)
        if self.gives_back is not None:
            self.gives_back()

    def wake(self) -> None:
        """Something has changed for who waits."""
        if self._woken is not None:
            self._woken.set()

    async def news(self, within_s: float | None = None) -> None:
        """Wait until something has changed, or so long."""
        self._woken = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._woken.wait()


class Door:
    """Lets our own programs (`come`, `own_turn`) and other peers (`remote_turn`) to the engine."""

    def __init__(
        self,
        engine: OwnEngine,
        config: AdmissionConfig,
        clock: Callable[[], float],
        mean_service_s: Callable[[], float],
        door_changed: Callable[[], None] = lambda: None,
        *,
        loads_for_others: bool = False,
        kept_shut: Callable[[], str] = lambda: "",
        weight: Weight = lambda peer: 0.0,
    ) -> None:
        """`door_changed` is called when the door closes to other peers, and when it opens again.

        `kept_shut`: why the owner lets others have nothing now; "": they may.

        `loads_for_others`: whether the engine may load a model because another peer asks for it. `weight` of a peer's
        share (fair_share.py).
        """
        self.engine, self.loads_for_others, self._kept_shut = engine, loads_for_others, kept_shut
        self.completions = self.tokens_in = self.tokens_out = 0
        self._config, self._clock, self._mean_service_s = config, clock, mean_service_s
        self._door_changed, self._is_closed = door_changed, False
        self._used_at = clock()  # when a request came or left
        self._spare: asyncio.Timeout | None = None  # of who asks the engine while nobody else does
        self._line = Line[Turn](config, weight=weight)
        self._busy_s, self._booked_at, self._began = 0.0, clock(), clock()
        self._state: EngineState | None = None  # of which `_room_there` was made
        self._room_there = Room(1)
        self.lent = Lent(self._line)

    @property
    def load(self) -> EngineLoad:
        """What the engine is doing: our own jobs as they are this moment, other programs' as it last told."""
        return self._line.load(self._room)

    @property
    def cold(self) -> tuple[str, ...]:
        """Agents whose model the engine would have to load first."""
        return tuple(sorted(self.engine.state.cold))

    @property
    def admission(self) -> AdmissionState:
        """Whether other peers' work would be taken: closed while there is no engine."""
        room = self._room
        if self._is_closed_to_others(room):
            return "closed"
        state = admission_state(self._line.load(room), self._config)
        return "soft" if state == "closed" else state  # somebody who waits gives a place

    @property
    def doing(self) -> Doing:
        """What the engine does, whoever sent it, and has read and written: always as it is, for who keeps it."""
        return self._line.doing

    def pulse(self, me: PeerId) -> Pulse:
        """How we are doing, as others may know it; id, gen and seq are the publisher's."""
        self._book()
        load, t_ms = self.load, int((self._clock() - self._began) * 1000)
        return Pulse(
            id=me, gen=0, seq=0,
            running=load.running, waiting=load.waiting, slots=load.slots,
            arrivals=self._line.arrivals, completions=self.completions,
            busy_ms=int(self._busy_s * 1000), t_ms=t_ms,
            tokens_in=self.tokens_in, tokens_out=self.tokens_out, admission=self.admission,
        )  # fmt: skip

    async def own_turn(self, since: float) -> Turn:
        """A request of our own that must stay here: wait in line, in the order of `since`, for a turn to be left."""
        turn = self.come(since, may_look=False)
        await self.wait(turn, None)
        return turn

    def come(self, since: float, *, may_look: bool) -> Turn:
        """A request of our own is here: inside, to be `ended`; or in line, in the order of `since`, to `wait` there.

        `may_look`: whether it looks for a better place while it waits.
        """
        turn = self.enters(self._clock())
        if turn is None:
            turn = Turn(since, True, may_look, door=self)
            self._join(turn)
        return turn

    def enters(self, now: float, peer: str | None = None) -> Turn | None:
        """A request of our own, or of another `peer`, is inside, to be `ended`.

        None where the line is not calm: then it has to `come`, or to ask for a `remote_turn`.
        """
        turn, line = Turn(now, peer is None, peer=peer or "", door=self), self._line
        if self._spare or (peer is not None and self._kept_shut()) or not line.enters_calmly(turn):
            return None
        if line.inside <= self._room_there.slots:
            self._busy_s -= now - self._booked_at
        return turn

    async def wait(self, turn: Turn, look: Callable[[], Awaitable[Found | None]] | None) -> Found | None:
        """Wait until a turn of our own is inside: None. Or what `look` found, a better place than the line it left.

        The first in line call `look` whenever somebody may have room again, and every LOOK_S.
        """
        try:
            while not turn.is_inside:
                await turn.news(LOOK_S if look else None)
                if look and not turn.is_inside and turn in self._line.looking():
                    found = await look()
                    if found is not None and not turn.is_inside:
                        self.leave(turn)
                        return found
        except BaseException:  # the client hung up: whoever is next may have the slot
            self.leave(turn)
            raise
        return None

    def look_around(self) -> None:
        """Somebody may have room again: the first in line look for it."""
        for turn in self._line.looking():
            turn.wake()

    @property
    def quiet_s(self) -> float:
        """Seconds since the last request left, whoever sent it, or since we began; 0 while one is here."""
        return self._clock() - self._used_at if self._is_empty else 0.0

    @property
    def has_served(self) -> bool:
        """Whether any request has come since we began."""
        return self._line.arrivals > 0

    @asynccontextmanager
    async def spare_turn(self) -> AsyncIterator[Upstream]:
        """The engine for who asks it only while nobody else does: outside the line, and in no count or pulse.

        Raises UpstreamError (`wanted`) where somebody is here, and as soon as somebody comes, whatever is going on
        inside: who came begins at once, as if nobody had been there.
        """
        wanted = UpstreamError("somebody wants the engine", status=503, code="wanted")
        if self._spare or not self._is_empty:
            raise wanted
        spare = asyncio.timeout(None)
        try:
            async with spare:
                self._spare = spare
                yield self.engine
        except TimeoutError as error:
            raise wanted if spare.expired() else error from None
        finally:
            self._spare = None

    async def remote_turn(self, peer: str = "") -> Turn:
        """Another peer's work: wait for a turn, to be left by `with`; its `work` is to be told before that.

        Raises UpstreamError (429) when the door is closed, when this peer has all the places in line that one may have,
        or when another who has had less takes the place.
        """
        if (turn := self.enters(self._clock(), peer)) is not None:
            return turn
        self._make_room_for(peer)
        turn = Turn(self._clock(), False, peer=peer, door=self)
        self._join(turn)
        try:
            while not (turn.is_inside or turn.is_turned_away):
                await turn.news()
        except BaseException:
            if not turn.is_turned_away:
                self.leave(turn)
            raise
        if turn.is_turned_away:
            raise self._busy()
        return turn

    def _make_room_for(self, peer: str) -> None:
        """See to a place in line. Raises UpstreamError (429)."""
        room = self._room
        if self._kept_shut() or not room.is_ready or self._line.is_full_for(peer, room):
            raise self._busy()
        if self._line.is_full(room):
            last = self._line.giving_way(peer)
            if last is None:
                raise self._busy()
            self._turn_away(last)

    def _busy(self) -> UpstreamError:
        """What another peer is told whose work is not taken. Why the owner wants that is not its business."""
        shut_s = KEPT_SHUT_S if self._kept_shut() else 0.0
        wait_s = max(shut_s, retry_after_s(self.load, self._config, self._mean_service_s()))
        return UpstreamError("this peer is busy", status=429, code="busy", retry_after_s=wait_s)

    def ended(self, turn: Turn, has_failed: bool, prompt_tokens: int = 0, tokens: int = 0) -> None:
        """A turn that was inside has ended, and is completed unless it failed; what it read and wrote."""
        self.completions += not has_failed
        self.tokens_in += prompt_tokens
        self.tokens_out += tokens
        self._line.doing.tokens += prompt_tokens + tokens
        self.leave(turn)
        if has_failed:  # the engine may be gone
            self.admit_waiting()

    def lend(self, slots: int, call_back: Callable[[], None]) -> int | None:
        """Lend so many slots (lent.py), of those that are free; the loan's number. None: nobody may take any now.

        `call_back` is called as soon as somebody waits, or the engine has another room.
        """
        room = self._room
        if self._spare or not room.is_ready or room.elsewhere or not self._line.is_empty:
            return None
        if slots > room.slots - self._line.inside - self._line.aside:
            return None
        loan = self.lent.lend(slots, call_back)
        self._line.settle(room)
        return loan

    def used(self, loan: int, running: int, work: Work) -> None:
        """Of the slots that were lent so many are used by now, and this was done in them since this was told last."""
        self._book()
        self._used_at = self._booked_at
        self.lent.used(loan, running)
        self._line.arrivals += work.arrivals
        self.completions += work.completions
        self.tokens_in += work.prompt_tokens
        self.tokens_out += work.tokens
        self._line.doing.tokens += work.prompt_tokens + work.tokens
        self._busy_s += work.busy_s
        self._let_in(self._room)

    def got_back(self, loan: int) -> None:
        """What was lent is free again, but for slots that are used still: those are once `used` tells it."""
        self._book()
        self.lent.end(loan)
        self._let_in(self._room)

    def leave(self, turn: Turn) -> None:
        """A turn is gone, from the line or from inside: whoever is next may enter."""
        line, self._used_at = self._line, self._clock()
        if line.leaves_calmly(turn):
            if line.inside < self._room_there.slots:
                self._busy_s += self._used_at - self._booked_at
            return
        self._book()
        line.leave(turn)
        if not line.is_calm(self._room):
            self._let_in(self._room)

    def admit_waiting(self) -> None:
        """Let those in whose turn has come: called when the engine's state was read, or others may use it again."""
        self._book()
        self._let_in(self._room)

    def _join(self, turn: Turn) -> None:
        self._book()
        room = self._room
        if self._spare:
            self._spare.reschedule(0.0)  # which cancels what is asked there
            self._spare = None
        if not self._line.enters_at_once(turn, room):
            self._line.join(turn)
        if not self._line.is_calm(room):
            self._let_in(room)

    def _let_in(self, room: Room) -> None:
        if not self._line.is_empty:
            self.lent.call_back()
            is_shut = bool(self._kept_shut())
            for turn in [turn for turn in self._line if is_shut and not turn.is_own]:
                self._turn_away(turn)
            for turn in self._line.admit(room):
                turn.wake()
        self._line.settle(room)
        is_closed = self._is_closed_to_others(room)
        if is_closed != self._is_closed:
            self._is_closed = is_closed
            self._door_changed()

    def _turn_away(self, turn: Turn) -> None:
        """Another's request that waits hears now that it will not be let in; who is inside is let finish."""
        self._line.leave(turn)
        turn.is_turned_away = True
        turn.wake()

    @property
    def _is_empty(self) -> bool:
        """Whether nobody is inside, and nobody waits."""
        return not (self._line.inside or self.lent) and self._line.is_empty

    @property
    def _room(self) -> Room:
        """What the engine has room for: worked out when its state is another than before."""
        state = self.engine.state
        if state is not self._state:
            self._book()
            self._state = state
            self._room_there = Room(max(1, state.slots), state.others, state.is_elastic, state.is_ready)
            if not state.is_ready or state.others or state.slots < self._line.inside + self._line.aside:
                self.lent.call_back()
        return self._room_there

    def _is_closed_to_others(self, room: Room) -> bool:
        return bool(self._kept_shut()) or not room.is_ready or self._line.is_closed(room)

    def _book(self) -> None:
        """Count the slot-seconds worked until now, before the number of jobs inside changes, or that of slots.

        While the line is calm one job comes or goes, whose part of them is counted as if it had been inside, or not,
        since this was called last.
        """
        now, slots = self._clock(), self._room_there.slots
        inside = self._line.inside - self.lent.running  # whose time is told with them
        self._busy_s += (inside if inside < slots else slots) * (now - self._booked_at)
        self._booked_at = now
