"""The way of one request along a choice: who is asked next, how often, until when, and what an outcome means (P).

The gateway drives it with sockets, the simulator with a heap of events. The rules:

1. Candidates are asked in the order of the choice, one at a time, until one has answered.
2. At most `attempts` may fail. Of several, the last is our own agent's, where it is in the order. A candidate that
   refuses has run nothing, so refusals count apart: at most `refusals` along one choice. Who failed is not asked again.
3. A further attempt begins at most `within_s` after the request came.
4. A request that waits at our own door may be decided again. The new choice is taken where it leads to another engine
   or peer that has not failed this request. Where nobody is left, a request is decided again if others serve now, or
   others serve other models; and a peer that the client named and that is busy is waited for, until `within_s` is over.
   It is asked every ROOM_S whether it has room. Where its door is open and its engine refuses, the first pause is twice
   as long after each refusal, up to ROOM_LIMIT_S.
5. Who says that it cannot take the request, such as a model with too short a context or a peer that does not know one
   of its fields, is no worse for it: nothing is learnt, and the next is asked. It has run nothing, as who refuses.
6. Whoever answers with an error may be at fault, or the request may be. The next one tells: if it answers, those before
   it failed; if nobody does, nobody is thought the worse of. Example: one prompt that crashes every engine makes no
   peer look slow.
7. An answer that broke off in mid-stream is gone on with at most `attempts` - 1 times. Whoever goes on is asked as in a
   request of its own: failures from before the break, such as a dial that took too long, count no more. Where those who
   could go on are busy or not reached, all are asked again after AGAIN_S, each time after a pause of twice the length.
8. A request that waits at another peer is decided again once its first word is late, and then after pauses of twice
   the length. It goes where the new choice leads, `leaves` times at most: whoever was to begin has not, be it a liar or
   a peer that we know badly. The one it leaves is charged for the time, and has not failed. A peer that loads the model
   and has got further with that since the last look is not left.

Knows nothing of sockets, beliefs or time: `now` is an argument, and `settled` says what beliefs are to be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Annotated, TypeAlias

import msgspec

from gateway.beliefs.jobs import Outcome, Reservation
from gateway.routing.choice import Candidate, Choice

AGAIN_S = (0.5, 1.0, 2.0, 4.0)  # s before those who may go on with an answer are asked once more
ROOM_S, ROOM_LIMIT_S = 0.5, 8.0  # s before a peer that is waited for is asked whether it has room
Verdict: TypeAlias = tuple[Reservation, Outcome]  # what beliefs are to be told of one attempt


@dataclass(frozen=True, slots=True)
class CourseConfig:
    """How far one request may go."""

    # Attempts that fail, the own engine's included: one prompt that breaks engines must not visit the whole network.
    attempts: Annotated[int, msgspec.Meta(ge=1, le=64)] = 3
    # Closed doors met along one choice, each a round trip: then the request waits at home, or is told to come back.
    refusals: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    within_s: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 600.0  # the OpenAI SDKs give up then
    # Peers that a request leaves since they have not begun it in time; 0: it waits for each as long as it lives.
    leaves: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3

    @property
    def rows(self) -> int:
        """How many rows of a decision can be asked at most."""
        return self.attempts + self.refusals


def ends_at_once(outcome: Outcome) -> bool:
    """Whether the way of a request is over with its first attempt: beliefs are told of that as it is, and no more."""
    return outcome.status == "ok"


class Asked(msgspec.Struct, frozen=True):
    """One attempt that has ended."""

    candidate: Candidate
    reservation: Reservation
    outcome: Outcome
    by_engine: bool  # its engine answered with an error, so that the request itself may be the cause
    is_unsuited: bool  # it cannot take this request, and has run nothing


class Course:
    """One request's way: `next`, then `ended`, until `next` has nobody left; then `settled`."""

    # What has not happened, and mostly does not.
    asked: tuple[Asked, ...] = ()
    _at: Candidate | None = None
    _refusals = 0  # along the present choice
    _since = _breaks = 0  # the first of `asked` that counts now; how often the answer broke off
    _leaves = 0  # peers that were left since they did not begin
    _loaded = -1.0  # how much of its model the one that is asked had loaded at the last look
    _rounds = 0  # in which nobody could be reached who goes on
    _undecided: tuple[Asked, ...] = ()  # errors that may be the request's own fault

    def __init__(self, choice: Choice, config: CourseConfig, now: float) -> None:
        """`now`: when the request came."""
        self.choice, self.began, self._config = choice, now, config
        self._left = choice.order

    def next(self, now: float) -> Candidate | None:
        """Who is to be asked now; None where nobody is left, or enough was tried."""
        left = self._may_be_asked(now) if self.asked else self._left
        self._at = at = left[0] if left else None
        self._left, self._loaded = left[1:], -1.0
        return at

    def may_go_on(self, now: float) -> bool:
        """Whether a further attempt may begin, if there is somebody to ask."""
        return self._failures < self._config.attempts and (not self.asked or now <= self.until)

    @property
    def until(self) -> float:
        """When the last attempt may begin."""
        return self.began + self._config.within_s

    @property
    def may_look(self) -> bool:
        """Whether the one to be asked is our own while another may answer: it may wait, and look around."""
        return self.choice.may_go_elsewhere and self._at is not None and self._at.local

    def leads_elsewhere(self, choice: Choice) -> bool:
        """Whether a choice made while the request waits sends it to another engine or peer that has not failed it."""
        target, at = choice.target, self._at
        if target is None or self._has_failed(target):
            return False
        return not target.local or (at is not None and at.local and at.queue != target.queue)

    @property
    def late_after_s(self) -> float | None:
        """Seconds from sending after which the peer that is asked is late; None where the request would not leave it.

        After a break nobody is left: who goes on is one of few.
        """
        at = self._at
        if at is None or at.local or self._breaks or self.choice.reason == "pinned" or at.late_after_s == inf:
            return None
        return at.late_after_s if self._leaves < self._config.leaves else None

    def gets_on(self, loading: float | None) -> bool:
        """Whether a late peer says that it has got further with loading its model, and so is not left; told at a look.

        `loading`: how much is loaded, 0 to 1; None where it does not say, or loads none.
        """
        if loading is None or loading <= self._loaded:
            return False
        self._loaded = loading
        return True

    def may_leave_for(self, choice: Choice) -> bool:
        """Whether a choice made while another peer is late sends the request away from it."""
        target, at = choice.target, self._at
        return target is not None and at is not None and target.queue != at.queue and not self._has_failed(target)

    def leave(self, choice: Choice) -> None:
        """Follow a new choice, away from a peer that is late."""
        self._leaves += 1
        self.turn(choice)

    def turn(self, choice: Choice) -> None:
        """Follow a new choice, from its beginning."""
        self.choice, self._left, self._refusals = choice, choice.order, 0

    def go_on(self) -> bool:
        """The answer broke off: whether somebody may go on with it, along the choice that is turned to next."""
        self._breaks += 1
        if self._breaks >= self._config.attempts:
            return False
        self._since = len(self.asked) - 1
        return True

    def again(self) -> float | None:
        """Nobody who goes on was reached or had room: seconds until all are asked once more; None: it is enough."""
        if self._rounds == len(AGAIN_S):
            return None
        self._rounds += 1
        self._since = len(self.asked)
        return AGAIN_S[self._rounds - 1]

    def waits(self, *, is_busy: bool) -> bool:
        """Whether the one asked last is waited for: the client named it, and it is busy and not ours."""
        return is_busy and self.choice.reason == "pinned" and not self.asked[-1].candidate.local

    def asks_for_room_in(self, now: float, looks: int) -> float | None:
        """Seconds until it is asked whether it has room; None: by then no attempt may begin.

        `looks`: how often it was asked that since it refused.
        """
        by_engine = sum(asked.by_engine for asked in self.asked)
        pause_s = ROOM_S if looks else min(ROOM_S * 2.0 ** min(by_engine, 9), ROOM_LIMIT_S)
        return pause_s if now + pause_s <= self.until else None

    def ended(
        self, reservation: Reservation, outcome: Outcome, by_engine: bool = False, is_unsuited: bool = False
    ) -> Sequence[Verdict]:
        """The one asked last is done: what beliefs are to be told now.

        `by_engine`: it is there, and its engine answered with an error. `is_unsuited`: its model cannot take this.
        """
        assert self._at, "next() comes before ended()"
        done = Asked(self._at, reservation, outcome, by_engine, is_unsuited)
        self.asked += (done,)
        if ends_at_once(outcome) and not self._undecided:
            return ((reservation, outcome),)
        self._refusals += outcome.status == "refused" or is_unsuited
        if is_unsuited:
            return [(reservation, _neutral(outcome))]
        if outcome.status == "failed" and by_engine:
            self._undecided = (*self._undecided, done)
            return []
        clear = [(reservation, outcome)]
        if self._undecided and outcome.status == "ok" and outcome.tokens > 0:
            clear = [*((asked.reservation, asked.outcome) for asked in self._undecided), *clear]
            self._undecided = ()
        return clear

    def settled(self) -> Sequence[Verdict]:
        """Nothing more will come: errors that no answer has contradicted teach nothing, as answers without tokens."""
        if not self._undecided:
            return ()
        undecided, self._undecided = self._undecided, ()
        return [(one.reservation, _neutral(one.outcome)) for one in undecided]

    def _may_be_asked(self, now: float) -> tuple[Candidate, ...]:
        """Who of those that are left may be asked, now that somebody was."""
        if not self.may_go_on(now):
            return ()
        left = tuple(candidate for candidate in self._left if not self._has_failed(candidate))
        own = tuple(candidate for candidate in left if candidate.local)
        if self._refusals >= self._config.refusals:
            return own
        failures = self._failures
        return own or left if failures and failures == self._config.attempts - 1 else left

    @property
    def _failures(self) -> int:
        return sum(asked.outcome.status == "failed" and not asked.is_unsuited for asked in self.asked[self._since :])

    def _has_failed(self, candidate: Candidate) -> bool:
        """Whether this request failed there: at that agent of that engine, or because that peer was not there."""
        failed = [asked for asked in self.asked[self._since :] if asked.outcome.status == "failed" or asked.is_unsuited]
        return any(
            (asked.candidate.queue, asked.candidate.agent) == (candidate.queue, candidate.agent)
            or (asked.candidate.peer_id == candidate.peer_id and not (asked.by_engine or candidate.local))
            for asked in failed
        )


def _neutral(outcome: Outcome) -> Outcome:
    """The same attempt as an answer without tokens: its slot is free again, and nothing is learnt."""
    return msgspec.structs.replace(outcome, status="ok", ttft_s=outcome.latency_s, tokens=0)
