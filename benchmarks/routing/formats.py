"""What a prompt looks like, not what it says: the control that needs no encoder."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
OPTION = re.compile(r"^\s*[(\[]?[A-J][)\].:]\s", re.MULTILINE)


def format_features(queries: Sequence[str]) -> Floats:
    """(n, 12) float32 unit rows: what a prompt looks like, not what it says. The control that needs no encoder."""
    features = np.array([_features(query) for query in queries], np.float32)
    unit: Floats = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-6)
    return unit


def _features(query: str) -> list[float]:
    characters = max(len(query), 1)
    return [
        float(len(OPTION.findall(query)) >= 2),
        float(query.rstrip().endswith(("Answer:", "答案：", "答案:"))),
        float(query.startswith("Question:")),
        float("def " in query),
        float('"""' in query),
        float("return" in query),
        sum(character > "\u2fff" for character in query) / characters,
        sum(character.isdigit() for character in query) / characters,
        float(query.rstrip().endswith("?")),
        math.log1p(len(query)) / 8,
        math.log1p(query.count("\n")) / 4,
        float("____" in query or "$" in query),
    ]
