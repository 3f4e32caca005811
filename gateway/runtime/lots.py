"""A peer's own luck: lots drawn by Python's generator, which is there already."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

One = TypeVar("One")


class OwnLots(Random):
    """As routing wants them drawn (gateway/routing/policy.py: Lots)."""

    def permutation(self, of: Sequence[One], /) -> list[One]:
        """All of them, in an order drawn by lot."""
        return self.sample(of, len(of))
