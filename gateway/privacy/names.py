"""Which names of body fields may be said in headers, logs and refusals (P): those that some API or engine is known for.

Any other name was invented by whoever wrote the body, and may hold words of a prompt.
"""

UNKNOWN = "unknown"  # what stands for an invented name

_OPENAI = """
    messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
    metadata modalities models n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention
    reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options temperature
    tool_choice tools top_logprobs top_p user verbosity web_search_options best_of echo prompt suffix input
    encoding_format dimensions endpoint agent body
"""
_ENGINES = """
    add_generation_prompt add_special_tokens allowed_token_ids bad_words cache_prompt cache_salt chat_template
    chat_template_kwargs continue_final_message custom_params documents dry_allowed_length dry_base dry_multiplier
    dynatemp_exponent dynatemp_range ebnf extra_body format grammar guided_choice guided_decoding_backend guided_grammar
    guided_json guided_regex guided_whitespace_pattern id_slot ignore_eos include_reasoning include_stop_str_in_output
    json_schema keep_alive kv_transfer_params length_penalty logits_processors lora lora_path lora_request
    min_keep min_p min_tokens mirostat mirostat_eta mirostat_tau mm_processor_kwargs n_keep n_predict n_probs num_ctx
    options priority prompt_logprobs raw reasoning reasoning_format regex repeat_last_n repeat_penalty
    repetition_penalty request_id return_token_ids return_tokens_as_token_ids rid samplers separate_reasoning
    session_params skip_special_tokens spaces_between_special_tokens stop_token_ids structural_tag structured_outputs
    system t_max_predict_ms tfs_z think thinking thinking_token_budget timings_per_token top_k truncate_prompt_tokens
    typical_p use_beam_search vllm_xargs xtc_probability xtc_threshold
"""
_INSIDE = """
    role content name type text refusal image_url input_audio file video_url audio_url input_text input_image input_file
    image document tool_use tool_result tool_calls tool_call_id reasoning_content id index url detail data file_id
    file_data filename function description parameters strict arguments custom schema include_usage
"""
KNOWN = frozenset(f"{_OPENAI} {_ENGINES} {_INSIDE}".split())


def said(path: str) -> str:
    """The path of a field, such as `messages.image_url`, with `unknown` for every part that is an invented name."""
    return path if path in KNOWN else ".".join(part if part in KNOWN else UNKNOWN for part in path.split(".")[:4])
