"""Whether probing is worth its time: a probe that could not change the choice only delays the answer.

What probes may gain is weighed against the round trip that they take, both in score. A draft in, yes or no out.
"""

from collections.abc import Sequence
from math import erf, exp, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.expected import Expected
from gateway.beliefs.numbers import FloatArray
from gateway.beliefs.queueing import backlog_spread, turn
from gateway.routing.decision import Decision

SILENCE_S = 4.0  # lost by asking a peer that has stopped since its last news: the silence after which it counts as gone
FAILURE_EVERY_S = (
    3600.0  # mean time until a peer stops without a word: laptops are closed, networks change within hours
)


def worth_a_look(draft: Decision, pool: Sequence[int], probe: NDArray[np.intp]) -> bool:
    """Whether probing `probe` is expected to gain more than the round trip costs, for a choice among `pool`.

    It is if gain ≥ β·(round trip - seconds saved by not asking a stopped peer), with

        gain     how much better than the best by belief a rival may turn out: E[max(0, U_k - U_best)] of the rival k
                 with the most, where the difference is normal with the standard deviation σ that the age of our news
                 leaves: σ·(φ(z) - z·(1 - Φ(z))), z = (U_best - U_k)/σ
        saved    SILENCE_S times the chance that the best by belief has stopped since its news, age/FAILURE_EVERY_S
    """
    expected, rows = draft.view.expected, np.array(pool)
    utility, beta = draft.utility[rows], draft.beta_per_s
    jobs = backlog_spread(expected.utilisation, expected.slots, expected.arrival_rate, expected.age_s)
    spread = beta * (jobs * seconds_per_job(expected, draft.view.output_tokens))[rows]
    best = int(utility.argmax())
    look_s = float(expected.rtt_s[probe].max())
    if not draft.view.roster.local[rows[best]]:  # our own engine cannot stop unnoticed
        look_s -= min(float(expected.age_s[rows[best]]) / FAILURE_EVERY_S, 1.0) * SILENCE_S
    gain = max(
        (_expected_gain(float(utility[best] - utility[k]), float(np.hypot(spread[k], spread[best])))
        for k in range(len(rows)) if k != best), default=0.0,
    )  # fmt: skip
    return gain >= beta * look_s


def seconds_per_job(expected: Expected[FloatArray], output_tokens: float) -> FloatArray:
    """(N,) how much longer a query takes for one job more there: a slower step while slots are free, then a turn."""
    queueing = np.clip(expected.backlog - expected.slots + 1.5, 0.0, 1.0)
    turn_s = turn(expected.wait_factor * expected.mean_service_s, expected.slots)
    seconds: FloatArray = (1.0 - queueing) * output_tokens * expected.stream_s + queueing * turn_s
    return seconds


def _expected_gain(behind: float, spread: float) -> float:
    """E[max(0, X)], X normal with mean -behind and this spread."""
    if spread <= 0.0:
        return max(0.0, -behind)
    z = behind / spread
    return spread * (exp(-z * z / 2.0) / sqrt(2.0 * pi) - z * (1.0 - erf(z / sqrt(2.0))) / 2.0)
