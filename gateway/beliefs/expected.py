"""What is expected of a peer now, from the evidence about it (P): the same formulas for one peer and for columns.

Example: 3 jobs were seen there 2 s ago, it works on 2 at once, and a job takes about a second. Then so many are
expected there now, and one more would wait so long. Knows nothing of where evidence comes from (belief.py), nor of
queries: what one query would take there is routing's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec

from gateway.beliefs.columns import Column
from gateway.beliefs.numbers import Real, exponential, greater, is_any, lesser
from gateway.beliefs.queueing import carried, doubt, jobs_ahead, streams, turn, wait
from gateway.beliefs.sessions import SessionConfig
from gateway.beliefs.speed import SpeedConfig

Each = TypeVar("Each")  # a float, or a column
_Positive = Annotated[float, msgspec.Meta(gt=0)]


@dataclass(frozen=True, slots=True)
class BeliefConfig:
    """What we assume of a peer before it speaks, and how fast we forget what it said."""

    tau_s: _Positive = 60.0  # forgetting: loads change within minutes, and 60 s at 1 query/s still is 60 counts
    prior_jobs: Annotated[float, msgspec.Meta(gt=2)] = 4.0  # a0, completions the prior of μ is worth; > 2: finite risk
    prior_arrivals: _Positive = 2.0  # jobs the prior of λ is worth
    prior_utilisation: Annotated[float, msgspec.Meta(gt=0, lt=0.95)] = 0.3  # ρ of a silent peer: neither idle nor busy
    prior_prompt_tokens: _Positive = 256.0  # a typical job, which gives the prior of E[S] at the peer's own speed
    prior_output_tokens: _Positive = 200.0  # and n̂_out of a category not asked yet
    # Answers that the prior "we wait as long as expected" (h = 1) is worth: one slow answer does not make a peer slow.
    prior_turns: _Positive = 3.0
    output_memory: Annotated[float, msgspec.Meta(ge=1)] = 20.0  # answers in the moving average n̂_out of a category
    failure_s: _Positive = 60.0  # a failure counts as having waited this long: an instant error must not attract load
    horizon_s: _Positive = 30.0  # an overloaded peer's growth is extrapolated no further than this
    prior_rtt_s: Annotated[float, msgspec.Meta(ge=0)] = 0.005  # one region of the paper's section VIII-B
    prior_bandwidth_bytes_per_s: _Positive = 12.5e6  # 100 Mbit/s: a slow wired or a good wireless network
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    sessions: SessionConfig = field(default_factory=SessionConfig)


class Evidence(NamedTuple, Generic[Each]):
    """What is known of a peer, as numbers: a float of one peer each, or a column over peers, (N,)."""

    arrivals: Each  # this one and the next five are evidence as of `as_of`, and fade from then on
    exposure_s: Each
    completions: Each
    busy_s: Each
    turns_seen: Each
    turns_expected: Each
    as_of: Each
    jobs: Each  # at `birth`
    unseen: Each  # jobs of ours that arrive there after `birth`
    own_jobs: Each  # all jobs of ours that are there or on the way
    slots: Each
    birth: Each
    rtt_s: Each
    byte_s: Each  # seconds that each byte of a body takes
    admission: Each  # 0 open, 1 soft, 2 closed
    opens_at: Each  # from when on a closed door counts as a soft one; inf where it is not closed
    memory: Each  # times τ for which turns are remembered; 1 unless the peer fails again and again
    typical_s: Each  # a typical job at the peer's own speed: the prior of E[S]
    prefill_s: Each
    step_s: Each
    stream_s: Each
    late: Each  # jobs of ours that should have begun by now, and have not
    late_since: Each  # when the first of them should have; inf: none


class Expected(NamedTuple, Generic[Each]):
    """What is expected at one moment: of one peer, a float each; of N candidates a column each, (N,)."""

    # These two are what one job more changes while a slot is free (`beside`).
    # n̂, jobs at the peer now, ours included. Never fewer than it owes us, whatever pulses say; and where a job of ours
    # is late, others have all its slots, and it is expected to wait as long again as it is late.
    backlog: Each
    streams: Each  # jobs that would be decoded together with one more, itself included
    arrival_rate: Each  # E[λ], 1/s
    mean_service_s: Each  # E[S] = E[1/μ], one slot
    shape: Each  # a of the Gamma posterior of μ: a0 and the completions remembered
    utilisation: Each  # E[λ]·E[S]/c
    slots: Each  # c
    wait_factor: Each  # h
    prefill_s: Each  # seconds a prompt token
    step_s: Each  # a, seconds an output token
    stream_s: Each  # b, seconds an output token and stream
    rtt_s: Each
    byte_s: Each  # seconds that each byte of a body takes
    admission: Each  # 0 open, 1 soft, 2 closed
    age_s: Each  # of the load news; inf where there was none
    turn_s: Each  # E[S]/c
    ahead_s: Each  # so many turns as there are jobs ahead of one more: the wait before the factor h
    wait_s: Each  # W, until one more job would begin
    doubt_s: Each  # the standard deviation of that wait by what is not known of μ


def beside(known: Expected[float], jobs: float) -> Expected[float]:
    """The same with so many jobs at the peer, where a slot is free with them and was before.

    All of them and one more are decoded together then (`streams`).
    """
    return tuple.__new__(Expected, (jobs, jobs + 1.0, *known[2:]))


def side_by_side(each: Sequence[Expected[float]]) -> Expected[Column]:
    """What is expected of each of a few, one at least, as columns."""
    return Expected(*map(list, zip(*each, strict=True)))


def service_rate(of: Expected[Real]) -> Real:
    """c·E[μ], jobs a second that all slots together complete."""
    return of.slots * of.shape / ((of.shape - 1.0) * of.mean_service_s)


def expected(of: Evidence[Real], config: BeliefConfig, now: float) -> Expected[Real]:
    """What this evidence makes us expect at `now`: it is faded, and the backlog carried on to `now`."""
    keep = exponential(lesser(of.as_of - now, 0.0) / config.tau_s)
    prior_exposure_s = config.prior_arrivals / config.prior_utilisation * of.typical_s / of.slots
    shape = config.prior_jobs + of.completions * keep
    arrival_rate = (config.prior_arrivals + of.arrivals * keep) / (prior_exposure_s + of.exposure_s * keep)
    mean_service_s = ((config.prior_jobs - 1.0) * of.typical_s + of.busy_s * keep) / (shape - 1.0)
    turn_s = turn(mean_service_s, of.slots)
    utilisation = arrival_rate * turn_s
    age_s = greater(now - of.birth, 0.0)
    believed = of.unseen + carried(of.jobs, utilisation, mean_service_s, of.slots, age_s, config.horizon_s)
    backlog = greater(believed, of.own_jobs)
    if is_any(of.late):
        others = of.slots + of.late - 1.0 + greater(now - of.late_since, 0.0) / turn_s
        backlog = greater(backlog, others * lesser(of.late, 1.0))
    keep_turns = keep ** (1.0 / of.memory)
    wait_factor = (config.prior_turns + of.turns_seen * keep_turns) / (
        config.prior_turns + of.turns_expected * keep_turns
    )
    return Expected(
        backlog, streams(backlog, of.slots),
        arrival_rate, mean_service_s, shape, utilisation, of.slots, wait_factor,
        of.prefill_s, of.step_s, of.stream_s, of.rtt_s, of.byte_s, of.admission - (of.opens_at <= now), age_s, turn_s,
        jobs_ahead(backlog, of.slots) * turn_s,
        wait(backlog, of.slots, mean_service_s, wait_factor), doubt(backlog, of.slots, mean_service_s, shape),
    )  # fmt: skip
