"""The real `transformers serve` behind a real peer: it lists no model that is a folder, and streams unasked."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from tests.e2e.peer import PeerProcess
from tests.e2e.vllm_env import is_prepared
from tests.e2e.vllm_server import TransformersServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not is_prepared(), reason="it is not installed: run `python -m tests.e2e.vllm_env`"),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TransformersServer]:
    with TransformersServer(tmp_path_factory.mktemp("transformers") / "serve.log") as server:
        yield server


@pytest.fixture(scope="module")
def client(engine: TransformersServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    settings = tmp_path_factory.mktemp("settings") / "config.yaml"
    settings.write_text(json.dumps({"engine": {"url": engine.url, "serve": [engine.model]}}))
    with PeerProcess(tmp_path_factory.mktemp("peer"), "--config", str(settings)) as process:
        yield OpenAI(base_url=f"{process.wait_ready().url}/v1", api_key="none", timeout=120, max_retries=0)


def test_it_has_no_list(engine: TransformersServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="500"):
        urllib.request.urlopen(f"{engine.url}/v1/models", timeout=10)


ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 6}


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_that_its_owner_names_is_served(client: OpenAI, engine: TransformersServer, named: bool) -> None:
    model = engine.model if named else "auto"
    assert engine.model in {each.id for each in client.models.list()}

    answer = client.chat.completions.create(model=model, **ASKED)
    chunks = list(client.chat.completions.create(model=model, stream=True, **ASKED))

    assert answer.choices[0].message.content and answer.usage and answer.usage.completion_tokens == 6
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert client.completions.create(model=model, prompt="Hello", max_tokens=3).choices[0].text


@pytest.mark.parametrize("asked", [{}, {"stream": False}])
def test_responses_are_whole_unless_a_stream_is_asked_for(client: OpenAI, asked: dict[str, Any]) -> None:
    """It streams where `stream` is left out."""
    answer = client.responses.create(model="auto", input="Say hello.", max_output_tokens=6, **asked)

    assert answer.output_text and "completed" == answer.status


def test_its_streams_of_responses_end_where_their_type_says_so(client: OpenAI) -> None:
    """They name no event, and close without `[DONE]`."""
    events = list(client.responses.create(model="auto", input="Say hello.", max_output_tokens=6, stream=True))

    assert "response.completed" == events[-1].type and "error" not in {event.type for event in events}
