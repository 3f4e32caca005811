"""What a start takes and an idle peer holds, measured on real ones."""

import json
from pathlib import Path

import psutil
import pytest

from benchmarks.gateway.start import main

IDLE_MIB, WITH_ENCODER_MIB = 92.0, 155.0

needs_pss = pytest.mark.skipif(not psutil.LINUX, reason="PSS is read from /proc")


@needs_pss
def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["--rounds", "1", "--against", str(tmp_path)])

    assert f"{tmp_path} is no checkout of PPAI" in capsys.readouterr().err


@needs_pss
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_idle_peer_holds_no_more_memory_than_it_may(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--rounds", "1", "--json"])

    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["idle_mib"] <= IDLE_MIB
    assert row["with_encoder_mib"] <= WITH_ENCODER_MIB
