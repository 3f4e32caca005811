"""Weights that are not there, or not whole, name the command that fetches them."""

from pathlib import Path

import pytest

from gateway.home.weights import CATALOGUE, WeightFile, Weights, WeightsMissing, entry_of

WEIGHTS = Weights(
    "tiny", "tiny", "none", "tiny", "1", "tiny", 1, (WeightFile("model.bin", 4096, "00" * 32),), "model.bin"
)


def test_whole_weights_are_found_by_their_entry(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/model.bin").write_bytes(bytes(4096))

    assert tmp_path / "tiny/model.bin" == entry_of(WEIGHTS, tmp_path)


@pytest.mark.parametrize(("size", "problem"), [(None, "is not there"), (3, "has 3 of 4096 bytes")])
def test_missing_or_half_weights_name_the_command(tmp_path: Path, size: int | None, problem: str) -> None:
    if size is not None:
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny/model.bin").write_bytes(bytes(size))

    with pytest.raises(WeightsMissing, match=f"{problem}: run `ppai pull tiny`"):
        entry_of(WEIGHTS, tmp_path)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_catalogue_is_consistent(name: str) -> None:
    weights = CATALOGUE[name]

    assert name == weights.name
    assert weights.entry in {"", *(file.path for file in weights.files)}
    assert all(len(bytes.fromhex(file.sha256)) == 32 and file.size_bytes > 0 for file in weights.files)
