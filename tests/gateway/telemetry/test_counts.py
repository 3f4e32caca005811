"""Counts have a bounded number of series, and histograms add up."""

from gateway.telemetry.counts import OTHER, SERIES_LIMIT, Counts, Gathered, Spread


def test_what_others_may_choose_makes_no_series_without_bound() -> None:
    """A peer's word may be an error's code: a thousand words are SERIES_LIMIT series and one for the rest."""
    counts = Counts()
    for number in range(1000):
        counts.add(("503", f"peer_{number}"))

    assert SERIES_LIMIT + 1 == len(counts)
    assert 1000 - SERIES_LIMIT == counts[OTHER, OTHER]


def test_what_was_counted_before_goes_on_being_counted_by_its_name() -> None:
    counts = Counts()
    counts.add(("ok",))
    for number in range(SERIES_LIMIT):
        counts.add((str(number),))
    counts.add(("ok",), 2)

    assert 3 == counts["ok",]


def test_a_histogram_counts_up_to_each_bound_and_all() -> None:
    spread = Spread((1.0, 2.0))
    for values in ([0.5, 9.0], [], [1.5, 1.0]):
        spread.add(values)

    assert [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)] == spread.cumulative()
    assert 12.0 == spread.sum


def test_rows_are_counted_once_by_columns() -> None:
    counted = list[tuple[tuple[int, ...], ...]]()
    gathered = Gathered(lambda *columns: counted.append(columns))
    gathered += [(1, -1), (2, -2)]

    gathered.settle()
    gathered.settle()

    assert [((1, 2), (-1, -2))] == counted
