"""The tables of the measurement, on a few pages."""

import json

import pytest

from benchmarks.knowledge.__main__ import main
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate


@pytest.mark.slow
def test_few_pages_are_indexed_and_searched(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        locate("encoder", Home.default().weights)
    except WeightsMissing as missing:
        pytest.skip(str(missing))

    assert 0 == main(["--pages", "5", "--pieces", "200", "--asked", "5", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert 5 == found["index"]["pages"]
    assert 0 < found["index"]["searchable_s"] <= found["index"]["indexed_s"]
    assert [200] == [row["pieces"] for row in found["search"]]
    assert found["quality"]["everyday"]["answered"] < 0.1 < 0.7 < found["quality"]["own"]["answered"]
