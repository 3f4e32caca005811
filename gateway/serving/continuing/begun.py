"""Which answers another agent may go on with, and how what they say is kept (P)."""

from collections.abc import Callable

import msgspec

from gateway.serving.continuing.blocks import Blocks
from gateway.serving.continuing.chunks import Chunks
from gateway.serving.continuing.items import Items
from gateway.serving.continuing.said import Said, says_nothing
from gateway.wire.bodies import AGENT_ENDPOINTS, TURNS
from gateway.wire.codec import UNREADABLE, Fields, view_of
from gateway.wire.request import Request

KINDS: dict[str, Callable[[Request], Said]] = {
    "chat/completions": Chunks,
    "completions": Chunks,
    "messages": Blocks,
    "responses": Items,
}
# Fields of requests whose answers are more than text, that already say how an answer is to go on, or that need what the
# engine keeps.
HOLDING = frozenset(
    {
        *("logprobs", "top_logprobs", "prompt_logprobs", "return_token_ids", "return_tokens_as_token_ids"),
        *("response_format", "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar"),
        *("json_schema", "regex", "ebnf", "grammar", "structural_tag", "format"),
        *("echo", "suffix", "best_of", "use_beam_search", "audio", "function_call"),
        *("continue_final_message", "add_generation_prompt", "raw", "chat_template", "stop_token_ids"),
        *("previous_response_id", "conversation", "background"),
    }
)


def begun(request: Request) -> Said | None:
    """What the answer to this says is kept, if it is of a kind that another agent can go on with."""
    return KINDS[request.endpoint](request) if may_continue(request) else None


def may_continue(request: Request) -> bool:
    """Whether the answer to this is of such a kind, as far as the request tells."""
    if not request.stream or request.endpoint not in KINDS or request.choices > 1:
        return False
    if any(name in request.fields and not says_nothing(request.fields[name]) for name in HOLDING):
        return False
    try:
        if request.endpoint in AGENT_ENDPOINTS and _holds_more(request.fields):
            return False
        if request.endpoint == "completions":
            return bytes(view_of(request.fields["prompt"])[:1]) == b'"'
        turns = view_of(request.fields[TURNS[request.endpoint]])
        if request.endpoint == "responses" and bytes(turns[:1]) == b'"':
            return True
        return _ends_with_another(_TURNS_OF.decode(turns)[-1])
    except (*UNREADABLE, LookupError):
        return False


def _holds_more(fields: Fields) -> bool:
    """Whether a request of Responses or Messages wants a schema, probabilities, or a prompt that its engine keeps."""
    asked = _ASKED.decode(msgspec.json.encode({name: fields[name] for name in _ASKED_NAMES if name in fields}))
    formats = [each.format for each in (asked.text, asked.output_config) if each is not None]
    has_schema = any(each is not None and each.type != "text" for each in formats)
    return "prompt" in fields or has_schema or any("logprobs" in each for each in asked.include or ())


def _ends_with_another(last: "_Turn") -> bool:
    """Whether the last turn is not the model's own, which would be gone on with as it is."""
    return last.type.endswith("_output") or (last.type == "message" and last.role not in ("", "assistant"))


class _Turn(msgspec.Struct):
    role: str = ""
    type: str = "message"


class _Format(msgspec.Struct):
    type: str = "text"


class _Holder(msgspec.Struct):
    format: _Format | None = None


class _Asked(msgspec.Struct):
    text: _Holder | None = None
    output_config: _Holder | None = None
    include: list[str] | None = None


_ASKED = msgspec.json.Decoder(_Asked)
_ASKED_NAMES = ("text", "output_config", "include")
_TURNS_OF = msgspec.json.Decoder(list[_Turn])
