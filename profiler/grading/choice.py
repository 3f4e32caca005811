"""Which option a reply chooses. Pure.

Replies may be in English, German, French, Spanish or Chinese. A reply that names two options chooses none. Where the
letter and the words of an option disagree, the words count, since small models write "A." before whatever they choose.
"""

import re
from collections.abc import Sequence

from profiler.grading.reply import bounded, folded, has, lines_of, plain, right_of

_ANSWER_WORD = r"(?:\b(?:answer|option|choice|antwort|réponse|respuesta|opción)\b|答案|选项)"
_STATEMENT = re.compile(
    rf"{_ANSWER_WORD}(?:\s+correct[ae])?(?:\s*(?:is|ist|lautet|est|es|是|为|应为)\b)?\s*[:：]?\s*"
    rf"(?:(?:la|el|die)\s+(?=[A-Z]\b))?(.+?)(?={_ANSWER_WORD}|$)",
    re.IGNORECASE | re.MULTILINE,
)


def choice_letter(reply: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that a reply commits to; None where it names none, or several."""
    text = plain(reply)
    lines = lines_of(text)
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
    letters, options = _letters(choices), sorted((bounded(choice) for choice in choices), key=len, reverse=True)
    unworded = re.sub("|".join(options), " ", text, flags=re.IGNORECASE)  # the C of "Vitamin C" is no option
    named = {letter for letter in re.findall(rf"\b([{letters}])\b(?!['’])", unworded) if letter not in "AI"}
    if len(named) == 1:
        return str(named.pop())
    words = folded(text)
    worded = [letter for letter, choice in zip(letters, choices, strict=True) if has(words, folded(choice))]
    return worded[0] if len(worded) == 1 else None


def _commitment(statement: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that a statement starts with: by its words, else by its letter."""
    letters = _letters(choices)
    labelled = re.match(rf"[(\[]?([{letters}{letters.lower()}])(?:[)\].:,]+|\s+[-–]|$)\s*(.*)", statement)
    words = folded(labelled[2] if labelled else statement)
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
    option = folded(choice)
    return re.match(rf"{re.escape(option)}{right_of(option)}(?!\s+(?:or|and|oder|ou|o)\b|或)", words) is not None
