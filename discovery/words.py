"""The words of a pulse: a sign of life in 16 bytes that its owner alone can tell (P).

1. Each pulse carries a word, and each word is the hash of the next one's, as in one-time passwords (Lamport 1981). Who
   holds a signed pulse of a peer can check a later word: hashed once for each pulse between them, it is that word.
2. So the number of a pulse and its word prove that its owner made it, in a fifth of its bytes. They say nothing of
   its load. Between sites this *sign* of a pulse travels instead of it.
3. Words begin anew every SEGMENT pulses. A later segment is known by a whole pulse of it alone.
"""

import hashlib
import hmac

WORD_BYTES = 16
SEGMENT = 4096  # pulses whose words hang together: at one in 2 s, those of two hours


def segment_of(seq: int) -> int:
    """The segment in which the pulse of this number lies; numbers count from 1."""
    return (seq - 1) // SEGMENT


def is_word(word: bytes, seq: int, known: bytes, known_seq: int) -> bool:
    """Whether `word` is that of pulse `seq`, where `known` is that of the earlier pulse `known_seq`."""
    if len(word) != WORD_BYTES or len(known) != WORD_BYTES or not known_seq < seq:
        return False
    if segment_of(seq) != segment_of(known_seq):
        return False
    for _ in range(seq - known_seq):
        word = _hash(word)
    return word == known


class Words:
    """The words of our own pulses."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes that nobody else knows; another for each run."""
        self._key = key
        self._segment: tuple[tuple[int, int], bytes] | None = None  # (gen, segment), its words one after the other

    def word(self, gen: int, seq: int) -> bytes:
        """The word of this pulse: (16,)."""
        which, place = (gen, segment_of(seq)), (seq - 1) % SEGMENT
        if self._segment is None or self._segment[0] != which:
            self._segment = which, self._make(*which)
        return self._segment[1][place * WORD_BYTES : (place + 1) * WORD_BYTES]

    def _make(self, gen: int, segment: int) -> bytes:
        words = [hmac.digest(self._key, f"ppai/1/words {gen} {segment}".encode(), "sha256")[:WORD_BYTES]]
        while len(words) < SEGMENT:
            words.append(_hash(words[-1]))
        return b"".join(reversed(words))


def _hash(word: bytes) -> bytes:
    return hashlib.blake2b(word, digest_size=WORD_BYTES, person=b"ppai/1/words").digest()
