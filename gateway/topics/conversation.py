"""What a conversation is about, from what its turns are about. Knows nothing of text, gates or sessions.

"Commit it" after a turn of code is a question of code. How much of itself a turn is decides how much of the talk before
it still counts: a whole question nothing, a few words nearly all. Measured in docs/results.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ENOUGH_BYTES = 72  # about 12 words: such a turn stands for itself
NEAR = (0.5, 0.6)  # cosine with the nearest prototype: below the first a few words say nothing, from the second all
ALL_SAID = 0.05  # of a conversation's weight: what is left for still older turns cannot turn it


@dataclass(frozen=True, slots=True, eq=False)
class Thread:
    """What was said so far: a weighted mean of relevances, newest turn last told."""

    weighted: NDArray[np.float64]  # (K,) sum of weight·f̃
    weight: float

    @property
    def relevance(self) -> NDArray[np.float32]:
        """f̃ of the conversation, (K,) float32, sums to 1."""
        mean: NDArray[np.float32] = (self.weighted / self.weight).astype(np.float32)
        return mean


def says(text: str, nearest: float) -> float:
    """How much a turn stands for itself, in (0, 1]: by its length, or by being near what the gate knows."""
    length = min(1.0, len(text.encode("utf-8", "replace")) / ENOUGH_BYTES) ** 2
    low, high = NEAR
    return max(length, min(1.0, (nearest - low) / (high - low)), 1e-3)


def follow(earlier: Thread | None, relevance: NDArray[np.float32], own: float) -> Thread:
    """The conversation after one more turn of this relevance (K,), which stands for itself by `own`."""
    if earlier is None:
        return Thread(own * relevance.astype(np.float64), own)
    return Thread(own * relevance + (1 - own) * earlier.weighted, own + (1 - own) * earlier.weight)
