"""Which names are one model's: names as engines, uploaders and libraries write them."""

import pytest

from gateway.models.same import model_key

SAME = {
    "llama-3.2": ("llama3.2", "llama3.2:latest", "LLAMA3.2", "ollama/llama3.2", "ai/llama3.2:latest"),
    "llama-3.2-3b-instruct": (
        "llama3.2:3b-instruct-q4_K_M",
        "llama3.2:3b-instruct-fp16",
        "meta-llama/Llama-3.2-3B-Instruct",
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
        "Llama-3.2-3B-Instruct-UD-Q4_K_XL.gguf",
        "/srv/models/Llama-3.2-3B-Instruct-IQ3_XXS.gguf",
        "C:\\models\\llama-3.2-3b-instruct-f16.gguf",
        "mlx-community/Llama-3.2-3B-Instruct-4bit",
        "unsloth/Llama-3.2-3B-Instruct-bnb-4bit",
        "RedHatAI/Llama-3.2-3B-Instruct-FP8-dynamic",
    ),
    "llama-3.1-8b-instruct": (
        "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "meta-llama/Llama-3.1-8B-Instruct",
        "llama3.1:8b-instruct-q8_0",
        "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16",
    ),
    "llama-3.1-nemotron-70b-instruct": ("nvidia/Llama-3_1-Nemotron-70B-Instruct", "llama-3.1-nemotron-70b-instruct"),
    "qwen-2.5-coder-7b-instruct": (
        "Qwen/Qwen2.5-Coder-7B-Instruct-AWQ",
        "Qwen2.5-Coder-7B-Instruct-GPTQ-Int8",
        "qwen2.5-coder:7b-instruct-q4_K_M",
        "qwen2.5-coder-7b-instruct@q4_k_m",
    ),
    "qwen-3-30b-a-3b": (
        "qwen3:30b-a3b",
        "Qwen/Qwen3-30B-A3B",
        "Qwen/Qwen3-30B-A3B-FP8",
        "bartowski/Qwen_Qwen3-30B-A3B-GGUF",
        "nvidia/Qwen3-30B-A3B-NVFP4",
        "qwen3-30b-a3b-mlx",
    ),
    "qwen-3-8b": (
        "qwen3:8b",
        "turboderp/Qwen3-8B-exl3",
        "Qwen3-8B-4.0bpw",
        "Qwen3-8B-q4f16_1-MLC",
        "mradermacher/Qwen3-8B.i1-Q4_K_M.gguf",
    ),
    "gpt-oss-20b": ("openai/gpt-oss-20b", "gpt-oss:20b", "ggml-org/gpt-oss-20b-GGUF", "gpt-oss-20b-mxfp4.gguf"),
    "gemma-3-4b-instruct": (
        "google/gemma-3-4b-it",
        "bartowski/google_gemma-3-4b-it-GGUF",
        "gemma3:4b-it-qat",
        "gemma-3-4b-it-q4_0",
    ),
    "gemma-3n-e-4b-instruct": ("gemma3n:e4b-it-q8_0", "google/gemma-3n-E4B-it"),
    "phi-4": ("microsoft/phi-4", "phi4", "phi4:latest", "microsoft_phi-4-Q6_K_L.gguf"),
    "mistral-7b-instruct-v-0.3": (
        "mistralai/Mistral-7B-Instruct-v0.3",
        "TheBloke/Mistral-7B-Instruct-v0.3-GPTQ",
        "mistral-7b-instruct-v0.3.Q4_K_M.gguf",
        "mistral:7b-instruct-v0.3-q5_K_M",
    ),
    "mixtral-8x7b-instruct-v-0.1": ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral:8x7b-instruct-v0.1-q5_K_M"),
    "smollm-2-135m-instruct": ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2:135m-instruct-q4_1"),
    "deepseek-r-1-distill-qwen-7b": (
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
        "DeepSeek-R1-Distill-Qwen-7B-Q4_K_M-00001-of-00002.gguf",
    ),
    "nomic-embed-text-v-1.5": ("nomic-ai/nomic-embed-text-v1.5", "nomic-embed-text:v1.5"),
}


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, names in SAME.items() for name in names])
def test_owner_case_format_and_quantisation_make_no_other_model(key: str, name: str) -> None:
    assert key == model_key(name)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("llama3.1", "llama3.2", "llama3", "llama2"), id="version"),
        pytest.param(("llama3.2:1b", "llama3.2:3b", "llama3.2"), id="size"),
        pytest.param(("qwen2.5:0.5b", "qwen2.5:5b", "qwen2:0.5b", "qwen2.5:1.5b", "qwen2.5:15b"), id="point"),
        pytest.param(("gemma-2-9b", "gemma-29b", "gemma2.9b"), id="what a digit belongs to"),
        pytest.param(("Llama-3.2-3B", "Llama-3.2-3B-Instruct", "Llama-3.2-3B-Chat"), id="base and instruct"),
        pytest.param(("google/gemma-3-4b-it", "google/gemma-3-4b-pt"), id="pretrained"),
        pytest.param(("qwen2.5-7b-instruct", "qwen2.5-coder-7b-instruct", "qwen2.5-math-7b-instruct"), id="trade"),
        pytest.param(("qwen2.5-vl-7b-instruct", "qwen2.5-7b-instruct"), id="vision"),
        pytest.param(("Phi-3-mini-4k-instruct", "Phi-3-mini-128k-instruct"), id="context"),
        pytest.param(("Qwen3-4B-Instruct-2507", "Qwen3-4B-Thinking-2507", "Qwen3-4B"), id="thinking, date"),
        pytest.param(("DeepSeek-R1", "DeepSeek-R1-0528", "DeepSeek-R1-Distill-Qwen-7B"), id="distilled"),
        pytest.param(("qwen3:30b-a3b", "qwen3:30b", "qwen3:235b-a22b"), id="experts"),
        pytest.param(("mixtral:8x7b", "mixtral:8x22b", "mistral:7b"), id="mixture"),
        pytest.param(("llama3.1:8b", "llama3.1:8b-abliterated", "dolphin-llama3.1:8b"), id="fine-tuned"),
        pytest.param(("mistral-7b-instruct-v0.2", "mistral-7b-instruct-v0.3", "mistral-7b-instruct"), id="revision"),
        pytest.param(("gpt-4", "gpt-4o", "gpt-4o-mini", "chatgpt-4o-latest"), id="names of services"),
        pytest.param(("nomic-embed-text:v1.5", "nomic-embed-text", "bge-m3"), id="embeddings"),
        pytest.param(("模型-7b", "模型-8b", "модель"), id="letters of any script"),
    ],
)
def test_whatever_may_make_another_model_makes_another_key(names: tuple[str, ...]) -> None:
    assert len(names) == len(set(map(model_key, names)))


@pytest.mark.parametrize("name", ["gguf", "Q4_K_M", "///", "🦙", "-", "x" * 10_000])
def test_a_name_of_nothing_else_is_its_own_key(name: str) -> None:
    assert model_key(name)
