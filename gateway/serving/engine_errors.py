"""What an engine's error means: whether somebody else may do better, and what the client is told if nobody does."""

import re

from gateway.upstream import RETRYABLE, UpstreamError
from gateway.wire.bodies import ASSUMED
from gateway.wire.claims import wait_s
from gateway.wire.errors import ENDPOINT_MISSING, NO_PATH, is_error_body, message_in, says_model

ABILITY_REFUSED = "ability_refused"
MODEL_UNKNOWN = "upstream_404"  # mostly a model that it served until now
CONTEXT_EXCEEDED = "context_length_exceeded"
LOADING_RETRY_S = 2.0  # s after which to come back to an engine that says 503 alone, as while it loads its model
_JUDGED = (400, 413, 422)  # statuses of a request that the engine has read and does not take
# What vLLM, llama.cpp, Ollama, TGI, SGLang, LM Studio and OpenAI say of a prompt that is too long.
_SAYS_CONTEXT = re.compile(
    r"context (length|size|window)|maximum context|too (long|many tokens)|max_total_tokens|exceeds? the .*context",
    re.IGNORECASE,
)
_SAYS_EMBEDDING = re.compile(r"embed", re.IGNORECASE)
_SAYS_MEDIA = re.compile(r"image|vision|visual|audio|modal|mmproj|media|file|content", re.IGNORECASE)


def read_error(
    status: int, retry_after: str | None, body: bytes, endpoint: str, untold: frozenset[str]
) -> UpstreamError | None:
    """The error of an answer with this status, 400 or more; None where it is the client's own mistake.

    `untold`: abilities that the request needs, and that nobody knew whether the model has.
    """
    words = message_in(body)
    said = body if is_error_body(body) else None
    if untold and _is_refusal_of(untold, status, words):
        shown = status if status < 500 else 422
        return UpstreamError(words, status=shown, code=ABILITY_REFUSED, by_engine=True, is_unsuited=True, said=said)
    if status in _JUDGED and _SAYS_CONTEXT.search(words):
        return UpstreamError(words, status=status, code=CONTEXT_EXCEEDED, by_engine=True, is_unsuited=True, said=said)
    if status not in RETRYABLE:
        return None
    if status in NO_PATH and endpoint not in ASSUMED and not says_model(body):
        return UpstreamError(
            f"the engine behind this peer has no /v1/{endpoint} (it answered {status}); ask /v1/chat/completions",
            status=404,
            code=ENDPOINT_MISSING,
            by_engine=True,
            is_unsuited=True,
        )
    shown = status if status not in (401, 403, 408, 409, 425) else 502  # the client could not act on these
    return UpstreamError(
        words, status=shown, code=f"upstream_{status}", retry_after_s=_come_back_s(status, retry_after), by_engine=True
    )


def _come_back_s(status: int, retry_after: str | None) -> float | None:
    """Seconds after which to come back, where that may help. llama.cpp says none while it loads its model."""
    waits_s = wait_s(retry_after)
    return LOADING_RETRY_S if waits_s is None and status == 503 else waits_s


def _is_refusal_of(untold: frozenset[str], status: int, words: str) -> bool:
    """Whether an error says that the model lacks what was untold. Without embeddings there may be no such path."""
    if "embeddings" in untold:
        return status in (404, 405, 501) or bool(_SAYS_EMBEDDING.search(words))
    return bool(_SAYS_MEDIA.search(words))
