"""Old news: fifty one-slot engines of three speeds at ρ = .8, equally good answers, pulses 0.2 to 20 s old."""

from collections.abc import Sequence

from benchmarks.progress import say
from benchmarks.simulator.contenders import contender, figures, simulate
from benchmarks.simulator.engine import EngineSpeed
from benchmarks.simulator.figures import ratio, row
from benchmarks.simulator.network import Spread
from benchmarks.simulator.peer import PeerSpec
from benchmarks.simulator.settings import Settings
from benchmarks.simulator.workload import plain_asks
from benchmarks.simulator.world import Setting
from discovery.records import Agent
from gateway.capacity.rules import AdmissionConfig

AGENT = Agent("agent", "model", 0)
READERS = ("p2c", "argmin", "least-loaded", "paper")  # baselines whose choice depends on pulses
TRUTHFUL = ("oracle", "prequal", "random")  # run once: no pulse reaches their choice


def peers(settings: Settings, count: int) -> tuple[PeerSpec, ...]:
    """One slot each; exponential answer lengths make them M/M/1 servers."""
    wanted = settings.staleness
    means = wanted.mean_service_s
    speeds = [EngineSpeed(1, 0.0, mean_s / wanted.tokens.mean, 0.0) for mean_s in means]
    return tuple(PeerSpec(speeds[j % len(speeds)], AGENT) for j in range(count))


def capacity(specs: Sequence[PeerSpec], tokens: float) -> float:
    """Jobs a second that all of them complete at ρ = 1."""
    return sum(spec.speed.capacity(0, tokens) for spec in specs)


def setting(settings: Settings, specs: tuple[PeerSpec, ...], age_s: float, door: AdmissionConfig | None) -> Setting:
    spread = Spread(age_s, age_s / 4, settings.pulses.loss)
    return Setting(specs, len(specs), settings.regions.regions(1), spread, door)


def staleness(settings: Settings, seeds: Sequence[int]) -> dict[str, object]:
    """Rows by policy and age; `checks` against the targets of docs/results.md."""
    wanted = settings.staleness
    specs = peers(settings, wanted.agents)
    rate = wanted.rho * capacity(specs, wanted.tokens.mean)
    runs: dict[tuple[str, float | None], list[dict[str, float]]] = {}
    cases: list[tuple[str, float | None]] = [(name, None) for name in TRUTHFUL]
    cases += [("default", age_s) for age_s in wanted.ages_s]
    cases += [(name, age_s) for name in READERS for age_s in wanted.baseline_ages_s]
    for name, age_s in cases:
        for seed in seeds:
            asks = plain_asks(rate, wanted.queries, wanted.agents, wanted.tokens, "poisson", seed)
            who = contender(name, settings.prequal)
            built = lambda door, age=age_s: setting(settings, specs, age or max(wanted.ages_s), door)  # noqa: E731
            one = figures(simulate(built, who, asks, seed), wanted.warm_up)
            runs.setdefault((name, age_s), []).append(one)
        mean_s = sum(run["mean_s"] for run in runs[name, age_s]) / len(seeds)
        say(f"staleness: {name} age {age_s} s: mean {mean_s:.3f} s")
    rows = [row(name, age_s, of) for (name, age_s), of in runs.items()]
    return {"experiment": "staleness", "rows": rows, "checks": _checks(runs, wanted.ages_s)}


def _checks(runs: dict[tuple[str, float | None], list[dict[str, float]]], ages_s: Sequence[float]) -> dict[str, object]:
    checks: dict[str, object] = {}
    for age_s in ages_s:
        ours = runs["default", age_s]
        checks[f"default/prequal at {age_s:g} s"] = ratio(ours, runs["prequal", None], "mean_s")
        checks[f"default/oracle at {age_s:g} s"] = ratio(ours, runs["oracle", None], "mean_s")
        checks[f"default/oracle p99 at {age_s:g} s"] = ratio(ours, runs["oracle", None], "p99_s")
    checks["default, 20 s/1 s"] = ratio(runs["default", max(ages_s)], runs["default", 1.0], "mean_s")
    return checks
