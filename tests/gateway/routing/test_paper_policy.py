"""The policy as printed."""

from dataclasses import replace

import numpy as np
import pytest

from tests.gateway.routing.world import CERTAIN, Peer, World, decide, target


def test_paper_mode_computes_the_printed_equations() -> None:
    """Eq. (7): the cap makes 2 waiting jobs and 200 cost the same; Eq. (10): ties go to the smallest index."""
    world = World([Peer("us", score=0.1), Peer("b", jobs=200), Peer("c", jobs=2)])
    config = replace(CERTAIN, mode="paper", paper_beta_per_s=0.01)

    decision = decide(world, config=config)
    e = decision.view.expected
    rho = np.minimum(1, e.arrival_rate / e.service_rate + (e.arrival_rate - e.service_rate))
    cost_s = rho + decision.service_s + decision.transit_s

    assert decision.utility == pytest.approx(decision.view.score - 0.01 * cost_s)
    assert decision.utility[1] == decision.utility[2] and "b" == target(decision)
