"""Blends the relevances of a conversation's turns into the relevance of the conversation. Pure.

Each turn decides a share w in (0, 1] of the topic by itself; the turns before it decide the other 1 - w. With r_n the
relevance of turn n, the sums over the turns are

    T_n = w_n·r_n + (1 - w_n)·T_(n-1)      W_n = w_n + (1 - w_n)·W_(n-1)      relevance = T_n / W_n

For example, a question of 72 bytes or more has w = 1, so nothing before it counts. "Commit it" has w = .02, so after a
turn about code it is a question about code. Blending follows up and changes topic better than joining the turns or
averaging them does (docs/results.md#what-of-a-conversation-is-read).

How a turn is drawn to agents' topics blends in the same way, by the logarithm of its tail. A turn that is drawn more
strongly by itself counts by itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.topics.domains import Drawn, Topics

WHOLE_BYTES = 72  # a turn of so many bytes, about 12 words, has w = 1
NEAR = (0.5, 0.6)  # cosines with the nearest prototype: w rises from 0 at the first to 1 at the second
# Categories whose short turns follow up, however well they are known: "are you sure?", "run it again"
FOLLOWING = frozenset({"small talk", "tool use"})
LEAST_SHARE = 0.05  # the share of the topic that older turns must still decide for the reader to read them


@dataclass(frozen=True, slots=True, eq=False)
class Thread:
    """A conversation so far, as the two sums T_n and W_n over its turns."""

    weighted: NDArray[np.float64]  # (K,) T_n
    weight: float  # W_n, in (0, 1]
    tails: Mapping[Topics, Drawn] = field(default_factory=dict)  # of the sum: `tail` is a logarithm, times its weight

    @property
    def relevance(self) -> NDArray[np.float32]:
        """f̃ of the conversation, T_n / W_n: (K,) float32, sums to 1."""
        mean: NDArray[np.float32] = (self.weighted / self.weight).astype(np.float32)
        return mean

    def drawn(self, last: Mapping[Topics, Drawn]) -> Mapping[Topics, Drawn]:
        """How the conversation is drawn to each agent; `last`: how its last turn is, by itself."""
        blended = {topics: Drawn(math.exp(one.tail / self.weight), one.sentence) for topics, one in self.tails.items()}
        return {topics: min(one, last.get(topics, one)) for topics, one in blended.items()}


def turn_share(text: str, nearest: float, category: str = "") -> float:
    """w in (0, 1]: the share of the topic that this turn decides by itself.

    The greater of two values: (bytes / WHOLE_BYTES)², and how far `nearest`, its cosine with the nearest prototype,
    lies from the first value of NEAR to the second. A turn is long enough to have a topic, or short and well known. Its
    `category` says whether it can be: one of FOLLOWING counts by its length alone.
    """
    length = min(1.0, len(text.encode("utf-8", "replace")) / WHOLE_BYTES) ** 2
    low, high = NEAR
    known = 0.0 if category in FOLLOWING else min(1.0, (nearest - low) / (high - low))
    return max(length, known, 1e-3)


def follow(
    earlier: Thread | None, relevance: NDArray[np.float32], share: float, drawn: Mapping[Topics, Drawn] = {}
) -> Thread:
    """The conversation after one more turn of this relevance (K,), which decides `share` (w) of the topic by itself.

    `drawn`: how that turn is drawn to agents' topics.
    """
    if earlier is None:
        earlier = Thread(np.zeros(len(relevance)), 0.0)
    tails = {
        topics: _followed(drawn.get(topics), earlier.tails.get(topics), share)
        for topics in earlier.tails.keys() | drawn.keys()
    }
    weighted = share * relevance.astype(np.float64) + (1 - share) * earlier.weighted
    return Thread(weighted, share + (1 - share) * earlier.weight, tails)


def _followed(now: Drawn | None, before: Drawn | None, share: float) -> Drawn:
    """The sum after one more turn; who is not drawn has the tail 1, of which the logarithm is 0."""
    mine = Drawn(share * math.log(now.tail), now.sentence) if now else Drawn(0.0, "")
    theirs = Drawn((1 - share) * before.tail, before.sentence) if before else Drawn(0.0, "")
    return Drawn(mine.tail + theirs.tail, min(mine, theirs).sentence)
