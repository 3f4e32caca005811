"""The words of pulses: who made a pulse can tell its word, and nobody else."""

import pytest

from discovery.words import SEGMENT, WORD_BYTES, Words, is_word, segment_of

KEY = bytes(range(32))


@pytest.mark.parametrize(("known", "seq"), [(1, 2), (1, 30), (100, SEGMENT), (SEGMENT + 1, SEGMENT + 9)])
def test_a_later_word_follows_from_an_earlier_one(known: int, seq: int) -> None:
    words = Words(KEY)

    assert is_word(words.word(7, seq), seq, words.word(7, known), known)


def test_nobody_finds_a_word_by_those_before_it() -> None:
    """A word of another pulse, another generation, another peer, or made up, is none."""
    words, known, seq = Words(KEY), Words(KEY).word(7, 10), 12

    others = [words.word(7, 11), words.word(7, 13), words.word(8, 12), Words(bytes(32)).word(7, 12), known, bytes(16)]

    assert not any(is_word(other, seq, known, 10) for other in others)


def test_an_earlier_word_and_the_same_one_are_no_news() -> None:
    words = Words(KEY)

    assert not any(is_word(words.word(7, seq), seq, words.word(7, 10), 10) for seq in (9, 10))


def test_words_of_another_segment_do_not_follow() -> None:
    words = Words(KEY)

    assert (0, 1) == (segment_of(SEGMENT), segment_of(SEGMENT + 1))
    assert not is_word(words.word(7, SEGMENT + 1), SEGMENT + 1, words.word(7, SEGMENT), SEGMENT)


def test_without_a_known_word_nothing_is_believed() -> None:
    word = Words(KEY).word(7, 5)

    assert WORD_BYTES == len(word)
    assert not is_word(word, 5, b"", 0) and not is_word(word[:8], 5, Words(KEY).word(7, 4), 4)
