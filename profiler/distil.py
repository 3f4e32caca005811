"""Makes a static encoder (`static.py`) of a sentence encoder, in half a minute. Needs the extra `train`."""

import contextlib
import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from profiler import static
from profiler.train import TrainError

DIMENSIONS = 256  # tokenising is 85 % of its time, so fewer save nothing: 128 cost 3 points of topics, 64 ten
SIF = 1e-4  # a token weighs SIF / (SIF + its frequency by Zipf's law); without it routing loses 1 to 2 points


def require() -> Any:
    """The package that distils. Raises TrainError where it is missing: call it before the texts are encoded."""
    try:
        return import_module("model2vec.distill")
    except ImportError as error:
        raise TrainError(f"a fast encoder is made with model2vec: pip install 'ppai[train]' ({error})") from error


def distil(source: str, teacher: str, out: Path) -> static.StaticEncoder:
    """Each token alone through the sentence encoder `source` (folder or hub name), PCA, SIF weights, int8: into `out`.

    Raises TrainError without the packages.
    """
    model2vec = require()
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar is thousands of characters without a terminal
        made = model2vec.distill(source, pca_dims=DIMENSIONS, sif_coefficient=SIF, quantize_to="float32", device="cpu")
    static.write(out, np.asarray(made.embedding, np.float32), made.tokenizer.to_str(), teacher)
    return static.StaticEncoder(out)
