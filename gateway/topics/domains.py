"""How strongly a text is drawn to an agent by the sentences that say what it is for (P).

Prototypes know exam topics and everyday ones, and nothing of a company's handbook. So an owner writes up to 16
sentences, which travel as plain text; whoever hears them compares them with a query by two signs:

    z       the cosine with the nearest sentence, both centred on background texts, in deviations of that sentence's
            own cosines with them: a sentence that is near to everything is near to nothing
    words   the share of the text's rarity that words of the sentences carry

    drawn = z + WORDS·words

How much that is, only a comparison tells: the *tail* is the share of background texts that are drawn as strongly.
Whatever sentences say, 1 % of what everybody asks lies in the first hundredth of their tail, so topics that claim
everything attract no more than others do. The background is ours (background.py), and each peer compares by itself.
Figures: docs/results/agents.md#finding-an-agent-by-its-topics.
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Topics = tuple[str, ...]  # the sentences of one agent

WORDS = 20.0  # deviations that a text counts as nearer whose words are all among those of the sentences
PLAIN = 3.0  # rarity that every text is taken to have besides: one rare word alone is not the whole of it
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a about all am an and any are as at be been but by can could did do does for from had has have he her his how"
        " i if in into is it its me may might must my no not of on or our she should so than that the their them then"
        " there these they this those to was we were what when where which who whom whose why will with would you your",
    )
)
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"  # Chinese and Japanese: pairs of characters are words
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}](?:[\w\-](?<![{_UNSPACED}]))*")
_ENDING = re.compile(r"(?:ing|ed|es|s)$")


def words(text: str) -> list[str]:
    """The words of a text that may tell what it is about, in lower case, without an English ending."""
    found = []
    for word in _WORD.findall(text.lower()):
        if "\u3040" <= word[0] <= "\u9fff":
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        elif word not in _COMMON:
            found.append(_ENDING.sub("", word) if len(word) > 4 else word)
    return found


class Rarity:
    """How rare words are among background texts."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        """`texts`: the words of each of n, see `words`."""
        having: dict[str, list[int]] = {}
        for number, text in enumerate(texts):
            for word in set(text):
                having.setdefault(word, []).append(number)
        self._having = {word: np.array(numbers, dtype=np.intp) for word, numbers in having.items()}
        self._unheard = math.log(max(1, len(texts)))
        self._sums = np.full(len(texts), PLAIN)  # (n,) of the rarity of each text's words, and PLAIN
        for word, numbers in self._having.items():
            self._sums[numbers] += self.of(word)

    def of(self, word: str) -> float:
        """0 for a word of every text; the logarithm of their number for one that is in none."""
        having = self._having.get(word)
        return self._unheard if having is None else max(0.0, self._unheard - math.log(len(having) + 1))

    def share(self, text: Collection[str], among: Collection[str]) -> float:
        """Of the rarity of this text's words, and PLAIN besides, the share that those in `among` carry: in [0, 1)."""
        heard = {word: self.of(word) for word in text}
        return sum(rarity for word, rarity in heard.items() if word in among) / (sum(heard.values()) + PLAIN)

    def shares(self, among: Collection[str]) -> NDArray[np.float64]:
        """The same of the n background texts, (n,)."""
        carried = np.zeros(len(self._sums))
        for word in among:
            if (having := self._having.get(word)) is not None:
                carried[having] += self.of(word)
        shares: NDArray[np.float64] = carried / self._sums
        return shares


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Texts as people write them, as one encoder sees them: n rows of d, quantised."""

    rows: NDArray[np.int8]  # (n, d) centred unit rows, times 127
    mean: Floats  # (d,) of the rows as they were: it is taken off everything
    rarity: Rarity  # among the same texts

    @classmethod
    def of(cls, rows: Floats, rarity: Rarity) -> "Background":
        """From the encoder's unit rows (n, d) of n texts."""
        mean = rows.mean(axis=0)
        return cls(np.rint(_centred(rows, mean) * 127).astype(np.int8), mean, rarity)

    def centre(self, rows: Floats) -> Floats:
        """Unit rows (m, d) without what all texts have in common, unit rows again; zeros stay zeros."""
        return _centred(rows, self.mean)


class Drawn(NamedTuple):
    """How a text is drawn to one agent."""

    tail: float  # share of background texts that are drawn as strongly, in (0, 1]
    sentence: str  # the nearest


class Attraction:
    """What draws texts to one agent's sentences, against one background."""

    def __init__(self, topics: Topics, rows: Floats, background: Background) -> None:
        """`rows`: the encoder's unit rows of the topics, (s, d)."""
        self._topics, self._background = topics, background
        self._sentences = background.centre(rows)
        self._words = frozenset(word for sentence in topics for word in words(sentence))
        cosines = background.rows.astype(np.float32) @ self._sentences.T / 127
        self._mean, self._spread = cosines.mean(axis=0), cosines.std(axis=0) + 1e-6
        nearest = ((cosines - self._mean) / self._spread).max(axis=1)
        self._ranked = np.sort(nearest + WORDS * background.rarity.shares(self._words))

    def drawn(self, row: Floats, text: Collection[str]) -> Drawn:
        """How a text with this unit row (d,) and these words is drawn."""
        deviations = (self._sentences @ self._background.centre(row[None])[0] - self._mean) / self._spread
        nearest = int(deviations.argmax())
        strength = float(deviations[nearest]) + WORDS * self._background.rarity.share(set(text), self._words)
        stronger = len(self._ranked) - int(np.searchsorted(self._ranked, strength))
        return Drawn((stronger + 1) / (len(self._ranked) + 1), self._topics[nearest])


def _centred(rows: Floats, mean: Floats) -> Floats:
    centred = np.where(rows.any(axis=1, keepdims=True), rows - mean, 0)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: Floats = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0).astype(np.float32)
    return unit
