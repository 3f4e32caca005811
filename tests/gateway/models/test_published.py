"""The table that ships: each row names its pages, and the curves are what it says."""

import csv
import io
from typing import get_args

from gateway.models.claims import Kind
from gateway.models.curves import BENCHMARKS, read_rows
from gateway.models.published import published_text, shipped_priors


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(published_text()), delimiter="\t"))


def test_each_row_has_a_figure_and_names_the_pages_where_it_was_read() -> None:
    found = rows()

    assert len(found) > 300
    assert [] == [row["model"] for row in found if not row["source"]]
    assert [] == [row["model"] for row in found if not any(row[name] for name in BENCHMARKS)]
    assert all(0 < float(row[name]) <= 100 for row in found for name in BENCHMARKS if row[name])


def test_each_row_is_of_a_kind_that_is_known() -> None:
    assert {row["kind"] for row in rows()} <= set(get_args(Kind))


def test_it_is_read_once() -> None:
    assert shipped_priors() is shipped_priors()
    assert len(rows()) == len(read_rows(published_text()))
