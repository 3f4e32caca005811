"""The picture of the encoders."""

from pathlib import Path

import pytest


def test_the_ladder_is_drawn(tmp_path: Path) -> None:
    """From what the command prints; the cascade costs its share of both encoders."""
    pytest.importorskip("matplotlib", reason="needs the extra `bench`")
    from benchmarks.routing.picture import draw

    row = {"mean": 60.0, "sd": 1.0}
    rungs = {"static": row, "cascade": row, "int8": row}
    told = {"median_ms": {"static": {"64": 0.1}, "int8": {"64": 6.0}}, "handed_on": 0.5}

    draw(tmp_path / "ladder.png", {**told, "outcomes": rungs, "nearest": rungs})

    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")
