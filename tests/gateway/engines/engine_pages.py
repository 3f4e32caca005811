"""What engines' own pages look like, shortened: recorded from the real one, or as its documentation or source shows it.

vLLM 0.32 and llama.cpp (xllamacpp 2026.10) as they run in tests/e2e. SGLang: docs.sglang.io, Production Metrics, its
scheduler's series of ranks and priorities, and /model_info and /server_info as in its notebooks. TGI: its OpenAPI page
and the reference of its metrics. LM Studio: its REST API v0 and v1. Ollama: its OpenAPI page, docs of context and FAQ.
"""

VLLM_METRICS = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
# TYPE vllm:num_requests_waiting_by_reason gauge
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 9.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="deferred"} 0.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
"""

LLAMACPP_METRICS = b"""# HELP llamacpp:predicted_tokens_seconds Average generation throughput in tokens/s.
# TYPE llamacpp:predicted_tokens_seconds gauge
llamacpp:predicted_tokens_seconds 61.2
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2
# HELP llamacpp:requests_deferred Number of requests deferred.
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 3
"""

SGLANG_METRICS = b"""# HELP sglang:token_usage The token usage
# TYPE sglang:token_usage gauge
sglang:token_usage{model_name="meta-llama/Llama-3.1-8B-Instruct"} 0.28
# HELP sglang:num_running_reqs The number of running requests
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="meta-llama/Llama-3.1-8B-Instruct"} 161.0
# HELP sglang:num_used_tokens The number of used tokens
# TYPE sglang:num_used_tokens gauge
sglang:num_used_tokens{model_name="meta-llama/Llama-3.1-8B-Instruct"} 123859.0
# HELP sglang:num_queue_reqs The number of requests in the waiting queue
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{model_name="meta-llama/Llama-3.1-8B-Instruct"} 2826.0
"""

# --enable-metrics-for-all-schedulers, data parallelism of 2 over tensor parallelism of 2, and priorities
SGLANG_METRICS_OF_RANKS = b"""sglang:num_running_reqs{dp_rank="0",pp_rank="0",priority="",tp_rank="0"} 14.0
sglang:num_running_reqs{dp_rank="0",pp_rank="0",priority="",tp_rank="1"} 14.0
sglang:num_running_reqs{dp_rank="0",pp_rank="0",priority="0",tp_rank="0"} 10.0
sglang:num_running_reqs{dp_rank="0",pp_rank="0",priority="-1",tp_rank="0"} 4.0
sglang:num_running_reqs{dp_rank="1",pp_rank="0",priority="",tp_rank="0"} 5.0
sglang:num_running_reqs{dp_rank="1",pp_rank="0",priority="",tp_rank="1"} 5.0
sglang:num_queue_reqs{dp_rank="0",pp_rank="0",priority="",tp_rank="0"} 2.0
sglang:num_queue_reqs{dp_rank="0",pp_rank="0",priority="0",tp_rank="0"} 2.0
sglang:num_queue_reqs{dp_rank="1",pp_rank="0",priority="",tp_rank="0"} 0.0
sglang:num_running_reqs_total 100
"""

TGI_METRICS = b"""# HELP tgi_request_count Total number of requests
# TYPE tgi_request_count counter
tgi_request_count 42
# TYPE tgi_batch_next_size histogram
tgi_batch_next_size_sum 90
# HELP tgi_queue_size Current queue size
# TYPE tgi_queue_size gauge
tgi_queue_size 7
# HELP tgi_batch_current_size Current batch size
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 4
"""

SGLANG_MODELS = {"object": "list", "data": [{"id": "qwen3-0.6b", "object": "model", "created": 1782267439,
    "owned_by": "sglang", "root": "qwen3-0.6b", "parent": None, "max_model_len": 8192}]}  # fmt: skip
SGLANG_MODEL = {"model_path": "/models/Qwen3-0.6B", "served_model_name": "qwen3-0.6b", "is_generation": True,
    "preferred_sampling_params": None, "has_image_understanding": True, "has_audio_understanding": False,
    "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}  # fmt: skip
SGLANG_SERVER = {"version": "0.5.19", "internal_states": [
    {"last_gen_throughput": 129.3, "memory_usage": {"weight": 0.98}, "effective_max_running_requests_per_dp": 128},
    {"last_gen_throughput": 129.3, "memory_usage": {"weight": 0.98}, "effective_max_running_requests_per_dp": 128},
]}  # fmt: skip

TGI_MODELS = {"object": "list", "data": [{"id": "Qwen/Qwen2.5-VL-7B-Instruct", "object": "model", "created": 0,
    "owned_by": "Qwen/Qwen2.5-VL-7B-Instruct"}]}  # fmt: skip
TGI_INFO = {"model_id": "Qwen/Qwen2.5-VL-7B-Instruct", "model_sha": "a09a35458c702b33", "model_pipeline_tag":
    "image-text-to-text", "max_concurrent_requests": 128, "max_best_of": 2, "max_stop_sequences": 4,
    "max_input_tokens": 4096, "max_total_tokens": 8192, "validation_workers": 2, "max_client_batch_size": 4,
    "router": "text-generation-router", "version": "3.3.6"}  # fmt: skip

LM_STUDIO_MODELS = {"object": "list", "data": [
    {"id": "qwen2-vl-7b-instruct", "object": "model", "owned_by": "organization_owner"},
    {"id": "text-embedding-nomic-embed-text-v1.5", "object": "model", "owned_by": "organization_owner"},
    {"id": "qwen/qwen3.5-9b", "object": "model", "owned_by": "organization_owner"},
]}  # fmt: skip
LM_STUDIO_V0 = {"object": "list", "data": [
    {"id": "qwen2-vl-7b-instruct", "object": "model", "type": "vlm", "publisher": "mlx-community",
     "arch": "qwen2_vl", "compatibility_type": "mlx", "quantization": "4bit", "state": "not-loaded",
     "max_context_length": 32768},
    {"id": "text-embedding-nomic-embed-text-v1.5", "object": "model", "type": "embeddings", "publisher": "nomic-ai",
     "arch": "nomic-bert", "compatibility_type": "gguf", "quantization": "Q4_0", "state": "not-loaded",
     "max_context_length": 2048},
    {"id": "qwen/qwen3.5-9b", "object": "model", "type": "llm", "publisher": "qwen", "arch": "qwen35",
     "compatibility_type": "gguf", "quantization": "Q4_K_M", "state": "loaded", "max_context_length": 262144,
     "loaded_context_length": 11346, "capabilities": ["tool_use"]},
]}  # fmt: skip
LM_STUDIO_V1 = {"models": [
    {"type": "llm", "key": "qwen/qwen3.5-9b", "max_context_length": 262144, "loaded_instances": [
        {"id": "qwen/qwen3.5-9b", "config": {"context_length": 11346, "eval_batch_size": 512, "parallel": 4}}]},
    {"type": "embedding", "key": "text-embedding-nomic-embed-text-v1.5", "loaded_instances": []},
]}  # fmt: skip

OLLAMA_MODELS = {"object": "list", "data": [
    {"id": "gemma4:latest", "object": "model", "created": 1759559643, "owned_by": "library"},
    {"id": "nomic-embed-text:latest", "object": "model", "created": 1759559643, "owned_by": "library"},
    {"id": "gpt-oss:120b-cloud", "object": "model", "created": 1759559643, "owned_by": "library"},
]}  # fmt: skip
OLLAMA_TAGS = {"models": [
    {"name": "gemma4:latest", "model": "gemma4:latest", "modified_at": "2025-10-03T23:34:03.409490317-07:00",
     "size": 3338801804, "digest": "a2af6cc3eb7f", "details": {"format": "gguf", "family": "gemma4",
     "families": ["gemma4"], "parameter_size": "4.3B", "quantization_level": "Q4_K_M"}},
    {"name": "nomic-embed-text:latest", "model": "nomic-embed-text:latest", "modified_at":
     "2025-10-03T23:34:03.409490317-07:00", "size": 274302450, "digest": "0a109f422b47", "details": {"format": "gguf",
     "family": "nomic-bert", "families": ["nomic-bert"], "parameter_size": "137M", "quantization_level": "F16"}},
    {"name": "gpt-oss:120b-cloud", "model": "gpt-oss:120b-cloud", "remote_model": "gpt-oss:120b",
     "remote_host": "https://ollama.com:443", "modified_at": "2025-10-03T23:34:03.409490317-07:00", "size": 384,
     "digest": "569662207105", "details": {"format": "", "family": "gptoss", "families": ["gptoss"],
     "parameter_size": "116.8B", "quantization_level": "MXFP4"}},
]}  # fmt: skip
OLLAMA_SHOWN = {
    "gemma4:latest": {
        "parameters": "temperature                    1\nstop                           \"<end_of_turn>\"",
        "license": "Gemma Terms of Use", "modified_at": "2025-08-14T15:49:43.634137516-07:00",
        "details": {"format": "gguf", "family": "gemma4"}, "template": "{{ .Prompt }}",
        "capabilities": ["completion", "vision", "tools", "thinking"],
        "model_info": {"general.architecture": "gemma4", "gemma4.context_length": 131072,
                       "gemma4.vision.image_size": 896, "tokenizer.ggml.tokens": None},
    },
    "nomic-embed-text:latest": {
        "parameters": "num_ctx                        8192",
        "license": "Apache License", "modified_at": "2025-08-14T15:49:43.634137516-07:00",
        "details": {"format": "gguf", "family": "nomic-bert"}, "template": "{{ .Prompt }}",
        "capabilities": ["embedding"],
        "model_info": {"general.architecture": "nomic-bert", "nomic-bert.context_length": 2048},
    },
}  # fmt: skip
OLLAMA_PS = {"models": [
    {"name": "gemma4:latest", "model": "gemma4:latest", "size": 6591830464, "digest": "a2af6cc3eb7f",
     "details": {"parent_model": "", "format": "gguf", "family": "gemma4", "families": ["gemma4"],
     "parameter_size": "4.3B", "quantization_level": "Q4_K_M"}, "expires_at": "2025-10-17T16:47:07.93355-07:00",
     "size_vram": 5333539264, "context_length": 32768},
]}  # fmt: skip
