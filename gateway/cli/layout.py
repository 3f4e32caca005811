"""How the commands lay out what they show: rows under a head, and facts with their names before them.

On a terminal nothing is wider than it. In a pipe nothing is cut or wrapped, so that a line is a record for `grep`.
"""

import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from gateway.wire.text import one_line

GAP = "  "  # between two columns
LEAST = 10  # characters of a cell that are left where a row is too wide
FACT = 11  # columns before a fact, where its name stands

Width = int | None
"""Columns that a line may have; None: any number."""


def width() -> Width:
    """The terminal's; None in a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


@dataclass(frozen=True, slots=True)
class Row:
    """Cells under the head, and a tail that has no column: what is long, such as a list of models."""

    cells: Sequence[str]
    tail: str = ""


def table(
    head: Row, rows: Sequence[Row], columns: Width, right: Collection[int] = (), cut: Sequence[int] = (0,)
) -> list[str]:
    """The head and the rows, in columns; those of the numbers `right` are set to the right.

    A tail stands at the end of its row where every row then fits, else below it, wrapped, and the head's not at all.
    Where the cells alone are too wide, those of the columns `cut` are cut, the widest first, and end in `...`.
    """
    cells = [[one_line(cell) for cell in row.cells] for row in rows]
    tails = [one_line(row.tail) for row in rows]
    widths = [max(map(_cells, column)) for column in zip_longest(head.cells, *cells, fillvalue="")]
    is_one_line = columns is None or _total(widths) + max(map(_with_gap, tails), default=0) <= columns
    while columns is not None and _total(widths) > columns and max(widths[index] for index in cut) > LEAST:
        widths[max(cut, key=lambda index: widths[index])] -= 1
    lines = []
    for row, tail in zip([head.cells, *cells], [head.tail if is_one_line else "", *tails], strict=True):
        line = _line(row, widths, right)
        if is_one_line and tail:
            lines.append(_padded(line, _total(widths)) + GAP + tail)
        else:
            lines += [line, *_wrapped(tail, columns, "    ", "    ")]
    return [line.rstrip() for line in lines]


def fact(name: str, text: str, columns: Width) -> list[str]:
    """`engine     vLLM found on port 8000: ready`, wrapped under its text; a name of "" goes on with the last fact."""
    return _wrapped(one_line(text), columns, f"{name:{FACT}}", " " * FACT)


def _wrapped(text: str, columns: Width, first: str, later: str) -> list[str]:
    """Words are kept whole, so that an address or a model's name can be copied."""
    if columns is None:
        return [first + text] if text else []
    return textwrap.wrap(
        text,
        max(columns, 40),
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    shown = []
    for index, (cell, size) in enumerate(zip_longest(cells, widths, fillvalue="")):
        fitted = _cut(str(cell), int(size))
        shown.append(_padded(fitted, int(size), to_the_right=index in right))
    return GAP.join(shown)


def _cut(text: str, size: int) -> str:
    from rich.cells import set_cell_size

    return text if _cells(text) <= size else set_cell_size(text, size - 3).rstrip() + "..."


def _padded(text: str, size: int, *, to_the_right: bool = False) -> str:
    room = " " * max(0, size - _cells(text))
    return room + text if to_the_right else text + room


def _cells(text: str) -> int:
    """Columns that a text takes on a terminal: two a character of Chinese, Japanese and Korean."""
    from rich.cells import cell_len

    return cell_len(text)


def _with_gap(tail: str) -> int:
    return len(GAP) + _cells(tail) if tail else 0


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)
