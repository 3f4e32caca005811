"""What names and details claim. What is expected of it is in test_priors.py."""

import pytest

from gateway.models.claims import claim, spelled


@pytest.mark.parametrize(
    ("name", "words", "kind", "bits"),
    [
        ("qwen3:32b", "32B qwen3", "instruct", 16),
        ("Qwen/Qwen2.5-Coder-7B-Instruct-AWQ", "7B qwen2.5 coder", "coder", 4),
        ("qwen2.5-coder:7b-instruct-q4_K_M", "7B qwen2.5 coder", "coder", 4),
        ("hf.co/bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:IQ2_XS", "8B llama3.1, 2-bit", "instruct", 2),
        ("Qwen3-Coder-30B-A3B-Instruct-FP8", "30B qwen3 coder", "coder", 8),
        ("gpt-oss-20b-mxfp4", "20B gpt oss", "instruct", 16),
        ("SmolLM2-135M-Instruct-Q4_1", "135M smollm2", "instruct", 4),
        ("deepseek-r1:32b", "32B deepseek r1 distill reasoning", "reasoning", 16),
        ("DeepSeek-R1-Distill-Qwen-32B", "32B deepseek r1 distill reasoning", "reasoning", 16),
        ("deepseek-r1:671b", "671B deepseek r1 reasoning", "reasoning", 16),
        ("Mistral-7B-Instruct-v0.3", "7B mistral0.3", "instruct", 16),
        ("hermes-3-llama-3.1-8b", "8B hermes3 llama3.1", "instruct", 16),
        ("llama3.2:3b-text-q4_0", "3B llama3.2 base", "base", 4),
        ("my-base-chat-7b", "7B my", "instruct", 16),
        ("gemma-3-4b-pt", "4B gemma3 base", "base", 16),
        ("medgemma-27b-text-it", "27B medgemma", "medical", 16),
        ("gemma3n:e4b", "4B gemma3n", "instruct", 16),
        ("OLMo-2-0325-32B-Instruct", "32B olmo2", "instruct", 16),
        ("Qwen2.5-VL-7B-Instruct", "7B qwen2.5 vision", "vision", 16),
        ("kimi-k2:1t", "1T kimi k2", "instruct", 16),
        ("nomic-embed-text", "nomic no chat, size unknown", "no chat", 16),
        ("bge-reranker-v2-m3", "bge2 m3, size unknown", "no chat", 16),
        ("e5-mistral-7b", "7B e5 mistral no chat", "no chat", 16),
        ("openai/gpt-4o-mini", "gpt4o mini, size unknown", "instruct", 16),
    ],
)
def test_a_name_is_read(name: str, words: str, kind: str, bits: int) -> None:
    found = claim(name)

    assert (words, kind, bits) == (found.words, found.kind, found.bits)


def test_without_a_name_nothing_is_claimed() -> None:
    assert ((), 0.0, "instruct") == (claim("").family, claim("").size, claim("").kind)


def test_a_name_s_size_without_details() -> None:
    assert (32e9, False) == (claim("qwen3:32b").size, claim("qwen3:32b").is_told)


def test_details_give_the_size_that_a_name_lacks() -> None:
    found = claim("my-helper", parameters=7_600_000_000, quantisation="Q3_K_S")

    assert (7.6e9, 3, "7.6B my helper, 3-bit") == (found.size, found.bits, found.words)


@pytest.mark.parametrize("told", [135_000_000, 70_000_000_000])
def test_the_engine_s_size_counts_where_the_name_says_another(told: int) -> None:
    """Smaller or larger: an engine has read the file."""
    found = claim("qwen3:32b-q8_0", parameters=told, quantisation="Q2_K")

    assert (told, 2, True) == (found.size, found.bits, found.is_told)


def test_a_mixture_of_experts_is_as_good_as_a_dense_model_between_its_two_sizes() -> None:
    assert (30e9, 3e9) == (claim("qwen3:30b-a3b").parameters, claim("qwen3:30b-a3b").active)
    assert 9e9 < claim("qwen3:30b-a3b").size < 10e9
    assert pytest.approx(30.5 / 30 * claim("qwen3:30b-a3b").size) == claim("qwen3:30b-a3b", 30_500_000_000).size
    assert 13e9 < claim("mixtral:8x7b").size < 47e9


def test_a_month_is_no_version() -> None:
    assert ("2507", (("qwen", "3"),)) == (
        claim("Qwen3-4B-Instruct-2507").released,
        claim("Qwen3-4B-Instruct-2507").family,
    )


def test_sizes_are_spelled_as_names_spell_them() -> None:
    assert ["135M", "600M", "1.7B", "7B", "32B", "1T"] == [spelled(n) for n in (135e6, 6e8, 1.71e9, 7e9, 32e9, 1e12)]
