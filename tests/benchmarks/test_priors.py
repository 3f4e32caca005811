"""What ships is gathered and fitted by one command."""

import json
from pathlib import Path

import pytest

from benchmarks.priors import COLUMNS, fit, gather, kinds, main
from gateway.models.curves import BENCHMARKS, read_rows
from gateway.models.priors import KINDS
from gateway.models.published import published_text

EMPTY = {column: "" for columns in COLUMNS.values() for column in columns}
ROW = EMPTY | {
    "model": "Qwen3-8B", "total_params_b": "8", "active_params_b": "8", "kind": "instruct", "released": "2025-04-29",
    "mode": "non-thinking", "math500": "80", "source": "page a",
}  # fmt: skip


def test_the_curves_in_the_code_are_those_of_the_table_that_ships() -> None:
    rows = read_rows(published_text())

    for name, curve in BENCHMARKS.items():
        found = fit(rows, name)
        assert tuple(curve) == (found["a"], found["b"], found["c"], found["d"]), name
        assert found["err"] < found["null"], name
    assert kinds(rows) == KINDS


def test_sources_of_one_model_and_mode_become_their_median_and_all_are_named() -> None:
    [row] = gather([ROW, ROW | {"math500": "", "math": "90", "source": "page b"}])

    assert ("Qwen3-8B", "instruct", "85.0", "page a; page b") == (row["model"], row["kind"], row["math"], row["source"])


def test_a_model_that_can_think_has_a_row_for_each_mode() -> None:
    found = gather([ROW, ROW | {"mode": "thinking", "kind": "reasoning", "math500": "95"}])

    assert {("instruct", "80.0"), ("reasoning", "95.0")} == {(row["kind"], row["math"]) for row in found}


@pytest.mark.parametrize(
    "left_out",
    [
        {"mode": "TIR"},
        {"total_params_b": ""},
        {"math500": "", "math": "80", "source": "HELM Lite"},
        {"math500": "", "medqa": "24.5", "source": "HELM Lite"},
        {"math500": "", "ifeval_other": "5.9", "model": "phi-4", "source": "Open LLM Leaderboard"},
        {"math500": ""},
    ],
)
def test_what_cannot_be_compared_is_left_out(left_out: dict[str, str]) -> None:
    assert [] == gather([ROW | left_out])


def test_the_last_resort_counts_only_where_nobody_else_has_the_figure() -> None:
    last = ROW | {"math500": "", "ifeval_other": "30", "source": "Open LLM Leaderboard"}

    assert "30.0" == gather([last])[0]["ifeval"]
    assert "70.0" == gather([last, last | {"ifeval_other": "70", "source": "page a"}])[0]["ifeval"]


def test_the_command_writes_the_table_and_prints_the_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gathered, out = tmp_path / "in.tsv", tmp_path / "out.tsv"
    scores = dict.fromkeys(EMPTY, "50")
    found = [
        ROW | {"model": f"{family}3-{size}B", "total_params_b": size, "active_params_b": size} | scores
        for family in ("Qwen", "Llama", "Gemma")
        for size in ("1", "4", "8")
    ]
    gathered.write_text("\n".join(["\t".join(ROW), *("\t".join(row.values()) for row in found)]))

    main(["--gather", str(gathered), "--out", str(out), "--json"])

    assert 10 == len(out.read_text().splitlines())
    assert (9, set(BENCHMARKS)) == ((told := json.loads(capsys.readouterr().out))["rows"], set(told["curves"]))
