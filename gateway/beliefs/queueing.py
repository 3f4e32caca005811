"""The queueing formulas, each once: jobs ahead, the wait, the queue in the long run, and a backlog as it ages.

Every argument may be a float or an array over peers, (N,). `slots` is c, the jobs that an engine works on at once, and
`backlog` is n̂, the jobs running and waiting there. Numbers in, numbers out: nothing here knows of peers or evidence.
"""

import numpy as np

from gateway.beliefs.numbers import Real, exponential, greater, lesser, root

SATURATED = 0.95  # ρ from which a queue is taken to grow: its steady state is too long and too far away to be of use


def jobs_ahead(backlog: Real, slots: Real) -> Real:
    """max(0, n̂ - c + 1): how many of `backlog` jobs must leave `slots` servers before a new one starts."""
    return greater(backlog - slots + 1.0, 0.0)


def streams(backlog: Real, slots: Real) -> Real:
    """min(n̂, c - 1) + 1: jobs that would be decoded together with a new one, itself included."""
    return lesser(backlog, slots - 1.0) + 1.0


def turn(mean_service_s: Real, slots: Real) -> Real:
    """E[S]/c: seconds between two jobs that leave a peer with all slots taken. Its queue moves by one in that time."""
    return mean_service_s / slots


def wait(backlog: Real, slots: Real, mean_service_s: Real, wait_factor: Real) -> Real:
    """W = max(0, h·(ahead + 1) - 1) turns: seconds until a slot is free. Without a cap, since overload must repel.

    This is what Eq. (7) stands for, as a time. `wait_factor` h is the waiting seen over the waiting expected, both with
    the turn of the job itself. With h = 1, W is ahead·E[S]/c. A peer that says it is idle has no jobs ahead, and with
    h = 3 it is charged two turns all the same; a factor on the jobs ahead alone could never charge it.
    """
    turns = wait_factor * (jobs_ahead(backlog, slots) + 1.0) - 1.0
    return greater(turns, 0.0) * turn(mean_service_s, slots)


def queue_length(utilisation: Real, slots: Real) -> Real:
    """ρ^sqrt(2(c+1))/(1 - ρ): mean jobs that wait in the long run. `utilisation` is at most SATURATED.

    Sakasegawa's approximation of Erlang C (1977); exact for one slot.
    """
    jobs: Real = utilisation ** root(2.0 * (slots + 1.0)) / (1.0 - utilisation)
    return jobs


def doubt(backlog: Real, slots: Real, mean_service_s: Real, shape: Real) -> Real:
    """E[S]·sqrt(max(1, ahead))/sqrt(a - 2): standard deviation, s, of a wait by what is not known of the service rate.

    1/μ of a Gamma(a, b) posterior has the relative standard deviation 1/sqrt(a - 2): completions seen make it smaller.
    """
    jobs = greater(jobs_ahead(backlog, slots), 1.0)
    return mean_service_s * root(jobs / (shape - 2.0))


def carried(jobs: Real, utilisation: Real, mean_service_s: Real, slots: Real, age_s: Real, horizon_s: float) -> Real:
    """The backlog expected now where `jobs` were seen `age_s` ago.

    Below SATURATED it relaxes towards the steady state. From there on it grows or shrinks by λ - cμ, for `horizon_s` at
    most. This is what the second term of Eq. (7) was meant to say.
    """
    if isinstance(utilisation, float):
        if utilisation < SATURATED:
            return _relaxed(jobs, utilisation, mean_service_s, slots, age_s)
        return _drifted(jobs, utilisation, mean_service_s, slots, age_s, horizon_s)
    return np.where(
        utilisation < SATURATED,
        _relaxed(jobs, lesser(utilisation, SATURATED), mean_service_s, slots, age_s),
        _drifted(jobs, utilisation, mean_service_s, slots, age_s, horizon_s),
    )


def _relaxed(jobs: Real, utilisation: Real, mean_service_s: Real, slots: Real, age_s: Real) -> Real:
    """On its way to the steady state, with the relaxation time 1/(cμ(1-√ρ)²)."""
    steady = slots * utilisation + queue_length(utilisation, slots)
    rate = slots / mean_service_s * (1.0 - root(utilisation)) ** 2
    return steady + (jobs - steady) * exponential(-age_s * rate)


def _drifted(jobs: Real, utilisation: Real, mean_service_s: Real, slots: Real, age_s: Real, horizon_s: float) -> Real:
    drain_rate = slots / mean_service_s
    return greater(jobs + (utilisation - 1.0) * drain_rate * lesser(age_s, horizon_s), 0.0)


def backlog_spread(utilisation: Real, slots: Real, arrival_rate: Real, age_s: Real) -> Real:
    """Standard deviation of the backlog, jobs, where it was seen `age_s` ago.

    As much as may have come and gone since, both Poisson: sqrt(2·λ·age). At most what it is in the long run, where the
    jobs in slots are about Poisson and the queue about geometric.
    """
    rho = lesser(utilisation, SATURATED)
    queue = queue_length(rho, slots)
    settled = slots * rho + queue + queue * queue
    moved = 2.0 * arrival_rate * lesser(age_s, 1e9)
    return root(lesser(settled, moved))
