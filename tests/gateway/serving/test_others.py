"""The endpoints beside chat: who has one answers, our own engine first; who would have it is named."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from aiohttp import web

from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.table import Beliefs
from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.engines.local import EngineConfig
from gateway.models.names import NamesConfig
from gateway.peering.card import OwnEngine, own_agents
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.serving.others import Others
from gateway.serving.recording.lines import CODE_CHARS
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import OtelConfig, Tracing
from gateway.telemetry.route_log import RouteLog
from gateway.telemetry.tracing import OpenTelemetry
from gateway.upstream import Patience, UpstreamError
from gateway.wire.bodies import OTHERS
from gateway.wire.errors import InvalidRequest
from tests.collector import collecting
from tests.garbage import garbage
from tests.gateway.serving.forwarding import Recorder
from tests.media_engine import SPEECH, MediaEngine
from tests.peers import doors_of, party, ready_engine

RERANK = {"query": "q", "documents": ["a"]}


class _NoPeers:
    def asked(self, *asked: object) -> Any:
        raise AssertionError(f"nobody is to be asked: {asked}")


class Counter:
    """Ada's side for such requests, and what she logs."""

    def __init__(self, others: Others, log: RouteLog, telemetry: Telemetry) -> None:
        self._others, self._log, self.telemetry = others, log, telemetry

    async def ask(self, endpoint: str, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Recorder:
        client = Recorder()
        body = json.dumps(fields).encode()
        await self._others.answer(endpoint, "application/json", body, headers or {}, client, "r1")
        return client

    @property
    def lines(self) -> list[dict[str, Any]]:
        return self._log.tail


@asynccontextmanager
async def counter(
    home: Path,
    *engines: MediaEngine,
    configs: tuple[EngineConfig, ...] = (),
    names: NamesConfig | None = None,
    tracing: Tracing | None = None,
) -> AsyncIterator[Counter]:
    """Ada before these engines."""
    async with AsyncExitStack() as stack:
        me = await stack.enter_async_context(party(home / "ada"))
        node = Node(
            "ada", me.gossip, me.admission, policy(SchedulerConfig()), Beliefs(BeliefConfig()), np.random.default_rng(7)
        )
        doors = []
        for number, engine in enumerate(engines):
            await stack.enter_async_context(engine.serving())
            config = configs[number] if configs else EngineConfig()
            local = await stack.enter_async_context(ready_engine(cast(Any, engine), config=config))
            doors.append(Door(local, AdmissionConfig(), time.monotonic, node.own_mean_service_s))
        made = doors_of(*doors)
        own = [OwnEngine(door.engine.name, made.number_of(door), door.engine.state) for door in doors]
        node.serve(own_agents(own, lambda agent, is_shared: {}))
        log = RouteLog(home / "route.jsonl")
        with closing(log):
            telemetry = Telemetry()
            others = Others(
                names or NamesConfig(), Patience(5, 5, 5), node, made, _NoPeers(), telemetry, log,
                clock=time.monotonic, wall_clock=lambda: 1e9, tracing=tracing,
            )  # fmt: skip
            yield Counter(others, log, telemetry)


async def test_the_engine_that_has_it_is_asked(tmp_path: Path) -> None:
    """Of two, by what each tells; the answer says who it was."""
    speaks, ranks = MediaEngine(["audio/speech"], "voice"), MediaEngine(["rerank"], "ranker")
    async with counter(tmp_path, speaks, ranks) as ada:
        ranked = await ada.ask("rerank", {"model": "auto", **RERANK})
        said = await ada.ask("audio/speech", {"input": "hi"})
        line = ada.lines[0]

    assert (200, "ranker", "1") == (ranked.status, ranked.headers["x-ppai-model"], ranked.headers["x-ppai-attempts"])
    assert {"model": "ranker", **RERANK} == json.loads(ranked.body)["heard"]
    assert (200, "audio/wav", SPEECH) == (said.status, said.content_type, said.body)
    assert ("rerank", "ada", "endpoint:rerank", "ok") == tuple(
        line[k] for k in ("endpoint", "peer", "reason", "status")
    )


async def test_while_our_engine_does_not_answer_a_request_is_to_come_again(tmp_path: Path) -> None:
    """Nobody knows what it has; a 404, which no SDK asks again for, would say that it lacks the endpoint."""

    class Silent(MediaEngine):
        async def _models(self, request: web.Request) -> web.Response:
            raise web.HTTPGatewayTimeout

    async with counter(tmp_path, Silent()) as ada:
        said = await ada.ask("audio/speech", {"input": "hi"})

    assert (503, "not_ready", "2") == (said.status, said.error["code"], said.headers["retry-after"])


async def test_a_request_is_counted_once_as_answered_or_as_one_that_nobody_was_asked(tmp_path: Path) -> None:
    async with counter(tmp_path, MediaEngine(["rerank"], "ranker")) as ada:
        await ada.ask("rerank", {"model": "auto", **RERANK})
        await ada.ask("audio/speech", {"input": "hi"})
        metrics = ada.telemetry.exposition().decode()

    counted = [line for line in metrics.splitlines() if line.startswith(("ppai_answers_total{", "ppai_refused_total{"))]
    assert [
        'ppai_answers_total{reason="endpoint",status="ok"} 1.0',
        'ppai_refused_total{code="endpoint_not_served",status="404"} 1.0',
    ] == counted


async def test_a_request_is_a_span_with_one_for_each_engine_that_was_asked(tmp_path: Path) -> None:
    silent, ranks = MediaEngine([], "a", tells=False), MediaEngine(["rerank"], "b", tells=False)
    with collecting() as collector:
        tracing = OpenTelemetry(OtelConfig(collector.url), "ada")
        async with counter(tmp_path, silent, ranks, tracing=tracing) as ada:
            await ada.ask("rerank", {"model": "auto", **RERANK})
        await tracing.close()

    whole = next(span for span in collector.spans if span.kind == 2)
    asked = [(span.name, span.failed) for span in collector.spans if span.parent == whole.id]
    assert ("rerank auto", False, 2) == (whole.name, whole.failed, whole.attributes["ppai.attempts"])
    assert [("rerank a", True), ("rerank b", False)] == asked


async def test_tokenize_is_at_the_root(tmp_path: Path) -> None:
    engine = MediaEngine()
    async with counter(tmp_path, engine) as ada:
        await ada.ask("tokenize", {"content": "hi"})

    assert [("/tokenize", {"content": "hi", "model": "media-1"})] == engine.asked


async def test_an_engine_that_does_not_tell_is_tried_once(tmp_path: Path) -> None:
    """Its refusal is remembered, and the error says what can be done."""
    silent, ranks = MediaEngine([], "a", tells=False), MediaEngine(["rerank"], "b", tells=False)
    async with counter(tmp_path, silent, ranks) as ada:
        answers = [await ada.ask("rerank", RERANK) for _ in range(2)]
        nobody = [await ada.ask("audio/speech", {"input": "hi"}) for _ in range(2)]

    assert [(200, "2"), (200, "1")] == [(each.status, each.headers["x-ppai-attempts"]) for each in answers]
    assert [404, 404] == [each.status for each in nobody]
    assert "`endpoints: [audio/speech]`" in str(nobody[1].error["message"])


@pytest.mark.parametrize("of_model", [True, False])
async def test_the_owner_says_what_an_engine_does_not_tell(tmp_path: Path, of_model: bool) -> None:
    """And then it is not tried for others."""
    said = {"models": {"m": {"endpoints": ("rerank",)}}} if of_model else {"endpoints": ("rerank",)}
    config = msgspec.convert(said, EngineConfig)
    engine = MediaEngine(model="m", tells=False)
    async with counter(tmp_path, engine, configs=(config,)) as ada:
        ranked, said_nothing = await ada.ask("rerank", RERANK), await ada.ask("audio/speech", {"input": "hi"})

    assert (200, 404, 1) == (ranked.status, said_nothing.status, len(engine.asked))


async def test_a_model_s_name_means_what_it_means_elsewhere(tmp_path: Path) -> None:
    """An alias is followed, and an unknown name is a 404 that names the nearest."""
    async with counter(tmp_path, MediaEngine(model="whisper"), names=NamesConfig({"whisper-1": "whisper"})) as ada:
        answer = await ada.ask("rerank", {"model": "whisper-1", **RERANK})
        with pytest.raises(InvalidRequest) as unknown:
            await ada.ask("rerank", {"model": "whispr", **RERANK})

    assert (200, "whisper") == (answer.status, json.loads(answer.body)["heard"]["model"])
    assert (404, "model_not_found", True) == (unknown.value.status, unknown.value.code, "whisper" in str(unknown.value))


async def test_an_engine_that_fails_is_followed_by_the_next(tmp_path: Path) -> None:
    async with counter(tmp_path, MediaEngine(model="a", status=500), MediaEngine(model="b")) as ada:
        answer = await ada.ask("rerank", RERANK)

    assert (200, "b", "2") == (answer.status, answer.headers["x-ppai-model"], answer.headers["x-ppai-attempts"])


async def test_an_engine_that_fails_leaves_nothing_to_the_collector(tmp_path: Path) -> None:
    """An error leads by its traceback to whoever keeps it, and so would the request and its answer stay."""
    async with counter(tmp_path, MediaEngine(model="a", status=500), MediaEngine(model="b")) as ada:
        with garbage() as found:
            await ada.ask("rerank", RERANK)

    assert [] == found


async def test_a_peer_s_code_is_logged_as_text_that_moves_no_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is whatever the peer likes: a terminal would obey it, and a further line would be another's."""

    async def refuse(*_: object) -> None:
        raise UpstreamError("no", code="\x1b[2Jgone\nattempt_ok" + "x" * 200)

    async with counter(tmp_path, MediaEngine()) as ada:
        monkeypatch.setattr(ada._others, "_ask", refuse)
        await ada.ask("rerank", RERANK)

    (said,) = (record.getMessage() for record in caplog.records if "attempt_failed" in record.getMessage())
    assert said.isprintable()
    assert ("[2Jgoneattempt_ok" + "x" * 200)[:CODE_CHARS] == said.partition("code=")[2]


async def test_the_client_s_own_mistake_is_told_and_not_tried_again(tmp_path: Path) -> None:
    second = MediaEngine(model="b")
    async with counter(tmp_path, MediaEngine(model="a", status=422), second) as ada:
        answer = await ada.ask("rerank", RERANK)

    assert (422, []) == (answer.status, second.asked)


async def test_an_answer_that_breaks_off_is_left_incomplete(tmp_path: Path) -> None:
    """Nobody adds an event to a sound."""
    async with counter(tmp_path, MediaEngine(cut_after=4096), MediaEngine(model="b")) as ada:
        said = await ada.ask("audio/speech", {"input": "hi"})
        line = ada.lines[0]

    assert (200, False, SPEECH[:4096]) == (said.status, said.is_complete, said.body)
    assert ("failed", 1) == (line["status"], line["attempts"])


async def test_who_must_stay_here_stays_here(tmp_path: Path) -> None:
    elsewhere = EngineConfig(place="cloud")
    async with counter(tmp_path, MediaEngine(), configs=(elsewhere,)) as ada:
        kept = await ada.ask("rerank", RERANK, {"x-ppai-local-only": "1"})

    assert (404, True) == (kept.status, "`ada` (place)" in str(kept.error["message"]))


def test_every_one_of_them_has_a_path() -> None:
    assert all(path.startswith("/") and endpoint in path for endpoint, path in OTHERS.items())
