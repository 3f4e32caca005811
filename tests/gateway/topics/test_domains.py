"""What draws a text to an agent's topics: likeness beyond the usual, rare words, and never more than a share."""

import numpy as np
import pytest

from gateway.topics.domains import Attraction, Background, Rarity, words

RNG = np.random.default_rng(3)
DIM, COUNT = 32, 1000
TOPICS = ("Torque of keel bolts on our boats", "Guest network of the office")


def unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return found


COMMON = RNG.normal(size=DIM)  # what all rows have in common, as those of a mean of tokens have
ROWS = unit(RNG.normal(size=(COUNT, DIM)) + 2 * COMMON)
HEARD = [words(f"how do I boil {number % 7} eggs for {number} people of our office") for number in range(COUNT)]
BACKGROUND = Background.of(ROWS, Rarity(HEARD))
SENTENCES = unit(RNG.normal(size=(2, DIM)) + 2 * COMMON)
ATTRACTION = Attraction(TOPICS, SENTENCES, BACKGROUND)


def near(sentence: int, noise: float = 0.3) -> np.ndarray:
    return unit(SENTENCES[sentence] + noise * RNG.normal(size=DIM) / np.sqrt(DIM))


def test_a_text_that_says_what_a_sentence_says_is_drawn_more_than_all_others_and_the_sentence_is_told() -> None:
    drawn = ATTRACTION.drawn(near(0), words("what torque do the keel bolts get?"))
    assert drawn.tail == pytest.approx(1 / (COUNT + 1))
    assert drawn.sentence == TOPICS[0]


def test_either_sign_alone_draws() -> None:
    strangely = unit(RNG.normal(size=DIM) + 2 * COMMON)
    assert ATTRACTION.drawn(near(1), words("wifi for visitors")).tail < 0.01
    assert ATTRACTION.drawn(strangely, words("keel bolts")).tail < 0.01
    assert ATTRACTION.drawn(strangely, words("a poem on clouds")).tail > 0.05


@pytest.mark.parametrize("topics", [TOPICS, ("How do I do anything, for people of any office, eggs or boil",) * 2])
def test_of_what_everybody_asks_no_topics_draw_more_than_their_share(topics: tuple[str, ...]) -> None:
    broad = Attraction(topics, unit(np.stack([COMMON, ROWS.mean(axis=0)])), BACKGROUND)
    for attraction in (broad, ATTRACTION):
        tails = [attraction.drawn(row, heard).tail for row, heard in zip(ROWS, HEARD, strict=True)]
        for share in (0.01, 0.05, 0.2):
            assert np.mean(np.array(tails) <= share) <= share + 0.01


def test_a_word_of_every_text_is_worth_nothing_and_one_of_none_the_most() -> None:
    rarity = Rarity(HEARD)
    assert rarity.of("boil") == 0 < rarity.of("17") < rarity.of("keel")
    assert rarity.share(words("boil eggs"), {"boil", "egg"}) == 0
    assert rarity.share([], {"keel"}) == 0
    among = {"17", "people", "keel"}
    assert rarity.shares(among) == pytest.approx([rarity.share(set(heard), among) for heard in HEARD])
    assert 0 < rarity.share(words("boil the keel"), {"keel"}) < 1


def test_what_an_encoder_does_not_know_at_all_is_drawn_by_its_words_alone() -> None:
    nothing = np.zeros(DIM, np.float32)
    assert ATTRACTION.drawn(nothing, words("keel bolts")).tail < 0.01 < ATTRACTION.drawn(nothing, []).tail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What does the Keel-bolt's packing cost?", ["keel-bolt", "s", "pack", "cost"]),
        ("Où est l'école?", ["où", "est", "l", "école"]),
        ("船の龍骨 bolts", ["船の", "の龍", "龍骨", "bolt"]),
        ("船", ["船"]),
        ("PPAI的网关", ["ppai", "的网", "网关"]),
        ("?!", []),
    ],
)
def test_words_are_those_that_may_tell_a_topic(text: str, expected: list[str]) -> None:
    assert words(text) == expected
