"""What one delegated answer may be, by what was asked (P): events, bytes and seconds, and whether it may call tools.

A peer chooses what it sends us. What it may send is bounded by `max_tokens`, as the request says or as the protocol
does where it says nothing: an answer of five tokens ends after a few dozen events, whatever that peer does.
"""

from functools import lru_cache

import msgspec

from gateway.wire.bodies import AGENT_ENDPOINTS, COUNTING
from gateway.wire.known import MAX_TOKENS_LIMIT
from gateway.wire.request import Request

ANSWER_LIMIT_BYTES = 64 << 20  # base64 embeddings and long logprobs reach tens of MiB
EVENTS_A_TOKEN = 2  # a token that ends a thought or begins a tool call makes two (llama.cpp)
EVENTS_BESIDE = 16  # role, last, usage, [DONE], and empty ones
NAMED_EVENTS_A_TOKEN = 8  # an item of one token is added, begun, written, ended part by part and ended (Responses)
NAMED_EVENTS_BESIDE = 64  # begun, in progress, completed, and pings while the prompt is read
ECHOES = 4  # times that an answer repeats what it was asked and said (`response.created`, ..., `.done`, `.completed`)
BYTES_A_TOKEN = 16 << 10  # with the 20 alternatives that `top_logprobs` may ask for
BYTES_BESIDE = 1 << 20  # one event of any kind, and signs of life
KEPT = 256  # allowances that are remembered: most programs ask for the same again and again
SECONDS_A_TOKEN = 0.25  # slower than this nobody reads along; what an answer in one piece may take comes on top


class Allowance(msgspec.Struct, frozen=True):
    """The most that one answer may be, from its first byte to its receipt."""

    events: int
    limit_bytes: int
    within_s: float
    may_call: bool = False  # tools, of those that the request offers
    may_name: bool = False  # its events, as Responses and Messages do
    tokens: int = MAX_TOKENS_LIMIT  # that its receipt is believed to have written


WIDEST = Allowance(EVENTS_A_TOKEN * MAX_TOKENS_LIMIT + EVENTS_BESIDE, ANSWER_LIMIT_BYTES, 86400.0)


def allowance(request: Request, patience_s: float) -> Allowance:
    """What the answer to this request may be. `patience_s`: for a first event, and for an answer in one piece."""
    endpoint, echoed = request.endpoint, request.content.size_bytes if request.endpoint in AGENT_ENDPOINTS else 0
    return _allowed(endpoint, request.max_tokens, request.choices, echoed, "tools" in request.needs, patience_s)


@lru_cache(KEPT)
def _allowed(
    endpoint: str, max_tokens: int | None, choices: int, echoed: int, may_call: bool, patience_s: float
) -> Allowance:
    """`echoed`: bytes of the request that an answer of this endpoint repeats."""
    if endpoint == "embeddings" or endpoint in COUNTING:  # of no token, however many bytes they have
        return Allowance(EVENTS_BESIDE, ANSWER_LIMIT_BYTES, patience_s, tokens=0)
    tokens = min(max_tokens or MAX_TOKENS_LIMIT, MAX_TOKENS_LIMIT) * choices
    is_named = endpoint in AGENT_ENDPOINTS
    a_token, beside = (NAMED_EVENTS_A_TOKEN, NAMED_EVENTS_BESIDE) if is_named else (EVENTS_A_TOKEN, EVENTS_BESIDE)
    return Allowance(
        events=a_token * tokens + beside,
        limit_bytes=min(BYTES_A_TOKEN * tokens + BYTES_BESIDE + ECHOES * echoed, ANSWER_LIMIT_BYTES),
        within_s=min(SECONDS_A_TOKEN * tokens + patience_s, WIDEST.within_s),
        may_call=may_call,
        may_name=is_named,
        tokens=tokens,
    )
