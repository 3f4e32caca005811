"""An engine's error is the client's own mistake, or somebody else may do better."""

import json
from pathlib import Path

import pytest

from gateway.serving.engine_errors import ABILITY_REFUSED, read_error
from gateway.wire.errors import InvalidRequest
from tests.fakes import ScriptedEngine
from tests.gateway.serving.desk import PICTURE, desk

IMAGE, EMBEDDINGS = frozenset({"image"}), frozenset({"embeddings"})


def body(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "message", "untold", "expected"),
    [
        (400, "temperature is too high", frozenset(), None),
        (422, "n must be 1", frozenset(), None),
        (400, "temperature is too high", IMAGE, None),
        (
            400,
            "This model's maximum context length is 4096 tokens",
            frozenset(),
            (400, "context_length_exceeded", True),
        ),
        (413, "the request exceeds the available context size", frozenset(), (413, "context_length_exceeded", True)),
        (400, "At most 0 image(s) may be provided in one prompt.", IMAGE, (400, ABILITY_REFUSED, True)),
        (500, "image input is not supported", IMAGE, (422, ABILITY_REFUSED, True)),
        (500, "image input is not supported", frozenset(), (500, "upstream_500", False)),
        (503, "Loading model", frozenset(), (503, "upstream_503", False)),
        (401, "no key", frozenset(), (502, "upstream_401", False)),
        (404, "no such model", frozenset(), (404, "upstream_404", False)),
    ],
)
def test_who_is_at_fault(
    status: int, message: str, untold: frozenset[str], expected: tuple[int, str, bool] | None
) -> None:
    error = read_error(status, None, body(message), "chat/completions", untold)

    assert expected == (error and (error.status, error.code, error.is_unsuited))
    assert error is None or error.by_engine


@pytest.mark.parametrize(
    ("status", "message", "is_refusal"),
    [
        (404, "Not Found", True),
        (501, "no", True),
        (400, "The model does not support Embeddings API", True),
        (500, "this model cannot embed", True),
        (400, "the input is empty", False),
        (503, "Loading model", False),
    ],
)
def test_an_engine_that_may_make_no_embeddings_says_so_in_its_own_way(
    status: int, message: str, is_refusal: bool
) -> None:
    error = read_error(status, None, body(message), "embeddings", EMBEDDINGS)

    assert is_refusal == (error is not None and error.code == ABILITY_REFUSED and error.is_unsuited)


def test_the_engine_s_own_error_object_is_kept_for_the_client() -> None:
    said = body("maximum context length is 4096")

    errors = [read_error(400, None, words, "chat/completions", frozenset()) for words in (said, b"too long")]

    assert [said, None] == [error and error.said for error in errors]


def test_an_endpoint_that_the_engine_has_not_is_named() -> None:
    error = read_error(404, None, b"", "responses", frozenset())

    assert error and (404, "endpoint_not_served") == (error.status, error.code)


def test_when_to_come_back_is_passed_on() -> None:
    error = read_error(429, "7", b"{}", "chat/completions", frozenset())

    assert error and (429, 7.0) == (error.status, error.retry_after_s)


@pytest.mark.parametrize(
    ("status", "said", "told"), [(503, None, 2.0), (503, "nan", 2.0), (503, "9", 9.0), (429, None, None)]
)
def test_an_engine_that_loads_its_model_is_asked_again_soon(status: int, said: str | None, told: float | None) -> None:
    """llama.cpp says 503 and no time; a client's SDK comes back by itself where it is told when."""
    error = read_error(status, said, b'{"error":{"message":"Loading model"}}', "chat/completions", frozenset())

    assert error and told == error.retry_after_s


# --- what an engine does not say is tried ---


async def test_what_an_engine_does_not_say_is_tried_there(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(messages=PICTURE)

    assert (200, "ada") == (client.status, client.headers["x-ppai-peer"])
    assert PICTURE == mine.asked[0]["messages"]


@pytest.mark.parametrize("status", [400, 422, 500, 501])
async def test_an_engine_s_refusal_of_what_it_did_not_say_decides_and_is_remembered(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, status: int
) -> None:
    mine.status, mine.error = status, b'{"error":{"message":"image input is not supported - hint: use an mmproj"}}'
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(messages=PICTURE)
        with pytest.raises(InvalidRequest) as caught:
            await ada.ask(messages=PICTURE)
        mine.status = 200
        text = await ada.ask()

    assert (status if status < 500 else 422) == client.status
    assert "mmproj" in str(client.error["message"])
    assert (422, "capability_missing") == (caught.value.status, caught.value.code)
    assert (200, "ada", 2) == (text.status, text.headers["x-ppai-peer"], len(mine.asked))


async def test_another_mistake_is_no_refusal_of_an_ability(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    mine.status, mine.error = 400, b'{"error":{"message":"temperature is too high"}}'
    async with desk(tmp_path, mine, theirs) as ada:
        answers = [await ada.ask(messages=PICTURE) for _ in range(2)]

    assert [(400, "temperature is too high")] * 2 == [(answer.status, answer.error["message"]) for answer in answers]
    assert 2 == len(mine.asked)


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "`inputs` tokens + `max_new_tokens` must be <= 4096; max_total_tokens is 4096",
        "input length exceeds the context length",
    ],
    ids=["vLLM, OpenAI", "llama.cpp", "TGI", "Ollama"],
)
async def test_a_prompt_too_long_for_one_model_goes_to_another(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, words: str
) -> None:
    """Only the engine counts its tokens. The model is not thought the worse of for its length."""
    mine.status, mine.error = 400, json.dumps({"error": {"message": words, "type": "BadRequestError"}}).encode()
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask()

        assert 0 == ada.node.beliefs[ada.me.id].turns_seen
        ada.node.check("ok", "ok")
    assert (200, "ben", "2") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])


@pytest.mark.parametrize("engine", ["ours", "theirs"])
async def test_an_engine_judges_what_only_by_our_estimate_is_too_long(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, engine: str
) -> None:
    """A prompt between the two estimates, and an answer that may be longer than the context. No engine says no."""
    mine.context_tokens = theirs.context_tokens = 1000
    between = [{"role": "user", "content": "word " * 1400}]  # about 1,400 tokens, at least 700
    async with desk(tmp_path, mine if engine == "ours" else None, theirs) as ada:
        answers = [await ada.ask(messages=between), await ada.ask(max_tokens=32_000), await ada.ask(max_tokens=10**9)]
        with pytest.raises(InvalidRequest) as caught:
            await ada.ask(messages=[{"role": "user", "content": "word " * 9000}])

    pins = engine == "theirs"  # beyond what a peer may be asked for
    assert [200, 200, 422 if pins else 200] == [answer.status for answer in answers]
    assert (400, "context_length_exceeded") == (caught.value.status, caught.value.code)


async def test_a_prompt_too_long_for_all_is_told_in_the_engine_s_words(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    error = b'{"error":{"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}'
    mine.status = theirs.status = 400
    mine.error = theirs.error = error
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask()

    assert (400, error) == (client.status, client.body)
