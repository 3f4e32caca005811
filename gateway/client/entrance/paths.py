"""What a path that is none here was meant to be (P): its base URL has no `/v1`, or two, or is another API's."""

from gateway.wire.bodies import ENDPOINTS, OTHERS

ENDPOINT_PATHS = {f"/v1/{endpoint}": endpoint for endpoint in ENDPOINTS}
OTHER_PATHS = {path: endpoint for endpoint, path in OTHERS.items()}
_HERE = {**{endpoint: f"/v1/{endpoint}" for endpoint in ENDPOINTS}, **OTHERS, "models": "/v1/models"}
_ELSEWHERE = {  # what programs for other APIs ask: Ollama's, llama.cpp's
    "api/chat": "/v1/chat/completions",
    "api/generate": "/v1/completions",
    "api/embed": "/v1/embeddings",
    "api/embeddings": "/v1/embeddings",
    "api/tags": "/v1/models",
    "api/ps": "/v1/models",
    "api/show": "/v1/models",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
}


def meant(path: str) -> str | None:
    """The path that answers what this one asks for; None where nothing here does.

    Its longest end that is known counts: `/chat/completions`, `/v1/v1/chat/completions`, `/v1//models/`, and Azure's
    `/openai/deployments/NAME/chat/completions`.
    """
    words = [word for word in path.lower().split("/") if word]
    ends = ("/".join(words[at:]) for at in range(len(words)))
    return next((_HERE.get(end) or _ELSEWHERE[end] for end in ends if end in _HERE or end in _ELSEWHERE), None)


def hint(path: str, origin: str) -> str:
    """A question to whoever asked for `path` at this origin (`http://host:port`); empty where nothing is like it."""
    found = meant(path)
    return f"; did you mean {origin}{found}?" if found and found != path else ""
