"""The picture of a result."""

from pathlib import Path

import pytest


def test_a_result_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="draws with matplotlib")
    from benchmarks.routing.chart import draw

    row = {"mean": 60.0, "ci": [58.0, 62.0]}
    joining = {size: {"models": {"a/b": {"mean": 0.1}}} for size in ("100", "all")}

    draw({"routers": {"ppai": {"test": row, "ood": row}, "knn": {"test": row, "ood": row}}}, tmp_path / "two.png")
    draw({"routers": {"ppai": {"test": row}}, "leave_one_out": joining}, tmp_path / "joins.png")

    assert all((tmp_path / name).stat().st_size > 5000 for name in ("two.png", "joins.png"))
