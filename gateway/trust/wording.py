"""One of the questions that everybody has, worded as a person might: who knows the shipped set by heart is not told.

It hides a question from who looks for its text, and from nobody who looks for its meaning.
"""

import random
from dataclasses import replace

from profiler.grading.grades import Grade
from profiler.question import Question

_OPENINGS = ("", "", "", "Hi! ", "Quick question: ", "Can you help me with this? ", "I need this: ", "Hello, ")
_FORMS: dict[Grade, tuple[str, ...]] = {
    "choice": (
        "Which one is right? Just the letter, please.", "Only tell me the letter of the right one.",
        "Reply with the right option's letter and nothing else.",
    ),
    "number": (
        "Put the bare result on the last line.", "Please finish with the number alone on a line of its own.",
        "The last line should be just the final number.",
    ),
}  # fmt: skip


def reworded(question: Question, rng: random.Random) -> tuple[Question, list[dict[str, str]]]:
    """The same question with its options in another order, and the chat that asks it."""
    question = _shuffled(question, rng) if question.choices else question
    *before, last = question.messages
    forms = _FORMS.get(question.grade)
    text = last["content"]
    if forms:
        text = text.rpartition("\n\n")[0] + "\n\n" + rng.choice(forms)
    if not question.before and question.grade != "rules":  # rules may say how the text that they are about begins
        text = rng.choice(_OPENINGS) + text
    return question, [*before, {**last, "content": text}]


def _shuffled(question: Question, rng: random.Random) -> Question:
    right = question.choices[ord(question.answer) - 65]
    choices = rng.sample(question.choices, len(question.choices))
    return replace(question, choices=tuple(choices), answer=chr(65 + choices.index(right)))
