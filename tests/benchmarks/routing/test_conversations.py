"""Made-up conversations."""

import numpy as np
import pytest

from benchmarks.routing.conversations import KINDS, SHORT, compose


@pytest.mark.parametrize("letters", KINDS.values())
def test_conversations_end_on_the_topic_that_they_ask_for(letters: str) -> None:
    piles = {topic: [f"A long enough question number {n} of {topic}?" for n in range(9)] for topic in SHORT}

    for seed in range(20):
        turns, topic = compose(letters, piles, np.random.default_rng(seed))

        whole = [turn for turn, letter in zip(turns, letters, strict=True) if letter != "f"]
        assert len(letters) == len(turns)
        assert whole[-1] in (piles[topic] if letters.strip("f")[-1] != "b" else SHORT[topic].split("|"))
