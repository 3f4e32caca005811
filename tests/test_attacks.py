"""Each attack of docs/results/security.md has tests of state and cost, and a guard without which one of them fails."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.guards import Guard
from tests.test_docs import rows, section

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "results" / "security.md"
SECURITY = TESTS.parent / "SECURITY.md"
LIST = [row for row in rows(section(PAGE, "The list")) if row[0].isdigit()]


def guards() -> list[Guard]:
    """Every guard that is taken out somewhere."""
    tables = sorted(TESTS.rglob("test_guards.py"))
    modules = [import_module(".".join(table.relative_to(TESTS.parent).with_suffix("").parts)) for table in tables]
    return [guard for module in modules for guard in module.GUARDS]


def named(cell: str) -> set[str]:
    """The tests in a cell, from tests/."""
    return set(re.findall(r"`([\w/]+\.py::test_\w+)`", cell))


@pytest.mark.parametrize("row", rows(section(SECURITY, "What holds today")), ids=lambda row: row[0][:40])
def test_a_threat_has_an_answer_and_tests(row: list[str]) -> None:
    threat, holds, _, tests = row

    assert threat and holds
    assert (TESTS.parent / re.findall(r"`([^`]+)`", tests)[0]).is_file()


def test_the_list_is_whole() -> None:
    assert [*range(1, 48)] == [int(row[0]) for row in LIST]


@pytest.mark.parametrize("row", LIST, ids=lambda row: row[0])
def test_an_attack_has_a_test_of_state_and_one_of_cost_and_a_guard_that_they_hold(row: list[str]) -> None:
    number, _, _, state, cost = row

    assert named(state) and named(cost)
    held_by = {guard.held_by for guard in guards() if int(number) in guard.numbers}
    assert held_by, "no guard is taken out for it"
    assert held_by <= named(state) | named(cost), "the test that a guard names stands in its row"


@pytest.mark.parametrize("guard", guards(), ids=lambda guard: guard.attack)
def test_a_guard_stands_where_its_table_says(guard: Guard) -> None:
    """Else nobody hears of it before the next `make test-all`."""
    source = (TESTS.parent / guard.file).read_text(encoding="utf-8")

    assert 1 == source.count(guard.guard)
