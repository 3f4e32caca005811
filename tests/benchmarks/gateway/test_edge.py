"""The edge alone answers as the driver wants an engine to."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.gateway.driver import Scenario, drive
from benchmarks.gateway.edge import WORDS
from benchmarks.gateway.targets import EDGE, free_port, started


@pytest.mark.slow
async def test_the_edge_answers_whole_and_in_words(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        started(stack, tmp_path, "edge", port, [sys.executable, str(EDGE), str(port)])
        loads = [await drive(port, scenario, 0.0) for scenario in (Scenario("c2", 2), Scenario("s2", 2, words=WORDS))]

    assert [2, 2] == [len(load.latencies_s) for load in loads]
