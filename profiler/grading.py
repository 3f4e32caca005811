"""Is this answer right? Without a judge: choice letter, number, exact words. Code is run by sandbox.py.

Lenient about form (a small model adds words), strict about content: a reply that names two answers is wrong, and where
an option's letter and words disagree the words count (small models write "A." before whatever they choose).
"""

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_SAYS = re.compile(
    r"\b(?:answer|option|choice)(?:\s+is)?\s*:?\s*(.+?)(?=\b(?:answer|option|choice)\b|$)", re.IGNORECASE | re.MULTILINE
)
_UNSURE = re.compile(r"\b(not|no|never|nor|or|and|either)\b|n['’]t\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.)])[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?(?:/\d+)?", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}|####\s*(.+)")
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


def is_right(grade: str, reply: str, answer: str, choices: Sequence[str] = ()) -> bool:
    """Whether the reply gives this answer; grade is "choice", "number" or "exact"."""
    if grade == "choice":
        return choice_letter(reply, choices) == answer
    if grade == "number":
        return _same_number(final_number(reply), answer)
    if grade == "exact":
        return _is_exact(reply, answer)
    raise ValueError(f"grade {grade} cannot be told from the text alone")


def choice_letter(reply: str, choices: Sequence[str]) -> str | None:
    """The option that a reply commits to; None where it names none, or several."""
    text = _plain(reply)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = {_commitment(statement, choices) for statement in _SAYS.findall(text)} - {None}
    if said:
        return said.pop() if len(said) == 1 else None
    repeats = len(lines) > 1 and all(re.match(r"[A-Z][).:]", line) for line in lines[:2])
    if not lines or repeats:  # nothing said, or the options listed and nothing said about them
        return None
    if first := _commitment(lines[0], choices):
        return first
    letters = _letters(choices)
    named = {letter for letter in re.findall(rf"\b([{letters}])\b(?!['’])", text) if letter not in "AI"}
    if len(named) == 1:
        return str(named.pop())
    folded = _folded(text)
    worded = [letter for letter, choice in zip(letters, choices, strict=True) if _has(folded, _folded(choice))]
    return worded[0] if len(worded) == 1 else None


def _commitment(statement: str, choices: Sequence[str]) -> str | None:
    """The option that a statement starts with: its words, else its letter."""
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
    return re.match(rf"{re.escape(_folded(choice))}(?!\w|\s+(?:or|and)\b)", words) is not None


def final_number(reply: str) -> Fraction | None:
    """The number that a reply ends on: the boxed one, the one after "answer is", else the last; None without any."""
    text = _plain(reply).replace("−", "-").replace("\u202f", "").replace("\u00a0", " ")
    if boxed := _BOXED.findall(text):
        text = next(part for part in boxed[-1] if part)
    elif said := re.findall(rf"(?i:answer(?:\s+is)?)\s*:?\s*[^\d\n-]{{0,12}}({_NUMBER.pattern})", text, re.IGNORECASE):
        text = said[-1]
    found = _NUMBER.findall(text.replace("$", " "))
    return _fraction(found[-1]) if found else None


def code_of(reply: str) -> str:
    """The program in a reply: its first fenced block, else the whole text."""
    text = _THOUGHT.sub("", reply)
    fenced = _FENCE.findall(text)
    return str(fenced[0]) if fenced else text


def _same_number(found: Fraction | None, answer: str) -> bool:
    """Equal to the decimals that the answer gives; an integer must be met exactly."""
    expected = _fraction(answer)
    if found is None or expected is None:
        return False
    decimals = len(answer.partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals else Fraction(1, 10**9)
    return abs(found - expected) <= slack


def _fraction(text: str) -> Fraction | None:
    if len(text) > 40 or re.search(r"e[-+]?\d{4}", text, re.IGNORECASE):
        return None  # an exact 1e999999999 would take this process with it
    try:
        return Fraction(text.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None


def _is_exact(reply: str, answer: str) -> bool:
    """One of the answers (separated by "|") is the whole reply, its first or last line, or ends a plain sentence."""
    text = _plain(reply)
    lines = [line for line in text.splitlines() if line.strip()]
    places = [_folded(place) for place in (text, *lines[:1], *lines[-1:])]
    accepted = [_folded(one) for one in answer.split("|")]
    if set(places) & set(accepted):
        return True
    return len(lines) == 1 and not _UNSURE.search(text) and any(_ends(places[0], one) for one in accepted)


def _ends(sentence: str, answer: str) -> bool:
    """ "The order goes to Lyon." ends with its answer; quotes around it do not matter."""
    return re.search(rf"(?<!\w)[\"'‘“]?{re.escape(answer)}$", sentence) is not None


def _plain(reply: str) -> str:
    """Without thoughts and markdown's emphasis."""
    return re.sub(r"\*\*|__|`", "", _THOUGHT.sub("", reply)).strip()


def _folded(text: str) -> str:
    """Case, accents' encoding, outer punctuation, a leading article and the spacing do not matter."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    folded = re.sub(r"^[\W_]+|[\W_]+$", "", folded) or folded
    return re.sub(r"\s+", " ", re.sub(r"^(the|a|an)\s+", "", folded))


def _has(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None
