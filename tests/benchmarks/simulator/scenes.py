"""Small networks that the simulator's tests run."""

from benchmarks.simulator.asks import Answered
from benchmarks.simulator.contenders import contender, simulate
from benchmarks.simulator.network import Regions, Spread
from benchmarks.simulator.settings import PrequalSettings, read
from benchmarks.simulator.staleness import capacity, peers, setting
from benchmarks.simulator.workload import Lengths, plain_asks
from benchmarks.simulator.world import Setting
from gateway.capacity.rules import AdmissionConfig

SETTINGS = read()
EXPONENTIAL = Lengths(mean=200, cv=1.0)
REGIONS = Regions(1, 0.005, 0.005, 250e6)
SPREAD = Spread(2.0, 1.0, 0.05)
PREQUAL = PrequalSettings(age_s=1.0, margin=0.03)


def fifty(door: AdmissionConfig | None, agents: int = 50) -> Setting:
    return setting(SETTINGS, peers(SETTINGS, agents), 2.0, door)


def answers(name: str, seed: int = 1, queries: int = 400, agents: int = 50) -> list[Answered]:
    rate = 0.8 * capacity(peers(SETTINGS, agents), 200)
    asks = plain_asks(rate, queries, agents, EXPONENTIAL, "poisson", seed)
    return simulate(lambda door: fifty(door, agents), contender(name, PREQUAL), asks, seed)
