"""What a collector is told of requests, over a real socket."""

import asyncio
import threading
from collections.abc import Callable
from time import monotonic

import pytest

from gateway.telemetry import genai
from gateway.telemetry.counts import SERIES_LIMIT
from gateway.telemetry.otel import Ended, OtelConfig
from gateway.telemetry.tracing import ERROR_CHARS, OpenTelemetry
from tests.collector import Collector, Span, collecting

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
ANSWERED = Ended("ok", None, 0.5, 2.5, 7, 5)


async def told(*, across: bool = True, does: Callable[[OpenTelemetry], None]) -> Collector:
    """What a collector has after a peer did this, and ended."""
    with collecting() as collector:
        tracing = OpenTelemetry(OtelConfig(collector.url, across), "ada")
        does(tracing)
        await tracing.close()
    return collector


def one_request(tracing: OpenTelemetry) -> None:
    trace = tracing.request("chat/completions", {"traceparent": TRACEPARENT})
    trace.attempt("qwen3:8b", "ollama", "ada", may_tell=False)
    trace.attempt_ended(Ended("failed", "engine_unreachable", None, 0.1, 7, 0))
    trace.attempt("qwen3:32b", "ppai", "ben", may_tell=True)
    trace.attempt_ended(ANSWERED)
    trace.ended("auto", "ok", "best", 2)


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


async def test_a_request_is_a_span_and_each_attempt_one_below_it() -> None:
    collector = await told(does=one_request)

    spans = by_name(collector.spans)
    whole, failed, answered = spans["chat auto"], spans["chat qwen3:8b"], spans["chat qwen3:32b"]
    assert {TRACE} == {span.trace for span in collector.spans}
    assert (PARENT, whole.id, whole.id) == (whole.parent, failed.parent, answered.parent)
    assert (2, 3, 3) == (whole.kind, failed.kind, answered.kind)
    assert (False, True, False) == (whole.failed, failed.failed, answered.failed)
    assert ("ok", "best", 2) == tuple(whole.attributes[f"ppai.{key}"] for key in ("status", "reason", "attempts"))
    assert "engine_unreachable" == failed.attributes[genai.ERROR]
    expected = {
        genai.OPERATION: "chat", genai.PROVIDER: "ppai", genai.REQUEST_MODEL: "qwen3:32b", genai.FIRST_CHUNK_S: 0.5,
        genai.INPUT_TOKENS: 7, genai.OUTPUT_TOKENS: 5, "ppai.peer": "ben",
    }  # fmt: skip
    assert expected.items() <= answered.attributes.items()


async def test_metrics_have_the_conventions_names_and_our_bounds() -> None:
    def does(tracing: OpenTelemetry) -> None:
        one_request(tracing)
        tracing.served({}, is_known=True).ended("chat/completions", "small", ANSWERED)

    collector = await told(does=does)

    counts = {
        name: sum(point.count for point in collector.metrics["ada", name])
        for name in (genai.CLIENT_DURATION, genai.CLIENT_FIRST_CHUNK, genai.CLIENT_TOKENS, genai.SERVER_DURATION)
    }
    assert [2, 1, 2, 1] == [*counts.values()]
    [per_token] = collector.metrics["ada", genai.SERVER_PER_TOKEN]
    assert (0.5, list(genai.TOKEN_BOUNDS_S)) == (per_token.sum, list(per_token.explicit_bounds))


async def test_a_code_that_others_make_up_is_a_line_and_makes_a_bounded_number_of_series() -> None:
    """A refusal's code is the other peer's word."""

    def does(tracing: OpenTelemetry) -> None:
        for number in range(200):
            trace = tracing.served({}, is_known=True)
            trace.ended("chat/completions", "small", Ended("failed", f"{number}\n\x1b[2J" + "x" * 999, None, 0.1, 7, 0))

    collector = await told(does=does)

    codes = {str(span.attributes[genai.ERROR]) for span in collector.spans}
    assert all(code.isprintable() and len(code) <= ERROR_CHARS for code in codes)
    assert SERIES_LIMIT + 1 == len(codes) == len(collector.metrics["ada", genai.SERVER_DURATION])


async def test_an_answer_without_tokens_is_no_answer_of_zero_tokens() -> None:
    def does(tracing: OpenTelemetry) -> None:
        trace = tracing.request("rerank", {})
        trace.attempt("ranker", "vllm", "ada", may_tell=False)
        trace.attempt_ended(Ended("ok", None, None, 0.1, 0, 0))
        trace.ended("auto", "ok", "endpoint:rerank", 1)

    collector = await told(does=does)

    assert ("ada", genai.CLIENT_DURATION) in collector.metrics
    assert ("ada", genai.CLIENT_TOKENS) not in collector.metrics


@pytest.mark.parametrize(
    ("across", "may_tell", "handed_on"), [(True, True, True), (True, False, False), (False, True, False)]
)
async def test_a_trace_is_handed_on_to_known_peers_where_the_owner_says_so(
    across: bool, may_tell: bool, handed_on: bool
) -> None:
    headers: list[dict[str, str]] = []

    def does(tracing: OpenTelemetry) -> None:
        trace = tracing.request("chat/completions", {"traceparent": TRACEPARENT, "tracestate": "vendor=secret"})
        headers.append(dict(trace.attempt("small", "ppai", "ben", may_tell=may_tell)))
        trace.attempt_ended(ANSWERED)
        trace.ended("auto", "ok", "best", 1)

    collector = await told(across=across, does=does)

    attempt = by_name(collector.spans)["chat small"]
    assert [{"traceparent": f"00-{TRACE}-{attempt.id}-01"} if handed_on else {}] == headers


@pytest.mark.parametrize(
    ("across", "is_known", "goes_on"), [(True, True, True), (True, False, False), (False, True, False)]
)
async def test_a_trace_is_gone_on_with_for_known_peers_where_the_owner_says_so(
    across: bool, is_known: bool, goes_on: bool
) -> None:
    def does(tracing: OpenTelemetry) -> None:
        trace = tracing.served({"traceparent": TRACEPARENT}, is_known=is_known)
        trace.ended("chat/completions", "small", ANSWERED)

    [span] = (await told(across=across, does=does)).spans

    assert goes_on == (span.trace == TRACE)
    assert (PARENT if goes_on else "") == span.parent


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 100_000])
async def test_a_header_that_is_no_trace_begins_a_new_one(header: str) -> None:
    def does(tracing: OpenTelemetry) -> None:
        tracing.request("embeddings", {"traceparent": header}).ended("auto", "ok", "best", 1)

    [span] = (await told(does=does)).spans

    assert ("embeddings auto", "") == (span.name, span.parent)


async def test_a_collector_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    tracing = OpenTelemetry(OtelConfig("http://127.0.0.1:9"), "ada", close_s=0.1)
    one_request(tracing)
    before, began = set(threading.enumerate()), monotonic()

    await tracing.close()

    assert monotonic() - began < 1
    for thread in set(threading.enumerate()) - before:
        if thread.daemon:  # it tries again, after pauses of random length: no later test is to see them drawn
            await asyncio.to_thread(thread.join)
