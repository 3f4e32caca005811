"""The serving side of a simulated peer: a queue against its closed form."""

import heapq
import math
from functools import partial
from itertools import count

import numpy as np
import pytest

from benchmarks.simulator.asks import Ask
from benchmarks.simulator.engine import EngineSpeed, Job
from benchmarks.simulator.peer import PeerSpec, Serving, Turn
from benchmarks.simulator.staleness import AGENT
from benchmarks.simulator.workload import plain_asks
from discovery.records import PeerId
from tests.benchmarks.simulator.scenes import EXPONENTIAL

PEER = PeerId("p")


def never(job: Job, now: float) -> None:
    raise AssertionError("no engine crashes here")


def erlang_c(c: int, offered: float) -> float:
    """The probability of waiting in an M/M/c queue."""
    waiting = offered**c / math.factorial(c) * c / (c - offered)
    return waiting / (sum(offered**k / math.factorial(k) for k in range(c)) + waiting)


@pytest.mark.parametrize(("slots", "rho"), [(1, 0.5), (1, 0.7), (4, 0.7), (8, 0.8)])
def test_a_lone_engine_is_an_mmc_queue(slots: int, rho: float) -> None:
    """Mean time in system: S + C(c, λS)·S/(c(1-ρ)), within 4 % over 60,000 jobs."""
    asks = plain_asks(rho * slots, 60_000, 1, EXPONENTIAL, "poisson", seed=7)
    heap, order, latency_s = [], count(), []
    spec = PeerSpec(EngineSpeed(slots, 0.0, 0.005, 0.0), AGENT)
    serving = Serving(PEER, spec, None, lambda at, act: heapq.heappush(heap, (at, next(order), act)))

    def arrive(ask: Ask, now: float) -> None:
        job = Job(0, ask.output_tokens, lambda _, end: latency_s.append(end - now), never)
        serving.join(Turn(now, is_own=True, job=job), now)

    for ask in asks:
        heapq.heappush(heap, (ask.at, next(order), partial(arrive, ask)))
    while heap:
        now, _, act = heapq.heappop(heap)
        act(now)

    expected_s = 1 + erlang_c(slots, rho * slots) / (slots * (1 - rho))
    assert expected_s == pytest.approx(np.mean(latency_s), rel=0.04)
    assert rho == pytest.approx(serving.engine.busy_s / slots / now, rel=0.02)
