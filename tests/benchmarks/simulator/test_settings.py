"""The settings file."""

from pathlib import Path

import pytest

from benchmarks.simulator.settings import SettingsError, read


def test_settings_name_an_unknown_key(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("seeds: [1]\nsneed: 2\n", encoding="utf-8")

    with pytest.raises(SettingsError, match="sneed"):
        read(bad)
