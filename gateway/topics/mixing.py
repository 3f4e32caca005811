"""Mixes what is known of a query by other means than its embedding into its relevance. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def mixed(
    relevance: NDArray[np.float32], categories: Sequence[str], weights: Mapping[str, float]
) -> NDArray[np.float32]:
    """The relevance (K,) with this share of it in these categories: (K,) float32, sums as before.

    categories (K,): of each prototype. weights: {category: share}; those of categories without a prototype are left
    out, and together they count for 1 at most. Inside a category the share is dealt as the relevance deals it, evenly
    where nothing of it lies there.
    """
    owner = np.array(categories)
    there = {name: weight for name, weight in weights.items() if weight > 0 and name in categories}
    total = sum(there.values())
    if not total:
        return relevance
    found = max(0.0, 1 - total) * relevance.astype(np.float64)
    whole = float(relevance.sum())
    for name, weight in there.items():
        inside = np.where(owner == name, relevance, 0.0)
        if not inside.any():
            inside = (owner == name).astype(np.float64)
        found += whole * weight / max(total, 1.0) * inside / inside.sum()
    mixture: NDArray[np.float32] = found.astype(np.float32)
    return mixture


def leading(relevance: NDArray[np.float32], categories: Sequence[str]) -> str:
    """The category that most of the relevance (K,) lies in; the first of its name where two have as much."""
    names, owner = np.unique(np.array(categories), return_inverse=True)
    return str(names[np.bincount(owner, relevance).argmax()])
