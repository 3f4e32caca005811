"""Short answers: a number, exact words, or some lines of them. Pure. A reply that names two answers is wrong.

But for `contains`, which looks for the answer in a reply of any form, such as a passage that is quoted.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from profiler.grading.reply import bounded, folded, left_of, lines_of, plain
from profiler.numerals import final_number

_UNSURE = re.compile(
    r"\b(not|no|never|nor|or|and|either|nicht|keine?r?|oder|weder|ne|pas|ou|ni|o)\b|n['’]t\b|[不没或]", re.IGNORECASE
)
_ITEM = re.compile(r"^(?:[-*•]|\d{1,2}[.):])\s+")  # what stands before an item of a list
_IS = r"is|was|are|ist|war|sind|est|es|son"


def is_number(reply: str, answer: str) -> bool:
    """Whether the number that the reply ends on equals the answer, to the answer's decimals; an integer exactly."""
    expected = Fraction(answer.replace(",", ""))
    decimals = len(answer.partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals else Fraction(1, 10**9)
    return any(abs(reading - expected) <= slack for reading in final_number(plain(reply)))


def is_exact(reply: str, answer: str) -> bool:
    """Whether one of the answers (separated by "|") is the reply.

    It is where it is the whole reply, its first or last line, or begins or ends the reply's only sentence.
    """
    text = plain(reply)
    lines = list(dict.fromkeys(lines_of(text)))  # each repeated line once
    if len(lines) > 1 and lines[0].startswith(lines[-1]):  # a last repetition that was cut off
        lines.pop()
    places = [folded(place) for place in (text, *lines[:1], *lines[-1:])]
    accepted = [folded(one) for one in answer.split("|")]
    if set(places) & set(accepted):
        return True
    stated = folded(lines[0]) if len(lines) == 1 else ""
    return not _UNSURE.search(text) and any(_frames(stated, one) for one in accepted)


def contains(reply: str, answer: str) -> bool:
    """Whether one of the answers (separated by "|") stands in the reply, and not inside longer words or numbers."""
    text = folded(plain(reply))
    return any(re.search(_alone(one), text) for one in map(folded, answer.split("|")) if one)


def _alone(answer: str) -> str:
    """A pattern of this answer that matches no part of a number: no `15` in `9:15`, `15.5` or `1,500`."""
    return rf"(?<!\d[.,:]){bounded(answer)}(?![.,:]\d)"


def _frames(sentence: str, answer: str) -> bool:
    """Whether a sentence ends with its answer ("The order goes to Lyon.") or starts with it ("Lyon is the city.").

    Quotes around the answer do not matter.
    """
    ends = rf"{left_of(answer)}[\"'‘“«]?{re.escape(answer)}$"
    starts = rf"^{re.escape(answer)}[\"'’”»]?(?:\s+(?:{_IS})\b|是)"
    return re.search(f"{ends}|{starts}", sentence) is not None


def are_lines(reply: str, answers: Sequence[str]) -> bool:
    """Whether the reply's lines are these, in this order, each with alternatives ("|"), with or without numbering.

    A line before them that ends with a colon does not count.
    """
    lines = [_ITEM.sub("", line) for line in lines_of(plain(reply)) if not line.endswith((":", "："))]
    accepted = [{folded(one) for one in answer.split("|")} for answer in answers]
    return len(lines) == len(accepted) and all(folded(line) in one for line, one in zip(lines, accepted, strict=True))
