"""What may leave this machine, by the owner's rules (P): how far one request may go, and which rule says so.

A rule holds where all that it names applies to the request; of several that hold the strictest counts. One that cannot
be told (a topic without an encoder, words in token ids, text that is encoded too often) keeps the request here. What a
rule looks for is never said: its name is.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from math import inf
from typing import Literal, NamedTuple

import msgspec

from gateway.privacy.detectors import DETECTORS
from gateway.privacy.spellings import Buffer, Spelling
from gateway.privacy.texts import Reader, Texts

Reach = Literal["this machine", "my machines", "approved", "anyone"]
REACHES: tuple[Reach, ...] = ("this machine", "my machines", "approved", "anyone")  # the strictest first
Attachment = Literal["image", "audio", "file"]
Pattern = Literal["private_key", "api_key", "token", "email", "card", "iban"]
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
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


class Asked(msgspec.Struct, frozen=True):
    """A request, as far as rules look at it. `None` means that it cannot be told."""

    body: Buffer
    may_split: bool = True  # it is JSON, in whose lists a text may be split
    models: tuple[str, ...] = ()
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    attachments: frozenset[str] = frozenset()
    key: str | None = ""  # the name of the API key; empty: none
    topics: frozenset[str] | None = frozenset()
    files: tuple[tuple[int, int], ...] = ()  # where files of a form begin and end in the body


class Verdict(NamedTuple):
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
        self._reader = Reader(sought)
        # What a conversation was about counts later, too: so topics are looked at in any case.
        self._seeks = not self.needs_topics and all(rule.patterns or rule.words or rule.paths for rule in self.all)

    def __bool__(self) -> bool:
        return bool(self.all)

    def verdict(self, asked: Asked, new_bytes: float = inf) -> Verdict:
        """How far this request may go. Raises TakesLong where more than `new_bytes` of its texts are new."""
        found, texts = ANYWHERE, self._texts(asked, new_bytes)
        for rule in self._strictest_first:
            if found.rule and REACHES.index(found.reach) <= REACHES.index(rule.to):
                break
            holds = self._holds(rule, asked, texts)
            if holds is None:
                return Verdict("this machine", rule.name, is_told=False)
            if holds:
                found = Verdict(rule.to, rule.name)
        return found

    def clear(self, text: Buffer) -> bool:
        """Whether a look shows that no rule holds for a body that is a text, without lists in which it may be split.

        So it is where each looks for something in texts, and nothing of it stands in a short one.
        """
        return self._seeks and self._reader.is_clear(text)

    def explain(self, asked: Asked) -> list[tuple[Rule, bool | None]]:
        """Every rule, and whether it holds; None: that cannot be told."""
        texts = self._texts(asked)
        return [(rule, self._holds(rule, asked, texts)) for rule in self.all]

    def _texts(self, asked: Asked, new_bytes: float = inf) -> Texts:
        return Texts(asked.body, asked.files, self._reader, may_split=asked.may_split, new_bytes=new_bytes)

    def _holds(self, rule: Rule, asked: Asked, texts: Texts) -> bool | None:
        """Whether all that the rule names applies. What costs nothing is looked at first."""
        is_told = True
        for applies in self._conditions(rule, asked, texts):
            if applies is False:
                return False
            is_told &= applies is not None
        return True if is_told else None

    def _conditions(self, rule: Rule, asked: Asked, texts: Texts) -> Iterator[bool | None]:
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
