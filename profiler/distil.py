"""Makes a static encoder (`static.py`) of a sentence encoder. Needs the extra `train`.

Why so many dimensions and SIF weights: docs/results.md#the-fast-encoders-settings.
"""

import contextlib
import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from profiler import static
from profiler.train import TrainError

DIMENSIONS = 256  # of a row; fewer save little time, since tokenising takes most of it, and lose topics
SIF = 1e-4  # a token weighs SIF / (SIF + its frequency by Zipf's law)


def require() -> Any:
    """The package that distils. Raises TrainError where it is missing: call it before the texts are encoded."""
    try:
        return import_module("model2vec.distill")
    except ImportError as error:
        raise TrainError(f"a fast encoder is made with model2vec: pip install 'ppai[train]' ({error})") from error


def distil(source: str, teacher: str, out: Path) -> static.StaticEncoder:
    """Write a static encoder of the sentence encoder `source` (folder or hub name) into the folder `out`.

    Each token goes through `source` alone; its embedding is reduced by PCA, weighted by SIF and stored in int8.
    `teacher`: the name of `source` in the encoder's own name. Raises TrainError without the packages.
    """
    model2vec = require()
    with contextlib.redirect_stderr(io.StringIO()):  # model2vec prints a progress bar, without a terminal too
        made = model2vec.distill(source, pca_dims=DIMENSIONS, sif_coefficient=SIF, quantize_to="float32", device="cpu")
    static.write(out, np.asarray(made.embedding, np.float32), made.tokenizer.to_str(), teacher)
    return static.StaticEncoder(out)
