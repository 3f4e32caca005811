"""What is written of a request: its line, its count, its trace, and never a word of it."""

import asyncio
import gc
import json
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from gateway.serving.recording.requests import Decided
from gateway.telemetry.otel import OtelConfig
from gateway.telemetry.tracing import OpenTelemetry
from gateway.wire.errors import InvalidRequest
from tests.collector import collecting
from tests.fakes import ScriptedEngine
from tests.gateway.serving.desk import CHAT, desk


async def test_the_log_line_says_who_why_and_how_it_went(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "ben"}, stream=True, stream_options={"include_usage": True})

        line = ada.route_log.tail[-1]
        ada.route_log.close()
        assert [line] == [json.loads(written) for written in (tmp_path / "route.jsonl").read_text().splitlines()]
    expected = {
        "at": 1e9, "request": "r1", "endpoint": "chat/completions", "asked": "auto", "peer": "ben",
        "model": "scripted-1", "reason": "pinned", "attempts": 1, "status": "ok", "prompt_tokens": 7, "tokens": 4,
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert ["ben"] == [one["peer"] for one in line["considered"]]
    assert 0 < line["ttft_s"] <= line["latency_s"]


async def test_a_request_is_recorded_while_it_runs_and_with_whom_it_is(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """For the page: who is asked now, though another was asked before, and what was decided among whom."""
    mine.status, theirs.delay_s = 500, 5.0
    async with desk(tmp_path, mine, theirs) as ada:
        asking = asyncio.create_task(ada.ask({"x-ppai-route": "auto"}))
        while not theirs.asked:
            await asyncio.sleep(0.01)
        [running] = ada.route_log.recent.all
        seen = running.is_running, running.line["peer"], running.line["status"]
        asking.cancel()
        await asyncio.wait([asking])

        [ended] = ada.route_log.recent.all
    assert (True, "ben", "running") == seen
    assert (False, "cancelled") == (ended.is_running, ended.line["status"])
    assert [("ada", "failed"), ("ben", "cancelled")] == [(one["peer"], one["status"]) for one in ended.line["tried"]]
    assert isinstance(ended.decided, Decided)
    explained = ended.decided.choice.explained()
    assert {"ada", "ben"} == {row.peer_name for row in (*explained.order, *explained.rest)}


async def test_what_is_kept_of_a_decision_holds_no_word_of_the_request(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Everything that a kept request leads to is looked at, however deep."""
    secret = "the canary sang at noon"
    async with desk(tmp_path, mine, theirs) as ada:
        messages = [{"role": "system", "content": secret}, {"role": "user", "content": f"tell me why {secret}"}]
        await ada.ask(messages=messages)
        seen, ahead = set[int](), list[object](ada.route_log.recent.all)
        texts = []
        while ahead:
            one = ahead.pop()
            if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
                continue
            seen.add(id(one))
            texts += [str(one)] if isinstance(one, str | bytes) else []
            ahead += gc.get_referents(one)

    assert len(texts) > 20
    assert [] == [text for text in texts if secret in text]


async def test_a_request_that_nobody_is_asked_has_its_line_and_its_count(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """A mistake in it (4xx), and nobody there (503)."""
    async with desk(tmp_path, None, theirs) as ada:
        with pytest.raises(InvalidRequest):
            await ada.ask(model="no-such-model")
        client = await ada.ask({"x-ppai-route": "local"})

        lines, metrics = ada.route_log.tail, ada.telemetry.exposition().decode()
    assert 503 == client.status
    assert [(404, "model_not_found"), (503, "not_ready")] == [(line["http_status"], line["reason"]) for line in lines]
    assert {("refused", 0, None)} == {(line["status"], line["attempts"], line["peer"]) for line in lines}
    assert 'ppai_refused_total{code="not_ready",status="503"} 1.0' in metrics


async def test_a_request_is_counted_whole_with_its_decision_its_stages_and_its_wait(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """One request of two attempts is one answer; a person's question who would answer is no decision."""
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "local"}, stream=True)
        await ada.dispatcher.decider.decide("chat/completions", json.dumps(CHAT).encode(), {}, everybody=True)
        theirs.status = 500
        await ada.ask()
        metrics = ada.telemetry.exposition().decode()

    answers = [line for line in metrics.splitlines() if line.startswith("ppai_answers_total{")]
    decided = [line for line in metrics.splitlines() if line.startswith("ppai_decisions_total{")]
    assert 2 == sum(float(line.split()[-1]) for line in answers) == sum(float(line.split()[-1]) for line in decided)
    assert 'ppai_answers_total{reason="pinned",status="ok"} 1.0' in answers
    for counted in (
        'ppai_stage_seconds_count{stage="read"} 3.0',
        'ppai_wait_seconds_count{kind="actual"}',
        'ppai_time_to_first_token_seconds_count{target="local"} 1.0',
        'ppai_time_per_output_token_seconds_count{target="local"} 1.0',
    ):
        assert counted in metrics


@pytest.mark.parametrize(("hers", "his"), [(True, True), (True, False), (False, True)])
async def test_a_request_is_one_trace_over_two_peers_where_both_owners_say_so(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, hers: bool, his: bool
) -> None:
    """Read back from a collector that both send to, and no word of prompt or answer is in what it got."""
    with collecting() as collector:
        tracing = (
            OpenTelemetry(OtelConfig(collector.url, hers), "ada"),
            OpenTelemetry(OtelConfig(collector.url, his), "ben"),
        )
        async with desk(tmp_path, mine, theirs, tracing=tracing) as ada:
            await ada.ask({"x-ppai-route": "ben"}, stream=True)
            with pytest.raises(InvalidRequest):
                await ada.ask(model="no-such-model")
        for one in tracing:
            await one.close()

    spans = {(span.peer, span.kind, span.failed): span for span in collector.spans}
    whole, attempt, served = spans["ada", 2, False], spans["ada", 3, False], spans["ben", 2, False]
    assert (whole.id, whole.trace) == (attempt.parent, attempt.trace)
    assert (hers and his) == ((attempt.id, attempt.trace) == (served.parent, served.trace))
    assert ("chat scripted-1", "chat scripted-1") == (attempt.name, served.name)
    assert "model_not_found" == spans["ada", 2, True].attributes["error.type"]
    assert 1 == sum(point.count for point in collector.metrics["ben", "gen_ai.server.time_to_first_token"])
    assert not [word for word in (b"secret", b"three") if word in collector.raw]


async def test_no_log_holds_what_was_said(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither question nor answer, in the route log, the process log or the metrics."""
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "local"})
        await ada.ask({"x-ppai-route": "ben"}, stream=True)
        metrics = ada.telemetry.exposition().decode()

    written = (tmp_path / "route.jsonl").read_text() + caplog.text + metrics
    assert "secret" not in written
    assert "three" not in written
    assert 'ppai_requests_total{status="ok",target="local"} 1.0' in metrics
    assert 'ppai_requests_total{status="ok",target="remote"} 1.0' in metrics
