"""A path that is none here: what it was meant to be."""

import pytest

from gateway.client.entrance.paths import hint, meant

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/chat/completions", CHAT),
        ("/v1/v1/chat/completions", CHAT),
        ("/v1//chat/completions", CHAT),
        ("/v1/chat/completions/", CHAT),
        ("/V1/Chat/Completions", CHAT),
        ("/openai/deployments/gpt/chat/completions", CHAT),  # Azure
        ("/api/v1/chat/completions", CHAT),
        ("/completions", "/v1/completions"),
        ("/v1/completion", "/v1/completions"),  # llama.cpp
        ("/models", "/v1/models"),
        ("/v1//models", "/v1/models"),
        ("/v1/models/", "/v1/models"),
        ("/messages", "/v1/messages"),
        ("/v1/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/api/chat", CHAT),  # Ollama
        ("/api/tags", "/v1/models"),
        ("/api/embed", "/v1/embeddings"),
        ("/v1/files", None),
        ("/audio/speech", "/v1/audio/speech"),
        ("/v1/tokenize", "/tokenize"),
        ("/rerank", "/v1/rerank"),
        ("/", None),
        ("", None),
    ],
)
def test_what_was_meant(path: str, expected: str | None) -> None:
    assert expected == meant(path)


def test_a_path_that_is_here_is_not_asked_about() -> None:
    assert "" == hint(CHAT, "http://x") == hint("/v1/files", "http://x")
    assert "; did you mean http://x/v1/chat/completions?" == hint("/api/chat", "http://x")
