"""Each kind of wrong input of docs/results/coding-agents.md has a test that is there."""

import re
from pathlib import Path

import pytest

from tests.test_docs import rows, section

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "results" / "coding-agents.md"


@pytest.mark.parametrize("row", rows(section(PAGE, "Odd and wrong input")), ids=lambda row: row[0][:40])
def test_each_test_that_is_named_is_there(row: list[str]) -> None:
    tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row[2])

    assert tests, "each kind has one"
    for path, name in tests:
        assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8")
