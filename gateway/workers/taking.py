"""Requests that a worker takes by itself: by which orders it may, and what it tells of them afterwards.

Much is told at once, since each message wakes the owner (gateway/serving/standing/orders.py says what an order is).
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from gateway.models.needs import room_tokens
from gateway.serving.relaying import Loan, Terms, server_timing
from gateway.serving.standing.orders import Entered, How, Kind, Went, kind_of
from gateway.wire.request import Request
from gateway.workers.frames import CallBack, Done, Frame, Order
from gateway.workers.reading import Found

TELL_S = 0.01  # s for which what was done waits for more of it


class Taken(msgspec.Struct, frozen=True, eq=False):
    """A request that was taken, until it went somehow. `began`: when it was to be asked."""

    held: "_Held"
    order: Order
    number: int
    request: Request
    loan: Loan  # what is known of its answer before it comes
    began: float


class Taking:
    """See the module. `say` sends a message to the owner, and while it `is_behind` with them none is taken."""

    def __init__(self, say: Callable[[Frame], None], is_behind: Callable[[], bool]) -> None:
        self._say, self._is_behind = say, is_behind
        self._by_kind, self._held = dict[Kind, _Held](), dict[int, _Held]()
        self._last = 0  # number of a request that was taken
        self._timer: asyncio.TimerHandle | None = None

    def stand(self, order: Order) -> None:
        """An order stands from now on, or is another."""
        held = self._held.get(order.number)
        if held is None:
            held = self._held[order.number] = self._by_kind[order.leave.kind] = _Held(order)
        held.order = order

    def call_back(self, frame: CallBack) -> None:
        """No more is taken by an order, which is told at once."""
        held = self._held[frame.number]
        held.is_back = True
        if self._by_kind.get(held.order.leave.kind) is held:
            del self._by_kind[held.order.leave.kind]
        self._tell_of(held)

    def take(self, found: Found) -> Taken | None:
        """Take a request; None: no order stands for it, or no slot is free."""
        if not found.is_plain or not self._by_kind:
            return None
        request = found.request
        held = self._by_kind.get(kind_of(request))
        if held is None or held.running >= held.order.slots or self._is_behind():
            return None
        order, prompt_tokens, max_tokens = held.order, request.prompt_tokens, request.max_tokens
        if room_tokens(prompt_tokens, max_tokens) > order.leave.context_tokens:
            return None
        began, stream, name = time.monotonic(), request.stream, found.request_id
        self._last = number = self._last + 1
        held.running = running = held.running + 1
        held.most = max(held.most, running)
        held.entered.append(
            Entered(
                number, name, prompt_tokens, max_tokens, request.session, stream, request.content.size_bytes,
                found.read_s, began - found.began - found.read_s, began,
            )
        )  # fmt: skip
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_S, self.tell)
        leave, timing = order.leave, server_timing(began - found.began)
        cost_s = leave.forecast.cost_s(prompt_tokens, max_tokens)
        headers = {**timing, **leave.shown, "x-ppai-cost-s": f"{cost_s:.4f}", "x-ppai-attempts": "1"}
        loan = Loan(
            Terms(request.endpoint, stream, request.include_usage, leave.model, leave.shown_model), order.patience,
            headers, {"x-request-id": name}, name, False, order.keepalive_s if stream else None, timing,
        )  # fmt: skip
        return Taken(held, order, number, request, loan, began)

    def went(
        self,
        taken: Taken,
        status: How | None,
        first_event_at: float | None,
        tokens: tuple[int, int],
    ) -> None:
        """A request has ended; `status` None: it is handed over now, which the owner has to hear of before that."""
        held = taken.held
        held.running -= 1
        ttft_s = None if first_event_at is None else first_event_at - taken.began
        held.went.append(Went(taken.number, status, ttft_s, time.monotonic(), *tokens))
        if status is None:
            self._tell_of(held)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_S, self.tell)

    def tell(self) -> None:
        """Tell all that was not told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for held in [*self._held.values()]:
            if held.entered or held.went:
                self._tell_of(held)

    def _tell_of(self, held: "_Held") -> None:
        """What was done by an order; it is forgotten once nothing will be."""
        number = held.order.number
        now = time.monotonic()
        self._say(Done(number, held.entered, held.went, held.running, held.most, now, held.is_back))
        held.entered, held.went, held.most = [], [], held.running
        if held.is_back and not held.running:
            del self._held[number]


class _Held:
    """An order that stands, and what was done by it since that was told."""

    __slots__ = ("entered", "is_back", "most", "order", "running", "went")

    def __init__(self, order: Order) -> None:
        self.order, self.running, self.most, self.is_back = order, 0, 0, False
        self.entered, self.went = list[Entered](), list[Went]()
