"""The cost of delegation c(i,j), Eq. (8) repaired: each term in seconds, one function a term.

Every argument may be a float or an array over candidates, (N,). Knows nothing of peers, pulses or policies: numbers in,
seconds out. The first term, the wait, and the doubt about it stand in beliefs/queueing.py. The reasons why
the paper's Eq. (7) and (8) could not stand as printed are in docs/decisions.md.
"""

from dataclasses import dataclass
from typing import Annotated, Generic, NamedTuple, TypeAlias

import msgspec

from gateway.beliefs.expected import Each
from gateway.beliefs.numbers import Real

# A peer that we do not know is expected to read as a GPU or nearly; a core takes up to so many times as long
# (docs/results/simulator.md#constants).
READING = 8.0
LEAST_LATE_S = 1.0  # below, no look elsewhere is worth its probes


@dataclass(frozen=True, slots=True)
class CostConfig:
    """What the cost of delegation weighs."""

    # κ, standard deviations of a service time that doubt about a peer costs: 0 trusts the mean, 1 shuns newcomers. The
    # less, the shorter the waits in an honest network (docs/results/simulator.md#constants); a stranger pays something.
    risk_weight: Annotated[float, msgspec.Meta(ge=0)] = 0.25
    # Share that is charged to a query of what it costs those who are decoded beside it. 0: it pays for itself alone;
    # 1: for all, with which everybody is served sooner (docs/results/simulator.md#constants).
    crowding_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    # Seconds to load a model that its engine has not loaded yet: 5 GB from a disk that reads .5 GB a second.
    loading_s: Annotated[float, msgspec.Meta(ge=0)] = 10.0


Terms: TypeAlias = tuple[Each, Each, Each, Each, Each, Each]  # in the order of Costs


class Costs(NamedTuple, Generic[Each]):
    """The terms of Eq. (8), and their sum: a float of one candidate each, or a column over candidates, (N,)."""

    wait_s: Each
    service_s: Each
    transit_s: Each
    risk_s: Each
    crowding_s: Each
    cost_s: Each


def service(
    prompt_tokens: Real, output_tokens: float, prefill_s: Real, step_s: Real, stream_s: Real, streams: Real
) -> Real:
    """S = n_in·t_prefill + n̂_out·(a + b·streams): seconds from the first slot-second to the last token.

    `prefill_s` is seconds a prompt token; `step_s` (a) and `stream_s` (b) seconds an output token; `streams` the jobs
    decoded together, this one included. Engines that batch have b << a; with one slot, streams is 1.
    """
    return prompt_tokens * prefill_s + output_tokens * (step_s + stream_s * streams)


def transit(rtt_s: Real, body_bytes: Real, byte_s: Real) -> Real:
    """D = RTT + bytes/bandwidth: the request goes there and the first token comes back. 0 where nothing travels."""
    return rtt_s + body_bytes * byte_s


def late_after(wait_s: float, transit_s: float, reading_s: float, turn_s: float) -> float:
    """Seconds after which a first word is late: what was expected, and a turn more, a second at least.

    A prompt may take READING times as long to be read as expected: of an engine that we do not know yet, nobody can
    tell waiting from reading, and what was read is lost where it is left.
    """
    return wait_s + transit_s + READING * reading_s + max(turn_s, LEAST_LATE_S)


def risk(doubt_s: Real, weight: float) -> Real:
    """κ times the standard deviation of the wait: what not knowing a peer's service rate costs, in seconds."""
    return doubt_s * weight


def crowding(output_tokens: float, stream_s: Real, streams: Real, weight: float) -> Real:
    """n̂_out·b·(streams - 1): seconds by which this query slows those decoded beside it, a toll of Pigou's kind.

    Each of its n̂_out steps takes b longer for all of them. `streams` counts this query too. A query that does not pay
    this goes where answers are best for itself, however many it slows down there (docs/game.md).
    """
    crowding_s: Real = weight * output_tokens * stream_s * (streams - 1.0)
    return crowding_s


def cost_of_delegation(wait_s: Real, service_s: Real, transit_s: Real, risk_s: Real, crowding_s: Real) -> Real:
    """c(i,j), Eq. (8) in seconds: what one query handed to this peer is expected to cost, ourselves and the others."""
    return wait_s + service_s + transit_s + risk_s + crowding_s
