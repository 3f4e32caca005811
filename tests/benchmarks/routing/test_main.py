"""`python -m benchmarks.routing`: the contract of its JSON."""

import json
from pathlib import Path

import numpy as np
import pytest


@pytest.mark.slow
def test_command_prints_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two tasks that words tell apart, two models that share them: ours finds the specialist."""
    pytest.importorskip("torch", reason="needs the extra `train`")
    from benchmarks.routing.__main__ import main

    rng = np.random.default_rng(0)
    words = {"maths": ["sum", "product", "triangle", "integer"], "law": ["court", "contract", "judge", "statute"]}
    for task, right in (("maths", "a"), ("law", "b")):
        rows = [
            {
                "query": f"A {first} and a {second}, number {n}?",
                "task": task,
                "scores": {m: float(m == right) for m in "ab"},
            }
            for n in range(80)
            for first, second in [rng.choice(words[task], 2)]
        ]
        (tmp_path / f"{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    flags = ["--train", str(tmp_path), "--seeds", "1", "--leave-one-out", "--draws", "1", "--strip-format", "--json"]
    code = main([*flags, "--cv", "2"])
    result = json.loads(capsys.readouterr().out)
    apart = main([*flags, "--test", str(tmp_path), "--ood", str(tmp_path)])
    ood = json.loads(capsys.readouterr().out)

    assert (0, 0) == (code, apart)
    assert 100.0 == result["routers"]["ppai"]["test"]["mean"] == result["routers"]["task_oracle"]["test"]["mean"]
    assert {"ppai", "paper", "knn", "ridge", "best_single", "random", "task_oracle", "oracle", "format_only"} == set(
        result["routers"]
    )
    assert {"mean", "ci", "tasks"} == set(result["routers"]["ppai"]["test"])
    assert {"test", "ood", "strip_format"} == set(ood["routers"]["ppai"])
    assert result["leave_one_out"]["all"]["joined"] > result["leave_one_out"]["all"]["without"] + 30
    assert {"a", "b"} == set(result["leave_one_out"]["300"]["models"])
    assert result["wire"]["exact"] == result["wire"]["eight_bits"]
