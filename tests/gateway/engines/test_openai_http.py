"""The engine client against a scripted engine on a real socket."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from gateway.engines.openai_http import OpenAIEngine
from gateway.upstream import Patience, UpstreamError
from tests.fakes import ScriptedEngine

PATIENCE = Patience(first_event_s=2, idle_s=2, whole_s=2)
STREAM = b'{"messages":[{"role":"user","content":"hi"}],"stream":true}'
WHOLE = b'{"messages":[{"role":"user","content":"hi"}]}'
VLLM_METRICS = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 9.0
"""


async def test_state_names_models_context_and_load() -> None:
    async with ScriptedEngine(metrics=VLLM_METRICS, context_tokens=1024).serving() as fake:
        engine = OpenAIEngine(fake.url + "/v1/")

        await engine.refresh()

    assert engine.state.is_ready
    assert [("scripted-1", 1024)] == [(model.id, model.context_tokens) for model in engine.state.models]
    assert ("vllm", 5, 4, "metrics") == (
        engine.state.family,
        engine.state.running,
        engine.state.waiting,
        engine.state.load_source,
    )


@pytest.mark.parametrize(
    ("user", "api_key", "sent"), [("bob:hunter2@", "", "Basic Ym9iOmh1bnRlcjI="), ("", "hunter2", "Bearer hunter2")]
)
async def test_credentials_go_with_every_request_to_the_engine_alike_and_stand_in_no_word_about_it(
    user: str, api_key: str, sent: str
) -> None:
    """Discovery, probes of its pages and chats; problems and errors of any kind."""
    async with ScriptedEngine(cut_after=1).serving() as fake:
        engine = OpenAIEngine(fake.url.replace("//", f"//{user}"), api_key=api_key)
        await engine.refresh()
        with pytest.raises(UpstreamError) as cut:
            async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE) as reply:
                [event async for event in reply.events()]
    await engine.refresh()
    with pytest.raises(UpstreamError) as gone:
        async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE):
            pass

    assert {"/v1/models", "/metrics", "/openapi.json", "/v1/chat/completions"} == set(fake.paths)
    assert {sent} == fake.authorizations
    assert "hunter2" not in f"{cut.value} {gone.value} {engine.state} {engine.url}"


async def test_jobs_of_others_are_those_beyond_ours() -> None:
    async with ScriptedEngine(metrics=VLLM_METRICS, token_s=5).serving() as fake:
        engine = OpenAIEngine(fake.url)
        await engine.refresh()
        assert 9 == engine.state.others

        async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE):
            await engine.refresh()

    assert 8 == engine.state.others


async def test_without_metrics_the_own_count_is_the_load() -> None:
    async with ScriptedEngine(token_s=5).serving() as fake:
        engine = OpenAIEngine(fake.url, slots=1)
        await engine.refresh()

        async with (
            engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE),
            engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE),
        ):
            await engine.refresh()

    assert (1, 1, "own count") == (engine.state.running, engine.state.waiting, engine.state.load_source)


def gauges(running: int, waiting: int) -> str:
    return f"vllm:num_requests_running {running}\nvllm:num_requests_waiting {waiting}\n"


async def test_the_load_of_engines_behind_a_router_is_read_at_the_engines_and_added() -> None:
    """The router's own gauges say something else. Its key is not sent to the engines."""
    async with (
        ScriptedEngine(metrics=gauges(1, 0)).serving() as router,
        ScriptedEngine(metrics=gauges(3, 4)).serving() as first,
        ScriptedEngine(metrics=gauges(2, 0)).serving() as second,
    ):
        pages = (first.url, f"{second.url}/metrics")
        engine = OpenAIEngine(router.url, api_key="hunter2", slots=16, metrics_urls=pages)
        await engine.refresh()
        whole = engine.state
        second.metrics = None
        await engine.refresh()

    assert (5, 4, 9, "metrics", 16) == (whole.running, whole.waiting, whole.others, whole.load_source, whole.slots)
    assert (0, 0, "own count") == (engine.state.running, engine.state.waiting, engine.state.load_source)
    assert {"/metrics"} == {*first.paths, *second.paths}
    assert ({None}, {None}) == (first.authorizations, second.authorizations)


async def test_an_engine_that_is_not_there_is_named_with_the_remedy() -> None:
    engine = OpenAIEngine("http://127.0.0.1:9")

    await engine.refresh()

    assert not engine.state.is_ready
    assert "start it, or name another with --engine URL" in (engine.state.problem or "")
    with pytest.raises(UpstreamError) as caught:
        async with engine.open("chat/completions", (WHOLE,), {}, stream=False, patience=PATIENCE):
            pass
    assert (502, "engine_unreachable") == (caught.value.status, caught.value.code)


async def test_another_peer_is_no_engine() -> None:
    async with ScriptedEngine(owned_by="ppai").serving() as fake:
        engine = OpenAIEngine(fake.url)

        await engine.refresh()

    assert "another PPAI peer" in (engine.state.problem or "")


async def test_a_stream_ends_with_done() -> None:
    async with ScriptedEngine().serving() as fake:
        engine = OpenAIEngine(fake.url)
        async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE) as reply:
            events = [event async for event in reply.events()]

    assert events[-1].is_done
    assert 4 + 2 + 1 == len(events)


@pytest.mark.parametrize("cut_after", [0, 3])
async def test_a_cut_stream_is_an_error_and_never_an_end(cut_after: int) -> None:
    async with ScriptedEngine(cut_after=cut_after).serving() as fake:
        engine = OpenAIEngine(fake.url)
        got = []
        with pytest.raises(UpstreamError, match="too early") as caught:
            async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE) as reply:
                async for event in reply.events():
                    got.append(event)  # noqa: PERF401 - what came before the error must be kept

    assert "stream_cut_short" == caught.value.code
    assert cut_after == len(got)


async def test_a_stalled_stream_times_out() -> None:
    async with ScriptedEngine(token_s=30).serving() as fake:
        engine = OpenAIEngine(fake.url)
        with pytest.raises(UpstreamError, match=r"sent nothing for 0\.05 s") as caught:
            async with engine.open(
                "chat/completions", (STREAM,), {}, stream=True, patience=Patience(2, 0.05, 2)
            ) as reply:
                async for _ in reply.events():
                    pass

    assert "engine_timeout" == caught.value.code


async def test_leaving_hangs_up_on_the_engine() -> None:
    """Before the first event, and in mid-stream: the engine notices within a second."""
    async with ScriptedEngine(token_s=30).serving() as fake:
        engine = OpenAIEngine(fake.url)
        async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE) as reply:
            await anext(reply.events())

        await fake.until(lambda e: e.active == 0, timeout_s=1)
        assert 0 == engine.in_flight


async def test_connections_survive_streams_on_engines_that_keep_them() -> None:
    async with ScriptedEngine().serving() as fake:
        engine = OpenAIEngine(fake.url)
        for _ in range(20):
            async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE) as reply:
                assert [e async for e in reply.events()][-1].is_done

    assert 20 == len(fake.asked)


async def test_llamacpp_connections_are_never_reused() -> None:
    """It closes them after a stream while promising to keep them (measured: every second request failed)."""
    async with ScriptedEngine(owned_by="llamacpp").serving() as fake:
        engine = OpenAIEngine(fake.url)
        engine.state = type(engine.state)(problem=None, family="llamacpp")
        async with engine.open("chat/completions", (STREAM,), {}, stream=True, patience=PATIENCE) as reply:
            assert [e async for e in reply.events()][-1].is_done

    assert "close" == fake.request_headers[0]["connection"]


@pytest.mark.parametrize("root", ["/v3", "/api", "/v1", ""])
async def test_an_api_may_be_at_another_root_than_v1(root: str) -> None:
    """The URL is tried with /v1 behind it, and as it was given: OpenVINO's API is at /v3, Open WebUI's at /api."""
    at = root or "/v1"
    pages = {f"{at}/models": {"data": [{"id": "m"}]}, f"{at}/chat/completions": {"choices": []}}
    fake = ScriptedEngine(model="m", pages=pages)
    async with fake.serving() as fake:
        engine = OpenAIEngine(fake.url + root)
        await engine.refresh()
        async with engine.open("chat/completions", (WHOLE,), {}, stream=False, patience=PATIENCE) as reply:
            status = reply.status
        await engine.refresh()

    assert (True, ["m"], 200) == (engine.state.is_ready, [model.id for model in engine.state.models], status)


@pytest.mark.parametrize(("status", "again"), [(400, True), (422, True), (500, False)])
async def test_usage_that_we_ask_for_is_taken_back_where_the_engine_refuses_the_field(status: int, again: bool) -> None:
    """And it is remembered: the next stream is asked for once."""
    refusal = b'{"error":{"message":"Unrecognized request argument supplied: stream_options"}}'
    async with Strict(status=status, error=refusal).serving() as fake:
        engine = OpenAIEngine(fake.url)
        statuses = []
        for _ in range(2):
            async with engine.open("chat/completions", (USED,), {}, stream=True, patience=PATIENCE) as reply:
                statuses.append(reply.status)
                said = b"" if reply.is_stream else await reply.read()

    assert ([200, 200], 3) == (statuses, len(fake.asked)) if again else ([status] * 2, 2) == (statuses, len(fake.asked))
    assert again or refusal == said
    assert not again or [True, False, False] == ["stream_options" in body for body in fake.asked]


async def test_another_mistake_in_a_stream_is_told_as_the_engine_told_it() -> None:
    async with ScriptedEngine(status=400, error=b'{"error":{"message":"too long"}}').serving() as fake:
        engine = OpenAIEngine(fake.url)
        async with engine.open("chat/completions", (USED,), {}, stream=True, patience=PATIENCE) as reply:
            said = reply.status, await reply.read()

    assert (400, b'{"error":{"message":"too long"}}') == said
    assert 1 == len(fake.asked)


USED = b'{"messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}'


class Strict(ScriptedEngine):
    """An engine that knows no `stream_options`."""

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        refused, self.status = self.status, 200
        if b"stream_options" in await request.read():
            self.status = refused
        try:
            return await super()._generate(request)
        finally:
            self.status = refused


@dataclass
class Choosy(ScriptedEngine):
    """An engine that refuses some fields, the first of them by name, in one of the forms of engines."""

    refused: tuple[str, ...] = ()
    form: str = "Unrecognized request argument supplied: {}"

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        for name in self.refused:
            if name in body:
                self.asked.append(body)
                return web.Response(status=400, text=self.form.replace("{}", name), content_type="application/json")
        return await super()._generate(request)


ADAPTIVE: dict[str, Any] = {"thinking": {"type": "adaptive"}, "context_management": {"edits": []}, "max_tokens": 9}
OF_CODERS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (
        "messages",
        {**ADAPTIVE, "output_config": {"effort": "high"}},
        ("context_management", "output_config", "thinking"),
    ),
    ("responses", {"input": "hi", "reasoning": {"summary": "auto"}, "include": ["x"]}, ("include", "reasoning")),
    ("chat/completions", {"reasoning_effort": "high", "parallel_tool_calls": True}, ("reasoning_effort",)),
]
FORMS = [
    ("Unrecognized request argument supplied: {}", True),
    ('{"detail":[{"type":"extra_forbidden","loc":["body","{}"],"msg":"Extra inputs are not permitted"}]}', True),
    ('{"error":{"message":"Input tag \'adaptive\' found","param":"{}"}}', False),
]


@pytest.mark.parametrize(("form", "is_kept_in_mind"), FORMS)
@pytest.mark.parametrize(("endpoint", "fields", "refused"), OF_CODERS, ids=str)
async def test_optional_fields_that_an_engine_refuses_are_left_out_and_it_is_asked_once_more(
    endpoint: str, fields: dict[str, Any], refused: tuple[str, ...], form: str,
    is_kept_in_mind: bool,
) -> None:  # fmt: skip
    """One after the other. That it does not know a field is kept in mind, that it does not like a value is not."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    async with Choosy(refused=refused, form=form).serving() as fake:
        engine = OpenAIEngine(fake.url)
        statuses = []
        for _ in range(2):
            async with engine.open(endpoint, (body,), {}, stream=False, patience=PATIENCE) as reply:
                statuses.append(reply.status)
                await reply.read()

    assert [200, 200] == statuses
    assert len(refused) + 1 + (1 if is_kept_in_mind else len(refused) + 1) == len(fake.asked)
    assert json.loads(body).keys() - set(refused) == fake.asked[-1].keys()


@pytest.mark.parametrize(
    ("fields", "refused"),
    [({"output_config": {"format": {"type": "json_schema"}}}, "output_config"), ({"tools": []}, "tools")],
)
async def test_a_field_that_makes_another_answer_is_not_left_out(fields: dict[str, Any], refused: str) -> None:
    body = json.dumps({"model": "m", "messages": [], "max_tokens": 1, **fields}).encode()
    async with Choosy(refused=(refused,)).serving() as fake:
        engine = OpenAIEngine(fake.url)
        async with engine.open("messages", (body,), {}, stream=False, patience=PATIENCE) as reply:
            said = await reply.read()

    assert (400, 1, True) == (reply.status, len(fake.asked), refused.encode() in said)


async def test_a_refusal_without_end_is_told_after_three_more_tries() -> None:
    names = ("include", "reasoning", "truncation", "metadata", "user")
    body = json.dumps({"model": "m", "input": "hi", **dict.fromkeys(names, "x")}).encode()
    async with Choosy(refused=names).serving() as fake:
        engine = OpenAIEngine(fake.url)
        async with engine.open("responses", (body,), {}, stream=False, patience=PATIENCE) as reply:
            said = await reply.read()

    assert (400, 4, True) == (reply.status, len(fake.asked), b"metadata" in said)


async def test_an_engine_that_loads_is_told_so_in_its_own_words() -> None:
    """llama.cpp answers every page with a 503 until then; what it says of how far it is, is passed on."""
    said = b'{"error":{"code":503,"message":"Loading model, 43 %\\u001b[2J","type":"unavailable_error"}}'

    problems = []
    for body in (said, b""):

        async def loading(request: web.Request, body: bytes = body) -> web.Response:
            return web.Response(status=503, body=body, content_type="application/json")

        app = web.Application()
        app.router.add_route("*", "/{page:.*}", loading)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            engine = OpenAIEngine(url)
            await engine.refresh()
        finally:
            await runner.cleanup()
        problems.append((engine.state.problem or "").replace(url, "URL"))

    is_loading = "the engine at URL is still loading its model"
    assert [f"{is_loading} (it says: Loading model, 43 %[2J)", is_loading] == problems
