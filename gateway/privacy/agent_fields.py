"""Which fields of Responses and Messages may leave this machine (P); fields.py judges by these tables.

No other machine keeps what it was asked: what travels says `store: false`, and what needs a stored answer stays here.
"""

from collections.abc import Mapping

from gateway.wire.codec import Fields, raw, view_of

RESPONSES = frozenset(
    {
        *("input", "instructions", "model", "stream", "stream_options", "store", "include", "truncation"),
        *("tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "reasoning", "text", "max_output_tokens"),
        *("temperature", "top_p", "frequency_penalty", "presence_penalty", "top_logprobs"),
    }
)
MESSAGES = frozenset(
    {
        *("messages", "system", "model", "stream", "tools", "tool_choice", "max_tokens", "stop_sequences"),
        *("temperature", "top_p", "thinking", "output_config", "context_management"),
    }
)
AGENTS_TRAVEL: Mapping[str, frozenset[str]] = {
    "responses": RESPONSES,
    "messages": MESSAGES,
    "messages/count_tokens": MESSAGES,
}
AGENTS_DROPPED = frozenset(  # of Responses and Messages, besides
    {
        "client_metadata",
        "prompt_cache_options",
        "cache_control",
        "inference_geo",
        "speed",
        "user_profile_id",
        "workspace_id",
    }
)
STATELESS = {"store": raw(False)}


def keeps(fields: Fields) -> bool:
    """Whether a request for Responses would have its answer kept: they are, where it does not say otherwise."""
    return "store" not in fields or bytes(view_of(fields["store"])) != b"false"
