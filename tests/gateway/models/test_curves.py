"""The curves and the rows that they were fitted to."""

import pytest

from gateway.models.curves import BENCHMARKS, GROUPS, anchor, dated, own_above, read_rows, year_of

HEAD = "\t".join(["model", "kind", "parameters_b", "active_b", "released", *BENCHMARKS, "source"])


def table(*lines: dict[str, str]) -> str:
    return "\n".join([HEAD, *("\t".join(line.get(column, "") for column in HEAD.split("\t")) for line in lines)])


ROW = {"model": "Qwen3-30B-A3B", "kind": "instruct", "parameters_b": "30", "active_b": "3", "released": "2025-04"}


def test_a_row_is_read_as_its_name_is() -> None:
    [row] = read_rows(table({**ROW, "math": "80.1", "source": "a page"}))

    assert ((("qwen", "3"),), "instruct", 30e9, {"math": 80.1}) == (row.family, row.kind, row.parameters, row.scores)
    assert pytest.approx(9.49e9, rel=0.01) == row.size
    assert pytest.approx(2025.25) == year_of(row)


def test_dates_of_rows_and_of_names() -> None:
    assert [2025.25, 2025.5, 2024.0] == pytest.approx([dated("2025-04"), dated("2507"), dated("2024")])


@pytest.mark.parametrize("group", GROUPS)
def test_larger_and_newer_and_thinking_is_never_worse(group: str) -> None:
    small = anchor(group, 1e9, 2024.5, False)

    assert anchor(group, 2e9, 2024.5, False) > small
    assert anchor(group, 1e9, 2025.5, False) > small
    assert anchor(group, 1e9, 2024.5, True) >= small - 0.05


def test_what_a_row_is_above_the_curve() -> None:
    """Drawn to the curve by half a result; a group without a result says nothing."""
    [row] = read_rows(table({**ROW, "math": "99"}))

    whole = 4.595 - BENCHMARKS["math"].logit(row.size, year_of(row), False)
    assert pytest.approx(whole / 1.5, abs=0.01) == own_above(row, "maths")
    assert own_above(row, "code") is None


def test_no_group_tells_of_what_has_no_curve() -> None:
    assert {name for names in GROUPS.values() for name in names} == set(BENCHMARKS)
