"""A table of beliefs with one peer in it, and what that peer may say and do."""

from dataclasses import replace

from discovery.records import PeerId, Pulse
from gateway.beliefs.expected import BeliefConfig, service_rate
from gateway.beliefs.jobs import Expectation, Outcome, Reservation
from gateway.beliefs.table import Beliefs

PEER = PeerId("b" * 52)
CONFIG = BeliefConfig()
QUIET = Pulse(
    id=PEER,
    gen=1,
    seq=1,
    running=0,
    waiting=0,
    slots=1,
    arrivals=0,
    completions=0,
    busy_ms=0,
    t_ms=0,
    tokens_in=0,
    tokens_out=0,
    admission="open",
)


def beliefs(slots: int = 1, config: BeliefConfig = CONFIG) -> Beliefs:
    table = Beliefs(config)
    table.add(PEER, slots)
    return table


def expected(table: Beliefs, now: float, field: str) -> float:
    of = table[PEER].expected(now)
    return service_rate(of) if field == "service_rate" else float(getattr(of, field))


def reservation(
    at: float = 0.0, wait_s: float = 0.0, turn_s: float = 1.0, prompt_tokens: int = 0, streams: float = 1.0
) -> Reservation:
    return Reservation(PEER, at, Expectation("chat", prompt_tokens, streams, wait_s, turn_s, 0.0, None, 0, ""))


def answered(
    table: Beliefs,
    ttft_s: float,
    now: float = 0.0,
    status: str = "ok",
    tokens: int = 1,
    decode_s: float = 0.0,
    **kw: float,
) -> None:
    job = reservation(at=now, **kw)  # type: ignore[arg-type]
    table.reserve(job)
    table.observe_outcome(job, Outcome(PEER, status, ttft_s, ttft_s + decode_s, tokens), now)  # type: ignore[arg-type]


def pulses(steps: list[tuple[float, int, int, float]]) -> list[tuple[Pulse, float]]:
    """Pulses and births from (seconds, arrivals, completions, busy slot-seconds) between them."""
    out, pulse, birth = [(QUIET, 0.0)], QUIET, 0.0
    for seconds, arrivals, completions, busy_s in steps:
        birth += seconds
        pulse = replace(
            pulse,
            seq=pulse.seq + 1,
            arrivals=pulse.arrivals + arrivals,
            completions=pulse.completions + completions,
            busy_ms=pulse.busy_ms + round(1000 * busy_s),
            t_ms=pulse.t_ms + round(1000 * seconds),
        )
        out.append((pulse, birth))
    return out
