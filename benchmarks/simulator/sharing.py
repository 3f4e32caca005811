"""Who gets how much of one peer's engine: the production Line, shares and tabs in virtual time.

`sharing`: four peers that give us something (twice as much each as the next), a free rider with ten times as many
requests, one that takes a new name every ten minutes, and an honest newcomer that joins after a third of the time. All
ask without end. `flood`: our own programs' waiting, without others, with four peers, and with ten times as many
requests beside, from one name or from a hundred.

What a peer gives us is counted as it comes in, in answers of its own; what it gets is what the line lets in. No gossip,
no decisions, no receipts: those have tests of their own.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np

from benchmarks.progress import say
from benchmarks.simulator.engine import Engine, Job
from benchmarks.simulator.figures import interval, row
from benchmarks.simulator.settings import Settings
from discovery.records import PeerId
from gateway.capacity.fair_share import NEWCOMERS_SHARE
from gateway.capacity.line import Line, Ticket
from gateway.capacity.rules import AdmissionConfig, Room, admission_state
from gateway.trust.tab import Sums
from gateway.trust.tabs import Tabs

HOURS = 2.0
ANSWER_TOKENS, PROMPT_TOKENS = 300, 400  # on average, and always
RETRY_S = (2.0, 6.0)  # after a refusal, as `retry-after` says to an engine like this
GIFTS = {"gives 200": 200.0, "gives 100": 100.0, "gives 50": 50.0, "gives 25": 25.0}  # tokens a second
NEWCOMER, NEWCOMER_GIFT = "newcomer", 100.0
FREE_RIDER, RENAMED = "free rider", "new names"
NAME_S = 600.0  # for which the one with new names keeps one
OWN_RHO = 0.3  # of the engine, by our own programs


@dataclass(frozen=True, slots=True)
class Asker:
    """Another peer, or a crowd: how many requests at once, what it gives, when it comes, how many names it has."""

    at_once: int
    gives: float = 0.0  # tokens a second
    from_s: float = 0.0
    renamed: bool = False
    names: int = 1


@dataclass
class Scene:
    """One peer's engine, and who wants it."""

    askers: dict[str, Asker]
    settings: Settings
    seed: int
    fair: bool = True  # False: in the order of arrival, and no place in line is given up
    own_rho: float = 0.0
    until_s: float = HOURS * 3600
    now: float = 0.0
    work: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))  # (when, work)
    waits_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    own_s: list[float] = field(default_factory=list)
    weights: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _heap: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, 7])
        self._tabs = Tabs(PeerId("me"), lambda said: said, lambda who, by, said: True)
        self._speed = self.settings.engines.batched
        self._engine = Engine(self._speed, self.at, ended=self._ended)
        self._line = Line[_Turn](AdmissionConfig(), weight=lambda peer: self._tabs[PeerId(peer)].weight(self.now))
        self._inside: dict[Job, _Turn] = {}

    def run(self) -> "Scene":
        for name, asker in self.askers.items():
            for _ in range(asker.at_once):
                self.at(asker.from_s + self._rng.random(), partial(self._ask, name))
            if asker.gives:
                self.at(asker.from_s, partial(self._give, name))
        if self.own_rho:
            self.at(0.0, self._own)
        self.at(0.0, self._weigh)
        while self._heap[0][0] < self.until_s:
            self.now, _, act = heapq.heappop(self._heap)
            act(self.now)
        return self

    def at(self, when: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), act))

    def share(self, *names: str, since_s: float, until_s: float = np.inf) -> float:
        """Of the work for others in this time."""
        done = {name: sum(work for at, work in of if since_s <= at < until_s) for name, of in self.work.items()}
        return sum(done.get(name, 0.0) for name in names) / max(1e-9, sum(done.values()))

    def weight(self, name: str, since_s: float) -> float:
        """On average, from then on."""
        return float(np.mean([weight for at, weight in self.weights[name] if at >= since_s]))

    # --- inside

    def _name(self, asker: str, now: float) -> str:
        spec = self.askers[asker]
        if spec.renamed:
            return f"{asker} {now // NAME_S:.0f}"
        return asker if spec.names == 1 else f"{asker} {self._rng.integers(spec.names)}"

    def _give(self, name: str, now: float) -> None:
        tokens = int(self._rng.exponential(ANSWER_TOKENS)) + 1
        self._tabs.add(PeerId(name), "got", Sums(1, 0, tokens), now)
        self.at(now + self._rng.exponential(ANSWER_TOKENS / self.askers[name].gives), partial(self._give, name))

    def _weigh(self, now: float) -> None:
        for name in self.askers:
            self.weights[name].append((now, self._tabs[PeerId(name)].weight(now)))
        self.at(now + 10.0, self._weigh)

    def _own(self, now: float) -> None:
        self._line.join(_Turn(now, is_own=True))
        self._admit(now)
        rate = self.own_rho * self._speed.capacity(PROMPT_TOKENS, ANSWER_TOKENS)
        self.at(now + self._rng.exponential(1 / rate), self._own)

    def _ask(self, asker: str, now: float) -> None:
        peer, room = self._name(asker, now), Room(self._speed.slots)
        known = peer if self.fair else ""  # without names, the line goes by arrival
        if self._line.is_full_for(known, room):
            self._later(asker, now)
            return
        if admission_state(self._line.load(room), self._line.config) == "closed":
            last = self._line.giving_way(known)
            if last is None:
                self._later(asker, now)
                return
            self._line.leave(last)
            self._later(last.asker, now)
        ticket = _Turn(now, is_own=False, peer=known, asker=asker, name=peer)
        self._line.join(ticket)
        self._admit(now)

    def _later(self, asker: str, now: float) -> None:
        self.at(now + self._rng.uniform(*RETRY_S), partial(self._ask, asker))

    def _admit(self, now: float) -> None:
        for ticket in self._line.admit(Room(self._speed.slots)):
            self.waits_s[ticket.asker].append(now - ticket.since)
            job = Job(PROMPT_TOKENS, int(self._rng.exponential(ANSWER_TOKENS)) + 1, _nothing, _nothing)
            self._inside[job] = ticket
            self._engine.submit(job, now)

    def _ended(self, job: Job, now: float) -> None:
        ticket = self._inside.pop(job)
        if ticket.is_own:
            self.own_s.append(now - ticket.since)
        else:
            sums = Sums(1, job.prompt_tokens, job.output_tokens)
            ticket.work = sums.work
            self._tabs.add(PeerId(ticket.name), "given", sums, now)
            self.work[ticket.asker].append((now, sums.work))
            self.at(now, partial(self._ask, ticket.asker))
        self._line.leave(ticket)
        self._admit(now)


class _Turn(Ticket, eq=False, kw_only=True):
    asker: str = ""
    name: str = ""


def _nothing(job: Job, now: float) -> None:
    """The line is told by the engine itself."""


def sharing(settings: Settings, seeds: Sequence[int], hours: float = HOURS) -> dict[str, object]:
    """Rows by order and peer: `share` of the work in the second half, `of_weight` that share over its weight's.

    Checks: Jain's index of `of_weight` among those who gave from the start (1: all alike), how far each is from its
    weight at most, the share of those who give nothing, and the seconds until the newcomer has nine tenths of its own.
    """
    rows: list[dict[str, object]] = []
    checks: dict[str, object] = {}
    for policy, fair in (("fair shares", True), ("by arrival", False)):
        runs = [_contended(settings, seed, fair, hours) for seed in seeds]
        rows += [row(policy, name, [run[name] for run in runs], accuracy=None) for name in _askers(hours)]
        of_weight = [[run[name]["of_weight"] for name in GIFTS] for run in runs]
        jain = [sum(x) ** 2 / (len(x) * sum(one * one for one in x)) for x in of_weight]
        found = {
            "Jain index of contributors": jain,
            "furthest from its weight": [max(abs(1 - one) for one in x) for x in of_weight],
            "share of who gives nothing": [run[FREE_RIDER]["share"] + run[RENAMED]["share"] for run in runs],
            "newcomer has its share after, s": [run[NEWCOMER]["reached_s"] for run in runs],
        }
        for name, values in found.items():
            mean, low, high = interval(values)
            checks[f"{policy}: {name}"] = {"of": "share", "mean": mean, "ci": [low, high], "worst": max(values)}
            say(f"sharing: {policy}: {name} {mean:.3f} (largest {max(values):.3f})")
    return {"experiment": "sharing", "rows": rows, "checks": checks, "hours": hours}


def flood(settings: Settings, seeds: Sequence[int], hours: float = HOURS / 4) -> dict[str, object]:
    """Rows by who else asks: seconds of our own programs' requests. Checks: p99 over that with honest peers."""
    honest = {f"peer {k}": Asker(4, gives=100.0) for k in range(4)}
    scenes = {
        "nobody": {},
        "four peers": honest,
        "and a flood of one name": honest | {"flood": Asker(160)},
        "and a flood of 100 names": honest | {"flood": Asker(160, names=100)},
    }
    rows, runs = [], {}
    for name, askers in scenes.items():
        runs[name] = [
            _own_waits(Scene(askers, settings, seed, own_rho=OWN_RHO, until_s=hours * 3600)) for seed in seeds
        ]
        rows.append(row("own requests", name, runs[name], accuracy=None))
    checks = {}
    for name in [*scenes][2:]:
        ratios = [one["p99_s"] / other["p99_s"] for one, other in zip(runs[name], runs["four peers"], strict=True)]
        mean, low, high = interval(ratios)
        checks[f"own p99, {name}"] = {"of": "p99_s", "mean": mean, "ci": [low, high], "worst": max(ratios)}
        say(f"flood: own p99, {name}, over four peers alone: {mean:.3f}")
    return {"experiment": "flood", "rows": rows, "checks": checks, "hours": hours}


def _askers(hours: float) -> dict[str, Asker]:
    return {
        **{name: Asker(8, gives=gives) for name, gives in GIFTS.items()},
        FREE_RIDER: Asker(80),
        RENAMED: Asker(8, renamed=True),
        NEWCOMER: Asker(8, gives=NEWCOMER_GIFT, from_s=hours * 1200),
    }


def _contended(settings: Settings, seed: int, fair: bool, hours: float) -> dict[str, dict[str, float]]:
    askers, half_s, end_s = _askers(hours), hours * 1800, hours * 3600
    scene = Scene(askers, settings, seed, fair=fair, until_s=end_s).run()
    weights = {name: scene.weight(name, half_s) for name in (*GIFTS, NEWCOMER)}
    found: dict[str, dict[str, float]] = {}
    for name in askers:
        share = scene.share(name, since_s=half_s)
        entitled = (1 - NEWCOMERS_SHARE) * weights.get(name, 0.0) / sum(weights.values())
        waits = np.array(scene.waits_s[name] or [end_s])  # who was never let in waits until the end
        found[name] = {
            "share": share,
            "of_weight": share / entitled if entitled else 0.0,
            "mean_s": float(waits.mean()),
            "p99_s": float(np.quantile(waits, 0.99)),
        }
    found[NEWCOMER]["reached_s"] = _reached_s(scene, askers[NEWCOMER].from_s, end_s)
    return found


def _reached_s(scene: Scene, joined_s: float, end_s: float, window_s: float = 120.0) -> float:
    """Seconds from joining to the end of the first two minutes with nine tenths of its share of the last third."""
    last = scene.share(NEWCOMER, since_s=end_s * 2 / 3)
    if not last:
        return end_s - joined_s  # it never had one
    begins = np.arange(joined_s, end_s - window_s, window_s / 4)
    reached = (at for at in begins if scene.share(NEWCOMER, since_s=at, until_s=at + window_s) >= 0.9 * last)
    return float(next(reached, end_s) + window_s - joined_s)


def _own_waits(scene: Scene) -> dict[str, float]:
    took_s = np.array(scene.run().own_s)
    return {"mean_s": float(took_s.mean()), "p99_s": float(np.quantile(took_s, 0.99))}
