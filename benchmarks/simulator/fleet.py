"""Networks of the recorded models: seven agents on equal hardware, or a thousand of seven kinds; and the routers that
the paper compares with, each in the form of a capability space, so that the production Node decides for all of them.

A central router that predicts each model's accuracy is a space with one prototype a model: agents publish unit vectors,
and a query's relevance is the prediction.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator.asks import Ask
from benchmarks.simulator.engine import EngineSpeed
from benchmarks.simulator.network import Spread
from benchmarks.simulator.peer import PeerSpec
from benchmarks.simulator.recorded import Recorded
from benchmarks.simulator.settings import Settings
from benchmarks.simulator.workload import recorded_asks
from benchmarks.simulator.world import Setting
from discovery.detector import DetectorConfig, FailureDetector
from discovery.records import Agent, Profile
from gateway.capacity.rules import AdmissionConfig
from gateway.routing.worth import Space

CENTRAL = "central-router"  # the space whose prototypes are the models
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """One seed's halves, and what was learnt from the first."""

    settings: Settings
    recorded: Recorded
    seed: int
    learn: NDArray[np.intp]
    ask: NDArray[np.intp]
    predicted: Floats  # (len(ask), M) the central kNN router's
    speed: EngineSpeed  # of each of the seven agents

    @classmethod
    def of(cls, settings: Settings, recorded: Recorded, seed: int) -> "Fleet":
        learn, ask = recorded.halves(seed)
        predicted = recorded.nearest(ask, learn, settings.workload.central_k)
        unscaled = settings.engines.batched
        fleet = cls(settings, recorded, seed, learn, ask, predicted, unscaled)
        wanted = settings.capacity
        slower = wanted.busiest_rho / (wanted.at_lambda * fleet.central_load().max())
        return cls(settings, recorded, seed, learn, ask, predicted, unscaled.slowed(slower))

    def central_load(self) -> Floats:
        """(M,) ρ of each model's agent, a query a second, when every query goes where the central router sends it."""
        model = self.predicted.argmax(axis=1)
        load: Floats = np.bincount(model, self._job_share(), len(self.recorded.models)).astype(np.float64)
        return load

    def single_load(self) -> float:
        """ρ of one agent that answers everything, a query a second."""
        return float(self._job_share().sum())

    # --- what is asked

    def asks(self, relevance: NDArray[np.float32] | Floats, rate: float, n: int, entries: int) -> list[Ask]:
        lengths = self.settings.workload.lengths
        return recorded_asks(self.recorded, self.ask, relevance, rate, n, entries, lengths, "poisson", self.seed)

    def gate_relevance(self) -> NDArray[np.float32]:
        """(len(ask), K) what the production gate makes of the queries."""
        return self.recorded.relevance[self.ask]

    def only(self, model: int) -> Floats:
        """(len(ask), M) a router that knows one model."""
        return np.tile(np.eye(len(self.recorded.models))[model], (len(self.ask), 1))

    def expert_map(self) -> Floats:
        """(len(ask), M) each of the gate's categories to the model that was best at it, for good (as KABB's map)."""
        recorded, best = self.recorded, self.recorded.best_single(self.learn)
        experts = {}
        for category in np.unique(recorded.category):
            rows = self.learn[recorded.category[self.learn] == category]
            experts[category] = int(recorded.grades[rows].mean(axis=0).argmax()) if len(rows) >= 10 else best
        chosen = [experts[category] for category in recorded.category[self.ask]]
        return np.eye(len(recorded.models))[chosen]

    def task_map(self) -> Floats:
        """(len(ask), M) each task to the model that was best at it on the other half: the task oracle."""
        means = self.recorded.mean_by_task(self.learn)
        chosen = [int(means[str(task)].argmax()) for task in self.recorded.tasks[self.ask]]
        return np.eye(len(self.recorded.models))[chosen]

    # --- where it is asked

    def seven(self, door: AdmissionConfig | None, *, central: bool = False) -> Setting:
        """One peer a model, each with a user, in one region (Table I's 15 ms leave no room for another)."""
        models = range(len(self.recorded.models))
        profiles = [self._unit(m) if central else self._measured(m, self.learn) for m in models]
        specs = tuple(PeerSpec(self.speed, profiles[m], model=m) for m in models)
        return self._setting(specs, len(specs), 1, door, central)

    def many(
        self, door: AdmissionConfig | None, agents: int, speed: EngineSpeed, *, own_questions: bool = False
    ) -> Setting:
        """`agents` peers of seven kinds, all measured with one query set (the whole half); or each with its own."""
        rng = np.random.default_rng([self.seed, 5])
        wanted, specs, count = self.settings.scale, [], self.settings.workload.profile_questions
        known = [self._measured(model, self.learn) for model in range(len(self.recorded.models))]
        for j in range(agents):
            model = j % len(self.recorded.models)
            own = self._measured(model, rng.choice(self.learn, count, replace=False)) if own_questions else known[model]
            specs.append(PeerSpec(speed, own, model=model, region=j % wanted.regions))
        return self._setting(tuple(specs), wanted.entries, wanted.regions, door, central=False)

    def _setting(
        self, specs: tuple[PeerSpec, ...], entries: int, regions: int, door: AdmissionConfig | None, central: bool
    ) -> Setting:
        period_s = FailureDetector(DetectorConfig()).period_s(len(specs))
        spread = Spread(period_s, period_s / 2, self.settings.pulses.loss)
        gate, models = self.recorded.gate, len(self.recorded.models)
        space = Space(CENTRAL, ("",) * models) if central else Space(gate.space, gate.categories)
        return Setting(specs, entries, self.settings.regions.regions(regions), spread, door, space)

    def _measured(self, model: int, rows: NDArray[np.intp]) -> Agent:
        return self._agent(model, self.recorded.gate.space, self.recorded.profile(model, rows))

    def _unit(self, model: int) -> Agent:
        unit = bytes(255 * (m == model) for m in range(len(self.recorded.models)))
        return self._agent(model, CENTRAL, Profile(unit, (100,) * len(unit)))

    def _agent(self, model: int, space: str, profile: Profile) -> Agent:
        name = self.recorded.models[model]
        return Agent(name, name, 8192, profiles={space: profile})

    def _job_share(self) -> Floats:
        """(len(ask),) how much of an agent's capacity each query takes, times how likely it is to be asked."""
        tasks, speed = self.recorded.tasks[self.ask], self.speed
        lengths = self.settings.workload.lengths
        weights = np.zeros(len(self.ask))
        for task, length in lengths.items():
            here = tasks == task
            capacity = np.vectorize(partial(speed.capacity, output_tokens=length.mean))
            weights[here] = 1 / capacity(self.recorded.prompt_tokens[self.ask][here]) / here.sum() / len(lengths)
        return weights
