"""Translations: how near a text is to reference translations, by chrF, and whether it is in their script. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import msgspec

from profiler.grading.reply import bounded, folded, versions

ORDERS = range(1, 7)  # of the n-grams of characters
BETA = 2.0  # recall counts so many times as much as precision
_READ = 2000  # characters of a version that are compared: more than twice any reference


class Translation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a translation is compared with."""

    references: list[str]
    words: list[str] = []  # each must be there, in one of its forms ("a|b"): the content that chrF alone would forgive
    least: float = 0.4  # of chrF to the nearest reference (docs/results/profiling.md#how-near-a-translation-must-be)


def is_translation(reply: str, wanted: Translation) -> bool:
    """Whether the reply, or the part of it that is the translation, is near enough and has the words."""
    return any(_is_near(version[:_READ], wanted) for version in versions(reply))


def chrf(text: str, reference: str) -> float:
    """chrF in [0, 1] (Popović 2015): F of the n-grams of characters, blanks left out, the mean over n = 1 to 6."""
    text, reference = re.sub(r"\s", "", text), re.sub(r"\s", "", reference)
    precisions, recalls = [], []
    for n in ORDERS:
        mine, theirs = _grams(text, n), _grams(reference, n)
        if not mine or not theirs:
            continue
        both = (mine & theirs).total()
        precisions.append(both / mine.total())
        recalls.append(both / theirs.total())
    if not precisions or not sum(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def scripts(text: str) -> Counter[str]:
    """How many letters of each script are in a text: LATIN, CYRILLIC, CJK, HIRAGANA, ..."""
    return Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())


def _is_near(text: str, wanted: Translation) -> bool:
    if not _same_script(text, wanted.references):
        return False
    words = folded(text)
    if not all(re.search("|".join(bounded(folded(form)) for form in word.split("|")), words) for word in wanted.words):
        return False
    return max(chrf(words, folded(reference)) for reference in wanted.references) >= wanted.least


def _same_script(text: str, references: Sequence[str]) -> bool:
    """Whether at least nine of ten letters are of scripts that the references use."""
    expected = {script for reference in references for script in scripts(reference)}
    found = scripts(text)
    return sum(found[script] for script in expected) >= 0.9 * max(found.total(), 1)


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[at : at + n] for at in range(len(text) - n + 1))
