"""Who decides, by name: the product's modes and the baselines, and one run of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from benchmarks.simulator.asks import Answered, Ask
from benchmarks.simulator.figures import run_figures
from benchmarks.simulator.policies import P2C, Argmin, Greedy, LeastLoaded, Oracle, Prequal
from benchmarks.simulator.request import carry
from benchmarks.simulator.settings import PrequalSettings
from benchmarks.simulator.world import PolicyOf, Setting, World
from gateway.capacity.rules import AdmissionConfig
from gateway.routing.policies import policy
from gateway.routing.policy import Mode, SchedulerConfig

DOOR = AdmissionConfig()  # the product's; systems that have none queue without bound


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to decide, and whether its peers have the product's door."""

    policy_of: PolicyOf
    has_door: bool = False


def contender(name: str, prequal: PrequalSettings, config: SchedulerConfig | None = None) -> Contender:
    """`name`: default, paper, local, random, greedy, argmin, p2c, least-loaded, prequal, oracle."""
    config = config or SchedulerConfig()
    if name in ("default", "paper", "local", "random"):
        mode = SchedulerConfig(
            mode=cast(Mode, name),
            beta_per_s=config.beta_per_s,
            paper_beta_per_s=config.paper_beta_per_s,
        )
        return Contender(lambda entry, world: policy(mode), has_door=name == "default")
    baselines: dict[str, PolicyOf] = {
        "greedy": lambda entry, world: Greedy(config),
        "argmin": lambda entry, world: Argmin(config),
        "p2c": lambda entry, world: P2C(config),
        "least-loaded": lambda entry, world: LeastLoaded(config),
        "prequal": lambda entry, world: Prequal(world, prequal.age_s, prequal.margin, config),
        "oracle": lambda entry, world: Oracle(world, config),
    }
    return Contender(baselines[name])


def simulate(
    setting_of: Callable[[AdmissionConfig | None], Setting],
    who: Contender,
    asks: Sequence[Ask],
    seed: int,
    *,
    vote: bool = False,
) -> list[Answered]:
    """One run: the same asks at the same network, decided by `who`."""
    return carry(World(setting_of(DOOR if who.has_door else None), who.policy_of, seed), asks, vote=vote)


def figures(answered: Sequence[Answered], warm_up: float) -> dict[str, float]:
    """One run's figures; the first `warm_up` of its asking time is not counted."""
    return run_figures(answered, warm_up * max(answer.at for answer in answered))
