"""Fields that engines have beyond OpenAI's (P): how tokens are drawn, and what form an answer must have. With bounds.

Numbers, switches and a few words; a map of numbers for `logit_bias`; schemas, patterns and grammars; what a chat
template is given. Most requests have none of them, and pay nothing: what one has is read by itself.
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.wire.codec import UNREADABLE, Fields, write_fields
from gateway.wire.known import NotKnown, Schema, TokenId, place

NUMBER_LIMIT = 1 << 20  # of any number here, and of what is below zero
BIASES_LIMIT = 1024  # tokens of one `logit_bias`; OpenAI takes 300
TEXTS_LIMIT = 64  # token ids, words and breakers in one list
CHOICES_LIMIT = 1024  # among which an answer must be
PATTERN_CHARS = 16_384  # of a pattern or grammar that an engine compiles
KWARGS_LIMIT = 64  # values that a chat template is given

_NUMBERS = """
    top_k min_p top_a typical_p typical top_n_sigma tfs tfs_z eta_cutoff epsilon_cutoff min_keep
    repetition_penalty repetition_penalty_range repeat_penalty repeat_last_n length_penalty no_repeat_ngram_size
    smoothing_factor smoothing_curve dynatemp_range dynatemp_exponent adaptive_target adaptive_decay
    mirostat mirostat_mode mirostat_tau mirostat_eta xtc_probability xtc_threshold
    dry_multiplier dry_base dry_allowed_length dry_penalty_last_n dry_range
    min_tokens truncate_prompt_tokens thinking_token_budget thinking_budget_tokens t_max_predict_ms
"""
_SWITCHES = """
    ignore_eos include_stop_str_in_output skip_special_tokens spaces_between_special_tokens no_stop_trim
    add_generation_prompt continue_final_message add_special_tokens enable_thinking include_reasoning
    separate_reasoning stream_reasoning return_token_ids return_tokens_as_token_ids timings_per_token
    post_sampling_probs
"""
_Number = Annotated[float, Meta(ge=-NUMBER_LIMIT, le=NUMBER_LIMIT)]
_Words = Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=TEXTS_LIMIT)]
_TokenIds = Annotated[list[TokenId], Meta(max_length=TEXTS_LIMIT)]
_Choices = Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=CHOICES_LIMIT)]
_Pattern = Annotated[str, Meta(max_length=PATTERN_CHARS)]
_Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
_Biases = Annotated[dict[TokenId, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=BIASES_LIMIT)]
_Kwargs = Annotated[dict[Annotated[str, Meta(max_length=64)], Any], Meta(max_length=KWARGS_LIMIT)]
# Arguments of the function that renders a template, one of which is a template: a program for the engine to run.
_NOT_KWARGS = frozenset(
    {
        *("chat_template", "tokenize", "conversation", "messages", "tools", "documents", "tokenizer_kwargs"),
        *("padding", "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask"),
    }
)


class _Closed(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An object with these fields and no others. What is null stays null, and what is missing is not written."""


class _StructuredOutputs(_Closed):
    """vLLM's. A schema in a string is not taken: its depth cannot be seen."""

    json: Schema | UnsetType | None = UNSET
    regex: _Pattern | UnsetType | None = UNSET
    choice: _Choices | UnsetType | None = UNSET
    grammar: _Pattern | UnsetType | None = UNSET
    json_object: bool | UnsetType | None = UNSET
    structural_tag: _Pattern | UnsetType | None = UNSET
    disable_any_whitespace: bool | UnsetType | None = UNSET
    disable_additional_properties: bool | UnsetType | None = UNSET


class _Reasoning(_Closed):
    effort: _Effort | UnsetType | None = UNSET
    max_tokens: _Number | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET
    exclude: bool | UnsetType | None = UNSET


class _Thinking(_Closed):
    type: Literal["enabled", "disabled", "adaptive", "auto"] | UnsetType = UNSET
    budget_tokens: _Number | UnsetType | None = UNSET
    clear_thinking: bool | UnsetType | None = UNSET


_OTHERS: dict[str, Any] = {
    "verbosity": Literal["low", "medium", "high"],
    "think": bool | Literal["low", "medium", "high"],
    "reasoning_format": Literal["none", "auto", "deepseek", "deepseek-legacy"],
    "reasoning": _Reasoning,
    "thinking": _Thinking,
    "n_probs": Annotated[int, Meta(ge=0, le=20)],  # as top_logprobs
    "logit_bias": _Biases,
    "stop_token_ids": _TokenIds,
    "allowed_token_ids": _TokenIds,
    "bad_words": _Words,
    "dry_sequence_breakers": _Words,
    "structured_outputs": _StructuredOutputs,
    "chat_template_kwargs": _Kwargs,
    **dict.fromkeys(("guided_json", "json_schema"), Schema),
    **dict.fromkeys(("guided_regex", "guided_grammar", "regex", "ebnf", "grammar", "structural_tag"), _Pattern),
    "guided_choice": _Choices,
}
_TYPES = {**dict.fromkeys(_NUMBERS.split(), _Number), **dict.fromkeys(_SWITCHES.split(), bool), **_OTHERS}
SAMPLING = frozenset(_TYPES)
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct("Sampling", [(name, kind | None, None) for name, kind in _TYPES.items()])
)


def write_sampling(fields: Fields, others: Collection[str] = ()) -> dict[str, bytes]:
    """Those of a body's `fields`, but for the `others`, that are of this kind and hold fields. Raises NotKnown.

    The plain ones are held against their bounds, and travel as they came.
    """
    if SAMPLING.isdisjoint(fields):
        return {}
    found = {name: value for name, value in fields.items() if name in SAMPLING and name not in others}
    try:
        known = _DECODER.decode(b"".join(write_fields(found)))
    except msgspec.ValidationError as error:
        raise NotKnown(place(str(error))) from error
    except UNREADABLE as error:
        raise NotKnown("unreadable") from error
    if not _NOT_KWARGS.isdisjoint(known.chat_template_kwargs or ()):
        raise NotKnown("chat_template_kwargs")
    values = {name: getattr(known, name) for name in found}
    return {name: msgspec.json.encode(value) for name, value in values.items() if isinstance(value, dict | _Closed)}
