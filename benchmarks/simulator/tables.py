"""Table I, Fig. 8 and Fig. 9: the seven recorded models as seven agents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.progress import say
from benchmarks.simulator.asks import Answered
from benchmarks.simulator.contenders import contender, figures, simulate
from benchmarks.simulator.figures import difference, ratio, row
from benchmarks.simulator.fleet import Fleet, Floats
from benchmarks.simulator.recorded import Recorded, load
from benchmarks.simulator.settings import Settings
from gateway.routing.policy import SchedulerConfig

Runs = list[dict[str, float]]
TUNING_SEEDS = (101, 102)  # for what a contender may choose for itself: the paper mode's β


@dataclass(frozen=True, slots=True)
class Router:
    """Who routes, and on what: `relevance` None is the production gate's."""

    policy: str
    relevance: Callable[[Fleet], Floats] | None = None
    config: SchedulerConfig = field(default_factory=SchedulerConfig)


CENTRAL = Router("greedy", lambda fleet: fleet.predicted)
EXPERT_MAP = Router("greedy", lambda fleet: fleet.expert_map())
DEFAULT = Router("default")


def single(model: int) -> Router:
    return Router("greedy", lambda fleet: fleet.only(model))


def paper(beta_per_s: float) -> Router:
    return Router("paper", config=SchedulerConfig(paper_beta_per_s=beta_per_s))


def answers(fleet: Fleet, router: Router, rate: float, queries: int, *, vote: bool = False) -> list[Answered]:
    """One run of one router on one seed's fleet."""
    central = router.relevance is not None
    relevance = router.relevance(fleet) if router.relevance else fleet.gate_relevance()
    asks = fleet.asks(relevance, rate, queries, len(fleet.recorded.models))
    who = contender(router.policy, fleet.settings.prequal, router.config)
    return simulate(lambda door: fleet.seven(door, central=central), who, asks, fleet.seed, vote=vote)


def table1(settings: Settings, seeds: Sequence[int], outcomes: Path) -> dict[str, object]:
    """Rows by router; x is λ. Single agents and voting at the paper's λ only: more is beyond ρ = 1."""
    recorded, wanted = load(outcomes, settings.workload.lengths), settings.table1
    fleets = [Fleet.of(settings, recorded, seed) for seed in seeds]
    beta, loaded_beta = (paper_beta(settings, recorded, rate) for rate in (wanted.lambda_, wanted.lambda_loaded))
    light: dict[str, Router] = {f"single {_short(name)}": single(m) for m, name in enumerate(recorded.models)}
    light |= {"voting": Router("greedy"), "expert map": EXPERT_MAP, "central": CENTRAL, "default": DEFAULT}
    light |= {"paper": paper(beta), "task oracle": Router("greedy", lambda fleet: fleet.task_map())}
    heavy = {name: light[name] for name in ("expert map", "central", "default")}
    heavy |= {"paper": paper(loaded_beta), "prequal": Router("prequal"), "oracle": Router("oracle")}
    runs: dict[tuple[str, float], Runs] = {}
    cases = ((wanted.lambda_, light, wanted.queries), (wanted.lambda_loaded, heavy, wanted.queries_loaded))
    for rate, routers, queries in cases:
        for name, router in routers.items():
            vote = name == "voting"
            of = [figures(answers(f, router, rate, queries, vote=vote), wanted.warm_up) for f in fleets]
            runs[name, rate] = of
            say(_progress("table1", name, rate, of))
    rows = [row(name, rate, of) for (name, rate), of in runs.items()]
    best = max((name for name in light if name.startswith("single")), key=lambda name: _learnt(fleets, name))
    ours, rate = runs["default", wanted.lambda_], wanted.lambda_
    checks = {
        "default - best single agent, accuracy": difference(ours, runs[best, rate], "accuracy"),
        "default - task oracle, accuracy": difference(ours, runs["task oracle", rate], "accuracy"),
        "default/central at the loaded λ": ratio(
            runs["default", wanted.lambda_loaded], runs["central", wanted.lambda_loaded], "mean_s"
        ),
    }
    return {
        "experiment": "table1", "rows": rows, "checks": checks, "best_single": best,
        "paper_beta_per_s": {str(wanted.lambda_): beta, str(wanted.lambda_loaded): loaded_beta},
        "agent": _hardware(fleets[0]),
    }  # fmt: skip


def load_curve(settings: Settings, seeds: Sequence[int], outcomes: Path) -> dict[str, object]:
    """Process time against λ (Fig. 8). Rows whose busiest agent is at ρ ≥ 1 say `saturated`: they grow with the run."""
    recorded, wanted = load(outcomes, settings.workload.lengths), settings.load
    fleets = [Fleet.of(settings, recorded, seed) for seed in seeds]
    best = recorded.best_single(fleets[0].learn)
    beta = paper_beta(settings, recorded, settings.capacity.at_lambda)
    routers = {
        "single": single(best), "central": CENTRAL,
        "prequal": Router("prequal"), "paper": paper(beta), "default": DEFAULT,
    }  # fmt: skip
    rows, runs = [], dict[tuple[str, float], Runs]()
    for name, router in routers.items():
        for rate in wanted.lambdas:
            of = runs[name, rate] = [
                figures(answers(fleet, router, rate, wanted.queries), wanted.warm_up) for fleet in fleets
            ]
            rho = {
                "single": rate * fleets[0].single_load(),
                "central": rate * float(fleets[0].central_load().max()),
            }.get(name, rate * fleets[0].single_load() / len(recorded.models))
            rows.append(row(name, rate, of, rho=rho, saturated=rho >= 1))
            say(_progress("load", name, rate, of))
    checks = {
        f"default/{name} at λ = {rate:g}": ratio(runs["default", rate], runs[name, rate], "mean_s")
        for rate in wanted.lambdas
        for name in ("central", "prequal")
    }
    return {
        "experiment": "load", "rows": rows, "checks": checks, "paper_beta_per_s": beta, "agent": _hardware(fleets[0]),
    }  # fmt: skip


def beta_curve(settings: Settings, seeds: Sequence[int], outcomes: Path) -> dict[str, object]:
    """Accuracy, time and who answers against β (Fig. 9); x is β, and x null the product's own choice."""
    recorded, wanted = load(outcomes, settings.workload.lengths), settings.beta
    fleets = [Fleet.of(settings, recorded, seed) for seed in seeds]
    rows = []
    for mode in ("default", "paper"):
        for beta in (*wanted.betas_per_s, *((None,) if mode == "default" else ())):
            config = SchedulerConfig(beta_per_s=beta, paper_beta_per_s=beta or 0.0)
            router = Router(mode, config=config)
            runs = [answers(fleet, router, wanted.lambda_, wanted.queries) for fleet in fleets]
            of = [figures(run, wanted.warm_up) for run in runs]
            everything = [answer.peer for run in runs for answer in run]
            shares = [everything.count(m) / len(everything) for m in range(len(recorded.models))]
            rows.append(row(mode, beta, of, shares=dict(zip(map(_short, recorded.models), shares, strict=True))))
            say(_progress("beta", f"{mode} β={beta}", wanted.lambda_, of))
    return {"experiment": "beta", "rows": rows, "agent": _hardware(fleets[0])}


def paper_beta(settings: Settings, recorded: Recorded, rate: float) -> float:
    """The paper mode's own β: the one of least mean process time, found on seeds that are not reported."""
    wanted = settings.beta
    fleets = [Fleet.of(settings, recorded, seed) for seed in TUNING_SEEDS]

    def mean_s(beta: float) -> float:
        runs = [answers(fleet, paper(beta), rate, wanted.queries // 4) for fleet in fleets]
        return sum(figures(run, wanted.warm_up)["mean_s"] for run in runs) / len(runs)

    times = {beta: mean_s(beta) for beta in wanted.betas_per_s}
    best = min(times, key=lambda beta: times[beta])
    say(f"paper mode at λ = {rate:g}: β = {best:g} is its best of {times}")
    return best


def _learnt(fleets: Sequence[Fleet], name: str) -> float:
    """A single agent's mean accuracy over tasks on the halves that may be looked at."""
    recorded = fleets[0].recorded
    model = [_short(model) for model in recorded.models].index(name.removeprefix("single "))
    return sum(sum(of[model] for of in recorded.mean_by_task(fleet.learn).values()) for fleet in fleets)


def _hardware(fleet: Fleet) -> dict[str, float]:
    speed = fleet.speed
    return {
        "slots": speed.slots, "prefill_s": speed.prefill_s, "step_s": speed.step_s, "stream_s": speed.stream_s,
        "queries_per_s": 1 / fleet.single_load(),
    }  # fmt: skip


def _progress(experiment: str, name: str, rate: float, runs: Runs) -> str:
    mean_s, accuracy = (sum(run[key] for run in runs) / len(runs) for key in ("mean_s", "accuracy"))
    return f"{experiment}: {name}, λ = {rate:g}: {mean_s:.3f} s, {accuracy:.1f} %"


def _short(model: str) -> str:
    return model.rpartition("/")[2]
