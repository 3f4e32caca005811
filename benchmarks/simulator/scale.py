"""Fig. 10: 50 to 1,000 agents at one load. Also how long a decision takes in the production Node at each size."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.progress import say
from benchmarks.simulator.asks import Ask
from benchmarks.simulator.contenders import DOOR, Contender, contender, figures, simulate
from benchmarks.simulator.engine import EngineSpeed
from benchmarks.simulator.figures import difference, row
from benchmarks.simulator.fleet import Fleet
from benchmarks.simulator.recorded import load
from benchmarks.simulator.request import carry
from benchmarks.simulator.settings import Settings
from benchmarks.simulator.world import Setting, World
from gateway.capacity.rules import AdmissionConfig

OWN_QUESTIONS = "default, own questions"  # at the smallest and the largest size only
DECISIONS = 300


def scale(settings: Settings, seeds: Sequence[int], outcomes: Path) -> dict[str, object]:
    """Rows by policy; x is the number of agents.

    In the rows with own questions each agent is measured on other questions, so that vectors of agents with one model
    differ by chance. `decision_ms`: one Node's own time, medians over 300 decisions.
    """
    recorded, wanted = load(outcomes, settings.workload.lengths), settings.scale
    fleets = [Fleet.of(settings, recorded, seed) for seed in seeds]
    rows, runs = [], {}
    ends = (min(wanted.agents), max(wanted.agents))
    cases = [("default", agents) for agents in wanted.agents] + [(OWN_QUESTIONS, agents) for agents in ends]
    for name, agents in cases:
        who = contender("default", settings.prequal)
        of = [_run(fleet, who, agents, own_questions=name == OWN_QUESTIONS) for fleet in fleets]
        runs[name, agents] = of
        rows.append(row(name, agents, of))
        mean_s, accuracy = (np.mean([run[key] for run in of]) for key in ("mean_s", "accuracy"))
        say(f"scale: {name}, {agents} agents: {mean_s:.3f} s, {accuracy:.2f} %")
    few, many = runs["default", ends[0]], runs["default", ends[1]]
    checks = {
        "default, most - fewest agents, accuracy": difference(many, few, "accuracy"),
        "default, most - fewest agents, mean_s": difference(many, few, "mean_s"),
    }
    decisions = {str(agents): _decision_ms(fleets[0], agents) for agents in wanted.agents}
    return {"experiment": "scale", "rows": rows, "checks": checks, "decision_ms": decisions}


def hardware(fleet: Fleet) -> EngineSpeed:
    """The batching engine on hardware of which the fewest agents are together at the wanted ρ."""
    wanted, engine = fleet.settings.scale, fleet.settings.engines.batched
    unscaled = replace(fleet, speed=engine)
    return engine.slowed(wanted.rho * min(wanted.agents) / (wanted.lambda_ * unscaled.single_load()))


def _asks(fleet: Fleet) -> list[Ask]:
    wanted = fleet.settings.scale
    return fleet.asks(fleet.gate_relevance(), wanted.lambda_, wanted.queries, wanted.entries)


def _run(fleet: Fleet, who: Contender, agents: int, *, own_questions: bool = False) -> dict[str, float]:
    speed = hardware(fleet)

    def setting(door: AdmissionConfig | None) -> Setting:
        return fleet.many(door, agents, speed, own_questions=own_questions)

    answered = simulate(setting, who, _asks(fleet), fleet.seed)
    return figures(answered, fleet.settings.scale.warm_up)


def _decision_ms(fleet: Fleet, agents: int) -> dict[str, float]:
    """Median milliseconds of `Node.plan`, and of `plan` and `decide` together, in a world that has warmed up."""
    setting = fleet.many(DOOR, agents, hardware(fleet))
    world = World(setting, contender("default", fleet.settings.prequal).policy_of, fleet.seed)
    asks = _asks(fleet)[: 2 * DECISIONS]
    carry(world, asks)
    node, plans, both = world.nodes[0], [], []
    for ask in asks[:DECISIONS]:
        began = time.perf_counter()
        plan = node.plan(ask.query, world.now)
        planned = time.perf_counter()
        for index in plan.probe:
            node.observe_probe(plan.draft.view.roster.peer_ids[index], 1, 2, "open", 0.01, world.now)
        probed = time.perf_counter()
        node.decide(ask.query, plan, world.now)
        decided = time.perf_counter()
        plans.append(planned - began)
        both.append(planned - began + decided - probed)
    return {"plan": 1000 * float(np.median(plans)), "plan_and_decide": 1000 * float(np.median(both))}
