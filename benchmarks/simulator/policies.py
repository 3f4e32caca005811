"""The baselines, as policies inside the production Node: what others do with the same peers, news and scores.

Each baseline is given what it would have elsewhere, and more where that is simpler. Prequal's probes take no time and
report exact latencies. The oracle sees every queue and every speed at the moment of its decision; it does not see how
long an answer will be, which nobody knows before it is written.
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from discovery.records import PeerId
from gateway.beliefs.numbers import FloatArray
from gateway.routing.decision import Decision
from gateway.routing.policy import Lots, Plan, SchedulerConfig, decided, ranked_by
from gateway.routing.query import Query, View
from gateway.routing.utility import assess


class Truth(Protocol):
    """What the world knows and no router does."""

    def jobs(self, peer: PeerId) -> int:
        """Running and waiting there now."""
        ...

    def latency_s(self, peer: PeerId, prompt_tokens: float, output_tokens: float) -> float:
        """What a job of this size would take there now."""
        ...

    def crowding_s(self, peer: PeerId, output_tokens: float) -> float:
        """What it would cost those decoded beside it there."""
        ...


class Believer:
    """Decides at once, on what the node believes, without probes. Baselines derive from it and replace `rank`."""

    def __init__(self, config: SchedulerConfig | None = None) -> None:
        self.config = config or SchedulerConfig()

    def plan(self, query: Query, view: View, now: float, rng: Lots) -> Plan:
        draft = assess(query, view, self.config)
        return Plan(draft, tuple(sorted(draft.who.all)), reason=type(self).__name__.lower())

    def choose(self, query: Query, view: View, now: float, rng: Lots, plan: Plan | None = None) -> Decision:
        assert isinstance(rng, np.random.Generator), "the simulator's"
        plan = plan or self.plan(query, view, now, rng)
        return decided(plan.draft, self.rank(plan.draft, plan.pool, now, rng), plan.reason, rng)

    def rank(self, draft: Decision, pool: tuple[int, ...], now: float, rng: np.random.Generator) -> list[int]:
        """The pool's agents, best first: here by Eq. (10) on beliefs that may be old."""
        return ranked_by(draft, draft.utility, pool, rng)


class Argmin(Believer):
    """The best utility on what is believed: Believer as it is."""


class Greedy(Believer):
    """Argmax of the score: a router that knows who is best and nothing of load (RouterDC, KABB, a single agent)."""

    def rank(self, draft: Decision, pool: tuple[int, ...], now: float, rng: np.random.Generator) -> list[int]:
        return ranked_by(draft, draft.view.score, pool, rng)


class LeastLoaded(Believer):
    """Fewest jobs a slot, by the last news (LocalAI, llm-d's queue scorer)."""

    def rank(self, draft: Decision, pool: tuple[int, ...], now: float, rng: np.random.Generator) -> list[int]:
        expected = draft.view.expected
        return ranked_by(draft, -np.asarray(expected.backlog) / np.asarray(expected.slots), pool, rng)


class P2C(Believer):
    """The better of two drawn by lot, by the last news (Mitzenmacher 2000; Envoy's least request)."""

    def rank(self, draft: Decision, pool: tuple[int, ...], now: float, rng: np.random.Generator) -> list[int]:
        drawn = rng.choice(pool, size=min(2, len(pool)), replace=False).tolist()
        return ranked_by(draft, draft.utility, drawn, rng)


class Oracle(Believer):
    """Argmax of the utility on the truth."""

    def __init__(self, truth: Truth, config: SchedulerConfig | None = None) -> None:
        super().__init__(config)
        self._truth = truth

    def rank(self, draft: Decision, pool: tuple[int, ...], now: float, rng: np.random.Generator) -> list[int]:
        query, view = draft.query, draft.view
        tokens, peers = (query.prompt_tokens, view.output_tokens), view.roster.peer_ids
        cost_s: FloatArray = np.array(
            [self._truth.latency_s(peer, *tokens) + self._truth.crowding_s(peer, tokens[1]) for peer in peers]
        )
        worth = np.asarray(view.score) - draft.beta_per_s * (cost_s + np.asarray(draft.costs.transit_s))
        return ranked_by(draft, worth, pool, rng)


@dataclass(slots=True, eq=False)
class _Probed:
    """What one probe of Prequal brought."""

    at: float
    index: int
    in_flight: int
    latency_s: float
    uses: int = 0


class Prequal(Believer):
    """Hot-cold lexicographic choice from a pool of probes (Wydrowski et al., NSDI 2024), 3 probes a query.

    Among agents within `margin` of the best score. Cold: requests in flight at most the Q_RIF quantile of recent ones.
    The cold one of least latency, else the one with fewest in flight.
    """

    PROBES, POOL, Q_RIF, USES = 3, 16, 0.84, 2  # the paper's defaults

    def __init__(self, truth: Truth, age_s: float, margin: float, config: SchedulerConfig | None = None) -> None:
        """`age_s`: probes older than this are dropped."""
        super().__init__(config)
        self._truth, self._age_s, self._margin = truth, age_s, margin
        self._pool: list[_Probed] = []
        self._in_flight: deque[int] = deque(maxlen=100)

    def rank(self, draft: Decision, pool: tuple[int, ...], now: float, rng: np.random.Generator) -> list[int]:
        score, candidates = np.asarray(draft.view.score), np.array(pool)
        good = candidates[score[candidates] >= score[candidates].max() - self._margin]
        self._probe(draft, good, now, rng)
        known = [probed for probed in self._pool if probed.index in good]
        hot = float(np.quantile(self._in_flight, self.Q_RIF, method="lower"))
        cold = [probed for probed in known if probed.in_flight <= hot]
        best = min(cold, key=lambda p: p.latency_s) if cold else min(known, key=lambda p: p.in_flight)
        self._use(best)
        return [best.index]

    def _probe(self, draft: Decision, good: FloatArray, now: float, rng: np.random.Generator) -> None:
        """The answers are there at once: a favour."""
        for index in rng.choice(good, size=min(self.PROBES, len(good)), replace=False).tolist():
            peer = draft.view.roster.peer_ids[index]
            latency_s = self._truth.latency_s(peer, draft.query.prompt_tokens, draft.view.output_tokens)
            self._in_flight.append(self._truth.jobs(peer))
            self._pool.append(_Probed(now, index, self._truth.jobs(peer), latency_s))
        self._pool = [probed for probed in self._pool if now - probed.at < self._age_s][-self.POOL :]

    def _use(self, best: _Probed) -> None:
        """A probe used stands for one more job there; used up it goes, else the worst one does."""
        best.uses += 1
        best.in_flight += 1
        if best.uses >= self.USES:
            self._pool.remove(best)
        elif len(self._pool) > 1:
            self._pool.remove(max(self._pool, key=lambda probed: (probed.in_flight, -probed.at)))
