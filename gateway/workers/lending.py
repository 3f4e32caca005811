"""Which standing orders the owner gives its workers, and when they end (docs/decisions.md#workers).

An order is given where a request came that wishes nothing and whose kind may stand, with slots that its worker is lent.
It ends as soon as the kind may not stand any more, somebody waits for the engine, or nothing is done by it for a while.
What an order says, and what is made of each request, is gateway/serving's (by_order.py).
"""

import asyncio
from collections.abc import Callable
from functools import partial

from gateway.capacity.lent import Work
from gateway.serving.standing.by_order import Begun, ByOrder, Standing
from gateway.serving.standing.orders import Kind, Time, busy_s, slots_to_lend
from gateway.wire.reading.elsewhere import Asks
from gateway.workers.frames import CallBack, Done, Frame, Order

AGAIN_S = 0.25  # s after an order ended, or none could be given, until one is given for its kind
LOOK_S = 0.5  # s after which what an order says is said anew
IDLE_LOOKS = 2  # in a row without a request, after which an order ends
KINDS_LIMIT = 16  # kinds for which one worker has orders, or had none a moment ago


class Lending:
    """All orders of all workers."""

    def __init__(self, by_order: ByOrder, workers: int) -> None:
        self._by_order, self._workers = by_order, workers
        self._lenders = list[Lender]()
        self._look: asyncio.Handle | None = None

    def to(self, say: Callable[[Frame], None]) -> "Lender":
        """Whoever lends to one worker; `say` sends it a message."""
        lender = Lender(self._by_order, self._workers, say, self._lenders.remove)
        self._lenders.append(lender)
        return lender

    def look_again(self) -> None:
        """Others serve, or an engine is another than before: at the end of this turn all orders are looked at."""
        if self._look is None and any(lender.has_given for lender in self._lenders):
            self._look = asyncio.get_running_loop().call_soon(self._look_now)

    def _look_now(self) -> None:
        self._look = None
        for lender in [*self._lenders]:
            lender.look_again()


class Lender:
    """The orders of one worker."""

    def __init__(
        self, by_order: ByOrder, workers: int, say: Callable[[Frame], None], lost: Callable[["Lender"], None]
    ) -> None:
        self._by_order, self._workers, self._say, self._lost = by_order, workers, say, lost
        self._loop = asyncio.get_running_loop()
        self._given, self._not_before = dict[int, _Given](), dict[Kind, float]()
        self._last = 0  # number of an order
        self._timer: asyncio.TimerHandle | None = None

    @property
    def has_given(self) -> bool:
        """Whether there is an order."""
        return bool(self._given)

    def came(self, asks: Asks) -> None:
        """A request was handed over that wishes nothing: give an order for its kind, if one may stand."""
        kind = Kind(asks.endpoint, asks.model, asks.instead, asks.needs)
        stands = (given.standing.leave.kind for given in self._given.values() if not given.is_called_back)
        if self._loop.time() < self._not_before.get(kind, 0.0) or kind in stands:
            return
        self._not_for_now(kind)
        if len(self._given) < KINDS_LIMIT and (standing := self._by_order.may_stand(asks)) is not None:
            self._give(standing, asks)

    def done(self, frame: Done) -> None:
        """What the worker did by an order."""
        given, by_order = self._given[frame.number], self._by_order
        given.looks = 0
        begun, now = given.begun, (frame.running, frame.at)
        handed = sum(went.status is None for went in frame.went)
        work = Work(
            len(frame.entered) - handed,
            len(frame.went) - handed,
            sum(went.prompt_tokens for went in frame.went if went.status == "ok" or went.tokens),
            sum(went.tokens for went in frame.went),
            busy_s(frame.entered, frame.went, given.used, now),
        )
        given.used = now
        given.standing.door.used(given.loan, frame.running, work)
        given.count(frame.most)
        for entered, one in zip(frame.entered, by_order.entered(given.standing, frame.entered), strict=True):
            begun[entered.number] = one
        for went in frame.went:
            one = begun.pop(went.number)
            if went.status is None:
                by_order.handed_over(one)
            else:
                by_order.went(one, went.status, went.ttft_s, went.ended, (went.prompt_tokens, went.tokens))
        if frame.is_back:
            self._is_back(frame.number, given)

    def look_again(self) -> None:
        """Say anew what orders say, and end those that may not stand any more."""
        for number, given in [*self._given.items()]:
            if given.is_called_back:
                continue
            standing = self._by_order.may_stand(given.asks)
            if standing is None or standing.direct is not given.standing.direct:
                self._call_back(number)
            else:
                given.standing = standing
                self._say(_order(number, standing, given.slots))

    def lose(self) -> None:
        """The worker has ended: its slots are free, and nobody hears the answers that it had."""
        if self._timer is not None:
            self._timer.cancel()
        for given in self._given.values():
            for one in given.begun.values():
                self._by_order.lost(one)
            given.standing.door.used(given.loan, 0, Work(0, len(given.begun), 0, 0, 0.0))
            given.end()
            if not given.is_back:
                given.standing.door.got_back(given.loan)
        self._given.clear()
        self._lost(self)

    def _not_for_now(self, kind: Kind) -> None:
        known = self._not_before
        known.pop(kind, None)
        known[kind] = self._loop.time() + AGAIN_S  # the last from now on
        if len(known) > KINDS_LIMIT:
            del known[next(iter(known))]

    def _give(self, standing: Standing, asks: Asks) -> None:
        door, number = standing.door, self._last + 1
        if any(given.standing.door is door for given in self._given.values() if not given.is_called_back):
            return  # another kind has all that this worker may have of the engine
        slots = slots_to_lend(door.doing.slots, self._workers)
        if not slots or (loan := door.lend(slots, partial(self._call_back, number))) is None:
            return
        self._last = number
        self._given[number] = _Given(standing, asks, slots, loan, (0, self._by_order.now))
        self._say(_order(number, standing, slots))
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look) if self._given else None
        for number, given in [*self._given.items()]:
            given.looks += 1
            given.peak, given.peak_before = 0, given.peak
            given.count(given.used[0])
            if given.looks > IDLE_LOOKS and not given.begun:
                self._call_back(number)
        self.look_again()

    def _call_back(self, number: int) -> None:
        given = self._given.get(number)
        if given is not None and not given.is_called_back:
            given.is_called_back = True
            self._not_for_now(given.standing.leave.kind)
            self._say(CallBack(number))

    def _is_back(self, number: int, given: "_Given") -> None:
        """The worker takes no more by an order; it is over once those that it has are."""
        if not given.is_back:
            given.is_back = True
            given.standing.door.got_back(given.loan)
        if not given.begun:
            given.end()
            del self._given[number]


def _order(number: int, standing: Standing, slots: int) -> Order:
    return Order(number, standing.leave, standing.manner, standing.patience, standing.keepalive_s, slots)


class _Given:
    """An order that was given: with how many slots, and what was begun by it."""

    def __init__(self, standing: Standing, asks: Asks, slots: int, loan: int, used: Time) -> None:
        self.standing, self.asks, self.slots, self.loan, self.used = standing, asks, slots, loan, used
        self.begun = dict[int, Begun]()
        self.is_called_back = self.is_back = False
        self.looks = 0  # since something was done by it
        self.peak = self.peak_before = 0  # of requests at once, since the last look, and before it
        self._in_flight = 0

    def count(self, most: int) -> None:
        """So many requests ran by it at once since that was told last.

        The engine counts at another moment than the worker, so that those count as ours that ran at once lately: else
        some of them would be taken for another program's.
        """
        self.peak = max(self.peak, most)
        in_flight = max(self.peak, self.peak_before)
        self.standing.direct.in_flight += in_flight - self._in_flight
        self._in_flight = in_flight

    def end(self) -> None:
        """None runs by it."""
        self.standing.direct.in_flight -= self._in_flight
        self._in_flight = 0
