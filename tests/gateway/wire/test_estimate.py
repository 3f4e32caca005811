"""Tokens are estimated by script. scripts.json holds texts, with the tokens that three tokenizers make of each.

The tokenizers: OpenAI's cl100k_base, Claude 2's, and SmolLM2's, which has few pieces for other scripts than Latin.
"""

import json
from math import prod
from pathlib import Path

import pytest

from gateway.wire.estimate import SAMPLE_LENGTH, estimated_tokens

SCRIPTS = json.loads((Path(__file__).parent / "scripts.json").read_text())


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_estimate_is_within_a_half_of_what_tokenizers_make_of_it(script: str) -> None:
    """Of their geometric mean; and within a factor of two of each."""
    text, tokens = SCRIPTS[script]["text"], SCRIPTS[script]["tokens"]
    mean = prod(tokens) ** (1 / len(tokens))

    estimate = estimated_tokens([text])

    assert mean / 1.5 < estimate < mean * 1.5
    assert all(count / 2 < estimate < count * 2 for count in tokens)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_long_text_is_sampled_evenly(script: str) -> None:
    text = SCRIPTS[script]["text"]
    times = 40 * SAMPLE_LENGTH // len(text)

    whole = estimated_tokens([text])

    assert whole * times * 0.8 < estimated_tokens([text * times]) < whole * times * 1.2
    assert whole * times * 0.8 < estimated_tokens([text] * times) < whole * times * 1.2


def test_what_comes_late_in_a_long_text_counts() -> None:
    """English, and then as much base64: the estimate lies between the two."""
    english, base64 = (SCRIPTS[script]["text"] for script in ("English", "base64"))
    n = 100_000

    both = estimated_tokens([english * (n // len(english)), base64 * (n // len(base64))])

    assert (
        0.8 < both / (estimated_tokens([english * (n // len(english))]) + estimated_tokens([base64 * (n // 400)])) < 1.2
    )


@pytest.mark.parametrize("texts", [[], [""], ["", ""], [" "], ["\ud800"]])
def test_nothing_is_one_token_or_so(texts: list[str]) -> None:
    assert 1 <= estimated_tokens(texts) <= 2


@pytest.mark.parametrize("blank", ["\t", "\v", "\f", "\x1c", "\x1f", "  ", " \t "])
def test_words_are_told_apart_by_whatever_blanks(blank: str) -> None:
    words = ["some"] * 100

    assert estimated_tokens([" ".join(words)]) == estimated_tokens([f" {blank.join(words)} "])
