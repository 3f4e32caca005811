"""What a policy is, and what all policies have in common: configuration, two steps, from a ranking to an order.

A policy is pure, and asking peers is I/O. So `plan` names the peers that are worth a probe; the caller probes them,
tells the beliefs what they answered, and hands a fresh View to `choose`. The policies themselves stand in policies.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, Protocol

import msgspec

from gateway.beliefs.columns import Column, highest, take
from gateway.routing.candidates import Excluded, among
from gateway.routing.cost import CostConfig
from gateway.routing.decision import Decision
from gateway.routing.query import Query, View

# Our own engine takes these all the same when nobody else does: the estimate may err, and no other is asked.
_UNSUITED = among(Excluded.SCORE, Excluded.CONTEXT, Excluded.RETRIED, Excluded.EMBEDDED)
_EQUAL = 2e-12  # utilities that may round to the same
_FOLLOW = 64  # candidates that follow those of the plan, at most: more than a course asks by default
Mode = Literal["default", "paper", "local", "random"]
_NonNegative = Annotated[float, msgspec.Meta(ge=0)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """How a peer decides."""

    mode: Mode = "default"  # paper: Eq. 6-10 verbatim; local: never delegate; random: any candidate
    theta_s: _NonNegative = 0.0  # θ_s of Eq. 11: least score of a candidate; 0: the utility alone weighs it
    # β, score that one second is worth; None: SERVICE_WORTH/S̃, so that it fits short and long answers alike.
    beta_per_s: _NonNegative | None = None
    probe_all: Annotated[int, msgspec.Meta(ge=0, le=64)] = 6  # up to so many remote candidates are all probed
    # Of more remote candidates so many are probed, drawn by e^(U/T). More draws find shorter queues and cost as many
    # probes a query (docs/results/simulator.md#constants).
    draws: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    # T in units of β·S̃, the utility of one typical service time. The greater, the more evenly they are drawn.
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    exploration: _Share = 0.02  # of the queries go to any candidate, else what we believe of the others goes stale
    local_margin: _Share = 0.02  # an idle engine of our own within this score of the best answers without any probe,
    local_slowness: Annotated[float, msgspec.Meta(ge=1)] = 2.0  # unless another is believed to be this much faster
    paper_beta_per_s: _NonNegative = 0.01  # mode paper: the middle of the paper's range, 1e-5 to 1 (Fig. 9)
    paper_horizon_s: _NonNegative = 1.0  # δ of Eq. 7; the paper gives none
    cost: CostConfig = field(default_factory=CostConfig)


class Plan(msgspec.Struct, frozen=True, eq=False):
    """The first step's result: whom to probe, and among whom the second step chooses."""

    draft: Decision  # as things are believed before the probes
    pool: tuple[int, ...]  # indices among which to choose
    probe: tuple[int, ...] = ()  # remote members of the pool; several may belong to one peer
    reason: str = "best"
    explored: int | None = None  # chosen by lot, if it still is a candidate after its probe


class Lot(Protocol):
    """What draws numbers by lot."""

    def random(self) -> float:
        """From 0 to 1, without 1."""
        ...


class Lots(Lot, Protocol):
    """What draws by lot, as numpy's Generator does: a peer itself draws too seldom to load that (2 MiB)."""

    def choice(self, of: Any, /) -> Any:
        """One of them, each as likely."""
        ...

    def permutation(self, of: Any, /) -> Iterable[Any]:
        """All of them, in an order drawn by lot."""
        ...


class Policy(Protocol):
    """A way to decide. The rng belongs to the caller: same inputs, same seed, same decision."""

    def plan(self, query: Query, view: View, now: float, rng: Lots) -> Plan:
        """Whom to probe before choosing; nobody where what is believed is good enough."""
        ...

    def choose(self, query: Query, view: View, now: float, rng: Lots, plan: Plan | None = None) -> Decision:
        """The decision on `view`: the roster that `plan` was made with, what its probes found, and who kept silent.

        Without a plan it decides on what is believed.
        """
        ...


def ranked_by(fresh: Decision, by: Column, pool: Iterable[int], rng: Lot) -> list[int]:
    """The pool's candidates, best first by the column `by`, (N,); equal ones (to 1e-12) in an order drawn by lot."""
    excluded = fresh.who.excluded
    still = sorted([row for row in pool if not excluded[row]], key=by.__getitem__, reverse=True)
    if not any(by[one] - by[other] <= _EQUAL for one, other in pairwise(still)):
        return still
    lot = [rng.random() for _ in still]
    keyed = sorted(zip([-round(float(by[row]), 12) for row in still], lot, still, strict=True))
    return [row for _, _, row in keyed]


def decided(fresh: Decision, ranked: list[int], reason: str, rng: Lot) -> Decision:
    """`fresh` with the order in which to try: the first of `ranked`, its other remote ones, our own.

    All other candidates follow where these are others' alone, or our own alone: an own engine that is idle but broken
    is followed by the others. Without an own engine, who could answer if need be comes last. `reason` says how the
    first was found, unless a pin, a body that may not travel, a topic or an unfamiliar query explains it better.
    """
    roster, excluded = fresh.view.roster, fresh.excluded
    own, others = list[int](), list[int]()
    for index in ranked[1:]:
        (own if roster.local[index] else others).append(index)
    order = [*ranked[:1], *others, *own]
    if fresh.query.pin is not None:
        reason = "pinned"
    elif fresh.query.pinned_local is not None:
        reason = fresh.query.pinned_local
    elif fresh.query.rule is not None and (excluded == Excluded.PRIVACY).any():
        reason = fresh.query.rule
    elif reason == "best" and order and fresh.view.is_likely(order[0]):
        reason = "topic"
    elif reason == "best" and not fresh.query.is_familiar:
        reason = "unfamiliar"
    has_own = bool(own) or bool(order and roster.local[order[0]])
    if not has_own or not (others or not roster.local[order[0]]):
        unasked = fresh.who.all
        if len(unasked) > _FOLLOW:
            unasked = [unasked[place] for place in highest(take(fresh.utility, unasked), _FOLLOW)]
        order += [index for index in ranked_by(fresh, fresh.utility, unasked, rng) if index not in order]
    if not has_own:
        last = (roster.local & _UNSUITED[excluded]).nonzero()[0]
        if not len(last):
            last = (excluded == Excluded.SILENT).nonzero()[0]
        reason = reason if order or not len(last) else "fallback"
        order += last.tolist()
    if roster.has_last_resort:
        order += (excluded == Excluded.LAST_RESORT).nonzero()[0].tolist()
        if order and roster.last_resort[order[0]] and fresh.query.pin is None:
            reason = "last_resort"
    return fresh.ordered(tuple(order), reason if order else "none")
