"""How long a delegated answer may get where the request does not say (P): some engines go on until somebody stops them.

Who sets no bound gets the protocol's, or what is left of the model's context where that is less. Many engines end with
their context, and refuse a bound that does not fit into it: those get one only where it fits for sure. An engine of no
known family may do either, and gets what is left by our estimate of the prompt, but an eighth of its context at least.
"""

from gateway.wire.codec import raw
from gateway.wire.known import LENGTHS, MAX_TOKENS_LIMIT
from gateway.wire.request import Request

BOUNDS = {  # by endpoint, the field that bounds its answer
    "chat/completions": "max_tokens",
    "completions": "max_tokens",
    "responses": "max_output_tokens",
    "messages": "max_tokens",
}
ENDLESS = frozenset({"ollama", "llamacpp", "lmstudio"})  # families that may forget the beginning and go on
BOUNDED = frozenset({"vllm", "sglang", "tgi", "litellm"})  # families that end by themselves, however little they tell
SPARE = 1.25  # times the tokens that we estimate for a prompt: what it may really have


def bounded(request: Request, family: str, context_tokens: int) -> Request:
    """The request with a bound, if it has none; `context_tokens` of the model that is asked, 0 where nobody knows."""
    name = BOUNDS.get(request.endpoint)
    if request.max_tokens is not None or name is None:
        return request
    limit = _limit(family, context_tokens, request)
    kept = {field: value for field, value in request.fields.items() if field not in {*LENGTHS, name}}
    return request.changed(kept if limit is None else {**kept, name: raw(limit)}, max_tokens=limit)


def _limit(family: str, context_tokens: int, request: Request) -> int | None:
    """`max_tokens`; None where the context ends the answer, and a bound might be refused."""
    if family in ENDLESS or (family not in BOUNDED and not context_tokens):
        return min(MAX_TOKENS_LIMIT, context_tokens or MAX_TOKENS_LIMIT)
    if family not in BOUNDED:
        left = context_tokens - SPARE * request.prompt_tokens
        return min(MAX_TOKENS_LIMIT, int(max(left, context_tokens / 8)))
    fits = request.content.size_bytes + MAX_TOKENS_LIMIT <= context_tokens  # a token takes at least a byte
    return MAX_TOKENS_LIMIT if fits and family != "litellm" else None  # providers refuse more than their models write
