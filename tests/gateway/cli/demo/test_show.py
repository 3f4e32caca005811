"""The demo shows what came of this run, and ends with what to type next."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.demo.show import next_steps
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate


def test_the_demo_ends_with_what_to_type_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what puts `ppai` on the path, where it is not."""
    monkeypatch.setenv("PATH", str(tmp_path))
    away = [line.split()[0] for line in next_steps()[1:-1]]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    here = [line.strip() for line in next_steps()[1:-1]]

    assert [".", "ppai", "ppai", "ppai"] == away
    assert ["ppai init", "ppai serve", "ppai ask 'Why is the sky blue?'"] == here


@pytest.mark.slow
def test_nine_of_ten_queries_reach_their_agent_and_more_are_right_than_by_the_model_alone() -> None:
    """The whole demo: real peers, nothing stored, and no answer lost when one of them dies."""
    try:
        [locate(name, Home.default().weights) for name in ("smollm2", "encoder")]
    except WeightsMissing as missing:
        pytest.skip(str(missing))

    command = [sys.executable, "-m", "gateway.cli", "demo"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    said = ran.stdout + ran.stderr
    assert 0 == ran.returncode, said
    (found,) = re.findall(r"(\d+) of 30 reached the right agent", said)
    ((through, alone),) = re.findall(r"Right answers: (\d+) of 30 through the network, (\d+) by", said)
    by_lot = said.count(", tried out by lot: ")  # one in fifty, whatever it asks
    assert int(found) + by_lot >= 27 and int(through) >= int(alone) + 10, said
    assert "of 8 questions 8 were answered, 0 ended in an error" in said
    assert re.search(r"by \w+, which died; \w+ went on,", said)
