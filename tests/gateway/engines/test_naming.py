"""A model whose id no card can hold is served all the same: by a name to the network, by its id to its engine."""

import json

import pytest

from gateway.engines.engine_state import EngineModel
from gateway.engines.local import EngineConfig, LocalEngine
from gateway.engines.naming import asking_by_id, ids_by_name
from gateway.upstream import Patience, UpstreamError
from tests import agents
from tests.fakes import ScriptedEngine
from tests.gateway.engines.test_local import watched

LONG, STRANGE = "/models/" + "x" * 200, "good\u202eevil\x07"
PATIENCE = Patience(2, 2, 2)


@pytest.mark.parametrize(("model", "name"), [(LONG, LONG[:128]), (STRANGE, "goodevil")])
@pytest.mark.parametrize("stream", [True, False])
async def test_it_is_asked_for_by_name_and_called_by_id(model: str, name: str, stream: bool) -> None:
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
    async with ScriptedEngine(model=model).serving() as fake, watched(fake.url) as watch:
        assert [name] == [model.name for model in watch.engine.state.models]

        async with watch.engine.open("chat/completions", (body,), {}, stream=stream, patience=PATIENCE) as reply:
            events = [event.data async for event in reply.events()] if stream else [await reply.read(), b"[DONE]"]

    assert model == fake.asked[0]["model"]
    assert {name} == {json.loads(data)["model"] for data in events[:-1]}
    assert b"[DONE]" == events[-1]


def test_nearly_every_engine_needs_none_of_it() -> None:
    assert {} == ids_by_name([EngineModel("smollm2"), EngineModel("Qwen/Qwen2.5-7B"), EngineModel("m" * 128)])


async def test_a_key_is_sent_to_the_engine_that_was_named_and_to_no_other() -> None:
    """An engine that was found on a port may be anybody's."""
    for named in (True, False):
        async with ScriptedEngine().serving() as fake:
            port = int(fake.url.rpartition(":")[2])
            config = EngineConfig(fake.url if named else "auto", api_key="k")
            engine = LocalEngine(config, lambda: pytest.fail("no other engine is wanted"), {port: "x"})
            await engine._find(None)  # type: ignore[arg-type]

            async with engine.open(
                "chat/completions", (b'{"messages":[]}',), {}, stream=False, patience=PATIENCE
            ) as reply:
                await reply.read()

        assert ("Bearer k" if named else None) == fake.request_headers[0].get("authorization")


@pytest.mark.parametrize("depth", [900, 5000])
def test_what_is_nested_too_deeply_to_be_read_again_is_the_request_s_fault(depth: int) -> None:
    body = b'{"model":"m","tools":' + b"[" * depth + b"]" * depth + b"}"

    def far_down(frames: int) -> None:
        asking_by_id((body,), {"m": "id"}) if not frames else far_down(frames - 1)

    with pytest.raises(UpstreamError) as refused:
        far_down(200)

    assert (400, "invalid_json") == (refused.value.status, refused.value.code)


@pytest.mark.parametrize("endpoint", ["responses", "messages"])
@pytest.mark.parametrize("stream", [True, False])
async def test_its_name_is_given_back_inside_named_events_too(endpoint: str, stream: bool) -> None:
    asked = {"input": "hi"} if endpoint == "responses" else {"messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps({"model": "goodevil", "max_tokens": 9, "stream": stream, **asked}).encode()
    async with (
        ScriptedEngine(model=STRANGE, apis=agents.APIS).serving() as fake,
        watched(fake.url) as watch,
        watch.engine.open(endpoint, (body,), {}, stream=stream, patience=PATIENCE) as reply,
    ):
        said = b"".join([event.raw async for event in reply.events()]) if stream else await reply.read()

    assert STRANGE == fake.asked[0]["model"]
    assert b"goodevil" in said
    assert b"\\u202e" not in said
    assert STRANGE.encode() not in said
