"""The served encoder against vectors that sentence-transformers on torch gave for the same weights."""

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import pytest

from profiler.encoder import (
    GRAPH_FILE,
    MAX_TOKENS,
    ROWS_FILE,
    Encoder,
    EncoderError,
    OpenedOnce,
    SentenceTransformersEncoder,
    load_encoder,
)

STORED = json.loads((Path(__file__).parent / "encoder_vectors.json").read_text(encoding="utf-8"))
TEXTS = [entry["text"] for entry in STORED]
VECTORS = np.array([entry["embedding"] for entry in STORED], np.float32)


def test_served_vectors_are_the_models(encoder: Encoder) -> None:
    """int8 costs less than .03 of cosine, on a Chinese, a cut and an empty text too."""
    found = encoder.encode(TEXTS)

    assert (len(TEXTS), 384) == found.shape
    assert float((found * VECTORS).sum(1).min()) > 0.97
    assert np.abs(found @ found.T - VECTORS @ VECTORS.T).max() < 0.05


def test_rows_are_unit_vectors(encoder: Encoder) -> None:
    assert np.allclose(1.0, np.linalg.norm(encoder.encode(TEXTS), axis=1), atol=1e-5)


def test_an_embedding_does_not_depend_on_its_neighbours(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)

    assert all(np.array_equal(together[i], encoder.encode([text])[0]) for i, text in enumerate(TEXTS))


def test_threads_get_the_same_vectors(encoder: Encoder) -> None:
    expected = encoder.encode(TEXTS)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder.encode, [TEXTS] * 8))

    assert all(np.array_equal(expected, vectors) for vectors in found)


def test_no_texts_make_no_rows(encoder: Encoder) -> None:
    assert (0, 384) == encoder.encode([]).shape


def test_only_the_first_tokens_of_a_long_text_count(encoder: Encoder) -> None:
    start = "word " * MAX_TOKENS

    assert np.array_equal(encoder.encode([start]), encoder.encode([start + "completely different ending " * 5000]))


@pytest.mark.skipif(not psutil.LINUX, reason="told on Linux alone")
def test_a_long_text_takes_no_memory_for_good(encoder_folder: Path) -> None:
    """In a process of its own: here other tests may have read one already."""
    program = f"""
import psutil
from pathlib import Path
from profiler.allocator import return_large_blocks
from profiler.encoder import load_encoder
return_large_blocks()
encoder = load_encoder(Path({str(encoder_folder)!r}))
encoder.encode(["a few words"])
before = psutil.Process().memory_full_info().uss
encoder.encode(["many more words about the sea " * 400])
print(psutil.Process().memory_full_info().uss - before)
"""
    grown = int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)

    assert grown < 4 << 20


def test_half_a_surrogate_pair_is_text(encoder: Encoder) -> None:
    """JSON may carry one, and a client must not be able to break routing with it."""
    assert np.array_equal(encoder.encode(["a?b"]), encoder.encode(["a\ud800b"]))


def test_name_says_which_weights_these_are(encoder: Encoder) -> None:
    assert "all-MiniLM-L6-v2:int8" == encoder.name


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json", "config.json"])
def test_missing_files_name_the_remedy(encoder_folder: Path, tmp_path: Path, missing: str) -> None:
    for name in {"model.safetensors", "tokenizer.json", "config.json"} - {missing}:
        (tmp_path / name).symlink_to(encoder_folder / name)

    with pytest.raises(EncoderError, match=rf"{missing} is missing. Run: ppai pull encoder"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("damaged", ["model.safetensors", "tokenizer.json", "config.json", GRAPH_FILE, ROWS_FILE])
def test_damaged_files_name_the_remedy(encoder_folder: Path, tmp_path: Path, damaged: str) -> None:
    for name in ("tokenizer.json", "config.json"):
        shutil.copy(encoder_folder / name, tmp_path / name)
    (tmp_path / "model.safetensors").symlink_to(encoder_folder / "model.safetensors")
    if damaged in (GRAPH_FILE, ROWS_FILE):
        load_encoder(tmp_path)  # which makes both
    (tmp_path / damaged).unlink(missing_ok=True)
    (tmp_path / damaged).write_bytes(b"half a downlo")

    with pytest.raises(EncoderError, match=r"damaged encoder in .*Run: ppai pull encoder"):
        load_encoder(tmp_path)


def test_graph_is_built_once_and_again_for_newer_weights(encoder_folder: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        shutil.copy(encoder_folder / name, tmp_path / name)

    built = load_encoder(tmp_path).encode(TEXTS[:1])
    first = (tmp_path / GRAPH_FILE).stat().st_mtime_ns
    cached = load_encoder(tmp_path).encode(TEXTS[:1])
    second = (tmp_path / GRAPH_FILE).stat().st_mtime_ns
    (tmp_path / "model.safetensors").touch()
    load_encoder(tmp_path)
    third = (tmp_path / GRAPH_FILE).stat().st_mtime_ns
    (tmp_path / ROWS_FILE).unlink()
    load_encoder(tmp_path)

    assert np.array_equal(built, cached)
    assert first == second < third < (tmp_path / GRAPH_FILE).stat().st_mtime_ns


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        (tmp_path / name).symlink_to(encoder_folder / name)
    monkeypatch.setattr(os, "access", lambda *_: False)

    found = load_encoder(tmp_path).encode(TEXTS[:1])

    assert np.array_equal(load_encoder(encoder_folder).encode(TEXTS[:1]), found)
    assert {"model.safetensors", "tokenizer.json", "config.json"} == {file.name for file in tmp_path.iterdir()}


@pytest.mark.slow
def test_served_vectors_are_torchs(encoder: Encoder, encoder_folder: Path) -> None:
    """What the stored vectors stand for, computed anew."""
    pytest.importorskip("sentence_transformers", reason="needs the extra `train`")
    torch = SentenceTransformersEncoder(str(encoder_folder))

    found = torch.encode(TEXTS)

    assert np.abs(found - VECTORS).max() < 1e-4
    assert float((found * encoder.encode(TEXTS)).sum(1).min()) > 0.97


def test_an_encoder_of_several_is_opened_once_and_a_failure_is_tried_anew() -> None:
    """Whoever asks first waits for it, and the others with it."""
    opened, fails, others = list[int](), [True], threading.Event()

    def opening() -> Encoder:
        if fails and fails.pop():
            raise EncoderError("not yet")
        opened.append(1)
        others.wait(0.05)  # so that those who ask meanwhile would find that nothing is open
        return cast(Encoder, object())

    shared = OpenedOnce(opening)
    with pytest.raises(EncoderError):
        shared()
    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(lambda _: shared(), range(8)))

    assert (1, 1) == (len(opened), len(set(map(id, got))))
