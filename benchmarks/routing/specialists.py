"""A simulated network of specialists and a generalist, and how many prompts it answers right. Pure but for its rng.

Who is good at what is an assumption: a specialist is right on .85 of what it is for and on .5 of all else, the
generalist on .65 of everything. Prompts and their categories are real. A network answers a prompt right as often as the
agent that it chooses does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
Fold = Callable[[Floats], Floats]  # grades (n,) of one agent -> its vector (K,)

HOME, ELSEWHERE, GENERALIST = 0.85, 0.5, 0.65
BROAD: Mapping[str, tuple[str, ...]] = {  # twelve machines, as people set them up: all 44 categories
    "coder": ("coding", "sql", "shell and linux", "tech support"),
    "analyst": ("data analysis", "tool use", "extraction", "classification"),
    "mathematician": ("maths", "logic puzzles"),
    "scientist": ("science", "medicine", "engineering"),
    "scholar": ("history", "philosophy", "facts", "reading"),
    "counsel": ("law", "politics and economics", "finance", "business and career"),
    "office": ("business writing", "editing", "summarising", "brainstorming", "writing to rules"),
    "writer": ("stories", "poems and songs", "role play"),
    "European": ("translation", "German", "French", "Spanish"),
    "linguist": ("Chinese", "Japanese", "Russian", "other languages"),
    "household": ("food", "travel", "home and garden", "sport and fitness", "entertainment"),
    "friend": ("advice", "small talk"),
}
CATEGORIES = tuple(sorted(name for names in BROAD.values() for name in names))
NETWORKS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "broad": BROAD,
    "narrow": {name: (name,) for name in CATEGORIES},
}


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """N agents, the generalist last. `strengths` (N, C): how often each is right, by category of CATEGORIES."""

    names: tuple[str, ...]
    strengths: Floats

    @classmethod
    def of(cls, homes: Mapping[str, Sequence[str]]) -> "Network":
        """A specialist for each of these, and the generalist."""
        rows = [[HOME if category in home else ELSEWHERE for category in CATEGORIES] for home in homes.values()]
        return cls((*homes, "generalist"), np.array([*rows, [GENERALIST] * len(CATEGORIES)]))

    def at(self, categories: Sequence[str]) -> Floats:
        """(N, n) how often each is right on these; nobody is for a category that is not in CATEGORIES."""
        elsewhere = np.array([[ELSEWHERE]] * (len(self.names) - 1) + [[GENERALIST]])
        table = np.hstack([self.strengths, elsewhere])
        return table[:, [CATEGORIES.index(name) if name in CATEGORIES else -1 for name in categories]]

    def on(self, accepted: Sequence[Sequence[str]]) -> Floats:
        """(N, n) how often each is right on prompts that are of all these categories: as in its best one."""
        return np.stack([self.at(names).max(axis=1) for names in accepted], axis=1)


def graded(strengths: Floats, rng: np.random.Generator) -> Floats:
    """(N, n) grades of answers that are right as often as `strengths` (N, n) says."""
    grades: Floats = (rng.random(strengths.shape) < strengths).astype(np.float64)
    return grades


def right(relevance: Floats, capabilities: Floats, strengths: Floats) -> Floats:
    """(n,) how often each prompt is answered right: relevance (n, K), capabilities (N, K), strengths (N, n) on them.

    The highest score is chosen; among equals their mean counts.
    """
    scores = relevance @ capabilities.T
    best = scores >= scores.max(axis=1, keepdims=True) - 1e-9
    found: Floats = (strengths.T * best).sum(axis=1) / best.sum(axis=1)
    return found


def interval(shares: Floats, seed: int = 0, draws: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of `shares` (draws of answers, prompts), over both."""
    rng = np.random.default_rng(seed)
    rows, prompts = shares.shape
    means = [
        shares[rng.integers(rows, size=rows)].mean(axis=0)[rng.integers(prompts, size=prompts)].mean()
        for _ in range(draws)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
