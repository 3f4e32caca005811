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
PAIRED = "default, two engines a peer"
TRUTHFUL = ("oracle", "prequal", "random")  # run once: no pulse reaches their choice


def peers(settings: Settings, count: int, engines: int = 1) -> tuple[PeerSpec, ...]:
    """`engines` of one slot each; exponential answer lengths make them M/M/1 servers."""
    wanted = settings.staleness
    means = wanted.mean_service_s
    speeds = [EngineSpeed(1, 0.0, mean_s / wanted.tokens.mean, 0.0) for mean_s in means]
    return tuple(PeerSpec(speeds[j % len(speeds)], AGENT, engines=engines) for j in range(count))


def capacity(specs: Sequence[PeerSpec], tokens: float) -> float:
    """Jobs a second that all of them complete at ρ = 1."""
    return sum(spec.engines * spec.speed.capacity(0, tokens) for spec in specs)


def setting(settings: Settings, specs: tuple[PeerSpec, ...], age_s: float, door: AdmissionConfig | None) -> Setting:
    spread = Spread(age_s, age_s / 4, settings.pulses.loss)
    return Setting(specs, len(specs), settings.regions.regions(1), spread, door)


def staleness(settings: Settings, seeds: Sequence[int]) -> dict[str, object]:
    """Rows by policy and age; `checks` against the targets of docs/results.md.

    Last comes `default` on the same engines in pairs, two behind each of half as many peers.
    """
    wanted = settings.staleness
    single, pairs = peers(settings, wanted.agents), peers(settings, wanted.agents // 2, engines=2)
    runs: dict[tuple[str, float | None], list[dict[str, float]]] = {}
    cases: list[tuple[str, float | None]] = [(name, None) for name in TRUTHFUL]
    cases += [("default", age_s) for age_s in wanted.ages_s]
    cases += [(name, age_s) for name in READERS for age_s in wanted.baseline_ages_s]
    cases += [(PAIRED, age_s) for age_s in wanted.ages_s]
    for name, age_s in cases:
        specs = pairs if name == PAIRED else single
        rate = wanted.rho * capacity(specs, wanted.tokens.mean)
        for seed in seeds:
            asks = plain_asks(rate, wanted.queries, len(specs), wanted.tokens, "poisson", seed)
            who = contender("default" if name == PAIRED else name, settings.prequal)
            built = lambda door, of=specs, age=age_s: setting(settings, of, age or max(wanted.ages_s), door)  # noqa: E731
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
        checks[f"two engines a peer/one at {age_s:g} s"] = ratio(runs[PAIRED, age_s], ours, "mean_s")
        checks[f"default/oracle p99 at {age_s:g} s"] = ratio(ours, runs["oracle", None], "p99_s")
    checks["default, 20 s/1 s"] = ratio(runs["default", max(ages_s)], runs["default", 1.0], "mean_s")
    return checks
