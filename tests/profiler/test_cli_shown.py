"""What ppai-profile shows of what was measured, and draws."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import ScriptedEngine
from tests.profiler.commands import knows_all, run, run_process


async def test_show_tells_what_was_measured_without_asking(tmp_path: Path, encoder_folder: Path) -> None:
    async with ScriptedEngine(answer=knows_all).serving() as engine:
        await run(encoder_folder, "--engine", engine.url, "--home", str(tmp_path), "--limit", "23", "--json")
        asked = len(engine.asked)
        code, out, _ = await run(encoder_folder, "show", "--home", str(tmp_path), "--json")

    (report,) = json.loads(out)
    assert (0, 23, 23, asked) == (code, report["questions"], sum(report["evidence"]), 23)


async def test_show_tells_what_a_text_is_about(tmp_path: Path, encoder_folder: Path) -> None:
    code, out, _ = await run(encoder_folder, "show", "Write a Python function that sorts a list", "--json")

    relevance = json.loads(out)["relevance"]
    assert (0, "coding") == (code, relevance[0]["category"])
    assert abs(1.0 - np.sum([row["share"] for row in relevance])) < 0.01


async def test_references_written_later_count_without_asking(tmp_path: Path, encoder_folder: Path) -> None:
    """The set's difficulties change the formula and the report; the stored answers stay."""
    file = tmp_path / "q.jsonl"
    seen = []
    async with ScriptedEngine(answer=lambda body: "2").serving() as engine:
        for reference in ({}, {"reference": 0.75}):
            lines = [{"query": f"{n} + 1?", "task": "sums", "answer": str(n + 1), "grade": "number"} for n in range(4)]
            file.write_text("".join(json.dumps(line | reference) + "\n" for line in lines))
            arguments = "--queries", str(file), "--engine", engine.url, "--home", str(tmp_path), "--json"
            code, out, _ = await run(encoder_folder, *arguments)
            report = json.loads(out)
            seen.append((code, report["asked"], report["method"], report["tasks"]["sums"]["reference"]))

    assert [(0, 4, "shrinkage", None), (0, 0, "control variate", 0.75)] == seen


async def test_show_explains_itself_to_people(tmp_path: Path, encoder_folder: Path) -> None:
    async with ScriptedEngine(answer=knows_all).serving() as engine:
        await run(encoder_folder, "--engine", engine.url, "--home", str(tmp_path), "--limit", "29", "--json")
    _, vector, _ = await run(encoder_folder, "show", "--home", str(tmp_path))
    _, about, _ = await run(encoder_folder, "show", "Which gas do plants take in?", "--home", str(tmp_path))

    assert all(word in vector for word in ("scripted-1: expected accuracy", "strongest: ", "weakest: ", "evidence"))
    assert all(word in about for word in ("science", "cosine", "scripted-1", "expected to be right"))


async def test_the_picture_is_drawn_on_request(tmp_path: Path, encoder_folder: Path) -> None:
    async with ScriptedEngine(answer=knows_all).serving() as engine:
        arguments = "--engine", engine.url, "--home", str(tmp_path), "--limit", "5", "--json"
        code, _, err = await run(encoder_folder, *arguments, "--png", str(tmp_path / "one.png"))
        assert (0, True) == (code, (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")), err

        asked = len(engine.asked)
        code, _, err = await run(encoder_folder, *arguments, "--png", str(tmp_path / "new" / "x.svg"))
        assert (0, True) == (code, (tmp_path / "new" / "x.svg").is_file()), err

        for unwritable in (tmp_path / "one.png" / "x.png", tmp_path / "x.exe"):
            code, _, err = await run(encoder_folder, *arguments, "--png", str(unwritable))
            assert 1 == code
            assert "cannot write the picture" in err
            assert asked == len(engine.asked)


async def test_without_matplotlib_the_extra_is_named_before_anything_is_asked(
    tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with ScriptedEngine(answer=knows_all).serving() as engine:
        code, _, err = await run_process(
            encoder_folder, "--engine", engine.url, "--home", str(tmp_path), "--png", str(tmp_path / "x.png")
        )

    assert (1, []) == (code, engine.asked)
    assert "pip install 'ppai[plot]'" in err
