"""The texts that topics are compared with: read bit by bit, kept in a file, and read anew where it is not whole."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.topics.background import Reading, read_all, texts
from gateway.topics.domains import Attraction, words
from profiler.ladder import FAST_FOLDER
from profiler.qagate import shipped_gate
from profiler.static import StaticEncoder


class Counting:
    """The fast encoder, and how many texts it was given."""

    def __init__(self) -> None:
        self._encoder = StaticEncoder(shipped_gate() / FAST_FOLDER)
        self.name, self.dim, self.texts = self._encoder.name, self._encoder.dim, 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += len(texts)
        return self._encoder.encode(texts)


def test_it_is_read_bit_by_bit_and_once_for_all_peers_of_a_home(tmp_path: Path) -> None:
    encoder = Counting()
    reading = Reading(encoder, tmp_path / "new")
    reading.read_on(8)
    assert reading.done == encoder.texts == 8 and reading.background is None
    while reading.background is None:
        reading.read_on(500)
    assert encoder.texts == len(texts()) > 3000
    again = Reading(encoder, tmp_path / "new")
    assert again.background is not None and encoder.texts == len(texts())
    np.testing.assert_array_equal(again.background.rows, reading.background.rows)


def test_a_damaged_file_is_made_anew_and_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    encoder = Counting()
    read_all(encoder, tmp_path)
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:1000])
    assert Reading(encoder, tmp_path).done == 0
    read_all(encoder, tmp_path)
    assert Reading(encoder, tmp_path).done == len(texts())
    (tmp_path / "taken").write_text("a file, no folder")
    read_all(encoder, tmp_path / "taken")


def test_a_question_of_a_handbook_is_drawn_to_it_and_everyday_ones_are_not() -> None:
    encoder = Counting()
    reading = Reading(encoder, None)
    while reading.background is None:
        reading.read_on(500)
    topics = ("Torque of keel bolts and inspection of hulls in our yard", "Holiday and sick notes of our colleagues")
    attraction = Attraction(topics, encoder.encode(topics), reading.background)

    def tail(text: str) -> float:
        return attraction.drawn(encoder.encode([text])[0], words(text)).tail

    assert tail("What torque do the keel bolts get?") < 0.005
    assert tail("From which day do I need a sick note?") < 0.005
    for everyday in (
        "how do I boil an egg",
        "what is the capital of France",
        "what is a prime number",
        "sort a list in python",
    ):
        assert tail(everyday) > 0.05
