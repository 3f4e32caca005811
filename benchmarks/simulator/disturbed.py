"""Networks that do not stand still: agents that join, leave, crash and change (churn), or lie (adversary)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from benchmarks.progress import say
from benchmarks.simulator.asks import LOST, Answered, Ask
from benchmarks.simulator.audited import found_out, simulate_audited
from benchmarks.simulator.contenders import DOOR, Contender, contender, figures, simulate
from benchmarks.simulator.figures import difference, ratio, row
from benchmarks.simulator.fleet import Fleet
from benchmarks.simulator.network import Spread
from benchmarks.simulator.peer import PeerSpec
from benchmarks.simulator.recorded import load
from benchmarks.simulator.request import carry
from benchmarks.simulator.scale import hardware
from benchmarks.simulator.settings import Settings
from benchmarks.simulator.world import Setting, World
from discovery.records import Profile
from gateway.capacity.rules import AdmissionConfig

Runs = list[dict[str, float]]
TRIES = 50  # of each router, after which a liar about load must have no more than its fair share
PERIOD_S = 2.0  # discovery/detector.py, up to 100 peers


def churn(settings: Settings, seeds: Sequence[int], outcomes: Path) -> dict[str, object]:
    """Rows by policy; x is "still" or "churn": the same network and queries, without and with coming and going."""
    recorded, wanted = load(outcomes, settings.workload.lengths), settings.churn
    fleets = [Fleet.of(settings, recorded, seed) for seed in seeds]
    rows, runs = [], {}
    for x in ("still", "churn"):
        for name in ("default", "p2c"):
            of = [_churn_run(fleet, contender(name, settings.prequal), x == "churn") for fleet in fleets]
            runs[name, x] = of
            rows.append(row(name, x, of))
            say(f"churn: {name} {x}: {np.mean([run['mean_s'] for run in of]):.3f} s, lost "
                f"{100 * np.mean([run['lost'] for run in of]):.2f} %")  # fmt: skip
    checks = {"default, churn/still": ratio(runs["default", "churn"], runs["default", "still"], "mean_s")}
    return {"experiment": "churn", "rows": rows, "checks": checks, "every_s": wanted.every_s}


def adversary(settings: Settings, seeds: Sequence[int], outcomes: Path) -> dict[str, object]:
    """Rows by policy and kind of lie; x is the share of liars. `caught`: what they answer, the fair share being 1.

    Liars are slow and say that they are idle ("load"), claim to be right always ("vector"), or that and answer nothing
    right ("nonsense"). `checks` compare `default` that has audited its peers with the same network without liars.
    """
    recorded, wanted = load(outcomes, settings.workload.lengths), settings.adversary
    fleets = [Fleet.of(settings, recorded, seed) for seed in seeds]
    rows: list[dict[str, object]] = []
    runs: dict[tuple[str, float], Runs] = {}
    later: list[float] = []

    @cache
    def lying(name: str, kind: str, share: float, audits: int = 0) -> Runs:
        return [_lying_run(fleet, contender(name, settings.prequal), kind, share, audits) for fleet in fleets]

    def ran(name: str, kind: str, share: float, audits: int = 0) -> Runs:
        return lying(name, kind if share else "", share, audits)  # where nobody lies there is no kind of lie

    for kind in ("load", "vector", "nonsense"):
        for share in wanted.shares:
            for name in ("default", "p2c"):
                of = ran(name, kind, share)
                if (name, kind) == ("default", "load"):
                    later.append(float(np.mean([run["caught_later"] for run in of])))
                rows.append(row(name, share, of, lie=kind))
                say(f"adversary: {kind} liars {share:g}, {name}: {np.mean([run['mean_s'] for run in of]):.3f} s, "
                    f"{np.mean([run['accuracy'] for run in of]):.1f} %, caught "
                    f"{np.mean([run['caught'] for run in of]):.2f}")  # fmt: skip
    for kind in ("vector", "nonsense"):
        for share in wanted.shares:
            of = ran("default", kind, share, wanted.audits)
            runs[kind, share] = of
            rows.append(row("default", share, of, lie=kind, audits=wanted.audits))
            accuracy, caught = (np.mean([run[name] for run in of]) for name in ("accuracy", "caught"))
            say(f"adversary: {kind} liars {share:g}, {wanted.audits} audits: {accuracy:.1f} %, caught {caught:.2f}")
    return {
        "experiment": "adversary", "rows": rows, "liar_slowness": wanted.liar_slowness,
        "checks": found_out(seeds[0]) | _losses(runs, wanted.shares),
        f"load liars' share after {TRIES} tries": max(later),
    }  # fmt: skip


def _losses(runs: Mapping[tuple[str, float], Runs], shares: Sequence[float]) -> dict[str, object]:
    """What liars cost those who have audited them: accuracy in points, and the p99 as a ratio."""
    checks: dict[str, object] = {}
    for kind in ("vector", "nonsense"):
        for share in shares:
            if share and (kind, 0.0) in runs:
                of, honest = runs[kind, share], runs[kind, 0.0]
                checks[f"audited, {share:g} {kind} - honest, accuracy"] = difference(of, honest, "accuracy")
                checks[f"audited, {share:g} {kind}/honest, p99"] = ratio(of, honest, "p99_s")
    return checks


# --- churn


def _churn_run(fleet: Fleet, who: Contender, moving: bool) -> dict[str, float]:
    wanted = fleet.settings.churn
    setting = _network(fleet, DOOR if who.has_door else None, wanted.agents)
    late = frozenset(range(wanted.agents - wanted.late, wanted.agents))
    world = World(replace(setting, ticks=True, late=late), who.policy_of, fleet.seed)
    asks = _asks(fleet, wanted.rho, wanted.agents, wanted.queries)
    if moving:
        _schedule(world, fleet)
    asks = [replace(ask, entry=ask.entry % (wanted.agents - wanted.late)) for ask in asks]
    return figures(_run_with_homes(world, asks, wanted.late), wanted.warm_up)


def _schedule(world: World, fleet: Fleet) -> None:
    """Every `every_s` one agent joins; and one leaves, one crashes and one publishes a new vector, in turn after it."""
    wanted = fleet.settings.churn
    first_late = wanted.agents - wanted.late
    for k in range(wanted.late):
        at, quarter = wanted.every_s * (k + 1), wanted.every_s / 4
        leaver, crasher, updater = (first_late - 1 - 3 * k - i for i in range(3))
        world.at(at, partial(world.join, first_late + k))
        world.at(at + quarter, partial(world.leave, leaver))
        world.at(at + 2 * quarter, partial(world.crash, crasher))
        spec = world.setting.peers[updater]
        rows = np.random.default_rng([fleet.seed, 6, k]).choice(
            fleet.learn, fleet.settings.workload.profile_questions, replace=False
        )
        profile = fleet.recorded.profile(spec.model, rows)
        agent = replace(spec.agent, profiles={fleet.recorded.gate.space: profile})
        world.at(at + 3 * quarter, partial(world.update, updater, replace(spec, agent=agent)))


def _run_with_homes(world: World, asks: Sequence[Ask], late: int) -> list[Answered]:
    """Users sit at peers 0 to 9, which neither leave nor crash: a user whose machine is gone asks nobody."""
    return carry(world, [replace(ask, entry=ask.entry % late) for ask in asks])


# --- lies


def _lying_run(fleet: Fleet, who: Contender, kind: str, share: float, audits: int = 0) -> dict[str, float]:
    wanted = fleet.settings.adversary
    liars = frozenset(range(round(share * wanted.agents)))
    asks = _asks(fleet, wanted.rho, wanted.agents, wanted.queries)

    def setting(door: AdmissionConfig | None) -> Setting:
        network = _network(fleet, door, wanted.agents)
        specs = list(network.peers)
        for j in liars:
            specs[j] = _liar(specs[j], fleet, kind)
        return replace(network, peers=tuple(specs))

    asks = [replace(ask, entry=len(liars) + ask.entry % (wanted.agents - len(liars))) for ask in asks]
    if audits:
        answered = simulate_audited(setting(DOOR if who.has_door else None), who, asks, fleet, audits)
    else:
        answered = simulate(setting, who, asks, fleet.seed)
    of = figures(answered, wanted.warm_up)
    later = {ask.at for ask in _after(asks, TRIES)}
    return {
        **of,
        "caught": _caught(answered, liars, share),
        "caught_later": _caught([answer for answer in answered if answer.at in later], liars, share),
    }


def _caught(answered: Sequence[Answered], liars: frozenset[int], share: float) -> float:
    """What liars answer, the fair share being 1."""
    who = [answer.peer in liars for answer in answered if answer.peer != LOST]
    return float(np.mean(who)) / share if share and who else 0.0


def _after(asks: Sequence[Ask], tries: int) -> list[Ask]:
    """What each router asks after its first `tries`."""
    seen, later = Counter[int](), []
    for ask in sorted(asks, key=lambda ask: ask.at):
        seen[ask.entry] += 1
        if seen[ask.entry] > tries:
            later.append(ask)
    return later


def _liar(spec: PeerSpec, fleet: Fleet, kind: str) -> PeerSpec:
    if kind == "load":
        return replace(spec, says_idle=True, speed=spec.speed.slowed(fleet.settings.adversary.liar_slowness))
    return replace(_boaster(spec, fleet), answers_wrong=kind == "nonsense")


def _boaster(spec: PeerSpec, fleet: Fleet) -> PeerSpec:
    """Claims to be right always, with much evidence; it is as good as its model is."""
    gate = fleet.recorded.gate
    claim = Profile(bytes([255]) * gate.K, (1000,) * gate.K)
    return replace(spec, agent=replace(spec.agent, profiles={gate.space: claim}))


# --- both


def _network(fleet: Fleet, door: AdmissionConfig | None, agents: int) -> Setting:
    """As `scale`'s smallest network, with a user at every peer."""
    network = fleet.many(door, agents, hardware(fleet))
    spread = Spread(PERIOD_S, PERIOD_S / 2, fleet.settings.pulses.loss)
    return replace(network, entries=agents, spread=spread)


def _asks(fleet: Fleet, rho: float, agents: int, n: int) -> list[Ask]:
    rate = rho * agents / replace(fleet, speed=hardware(fleet)).single_load()
    return fleet.asks(fleet.gate_relevance(), rate, n, agents)
