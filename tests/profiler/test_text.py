"""What an engine says steers neither the terminal nor the tables."""

import io
from typing import Any

import pytest
from rich.console import Console

from gateway.wire import text as gateway_text
from profiler.cli import main
from profiler.engine import EngineError
from profiler.report import explanation, relevance_tables, tables
from profiler.text import _STEERS, cell, visible

EVIL = "m\x1b]0;x\x07\u202e[bold red]\ud800"
REPORT: dict[str, Any] = {
    "model": EVIL, "accuracy": 0.5, "tasks": {}, "categories": {}, "space": "s", "method": "shrinkage",
    "carries_means": True,
}  # fmt: skip


def test_it_is_the_gateway_s_rule() -> None:
    """The two rooms share no file."""
    assert gateway_text._STEERS.pattern == _STEERS.pattern


def test_a_line_keeps_its_words_and_a_table_takes_no_orders() -> None:
    assert ("m]0;x[bold red]", "a\n\tb") == (visible(EVIL), visible("a\r\n\tb"))
    assert r"m]0;x\[bold red]" == cell(EVIL)


@pytest.mark.parametrize(
    "made", [tables(REPORT), relevance_tables({"nearest": 0.5, "categories": {}, "scores": {EVIL: 0.5}})]
)
def test_a_table_shows_a_model_s_name_as_it_is(made: Any) -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(made)

    assert "m]0;x[bold red]" in out.getvalue()
    assert out.getvalue().replace("\n", "").isprintable()


def test_an_explanation_and_an_error_are_printed_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> int:
        raise EngineError(EVIL)

    monkeypatch.setattr("profiler.commands.measure", failing)

    assert 1 == main(["measure"])

    assert "ppai-profile: m]0;x[bold red]\n" == capsys.readouterr().err
    assert explanation(REPORT).startswith(EVIL)
