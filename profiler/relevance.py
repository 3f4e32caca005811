"""Cosines with the prototypes to relevance, Eq. (3), and how sure a reading is (P)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MARGIN_DEPTH = 0.1  # share of the prototypes that `margins` passes over, as likely of the nearest one's kind


def sharpen(similarity: Floats, alpha: float, top_p: float) -> Floats:
    """Eq. (3): cosines (n, K) -> relevance (n, K) float32, rows sum to 1.

    Of each row the greatest ceil(top_p·K) cosines are clipped at 0, raised to the power alpha and divided by their sum;
    the others become 0. A row without a positive cosine becomes uniform, which scores agents by their mean.
    """
    relevance = np.zeros(similarity.shape, np.float32)
    kept = _kept(similarity.shape[1], top_p)
    for cosines, row in zip(similarity, relevance, strict=True):  # a peer reads one text at a time, so n is 1
        top = (-cosines).argsort()[:kept]
        powered = np.maximum(cosines[top], 0, dtype=np.float64) ** alpha
        total = np.add.reduce(powered)
        if total > 0:
            row[top] = powered / total
        else:
            row[:] = 1 / len(row)
    return relevance


def margins(similarity: Floats) -> Floats:
    """How sure a reading is: cosines (n, K) -> (n,).

    The margin is the cosine of the nearest prototype minus that of the first one beyond the nearest tenth (for K = 64,
    of the eighth). The nearest prototypes are often of one kind, so the gap between the first two says little
    (docs/decisions.md#profiling).
    """
    K = similarity.shape[1]
    beyond = min(_kept(K, MARGIN_DEPTH), K - 1)
    ordered = -np.partition(-similarity, (0, beyond), axis=1)
    margin: Floats = ordered[:, 0] - ordered[:, beyond]
    return margin


def _kept(K: int, top_p: float) -> int:
    return int(np.ceil(top_p * K - 1e-9))
