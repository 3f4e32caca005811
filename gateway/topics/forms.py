"""What form of answer a prompt asks for, by its wording: a translation, a summary, a poem, ...

An encoder embeds what a text is about. The verb that says what to do with it is one word of it, so a gate alone takes
"summarise this: <a letter on boilers>" for a question about boilers (docs/results/profiling.md#forms). Patterns see
the verb. They look at the beginning and the end of the prompt, where people say what they want, not into the text
that is pasted between. They know English best, and of German, French, Spanish, Portuguese, Italian, Chinese and
Japanese the commonest wordings. Greeting and thanks change nothing, as for the encoder (profiler/essence.py).

Knows no gate: it names categories; how much they weigh is decided in judged.py.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from gateway.topics.wordings.changing import CHANGING
from gateway.topics.wordings.finding import FINDING
from gateway.topics.wordings.names import CODE, NAMES, NEVER_CODE
from gateway.topics.wordings.writing import WRITING
from profiler.essence import essence

PASTED = 160  # characters; "in two sentences" asks for a summary only where a text is pasted
_LENGTHS = ("sent", "line", "word", "bull")  # cues of how long the answer shall be

WORDINGS = {**CHANGING, **FINDING, **WRITING}  # category of the gate -> how people ask for it

Pattern = re.Pattern[str]
_BEGINS = ("{ASK}", "{START}")
_SIGNS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.S)  # of a pattern: a class of letters is one


def forms(text: str) -> Mapping[str, float]:
    """Each category whose form the prompt asks for -> its share; they sum to 1. Empty for most prompts.

    >>> forms("Summarise this in two lines: the boiler is broken since Friday, ...")
    {'summarising': 1.0}
    """
    return forms_in(essence(text))


def forms_in(core: str) -> Mapping[str, float]:
    """The same of a prompt's essence, as the encoders are given it."""
    ends = core.lower()
    seen = set(_beginnings().findall(ends))
    if not ends.isascii():
        seen.update(ends)
    cues = _cues()
    tried = {wording for cue in cues.keys() & seen for wording in cues[cue]}
    found: set[str] = set()
    begins: dict[str, list[int]] = {}  # where requests begin, by what stands before them
    for category, pattern, before in tried:
        if category in found:
            continue
        if not before:
            is_asked = pattern.search(ends) is not None
        else:
            if before not in begins:
                begins[before] = [begun.end() for begun in _before(before).finditer(ends)]
            is_asked = _stands_at(begins[before], pattern, ends)
        if is_asked:
            found.add(category)
    if not found and len(ends) > PASTED and not seen.isdisjoint(_LENGTHS) and _length().search(ends):
        found = {"summarising"}
    if found and _code().search(ends):
        found &= NEVER_CODE
    return {category: 1 / len(found) for category in sorted(found)}


def _stands_at(places: Iterable[int], pattern: Pattern, text: str) -> bool:
    for at in places:  # noqa: SIM110  # `any` takes twice as long for the few that there are
        if pattern.match(text, at):
            return True
    return False


@cache
def _beginnings() -> Pattern:
    """The first four letters of each word."""
    return re.compile(r"([^\W_]{1,4})[^\W_]*")


@cache
def _cues() -> dict[str, list[tuple[str, Pattern, str]]]:
    """What is tried where a word begins so: of a category, where a request begins behind that, or anywhere."""
    tried: dict[str, list[tuple[str, Pattern, str]]] = {}
    for category, wordings in WORDINGS.items():
        for cues, wording in wordings:
            for before, branches in _by_begin(wording).items():
                pattern = re.compile(written_out("|".join(branches)))
                for cue in cues.split():
                    tried.setdefault(cue, []).append((category, pattern, before))
    return tried


def _by_begin(wording: str) -> dict[str, list[str]]:
    """The branches of a wording by what each begins with: {ASK}, {START}, which is left out, or neither.

    A search for such a beginning looks at each letter of a text, and is the same for all that begin so: it is done
    once a text.
    """
    by: dict[str, list[str]] = {}
    for branch in _branches(wording):
        before = next((name for name in _BEGINS if branch.startswith(name)), "")
        by.setdefault(before, []).append(branch.removeprefix(before))
    return by


def _branches(wording: str) -> list[str]:
    """What stands between the bars of a pattern that are in no bracket."""
    found, depth = [""], 0
    for sign in _SIGNS.findall(wording):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and not depth:
            found.append("")
        else:
            found[-1] += sign
    return found


@cache
def _before(begin: str) -> Pattern:
    return re.compile(written_out(begin))


@cache
def _code() -> Pattern:
    return re.compile(CODE[1])


@cache
def _length() -> Pattern:
    """How long the answer shall be, at either end: with a text, and no other form asked for, that is a summary."""
    said = (
        r"(?:in |max\.? |about |only )?(?:max\.? )?{NUMBER} (?:short |full |max )?"
        r"(?:sentences?|lines?|words|bullets|bullet points)\b"
    )
    return re.compile(written_out(rf"^[^\n]{{0,60}}\b{said}|\b{said}[^\n]{{0,40}}$"))


def written_out(wording: str) -> str:
    """The wording with its names written out."""
    return re.sub(r"\{([A-Z]+)\}", lambda name: NAMES[name[1]], wording)
