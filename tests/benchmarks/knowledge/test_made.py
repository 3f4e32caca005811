"""What is made is the same for a seed, and as large as it says."""

import random
import statistics
from pathlib import Path

from benchmarks.knowledge.made import fill, pages
from gateway.agent.knowledge.store import Counts, Store


def test_pages_are_the_same_for_a_seed() -> None:
    first = list(pages(20, random.Random(1)))

    assert first == list(pages(20, random.Random(1)))
    assert 1000 < statistics.mean(map(len, first)) < 4000


def test_an_index_has_its_pieces_and_questions_of_their_words(tmp_path: Path) -> None:
    questions = fill(tmp_path / "a.sqlite", 50, "e", 2, seed=0, dim=8)

    assert Counts(3, 50, 50) == Store(tmp_path / "a.sqlite").counts()
    assert [8, 8] == [len(question.split()) for question in questions]
