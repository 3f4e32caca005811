"""What of the bridge needs no litellm; tests/e2e/test_litellm.py runs the real one."""

import json
from importlib.util import find_spec

import pytest

from gateway.engines.address import Place
from gateway.engines.litellm_bridge import FIELDS, LiteLLMEngine, _described, models_of
from gateway.privacy.fields import TRAVELS
from gateway.upstream import Patience, UpstreamError

PATIENCE = Patience(1, 1, 1)


def test_whatever_another_peer_may_send_litellm_is_asked() -> None:
    assert TRAVELS <= FIELDS


@pytest.mark.parametrize(("said", "place"), [(None, "cloud"), ("here", "here")])
async def test_a_provider_is_not_this_machine_unless_the_owner_says_so(said: Place | None, place: Place) -> None:
    assert place == LiteLLMEngine(("ollama/a",), api_base="http://127.0.0.1:11434", place=said).state.place


def test_models_are_named_in_the_url() -> None:
    assert ("anthropic/a", "bedrock/b") == models_of("litellm:anthropic/a, bedrock/b,")


@pytest.mark.skipif(find_spec("litellm") is not None, reason="litellm is installed here")
async def test_without_litellm_the_remedy_is_told_and_requests_are_refused() -> None:
    engine = LiteLLMEngine(("anthropic/a",))

    await engine.refresh()

    assert "pip install 'ppai[litellm]'" in (engine.state.problem or "")
    assert not engine.state.is_ready
    with pytest.raises(UpstreamError) as caught:
        async with engine.open("chat/completions", (b'{"model":"anthropic/a"}',), {}, stream=False, patience=PATIENCE):
            pass
    assert (503, "no_engine", 0) == (caught.value.status, caught.value.code, engine.in_flight)


@pytest.mark.parametrize("field", ["api_base", "base_url", "custom_llm_provider", "mock_response", "extra_headers"])
async def test_what_litellm_would_obey_is_refused_before_it_hears_of_it(field: str) -> None:
    engine = LiteLLMEngine(("anthropic/a",), api_key="k")
    body = json.dumps({"model": "anthropic/a", "messages": [], field: "http://thief.example"}).encode()

    async with engine.open("chat/completions", (body,), {}, stream=False, patience=PATIENCE) as reply:
        error = json.loads(await reply.read())["error"]

    assert (400, field, "unknown_field") == (reply.status, error["param"], error["code"])


@pytest.mark.parametrize("field", [b"[" * 5000 + b"]" * 5000, b'"\xff"'])
async def test_a_field_that_cannot_be_read_is_the_request_s_fault(field: bytes) -> None:
    """Nobody has read it before: a body is decoded as far as routing needs it."""
    engine = LiteLLMEngine(("anthropic/a",))

    with pytest.raises(UpstreamError) as refused:
        async with engine.open("chat/completions", (b'{"tools":', field, b"}"), {}, stream=False, patience=PATIENCE):
            pass

    assert (400, "invalid_json", 0) == (refused.value.status, refused.value.code, engine.in_flight)


def test_models_are_described_as_litellm_s_map_has_them() -> None:
    told = {
        "a": {"max_input_tokens": 200000, "mode": "chat", "supports_vision": True, "supports_function_calling": True},
        "e": {"max_input_tokens": 8192, "mode": "embedding"},
        "w": {"max_tokens": 4096, "mode": "chat"},
    }

    seen = [_described(f"p/{name}", told) for name in ("a", "e", "w", "unknown")]

    assert [
        (200000, ("text", "tools", "image")),
        (8192, ("embeddings",)),
        (4096, ("text",)),
        (0, ("text", "tools")),
    ] == [(model.context_tokens, model.modalities) for model in seen]
    assert "embeddings" in seen[-1].untold
