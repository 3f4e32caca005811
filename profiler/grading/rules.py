"""Texts that were to obey rules which can be counted: length, words, lines, items, first and last words. Pure.

This measures whether an engine does what it was told, not whether the text is beautiful. In each case a reply is wrong
that repeats the request, refuses it, goes in circles, or leaves places to be filled in ("[Your Name]").
"""

import itertools
import re
from collections.abc import Callable, Sequence

import msgspec

from profiler.grading.reply import bounded, folded, lines_of, said
from profiler.grading.translation import scripts

Count = tuple[int, int]  # least and most

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_PLACE = re.compile(r"\[[A-Za-z][^\]\n]{0,60}\]|<[A-Za-z][\w ]{0,30}>|\{[A-Za-z][\w ]{0,30}\}|_{3,}|\bX{3,}\b")
_REFUSES = re.compile(
    r"\bI(?:['’]m| am)? (?:cannot|can['’]t|can not|unable to|not able to) (?:help|assist|provide|fulfil|comply|answer)"
    r"|\bas an ai\b|\blanguage model\b",
    re.IGNORECASE,
)
_SHORTENED = re.compile(r"\b(Mrs?|Ms|Dr|Prof|St|etc|e\.g|i\.e|a\.m|p\.m|vs|No|approx)\.", re.IGNORECASE)
_END = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’)]*(?=\s|$)|[。！？]")
_ITEM = re.compile(r"^(?:[-*•–]|\d{1,2}[.):])\s+")
_NUMERAL = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}")  # a word with a capital inside a sentence
_ABOVE = re.compile(r"#|\*\*[^*]+\*\*$|(?:sure|here|certainly|of course)\b.*:$|-{3,}$", re.IGNORECASE)
_BELOW = re.compile(r"[(*]*(?:word count:? *\d+|\d+ words)[.)*]*$|-{3,}$", re.IGNORECASE)
_TOGETHER = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")  # written without blanks: no words to be counted
_MARKS = ".,;:!?…\"”’'»)* \n"
_MOST = 0.9  # of the letters
_ITEMS_READ = 100
_SAME_IDEA = 0.6  # share of words in common from which two items of more than three words are one
_CIRCLE = 0.3  # share of different words below which a text of 20 words goes in circles


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of the text; what is left out is free. "a|b" is either, without difference of case."""

    words: Count | None = None
    sentences: Count | None = None
    questions: Count | None = None
    lines: Count | None = None  # that are not empty
    paragraphs: Count | None = None
    items: Count | None = None  # of a list: lines that begin with a bullet or a number
    item_words: Count | None = None  # in each item
    item_has: list[str] = []  # what each item has
    items_differ: bool = False  # no two say nearly the same
    item_starts: str = ""  # how each item begins
    has: list[str] = []  # words or passages that are there
    lacks: list[str] = []  # that are not
    times: dict[str, int] = {}  # passage: how often it is there
    starts: str = ""  # how the text begins
    ends: str = ""  # how it ends, punctuation apart
    last_mark: str = ""  # its last character
    first_line: str = ""  # how the first line ends
    last_line: str = ""  # how the last line begins
    each_line: str = ""  # how each line begins
    each_mark: str = ""  # each line's last character
    distinct_lines: bool = False  # no line is there twice
    line_starts: list[str] = []  # how each line begins, one after another
    line_ends: list[str] = []  # each line's last words
    line_words: list[int] = []  # how many words each line has
    no_letter: str = ""
    case: str = ""  # "upper" or "lower": every letter is
    script: str = ""  # that nine of ten letters are in, by Unicode's name: LATIN, CYRILLIC, HIRAGANA|CJK
    from_query: bool = False  # every number and every name inside a sentence stands in the request


def obeys(reply: str, rules: Rules, query: str) -> bool:
    """Whether the reply obeys all of the rules. `query` is the request."""
    text = _text(reply)
    if not text or _PLACE.search(text) or _REFUSES.search(text) or _repeats(text, query):
        return False
    holds = _counts_hold(text, rules) and _words_hold(text, rules) and _lines_hold(text, rules)
    return holds and _has_form(text, rules, query)


def words_of(text: str) -> list[str]:
    """Its words, in small letters."""
    return _WORD.findall(text.casefold())


def sentences_of(text: str) -> int:
    """How many sentences end in it; what follows the last end counts as one more."""
    whole = _SHORTENED.sub(r"\1", text)
    ends = [match.end() for match in _END.finditer(whole)]
    return len(ends) + bool(_WORD.search(whole, ends[-1] if ends else 0))


def items_of(text: str) -> list[str]:
    """The items of the list in it, without bullets and numbers."""
    return [_ITEM.sub("", line) for line in lines_of(text) if _ITEM.match(line)]


def _text(reply: str) -> str:
    """The reply line by line, without emphasis, outer quotes, and what is about the text: a title above it ("# ..." or
    all in bold), a line that announces it, a count of its words below."""
    lines = [line.strip() for line in said(reply).splitlines()]
    while len(lines) > 1 and (not lines[0] or _ABOVE.match(lines[0])):
        lines = lines[1:]
    while len(lines) > 1 and (not lines[-1] or _BELOW.match(lines[-1])):
        lines = lines[:-1]
    lines = [re.sub(r"\*\*|`", "", line) for line in lines]
    return "\n".join(lines).strip().strip('"“”')


def _repeats(text: str, query: str) -> bool:
    """Whether it repeats the request, or goes in circles."""
    words = words_of(text)
    circles = len(words) > 20 and len(set(words)) < _CIRCLE * len(words) and not _TOGETHER.search(text)
    return circles or folded(text) == folded(query) or (len(query) > 40 and folded(query) in folded(text))


def _counts_hold(text: str, rules: Rules) -> bool:
    items = items_of(text)
    paragraphs = re.split(r"\n\n+", text)
    counted = (
        (rules.words, len(words_of(text)) or sum(scripts(text).values())),
        (rules.sentences, sentences_of(text)),
        (rules.questions, text.count("?")),
        (rules.lines, len(lines_of(text))),
        (rules.paragraphs, len(paragraphs)),
        (rules.items, len(items)),
        *((rules.item_words, len(words_of(item))) for item in items),
    )
    return all(wanted is None or wanted[0] <= count <= wanted[1] for wanted, count in counted)


def _words_hold(text: str, rules: Rules) -> bool:
    whole = folded(text)
    return (
        all(_any_in(whole, wanted) for wanted in rules.has)
        and not any(_any_in(whole, unwanted) for unwanted in rules.lacks)
        and all(count == _count(whole, passage) for passage, count in rules.times.items())
        and (not rules.no_letter or rules.no_letter not in whole)
    )


def _lines_hold(text: str, rules: Rules) -> bool:
    lines, items = lines_of(text), items_of(text)
    return (
        _in_turn(lines, rules.line_starts, _begins)
        and _in_turn(lines, rules.line_ends, _finishes)
        and (not rules.line_words or rules.line_words == [len(words_of(line)) for line in lines])
        and all(_begins(line, rules.each_line) and line.endswith(rules.each_mark) for line in lines)
        and _finishes(lines[0], rules.first_line)
        and _begins(lines[-1], rules.last_line)
        and (not rules.distinct_lines or len(lines) == len({folded(line) for line in lines}))
        and all(_begins(item, rules.item_starts) for item in items)
        and all(_any_in(folded(item), wanted) for item in items for wanted in rules.item_has)
        and (not rules.items_differ or _are_different(items))
    )


def _has_form(text: str, rules: Rules, query: str) -> bool:
    letters = scripts(text)
    return (
        _begins(text, rules.starts)
        and _finishes(text, rules.ends)
        and text.endswith(rules.last_mark)
        and (not rules.case or text == (text.upper() if rules.case == "upper" else text.lower()))
        and (not rules.script or sum(letters[one] for one in rules.script.split("|")) >= _MOST * letters.total())
        and (not rules.from_query or _is_from(text, query))
    )


def _any_in(whole: str, wanted: str) -> bool:
    return any(re.search(bounded(folded(one)), whole) for one in wanted.split("|"))


def _count(whole: str, passage: str) -> int:
    return len(re.findall(bounded(folded(passage)), whole))


def _begins(text: str, wanted: str) -> bool:
    return text.casefold().lstrip("\"“'‘*-•— ").startswith(tuple(wanted.casefold().split("|")))


def _finishes(text: str, wanted: str) -> bool:
    end = text.casefold().rstrip(_MARKS)
    return end.endswith(tuple(one.casefold().rstrip(_MARKS) for one in wanted.split("|")))


def _in_turn(lines: Sequence[str], wanted: Sequence[str], holds: Callable[[str, str], bool]) -> bool:
    return not wanted or (len(lines) == len(wanted) and all(map(holds, lines, wanted)))


def _are_different(items: Sequence[str]) -> bool:
    sets = [set(words_of(item)) for item in items[:_ITEMS_READ]]
    pairs = itertools.combinations(sets, 2)
    return not any(
        one == other or len(one & other) >= _SAME_IDEA * max(4, len(one), len(other)) for one, other in pairs
    )


def _is_from(text: str, query: str) -> bool:
    numbers = set(_NUMERAL.findall(query))
    said_names = {name.casefold() for name in _NAME.findall(text)}
    return set(_NUMERAL.findall(text)) <= numbers and said_names <= set(words_of(query))
