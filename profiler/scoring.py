"""What an agent is good at, and how well it suits a query (sections V-C and V-D). Pure; knows no text and no file.

Shapes: K prototypes, N agents, n graded questions. Two ways lead from graded answers to a vector. `mean_capability` is
for gates whose vectors carry means: whoever receives one takes doubt off, once. `capability` is for older gates, where
whoever publishes takes it off, and peers use the vector as it is.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]  # float32 or float64
Mode = Literal["dot", "paper"]

_SMALL = 8192  # entries of a matrix that is multiplied in less time than it takes to see what of it is needed
_ROUNDS = 2  # in which the usual level and the usual categories settle; a third changes nothing


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How strongly the mean of few answers is drawn to the mean of the level above.

    The pull, in pseudo-questions, is estimated on each level from the agent's own answers (empirical Bayes), within
    these bounds. The categories of a specialist differ much, so they are pulled little. Those of an even agent differ
    by chance, so they are pulled much and the chance averages out. A fixed pull would hide a specialist that was asked
    few questions (docs/results.md#few-questions-the-pull-must-be-learnt).
    """

    to_category: tuple[float, float] = (10.0, 300.0)  # bounds of the pull of a prototype to its category
    to_mean: tuple[float, float] = (2.0, 100.0)  # bounds of the pull of a category to the agent's own mean
    z: float = 1.5  # standard errors taken off, so that of two equal agents the better known one scores higher


@dataclass(frozen=True, slots=True)
class Specialism:
    """What is believed of an agent before it is asked: in most categories it is as usual, in a few it is special.

    In a usual category an agent is as good as in the other usual ones; in a special one it may be anything. The answers
    tell how likely each is. One pull for all categories, as in `Shrinkage`, hides a specialist of one in thirty: the 29
    others teach a pull far stronger than the questions of that one. Pulls count in pseudo-questions; how they were
    chosen: docs/results.md#a-network-of-specialists.
    """

    share: float = 0.2  # of the categories that are special
    usual: float = 300.0  # pull of a usual category to the agent's usual level
    special: float = 2.0  # pull of a special one to one half, or to as good as the reference engines
    task: float = 20.0  # pull of a task to its category; stronger, the more of the category it is (`_part`)
    prototype: float = 100.0  # the same of a prototype to its task


@dataclass(frozen=True, slots=True)
class Capability:
    """p_j, Eq. (4): what one agent publishes."""

    values: Floats  # (K,) expected accuracy in [0, 1]
    evidence: npt.NDArray[np.int64]  # (K,) questions behind each entry


def pair_scores(relevance: Floats, capabilities: Floats, mode: Mode = "dot") -> Floats:
    """s(i, j) of one query, relevance (K,), with N agents, capabilities (N, K): (N,).

    "dot" is the expected accuracy f̃·p_j in [0, 1]. "paper" is Eq. (5) verbatim, the cosine of f̃ and p_j: it divides an
    agent's strength away, so that an agent bad at everything scores like one good at everything; a zero vector is 0.
    Of a matrix that is not small only prototypes of relevance above 0 are read, in its own precision. Keep a large one
    column-major (`np.asfortranarray`), so that they lie side by side.
    """
    by_prototype = capabilities.T
    if capabilities.size <= _SMALL:
        dots: Floats = relevance.astype(capabilities.dtype) @ by_prototype
    else:
        rows = np.flatnonzero(relevance)
        weights = relevance[rows].astype(capabilities.dtype)  # with another precision numpy would copy the whole matrix
        dots = weights @ (by_prototype if len(rows) == len(by_prototype) else by_prototype[rows])
    if mode == "dot":
        return dots
    norms = np.linalg.norm(capabilities, axis=1) * np.linalg.norm(relevance)
    cosines: Floats = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    return cosines


def mean_capability(
    weights: Floats,
    right: Floats,
    tasks: npt.NDArray[np.int64],
    categories: npt.NDArray[np.int64],
    reference: Floats | None = None,
    difficulty: Floats | None = None,
    belief: Specialism = Specialism(),
) -> Capability:
    """Fold graded answers into the mean of p_j, Eq. (4): prototype -> task -> category -> the agent's usual level.

    weights (n, K): how much of each question counts for each prototype, rows sum to 1. right (n,): grades in [0, 1].
    tasks (K,) and categories (K,): index of each prototype's. reference (n,) and difficulty (K,): as in `capability`;
    with them only the difference to the reference engines is estimated.

    No doubt is taken off: the evidence says how much there is. A better grade never lowers a value of its own category.
    Without answers every value is 0.
    """
    assert (reference is None) == (difficulty is None), "reference and difficulty come together, or not at all"
    counts = weights.sum(0)
    evidence = np.rint(counts).astype(np.int64)
    if len(right) == 0:
        return Capability(np.zeros(len(categories)), evidence)
    own = right if reference is None else right - reference
    fair = 0.5 if reference is None else 0.0  # two imaginary answers at it, so that three right of three are not all
    mean = (own.sum() + 2 * fair) / (len(own) + 2)
    sums, squares = weights.T @ own, weights.T @ own**2
    category = _usual_or_special(sums, counts, squares, categories, float(mean), fair, belief)
    in_task = _by_category(counts, tasks)
    task = _part(_by_category(sums, tasks), in_task, _by_category(counts, categories), category, belief.task)
    values = _part(sums, counts, in_task, task, belief.prototype)
    base = np.zeros(len(categories)) if difficulty is None else difficulty
    return Capability(np.clip(base + values, 0.0, 1.0), evidence)


def capability(
    weights: Floats,
    right: Floats,
    categories: npt.NDArray[np.int64],
    reference: Floats | None = None,
    difficulty: Floats | None = None,
    shrinkage: Shrinkage = Shrinkage(),
) -> Capability:
    """Fold graded answers into p_j, Eq. (4), by two-level shrinkage: prototype -> category -> the agent's own mean.

    weights (n, K): how much of each question belongs to each prototype, rows sum to 1. right (n,): grades in [0, 1].
    categories (K,): index of each prototype's category. reference (n,), if given: the mean grade of reference engines
    on the same questions; difficulty (K,): the same by prototype, D_k (see `difficulty`).

    Without reference p_k = shrunk mean(right) - z·SE, SE the standard error of that mean. With it only the difference
    to the reference engines is shrunk (a control variate): p_k = D_k + shrunk mean(right - reference) - z·SE.
    Without answers every value is 0.
    """
    assert (reference is None) == (difficulty is None), "reference and difficulty come together, or not at all"
    counts = weights.sum(0)
    evidence = np.rint(counts).astype(np.int64)
    if len(right) == 0:
        return Capability(np.zeros(len(categories)), evidence)
    base = np.zeros(len(categories)) if difficulty is None else difficulty
    own = right if reference is None else right - reference
    mean = own.mean()
    sums, within = weights.T @ own, _by_category(counts, categories)
    category_sums = _by_category(sums, categories)
    category_means = np.divide(category_sums, within, out=np.full_like(sums, mean), where=within > 0)
    first = np.unique(categories, return_index=True)[1]  # one prototype stands for each category
    spread = np.sum(weights * (own[:, None] - category_means) ** 2)
    variance = _within_variance(own, float(spread), int(np.count_nonzero(within[first])))

    whole = np.zeros(len(first), np.int64)
    to_mean = _pull(category_sums[first], within[first], whole, variance, shrinkage.to_mean)
    to_category = _pull(sums, counts, categories, variance, shrinkage.to_category)
    category = (category_sums + to_mean * mean) / (within + to_mean)
    shrunk = (sums + to_category * category) / (counts + to_category)
    standard_error = np.sqrt(variance / (within + to_mean))
    return Capability(np.clip(base + shrunk - shrinkage.z * standard_error, 0.0, 1.0), evidence)


def difficulty(weights: Floats, reference: Floats, categories: npt.NDArray[np.int64]) -> Floats:
    """D_k (K,): how often reference engines are right by prototype.

    weights (n, K) and reference (n,) of every question of the query set, asked or not. Shrunk as in `capability`, with
    z = 0.
    """
    return capability(weights, reference, categories, shrinkage=Shrinkage(z=0.0)).values


def quantise(values: Floats) -> bytes:
    """(K,) in [0, 1] -> K bytes, value/255. Raises ValueError outside [0, 1] and on NaN."""
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("capability values must lie in [0, 1]")
    return bytes(np.rint(values * 255).astype(np.uint8))


def dequantise(packed: bytes) -> npt.NDArray[np.float32]:
    """K bytes -> (K,) float32 in [0, 1]."""
    return np.frombuffer(packed, np.uint8).astype(np.float32) / np.float32(255)


def _usual_or_special(
    sums: Floats,
    counts: Floats,
    squares: Floats,
    categories: npt.NDArray[np.int64],
    mean: float,
    fair: float,
    belief: Specialism,
) -> Floats:
    """(K,) for every prototype the expected level of its category: spike and slab.

    sums, counts, squares (K,): of the grades by prototype. Both beliefs are normal: around the usual level, or around
    `fair`; the mean of n answers strays from what is believed by variance/n more. The variance is that of the other
    categories, so that a better grade cannot make its own category look usual. The usual level is the mean over usual
    categories, at first all, so that what an agent is special in does not raise it elsewhere.
    """
    asked, got = _by_category(counts, categories), _by_category(sums, categories)
    others, their_sum = counts.sum() - asked, sums.sum() - got
    scatter = squares.sum() - _by_category(squares, categories) - their_sum**2 / np.maximum(others, 1)
    variance = (np.maximum(scatter, 0) + 0.25) / (others + 1)  # 1/4, a coin's, where there are no others
    found = np.divide(got, asked, out=np.full_like(got, mean), where=asked > 0)

    def likelihood(centre: float, pull: float) -> Floats:
        spread = variance / np.maximum(asked, 1e-9) + variance / pull
        log_density: Floats = -0.5 * (np.log(spread) + (found - centre) ** 2 / spread)
        return log_density

    usual = mean
    for _ in range(_ROUNDS):
        odds = likelihood(fair, belief.special) - likelihood(usual, belief.usual)
        odds = np.log(belief.share / (1 - belief.share)) + np.where(asked > 0, odds, -np.inf)
        is_usual = 1 / (1 + np.exp(np.clip(odds, -50, 50)))
        usual = float((is_usual @ sums + mean) / (is_usual @ counts + 1))
    as_usual, as_special = _pulled(got, asked, usual, belief.usual), _pulled(got, asked, fair, belief.special)
    expected: Floats = is_usual * as_usual + (1 - is_usual) * as_special
    return expected


def _pulled(sums: Floats, counts: Floats, level: float, pull: float) -> Floats:
    """The mean of `counts` answers that sum to `sums`, with `pull` further ones at `level`."""
    mean: Floats = (sums + pull * level) / (counts + pull)
    return mean


def _part(sums: Floats, counts: Floats, whole: Floats, level: Floats, pull: float) -> Floats:
    """(K,) the level of a part (a task, a prototype) of a whole (its category, its task) that is at `level`.

    sums, counts: of the part's grades; whole: count of the whole's. The pull to `level` is `pull` where the part is a
    small one, and has no end where it is the whole, whose level says all that its grades say.
    """
    rest = whole - counts
    found: Floats = level + rest * (sums - counts * level) / np.maximum(counts * rest + pull * whole, 1e-9)
    return found


def _within_variance(own: Floats, spread: float, categories: int) -> float:
    """Variance of grades `own` (n,) inside categories; `spread`: sum of squared differences to the category means.

    Ten imaginary answers of the overall variance are added: with one question a category nothing varies inside, and
    luck would pass for ability. To the overall variance an imaginary answer of variance 1/4 is added, so that three
    right answers of three leave some doubt.
    """
    overall = (np.sum((own - own.mean()) ** 2) + 0.25) / (len(own) + 1)
    return float((spread + 10 * overall) / (max(len(own) - categories, 0) + 10))


def _pull(
    sums: Floats, counts: Floats, parents: npt.NDArray[np.int64], variance: float, bounds: tuple[float, float]
) -> float:
    """The pull, as a pseudo-count: variance/τ², within `bounds`.

    τ² is the variance of the groups' means around their parents' means, by the method of moments. `sums` and `counts`
    are by group, `parents` is each group's parent.
    """
    known = counts > 0
    sums, counts, parents = sums[known], counts[known], parents[known]
    totals = np.bincount(parents, counts)
    means = np.bincount(parents, sums) / np.maximum(totals, 1e-9)
    spread = np.sum(counts * (sums / counts - means[parents]) ** 2)
    chance = (len(counts) - np.count_nonzero(totals)) * variance
    scale = np.sum(totals) - np.sum(counts**2 / totals[parents])
    between = max(0.0, spread - chance)
    return float(np.clip(variance * scale / between if between > 0 else np.inf, *bounds))


def _by_category(values: Floats, categories: npt.NDArray[np.int64]) -> Floats:
    """(K,) for every prototype the sum of `values` (K,) over its category."""
    sums: Floats = np.bincount(categories, values)[categories]
    return sums
