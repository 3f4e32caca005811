"""Rows and facts fit into a terminal; in a pipe each is one whole line."""

import pytest

from gateway.cli.layout import Row, fact, table, width

HEAD = Row(("name", "jobs"), "models")
ROWS = [Row(("ada", "7"), "small, large"), Row(("ben", "12"))]
WIDE = [Row(("a name that is long", "7"), "Qwen2.5-Coder-7B-Instruct-Q4_K_M.gguf, another-model-of-some-length")]


def test_rows_stand_in_columns_with_their_tails_beside_them() -> None:
    assert ["name  jobs  models", "ada      7  small, large", "ben     12"] == table(HEAD, ROWS, 80, right=(1,))


def test_what_does_not_fit_stands_below_its_row_with_words_whole() -> None:
    expected = [
        "name                 jobs",
        "a name that is long  7",
        "    Qwen2.5-Coder-7B-Instruct-Q4_K_M.gguf,",
        "    another-model-of-some-length",
    ]

    assert expected == table(HEAD, WIDE, 50)


def test_cells_are_cut_where_even_they_are_too_wide() -> None:
    assert ["name              jobs", "a name that i...  7"] == table(HEAD, [Row(WIDE[0].cells)], 22)


def test_a_pipe_gets_one_line_a_row_however_long() -> None:
    head, row = table(HEAD, WIDE, None)

    assert row.endswith("Q4_K_M.gguf, another-model-of-some-length")
    assert head.endswith("models")


def test_wide_characters_take_two_columns_and_steer_nothing() -> None:
    rows = [Row(("工作站", "1")), Row(("b\x1b[2J\nx", "2"))]

    assert ["name    jobs  models", "工作站  1", "b[2Jx   2"] == table(HEAD, rows, 80)


def test_a_fact_goes_on_under_its_text() -> None:
    assert ["engine     one two three four five six", "           seven"] == fact(
        "engine", "one two three four five six seven", 40
    )
    assert ["engine     " + "word " * 30 + "end"] == fact("engine", "word " * 30 + "end", None)
    assert [] == fact("engine", "", None)


def test_the_width_is_the_terminal_s_and_none_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "91")
    assert width() is None

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert 91 == width()
