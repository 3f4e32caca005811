"""Texts that were to be corrected or reworded: wrong words gone, right ones there, all others as they were. Pure."""

import itertools
import re
import unicodedata

import msgspec

from profiler.grading.reply import versions

_SLOT = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_WORD_OR_MARK = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts that are right."""

    texts: list[str]  # "{were|was}" is a place where either is right, "{only|}" one that may stay empty
    marks: bool = False  # whether capitals and punctuation count


def is_edited(reply: str, edit: Edit) -> bool:
    """Whether the reply, or the part of it that is the text, is one of the right texts."""
    right = {_words(text, edit.marks) for pattern in edit.texts for text in spelled_out(pattern)}
    return any(_words(version, edit.marks) in right for version in versions(reply))


def spelled_out(pattern: str) -> list[str]:
    """Each text that a pattern with slots stands for."""
    parts = _SLOT.split(pattern)  # fixed, slot, fixed, ...
    choices = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _words(text: str, marks: bool) -> tuple[str, ...]:
    same = unicodedata.normalize("NFKC", text).replace("’", "'").replace("“", '"').replace("”", '"')
    return tuple(_WORD_OR_MARK.findall(same) if marks else _WORD.findall(same.casefold()))
