"""Generated noise: the same for the same seed, of many kinds, and never words in order."""

import pytest

from profiler.noise import KINDS, LEAST_WORDS, noise

WORDS = [f"word{number}" for number in range(LEAST_WORDS)]


def test_a_seed_gives_the_same_texts() -> None:
    assert noise(200, 1, WORDS) == noise(200, 1, WORDS)
    assert noise(200, 1, WORDS) != noise(200, 2, WORDS)
    assert noise(70, 1, WORDS) == noise(200, 1, WORDS)[:70]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_makes_texts_of_its_own(kind: str) -> None:
    texts = noise(50, 0, WORDS, [kind])

    assert len(set(texts)) > 10
    assert all(text.strip() for text in texts)
    assert max(map(len, texts)) < 2000


def test_kinds_take_turns_and_those_of_words_need_words() -> None:
    assert len(KINDS) >= 12
    few = WORDS[:3]

    assert [] == noise(5, 0, few, ["word salad"])
    assert noise(1, 0, WORDS, ["hex"]) == noise(1, 0, few, ["word salad", "hex"])
    assert set(" ".join(noise(9, 0, WORDS, ["word salad"])).split()) <= set(WORDS)
