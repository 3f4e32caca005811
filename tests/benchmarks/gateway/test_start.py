"""What a start takes and an idle peer holds, measured on real ones."""

import json
from pathlib import Path

import psutil
import pytest

from benchmarks.gateway.start import OTHERS, loading, main

IDLE_MIB, WITH_ENCODER_MIB = 75.0, 140.0

needs_pss = pytest.mark.skipif(not psutil.LINUX, reason="PSS is read from /proc")


@needs_pss
def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["--rounds", "1", "--against", str(tmp_path)])

    assert f"{tmp_path} is no checkout of PPAI" in capsys.readouterr().err


def test_what_loading_took_is_told_by_whose_modules_they_are() -> None:
    said = """starting a peer
import time: self [us] | cumulative | imported package
import time:       500 |       1500 |   numpy._core
import time:      2000 |       3500 | numpy
import time:      1000 |       1000 |     gateway.wire.text
import time:       250 |        250 | _socket
"""

    found = loading(said)

    assert (2.5, 1.0, 0.25) == (found["numpy"], found["ours"], found[OTHERS])
    assert 3.75 == sum(found.values())


@needs_pss
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_idle_peer_holds_no_more_memory_than_it_may(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--rounds", "1", "--json"])

    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["idle_mib"] <= IDLE_MIB
    assert row["with_encoder_mib"] <= WITH_ENCODER_MIB
