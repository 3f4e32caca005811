"""Mixes what is known of a query by other means than its embedding into its relevance. Pure."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def mixed(
    relevance: NDArray[np.float32], categories: tuple[str, ...], weights: Mapping[str, float]
) -> NDArray[np.float32]:
    """The relevance (K,) with this share of it in these categories: (K,) float32, sums as before.

    categories (K,): of each prototype. weights: {category: share}; those of categories without a prototype are left
    out, and together they count for 1 at most. Inside a category the share is dealt as the relevance deals it, evenly
    where nothing of it lies there.
    """
    names, owner = in_categories(categories)
    there = {names.index(name): weight for name, weight in weights.items() if weight > 0 and name in names}
    total = sum(there.values())
    if not total:
        return relevance
    found = max(0.0, 1 - total) * relevance.astype(np.float64)
    whole = float(relevance.sum())
    for category, weight in there.items():
        inside = np.where(owner == category, relevance, 0.0)
        if not inside.any():
            inside = (owner == category).astype(np.float64)
        found += whole * weight / max(total, 1.0) * inside / inside.sum()
    mixture: NDArray[np.float32] = found.astype(np.float32)
    return mixture


def leading(relevance: NDArray[np.float32], categories: tuple[str, ...]) -> str:
    """The category that most of the relevance (K,) lies in; the first of its name where two have as much."""
    names, owner = in_categories(categories)
    return names[int(np.bincount(owner, relevance).argmax())]


@lru_cache(4)  # a peer has one gate
def in_categories(categories: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """The names of the categories of K prototypes, sorted; and which of them each prototype is in, (K,)."""
    names, owner = np.unique(np.array(categories), return_inverse=True)
    return tuple(names.tolist()), owner
