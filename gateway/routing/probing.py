"""Whether probing is worth its time: a probe that could not change the choice only delays the answer.

What probes may gain is weighed against the round trip that they take, both in score. A draft in, yes or no out.
"""

from collections.abc import Sequence
from functools import partial
from math import erf, exp, hypot, pi, sqrt

from gateway.beliefs.columns import by_row, greatest, take
from gateway.beliefs.numbers import Real, greater, lesser
from gateway.beliefs.queueing import backlog_spread, turn
from gateway.routing.decision import Decision

SILENCE_S = 4.0  # lost by asking a peer that has stopped since its last news: the silence after which it counts as gone
# Mean time until a peer stops without a word: laptops are closed, networks change within hours.
FAILURE_EVERY_S = 3600.0


def worth_a_look(draft: Decision, pool: Sequence[int], probe: Sequence[int]) -> bool:
    """Whether probing `probe` is expected to gain more than the round trip costs, for a choice among `pool`.

    It is if gain ≥ β·(round trip - seconds saved by not asking a stopped peer), with

        gain     how much better than the best by belief a rival may turn out: E[max(0, U_k - U_best)] of the rival k
                 with the most, where the difference is normal with the standard deviation σ that the age of our news
                 leaves: σ·(φ(z) - z·(1 - Φ(z))), z = (U_best - U_k)/σ
        saved    SILENCE_S times the chance that the best by belief has stopped since its news, age/FAILURE_EVERY_S
    """
    e, beta, rows = draft.view.expected, draft.beta_per_s, [*pool]
    best = max(rows, key=draft.utility.__getitem__)
    look_s = greatest(take(e.rtt_s, [*probe]))
    if not draft.view.roster.local[best]:  # our own engine cannot stop unnoticed
        look_s -= min(float(e.age_s[best]) / FAILURE_EVERY_S, 1.0) * SILENCE_S
    needed = (
        *(e.utilisation, e.slots, e.arrival_rate, e.age_s),
        *(e.backlog, e.wait_factor, e.mean_service_s, e.stream_s),
    )
    spread_s = by_row(partial(_spread_s, draft.view.output_tokens), *[take(column, rows) for column in needed])
    spread = {row: beta * float(seconds) for row, seconds in zip(rows, spread_s, strict=True)}
    gains = (
        _expected_gain(float(draft.utility[best] - draft.utility[row]), hypot(spread[row], spread[best]))
        for row in rows
        if row != best
    )
    return max(gains, default=0.0) >= beta * look_s


def _spread_s(
    output_tokens: float,
    utilisation: Real,
    slots: Real,
    arrival_rate: Real,
    age_s: Real,
    backlog: Real,
    wait_factor: Real,
    mean_service_s: Real,
    stream_s: Real,
) -> Real:
    """Standard deviation, in seconds, of what a query takes there: of jobs that we have not heard of."""
    jobs = backlog_spread(utilisation, slots, arrival_rate, age_s)
    return jobs * seconds_per_job(output_tokens, backlog, slots, wait_factor * mean_service_s, stream_s)


def seconds_per_job(output_tokens: float, backlog: Real, slots: Real, service_s: Real, stream_s: Real) -> Real:
    """How much longer a query takes for one job more there: a slower step while slots are free, then a turn."""
    queueing = lesser(greater(backlog - slots + 1.5, 0.0), 1.0)
    return (1.0 - queueing) * output_tokens * stream_s + queueing * turn(service_s, slots)


def _expected_gain(behind: float, spread: float) -> float:
    """E[max(0, X)], X normal with mean -behind and this spread."""
    if spread <= 0.0:
        return max(0.0, -behind)
    z = behind / spread
    return spread * (exp(-z * z / 2.0) / sqrt(2.0 * pi) - z * (1.0 - erf(z / sqrt(2.0))) / 2.0)
