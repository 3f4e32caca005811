"""What may leave this machine, by the owner's rules (P): how far one request may go, and which rule says so.

A rule holds where all that it names applies to the request; of several that hold the strictest counts. One that cannot
be told (a topic without an encoder, words in token ids, text that is encoded too often) keeps the request here. What a
rule looks for is never said: its name is.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.privacy.detectors import DETECTORS
from gateway.privacy.media import without_media
from gateway.privacy.spellings import Buffer, Spelling, Unreadable, slices, spellings
from gateway.wire.codec import UNREADABLE

Reach = Literal["this machine", "my machines", "approved", "anyone"]
REACHES: tuple[Reach, ...] = ("this machine", "my machines", "approved", "anyone")  # the strictest first
Attachment = Literal["image", "audio", "file"]
Pattern = Literal["private_key", "api_key", "token", "email", "card", "iban"]
REMEMBERED = 1 << 14  # texts, at some hundred bytes each: a slice of each of so many conversations
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_TEXTS_APART = frozenset({"type", "role", "id", "call_id", "tool_call_id", "tool_use_id", "media_type", "detail"})
_TOKEN_FIELDS = ("prompt", "input")  # that may be token ids
_BESIDE_PATH = r"[\w.~-]"


class RuleError(ValueError):
    """A rule cannot be meant as it is written; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it holds where all that is given applies, and always where nothing is."""

    name: str  # small letters, digits, - and _: programs are told it as `privacy:NAME`
    to: Reach = "this machine"  # how far a request may go where the rule holds
    keys: tuple[str, ...] = ()  # asked with one of these API keys, by their names (`ppai key list`)
    headers: tuple[str, ...] = ()  # with one of these headers: `NAME`, or `NAME: VALUE` with * and ?
    models: tuple[str, ...] = ()  # for one of these models, with * and ?
    attachments: tuple[Attachment, ...] = ()  # with a picture, a sound, a file
    paths: tuple[str, ...] = ()  # that names one of these directories or files, or what is in it
    patterns: tuple[Pattern, ...] = ()  # with what looks like one of these (detectors.py)
    words: tuple[str, ...] = ()  # with one of these words, in large letters or small
    topics: tuple[str, ...] = ()  # about one of these categories of the gate


SECRETS = Rule("secrets", "my machines", patterns=("private_key", "api_key", "token", "card", "iban"))


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """What may leave this machine."""

    rules: tuple[Rule, ...] = (SECRETS,)  # those given replace this one


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as rules look at it. `None` means that it cannot be told."""

    body: Buffer
    is_json: bool = True
    models: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: frozenset[str] = frozenset()
    key: str | None = ""  # the name of the API key; empty: none
    topics: frozenset[str] | None = frozenset()
    files: tuple[tuple[int, int], ...] = ()  # where files of a form begin and end in the body

    @property
    def texts(self) -> Iterator[Buffer]:
        """The parts of the body that are read: all but what lies between the ends of pictures and recordings."""
        return without_media(self.body, self.files)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a request may go. `rule` is the one that says so; empty: none does."""

    reach: Reach = "anyone"
    rule: str = ""
    is_told: bool = True  # False: the rule could not be told, and so keeps the request here


ANYWHERE = Verdict()
UNASKED = Verdict("this machine")  # nothing was looked at, since all who could answer run here


class Rules:
    """The rules of one peer."""

    def __init__(self, config: PrivacyConfig, home: str, topics: Collection[str] = ()) -> None:
        """`home`: the user's own folder, as `~` in a path means it. `topics`: what the gate tells apart.

        Raises RuleError.
        """
        self.all = config.rules
        self._strictest_first = sorted(self.all, key=lambda rule: REACHES.index(rule.to))
        for number, rule in enumerate(config.rules):
            _check(rule, number, topics)
        if len({rule.name for rule in config.rules}) < len(config.rules):
            raise RuleError("`privacy.rules`: two rules have one name: rename one of them")
        self.needs_topics = any(rule.topics for rule in config.rules)
        sought: dict[str, Callable[[Spelling], bool]] = {}  # what rules look for in texts
        for rule in config.rules:
            sought |= {pattern: DETECTORS[pattern] for pattern in rule.patterns}
            if rule.words:
                sought[f"words of {rule.name}"] = partial(_has_word, tuple(map(_folded, rule.words)))
            if rule.paths:
                sought[f"paths of {rule.name}"] = partial(_has_path, _paths(rule.paths, home))
        self._read = _Reader(sought)

    def __bool__(self) -> bool:
        return bool(self.all)

    def verdict(self, asked: Asked) -> Verdict:
        """How far this request may go."""
        found, texts = ANYWHERE, _Texts(asked, self._read)
        for rule in self._strictest_first:
            if found.rule and REACHES.index(found.reach) <= REACHES.index(rule.to):
                break
            holds = self._holds(rule, asked, texts)
            if holds is None:
                return Verdict("this machine", rule.name, is_told=False)
            if holds:
                found = Verdict(rule.to, rule.name)
        return found

    def explain(self, asked: Asked) -> list[tuple[Rule, bool | None]]:
        """Every rule, and whether it holds; None: that cannot be told."""
        texts = _Texts(asked, self._read)
        return [(rule, self._holds(rule, asked, texts)) for rule in self.all]

    def _holds(self, rule: Rule, asked: Asked, texts: "_Texts") -> bool | None:
        """Whether all that the rule names applies. What costs nothing is looked at first."""
        is_told = True
        for applies in self._conditions(rule, asked, texts):
            if applies is False:
                return False
            is_told &= applies is not None
        return True if is_told else None

    def _conditions(self, rule: Rule, asked: Asked, texts: "_Texts") -> Iterator[bool | None]:
        if rule.models:
            yield _is_any(asked.models, rule.models)
        if rule.headers:
            yield any(_has_header(asked.headers, wanted) for wanted in rule.headers)
        if rule.keys:
            yield None if asked.key is None else asked.key in rule.keys
        if rule.attachments:
            yield not asked.attachments.isdisjoint(rule.attachments)
        if rule.topics:
            yield None if asked.topics is None else not asked.topics.isdisjoint(rule.topics)
        if rule.patterns:
            yield texts.have(*rule.patterns)
        if rule.words:
            yield texts.have(f"words of {rule.name}")
        if rule.paths:
            yield texts.have(f"paths of {rule.name}")


class _Read(NamedTuple):
    """What was found in a text, and whether all of it could be read."""

    signs: frozenset[str]
    is_whole: bool


class _Reader:
    """Looks for signs in texts. A conversation is sent whole at every turn: what was read in a text is remembered."""

    def __init__(self, sought: Mapping[str, Callable[[Spelling], bool]]) -> None:
        self.sought = sought
        self._known: dict[bytes, _Read] = {}  # by the hash of a text; threads read texts side by side

    def read(self, text: str) -> _Read:
        """Of a text of at most a slice."""
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        read = self._known.get(key)
        if read is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            read = self._known[key] = self._looked_at(text)
        return read

    def _looked_at(self, text: str) -> _Read:
        """A spelling at a time: all of them together are many times as large as the text."""
        found = set[str]()
        try:
            for spelling in spellings(text):
                found |= {sign for sign, is_in in self.sought.items() if sign not in found and is_in(spelling)}
                if len(found) == len(self.sought):
                    break
        except Unreadable:
            return _Read(frozenset(found), is_whole=False)
        return _Read(frozenset(found), is_whole=True)


class _Texts:
    """What stands in one request's texts of all that rules look for, found in one pass once a rule needs it."""

    def __init__(self, asked: Asked, reader: _Reader) -> None:
        self._asked, self._reader = asked, reader
        self._found: set[str] | None = None
        self._is_whole = True  # whether all of it could be read

    def have(self, *signs: str) -> bool | None:
        """Whether one of these is there; None: not all can be read."""
        if self._found is None:
            self._found = self._look()
        if not self._found.isdisjoint(signs):
            return True
        return False if self._is_whole else None

    def _look(self) -> set[str]:
        found = set[str]()
        for text in self._texts():
            read = self._reader.read(text)
            found |= read.signs
            self._is_whole &= read.is_whole
            if len(found) == len(self._reader.sought):
                break
        return found

    def _texts(self) -> Iterator[str]:
        """The body as it came; and the parts of each of its lists in a row, for what stands partly in each of two."""
        for part in self._asked.texts:
            yield from slices(part)
        if not self._asked.is_json:
            return
        try:
            body = msgspec.json.decode(memoryview(self._asked.body))
        except UNREADABLE:
            self._is_whole = False
            return
        if _has_token_ids(body):
            self._is_whole = False
        for parts in _split(body):
            for part in without_media("".join(_leaves(parts)).encode("utf-8", "replace")):
                yield from slices(part)


def checked(rule: Rule) -> str:
    """What the rule looks at, in words for a person."""
    said = []
    for values, words in (
        (rule.keys, "asked with the key"), (rule.headers, "with the header"), (rule.models, "for the model"),
        (rule.attachments, "with an attached"), (rule.paths, "naming"), (rule.patterns, "with what looks like"),
        (rule.topics, "about"),
    ):  # fmt: skip
        if values:
            said.append(f"{words} {' or '.join(values)}")
    if rule.words:
        said.append("with a word of its list")
    return ", ".join(said) or "every request"


def _check(rule: Rule, number: int, topics: Collection[str]) -> None:
    where = f"`privacy.rules[{number}]`"
    if not NAME.fullmatch(rule.name):
        raise RuleError(f"{where}: `name` is up to 32 small letters, digits, - and _, such as `clients`")
    if topics and (unknown := sorted(set(rule.topics) - set(topics))):
        raise RuleError(f"{where}: the gate knows no topic `{unknown[0]}`; it knows {', '.join(sorted(set(topics)))}")
    for key in ("keys", "headers", "models", "paths", "words"):
        if not all(value.strip() for value in getattr(rule, key)):
            raise RuleError(f"{where}: a value of `{key}` is empty: write one, or leave `{key}` out")
    if any(len(word) > 500 for word in (*rule.words, *rule.paths)):
        raise RuleError(f"{where}: words and paths have 500 characters at most")


def _has_word(words: Collection[str], spelling: Spelling) -> bool:
    folded = _folded(spelling.text)
    return any(word in folded for word in words)


def _has_path(paths: re.Pattern[str], spelling: Spelling) -> bool:
    return bool(paths.search(spelling.text))


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _is_any(names: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names for pattern in patterns)


def _has_header(headers: Mapping[str, str], wanted: str) -> bool:
    """Of a repeated header one value is enough."""
    name, colon, value = wanted.partition(":")
    found = headers.get(name.strip().lower())
    if found is None or not colon:
        return found is not None
    return _is_any([found.strip(), *(part.strip() for part in found.split(","))], [value.strip()])


def _paths(paths: Collection[str], home: str) -> re.Pattern[str]:
    """Any of these paths, by itself or as the beginning of another; `~` also as the folder that it stands for."""
    spelled = set[str]()
    for path in paths:
        path = path.rstrip("/\\") or path
        spelled.add(path)
        if path.startswith("~"):
            spelled.add(home.rstrip("/\\") + path[1:])
        elif path.startswith(home.rstrip("/\\") + "/"):
            spelled.add("~" + path[len(home.rstrip("/\\")) :])
    either = "|".join(re.escape(path) for path in sorted(spelled))
    return re.compile(rf"(?<!{_BESIDE_PATH})(?:{either})(?!{_BESIDE_PATH})", re.I)


def _has_token_ids(body: Any) -> bool:
    """Whether a prompt comes as numbers, which no rule can read."""
    fields = body if isinstance(body, dict) else {}
    for name in _TOKEN_FIELDS:
        value = fields.get(name)
        if isinstance(value, list) and any(isinstance(item, int | float | list) for item in value):
            return any(isinstance(item, int | float) or _numbers(item) for item in value)
    return False


def _numbers(item: Any) -> bool:
    return isinstance(item, list) and any(isinstance(number, int | float) for number in item)


def _split(body: Any) -> Iterator[list[Any]]:
    """The lists in a body in which a text may be split: those of more than one part, none a turn of its own."""
    left = [body]
    while left:
        word = left.pop()
        if isinstance(word, dict):
            left += word.values()
        elif isinstance(word, list):
            left += word
            if len(word) > 1 and not any(isinstance(part, dict) and "role" in part for part in word):
                yield word


def _leaves(body: Any) -> Iterator[str]:
    """All texts in a body, in order; a list of what is left takes the same time at every depth."""
    left = [body]
    while left:
        word = left.pop()
        if isinstance(word, str):
            yield word
        elif isinstance(word, list):
            left += reversed(word)
        elif isinstance(word, dict):
            left += [word[key] for key in reversed(word) if key not in _TEXTS_APART]
