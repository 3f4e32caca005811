"""News under way: each peer reads what has arrived."""

import numpy as np

from benchmarks.simulator.contenders import contender
from benchmarks.simulator.network import Mail, Spread
from benchmarks.simulator.world import World
from tests.benchmarks.simulator.scenes import PREQUAL, fifty


def test_mail_brings_the_newest_pulse_that_has_arrived() -> None:
    world = World(fifty(None, 2), contender("random", PREQUAL).policy_of, seed=1)
    pulses = [world._next_pulse(1, float(t)) for t in range(3)]
    mail = Mail(2, 1, Spread(1.0, 0.0, 0.0), np.random.default_rng(0))

    mail.post(1, pulses[0], 0.0)
    mail.post(1, pulses[1], 1.0)
    mail.post(1, pulses[2], 2.0)

    assert [(pulses[1], 1.0)] == mail.read(0, 1.5)
    assert [] == mail.read(0, 1.6)
    assert [(pulses[2], 2.0)] == mail.read(0, 2.0)
