"""Distilling the fast encoder: refused before any work where the extra is missing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from profiler import distil
from profiler.static import StaticEncoder
from profiler.train import TrainError


def test_without_its_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "model2vec.distill", None)  # as if it were not installed

    with pytest.raises(TrainError, match=r"pip install 'ppai\[train\]'"):
        distil.require()
    with pytest.raises(TrainError, match=r"pip install 'ppai\[train\]'"):
        distil.distil("anything", "teacher", tmp_path / "fast")
    assert not (tmp_path / "fast").exists()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_is_distilled_can_be_loaded_and_keeps_what_is_near(encoder_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("model2vec", reason="needs the extra `train`")

    made = distil.distil(str(encoder_folder), "teacher", tmp_path / "fast")

    texts = ["The court upheld the contract", "A judge ruled on the agreement", "Boil the potatoes with salt"]
    near, far = (made.encode(texts[:1]) @ made.encode(texts[1:]).T)[0]
    assert "teacher" in made.name
    assert np.array_equal(made.encode(texts), StaticEncoder(tmp_path / "fast").encode(texts))
    assert near > far
