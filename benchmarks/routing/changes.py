"""Harmless changes of a prompt: what is asked stays, and its category should."""

import re
import string
from collections.abc import Callable, Mapping
from random import Random

Change = Callable[[str, Random], str]

GREETINGS = ("Hi! ", "Hello, ", "Hey there, ", "Good morning. ", "Hello! I hope you are well. ", "hi ")
THANKS = (" Thanks!", " Thank you.", "\nThanks in advance!", " Thank you very much!", "\n\nthx", " Many thanks.")
FRAMES = (
    "Could you please help me with this: {}",
    "I was wondering about the following. {}",
    "{} I would be grateful.",
)
SYNONYMS = (  # (word, another for it)
    ("make", "create"), ("write", "compose"), ("explain", "describe"), ("find", "locate"), ("show", "display"),
    ("give", "provide"), ("tell", "inform"), ("big", "large"), ("small", "little"), ("good", "fine"), ("bad", "poor"),
    ("fast", "quick"), ("buy", "purchase"), ("start", "begin"), ("stop", "end"), ("fix", "repair"), ("use", "employ"),
    ("get", "obtain"), ("help", "assist"), ("need", "require"), ("want", "wish"), ("best", "finest"),
    ("list", "enumerate"), ("change", "alter"), ("keep", "retain"), ("choose", "select"), ("happy", "glad"),
    ("difference", "distinction"), ("problem", "issue"), ("way", "method"), ("kind", "sort"), ("answer", "reply"),
    ("story", "tale"), ("trip", "journey"), ("house", "home"), ("car", "vehicle"), ("job", "position"),
    ("film", "movie"), ("shop", "store"), ("picture", "image"), ("error", "mistake"), ("several", "multiple"),
)  # fmt: skip


def _either(text: str, rng: Random, before: tuple[str, ...] = ("",), behind: tuple[str, ...] = ("",)) -> str:
    return rng.choice(before) + text + rng.choice(behind)


def _typos(share: float) -> Change:
    """So many of a text's letters are dropped, doubled, replaced or exchanged with the next."""

    def change(text: str, rng: Random) -> str:
        letters = list(text)
        places = [i for i, letter in enumerate(letters) if letter.isalpha()]
        for place in rng.sample(places, min(len(places), max(1, round(share * len(places))))):
            letter = letters[place]
            following = letters[place + 1] if place + 1 < len(letters) else ""
            letters[place] = rng.choice(("", letter * 2, rng.choice(string.ascii_lowercase), following + letter))
        return "".join(letters)

    return change


def _synonyms(text: str, rng: Random) -> str:
    for word, other in SYNONYMS:
        text = re.sub(rf"\b{word}\b", other, text)
        text = re.sub(rf"\b{word.capitalize()}\b", other.capitalize(), text)
    return text


def _without_marks(text: str, rng: Random) -> str:
    return " ".join(re.sub(rf"[{re.escape(string.punctuation)}]", " ", text).split()) or text


CHANGES: Mapping[str, Change] = {
    "greeting": lambda text, rng: _either(text, rng, before=GREETINGS),
    "thanks": lambda text, rng: _either(text, rng, behind=THANKS),
    "question": lambda text, rng: f"Question: {text}",
    "outer blanks": lambda text, rng: _either(
        text, rng, before=(" ", "\n\n", "\t ", "   "), behind=("  ", "\n", " \n\n")
    ),
    "case": lambda text, rng: rng.choice((text.upper(), text.lower())),
    "polite frame": lambda text, rng: rng.choice(FRAMES).format(text),
    "typos 2 %": _typos(0.02),
    "typos 6 %": _typos(0.06),
    "no punctuation": _without_marks,
    "synonyms": _synonyms,
}
