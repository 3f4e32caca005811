"""Which names of body fields may be said in headers, logs and refusals (P): those that some API or engine is known for.

Any other name was invented by whoever wrote the body, and may hold words of a prompt.
"""

from gateway.wire.sampling import SAMPLING

UNKNOWN = "unknown"  # what stands for an invented name

_OPENAI = """
    messages model audio frequency_penalty function_call functions logprobs max_completion_tokens max_tokens
    metadata modalities models n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention
    reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options
    temperature tool_choice tools top_logprobs top_p user web_search_options best_of echo prompt suffix input
    encoding_format dimensions endpoint agent body previous_response_id conversation background instructions
    max_output_tokens include text truncation max_tool_calls client_metadata context_management output_config
"""
_ENGINES = """
    cache_prompt cache_salt chat_template custom_params documents extra_body format guided_decoding_backend
    guided_whitespace_pattern id_slot keep_alive kv_transfer_params logits_processors lora lora_path lora_request
    container mcp_servers stop_sequences cache_control inference_geo prompt_cache_options
    mm_processor_kwargs n_keep n_predict num_ctx options priority prompt_logprobs raw request_id rid samplers
    session_params system use_beam_search vllm_xargs
"""
_INSIDE = """
    role content name type text refusal image_url input_audio file video_url audio_url input_text input_image input_file
    image document tool_use tool_result tool_calls tool_call_id reasoning_content id index url detail data file_id
    file_data filename item_reference search_result server_tool_use compaction
    function description parameters strict arguments custom schema include_usage
"""
KNOWN = frozenset(f"{_OPENAI} {_ENGINES} {_INSIDE}".split()) | SAMPLING


def said(path: str) -> str:
    """The path of a field, such as `messages.image_url`, with `unknown` for every part that is an invented name."""
    return path if path in KNOWN else ".".join(part if part in KNOWN else UNKNOWN for part in path.split(".")[:4])
