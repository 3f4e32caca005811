"""How fast one peer's engine reads a prompt and writes tokens: an affine step time, learnt by forgetting least squares.

With x streams in flight a token takes a + b·x seconds, whether the engine batches or takes one job at a time. Speed
belongs to the hardware, so it is forgotten per observation, not per second: a night of silence makes no engine slower.
What a peer says of itself counts as one observation, however often it says so; what we saw ourselves counts in full.
Knows nothing of queues or peers.
"""

from dataclasses import dataclass, field
from operator import add
from typing import Annotated, NamedTuple

import msgspec

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_PRIOR_TOKENS = 16.0  # the prior step time counts as a claim this long: one pulse of a busy peer outweighs it
_CLAIM_TOKENS = 160.0  # a claim this long weighs half an answer of our own, and never more than a whole one


@dataclass(frozen=True, slots=True)
class SpeedConfig:
    """What we assume of an engine before we know it."""

    # Seconds a prompt token: between one CPU core's and a GPU's (docs/results/simulator.md#constants).
    prior_prefill_s: _Positive = 1e-3
    # Seconds a token of a lone stream: a small model's on one CPU core (docs/results/simulator.md#constants). Too much
    # for a GPU, which the first pulse of a busy peer corrects.
    prior_step_s: _Positive = 0.02
    # b/(a + b), the part of a step that every further stream adds (docs/results/simulator.md#constants).
    prior_stream_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    # Own answers remembered, as the sum of their weights. An engine's model changes within hours, not within minutes.
    memory: Annotated[float, msgspec.Meta(gt=1)] = 50.0
    # Tokens of a peer's own reports remembered: a few dozen answers.
    claim_tokens: _Positive = 10_000.0
    # Prompt tokens for which an observed prefill weighs as much as the prior: short ones measure overhead, not speed.
    prefill_tokens: _Positive = 128.0


class Rates(NamedTuple):
    """Seconds a prompt token; and a, b of the step time a + b·streams, seconds an output token."""

    prefill_s: float
    step_s: float
    stream_s: float


class _Sums(NamedTuple):
    """What least squares need of observations (x streams, y seconds a token), each of some weight w."""

    weight: float = 0.0  # Σw
    x: float = 0.0  # Σw·x
    xx: float = 0.0
    y: float = 0.0
    xy: float = 0.0


@dataclass(slots=True)
class Speed:
    """Least-squares sums over own observations, and the peer's own claim beside them."""

    config: SpeedConfig = field(default_factory=SpeedConfig)
    prefill_s: float = field(init=False)  # seconds a prompt token, by the next two and the prior
    prompt_nn: float = 0.0  # Σ n_in²
    prompt_nt: float = 0.0  # Σ n_in·seconds
    claim_tokens: float = 0.0
    claim_busy_s: float = 0.0  # slot-seconds of decoding, and Σ busy·x
    claim_streams: float = 0.0
    _own: tuple[float, ...] = _Sums()
    _given: tuple[float, ...] | None = None  # the sums of claim and prior; None: something was claimed since
    _step: tuple[float, float] | None = None  # a and b as estimated; None: something was observed since

    def __post_init__(self) -> None:
        self.prefill_s = self.config.prior_prefill_s

    def observe_decode(self, streams: float, tokens: int, seconds: float) -> None:
        """One answer of ours: `tokens` in `seconds`, `streams` in flight at its start.

        An answer of 32 tokens or more weighs 1; shorter ones measure the network's jitter as much as the engine.
        """
        if tokens < 2 or seconds < 0:
            return
        w = tokens / 32 if tokens < 32 else 1.0
        keep, wx, wy = 1.0 - w / self.config.memory, w * streams, w * seconds / tokens
        weight, x, xx, y, xy = self._own
        self._own = keep * weight + w, keep * x + wx, keep * xx + wx * streams, keep * y + wy, keep * xy + wy * streams
        self._step = None

    def observe_prefill(self, prompt_tokens: int, seconds: float) -> None:
        """One prompt of ours read in `seconds`, network and waiting already taken off."""
        keep = 1.0 - 1.0 / self.config.memory
        self.prompt_nn = keep * self.prompt_nn + prompt_tokens * prompt_tokens
        self.prompt_nt = keep * self.prompt_nt + prompt_tokens * max(0.0, seconds)
        prior = self.config.prefill_tokens**2
        self.prefill_s = (self.prompt_nt + prior * self.config.prior_prefill_s) / (self.prompt_nn + prior)

    def observe_claim(self, streams: float, tokens_in: int, tokens_out: int, busy_s: float) -> None:
        """What the peer says it did between two pulses: `busy_s` slot-seconds with `streams` in flight on average.

        No report weighs more than all that are remembered, so that the next ones can correct it.
        """
        if tokens_out <= 0 or busy_s <= 0:
            return
        decoding_s = max(0.0, busy_s - tokens_in * self.prefill_s)
        share = min(1.0, self.config.claim_tokens / tokens_out)
        keep = self.config.claim_tokens / (self.config.claim_tokens + share * tokens_out)
        self.claim_tokens = keep * self.claim_tokens + share * tokens_out
        self.claim_busy_s = keep * self.claim_busy_s + share * decoding_s
        self.claim_streams = keep * self.claim_streams + share * tokens_out * streams
        self._given = self._step = None

    def rates(self) -> Rates:
        """The present estimate; all three at least 0."""
        a, b = self._step or self._estimate()
        return Rates(self.prefill_s, a, b)

    def step_s(self, streams: float) -> float:
        """a + b·streams: seconds an output token."""
        a, b = self._step or self._estimate()
        return a + b * streams

    def _estimate(self) -> tuple[float, float]:
        """a and b.

        Minimises Σw·(y - a - b·x)² over own answers and the claim, plus ((1-r)·b - r·a)²: the prior states the shape,
        how much a further stream slows the rest, and leaves the level to the data.
        """
        if self._given is None:
            self._given = self._claim()
        s0, s1, s2, t0, t1 = map(add, self._own, self._given)
        determinant = s0 * s2 - s1 * s1
        a, b = (s2 * t0 - s1 * t1) / determinant, (s0 * t1 - s1 * t0) / determinant
        if b < 0:  # the constrained optimum lies on the edge that the free one crossed
            a, b = t0 / s0, 0.0
        elif a < 0:
            a, b = 0.0, t1 / s2
        self._step = a, b
        return a, b

    def _claim(self) -> _Sums:
        """The claim and the prior step time as one observation, and beside it what the prior says of the shape."""
        r, tokens = self.config.prior_stream_share, self.claim_tokens + _PRIOR_TOKENS
        w, x = tokens / (tokens + _CLAIM_TOKENS), (self.claim_streams + _PRIOR_TOKENS) / tokens
        y = (self.claim_busy_s + _PRIOR_TOKENS * self.config.prior_step_s) / tokens
        return _Sums(w + r * r, w * x - r * (1 - r), w * x * x + (1 - r) * (1 - r), w * y, w * x * y)
