"""Grades a reply by rules, without a judge: a choice's letter, a number, or exact words. sandbox.py runs code. Pure.

Replies may be in English, German, French, Spanish or Chinese. The rules are lenient about form, since small models add
words, and strict about content. A reply that names two answers is wrong. Where the letter and the words of an option
disagree, the words count, since small models write "A." before whatever they choose.

A reply is foreign text: grading takes time in proportion to its length, and one above REPLY_LIMIT is wrong unread.
Patterns meet no run of blanks, because `squeezed` has made one of each: with two `\\s*` side by side, a run of n blanks
would cost n².
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from fractions import Fraction

from profiler.numerals import final_number, squeezed

REPLY_LIMIT = 2**18  # characters: twice what a reasoning model writes in 32,768 tokens

_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_ANSWER_WORD = r"(?:\b(?:answer|option|choice|antwort|réponse|respuesta|opción)\b|答案|选项)"
_STATEMENT = re.compile(
    rf"{_ANSWER_WORD}(?:\s+correct[ae])?(?:\s*(?:is|ist|lautet|est|es|是|为|应为)\b)?\s*[:：]?\s*"
    rf"(?:(?:la|el|die)\s+(?=[A-Z]\b))?(.+?)(?={_ANSWER_WORD}|$)",
    re.IGNORECASE | re.MULTILINE,
)
_UNSURE = re.compile(
    r"\b(not|no|never|nor|or|and|either|nicht|keine?r?|oder|weder|ne|pas|ou|ni|o)\b|n['’]t\b|[不没或]", re.IGNORECASE
)
_IS = r"is|was|are|ist|war|sind|est|es|son"
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


def is_right(grade: str, reply: str, answer: str, choices: Sequence[str] = ()) -> bool:
    """Whether the reply gives this answer. `grade` is "choice", "number" or "exact"; else raises ValueError."""
    reply = reply if len(reply) <= REPLY_LIMIT else ""
    if grade == "choice":
        return choice_letter(reply, choices) == answer
    if grade == "number":
        return _same_number(final_number(_plain(reply)), answer)
    if grade == "exact":
        return _is_exact(reply, answer)
    raise ValueError(f"grade {grade} cannot be told from the text alone")


def choice_letter(reply: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that a reply commits to; None where it names none, or several."""
    text = _plain(reply)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    stated = {_commitment(statement, choices) for statement in set(_STATEMENT.findall(text))} - {None}
    if stated:
        return stated.pop() if len(stated) == 1 else None
    repeats = len(lines) > 1 and all(re.match(r"[A-Z][).:]", line) for line in lines[:2])
    if not lines or repeats:  # an empty reply, or one that lists the options without choosing
        return None
    if first := _commitment(lines[0], choices):
        return first
    labelled = [line for line in lines if re.match(r"[A-Z](?:[).:]|$)", line)]
    if labelled == lines[-1:] and (last := _commitment(lines[-1], choices)):
        return last
    letters, options = _letters(choices), sorted((_bounded(choice) for choice in choices), key=len, reverse=True)
    unworded = re.sub("|".join(options), " ", text, flags=re.IGNORECASE)  # the C of "Vitamin C" is no option
    named = {letter for letter in re.findall(rf"\b([{letters}])\b(?!['’])", unworded) if letter not in "AI"}
    if len(named) == 1:
        return str(named.pop())
    folded = _folded(text)
    worded = [letter for letter, choice in zip(letters, choices, strict=True) if _has(folded, _folded(choice))]
    return worded[0] if len(worded) == 1 else None


def _commitment(statement: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that a statement starts with: by its words, else by its letter."""
    letters = _letters(choices)
    labelled = re.match(rf"[(\[]?([{letters}{letters.lower()}])(?:[)\].:,]+|\s+[-–]|$)\s*(.*)", statement)
    words = _folded(labelled[2] if labelled else statement)
    meant = [(len(choice), letter) for letter, choice in zip(letters, choices, strict=True) if _starts(words, choice)]
    if meant:
        return max(meant)[1]
    if labelled:
        return str(labelled[1]).upper()
    bare = re.match(rf"([{letters}])\s+(?:is|because|since|as)\b", statement)  # "A city" is no commitment
    return str(bare[1]) if bare else None


def _letters(choices: Sequence[str]) -> str:
    return "".join(chr(65 + i) for i in range(len(choices)))


def _starts(words: str, choice: str) -> bool:
    folded = _folded(choice)
    return re.match(rf"{re.escape(folded)}{_right(folded)}(?!\s+(?:or|and|oder|ou|o)\b|或)", words) is not None


def code_of(reply: str) -> str:
    """The program in a reply: its first fenced block, else the whole text. "" where the reply is too long to be one."""
    text = _THOUGHT.sub("", reply) if len(reply) <= REPLY_LIMIT else ""
    fenced = _FENCE.findall(text)
    return str(fenced[0]) if fenced else text


def _same_number(found: Iterable[Fraction], answer: str) -> bool:
    """Whether one reading equals the answer, to the answer's decimals; an integer must be met exactly."""
    expected = Fraction(answer.replace(",", ""))
    decimals = len(answer.partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals else Fraction(1, 10**9)
    return any(abs(reading - expected) <= slack for reading in found)


def _is_exact(reply: str, answer: str) -> bool:
    """Whether one of the answers (separated by "|") is the reply.

    It is where it is the whole reply, its first or last line, or begins or ends the reply's only sentence.
    """
    text = _plain(reply)
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))  # each repeated line once
    if len(lines) > 1 and lines[0].startswith(lines[-1]):  # a last repetition that was cut off
        lines.pop()
    places = [_folded(place) for place in (text, *lines[:1], *lines[-1:])]
    accepted = [_folded(one) for one in answer.split("|")]
    if set(places) & set(accepted):
        return True
    stated = _folded(lines[0]) if len(lines) == 1 else ""
    return not _UNSURE.search(text) and any(_frames(stated, one) for one in accepted)


def _frames(sentence: str, answer: str) -> bool:
    """Whether a sentence ends with its answer ("The order goes to Lyon.") or starts with it ("Lyon is the city.").

    Quotes around the answer do not matter.
    """
    ends = rf"{_left(answer)}[\"'‘“«]?{re.escape(answer)}$"
    starts = rf"^{re.escape(answer)}[\"'’”»]?(?:\s+(?:{_IS})\b|是)"
    return re.search(f"{ends}|{starts}", sentence) is not None


def _plain(reply: str) -> str:
    """The reply without thoughts and markdown's emphasis, and with blanks between Chinese and Latin letters."""
    text = squeezed(re.sub(r"\*\*|__|`", "", _THOUGHT.sub("", reply))).strip()
    return re.sub(rf"(?<=[{_CJK}])(?=[A-Za-z\d])|(?<=[A-Za-z\d])(?=[{_CJK}])", " ", text)


def _folded(text: str) -> str:
    """The text without differences of case, accent encoding, outer punctuation, leading article and spacing."""
    folded = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).casefold().strip())
    first = re.search(r"[^\W_]", folded)
    if first:  # not `[\W_]+$`, which is tried anew at each character of every run
        outer = re.match(r"[\W_]*", folded[::-1])
        folded = folded[first.start() : len(folded) - (outer.end() if outer else 0)]
    return re.sub(r"^(the|a|an) ", "", folded)


def _has(text: str, words: str) -> bool:
    return re.search(_bounded(words), text) is not None


def _bounded(words: str) -> str:
    """A pattern that matches these words, and not inside longer ones."""
    return f"{_left(words)}{re.escape(words)}{_right(words)}"


def _left(words: str) -> str:
    """A pattern that no letter stands before these words; empty for Chinese, which is written without spaces."""
    return "" if re.match(f"[{_CJK}]", words) else r"(?<!\w)"


def _right(words: str) -> str:
    """The same for what stands after these words."""
    return "" if re.search(f"[{_CJK}]$", words) else r"(?!\w)"
