"""What topic sentences an agent's documents suggest: its headings, for the owner to edit before anybody is told."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gateway.agent.owned.files import TOPIC_CHARS, TOPICS_LIMIT

_FILES = 200  # that are looked at
_BYTES = 1 << 18  # of each
_HEADING = re.compile(r"^(#{1,3})[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_MARKS = re.compile(r"[`*_\[\]]|\(https?:[^)]*\)")
_SUFFIXES = frozenset({".md", ".markdown", ".rst", ".txt"})


def proposed_topics(folder: Path) -> tuple[str, ...]:
    """Up to 16 headings of the folder's texts, the higher ones first, each once. Files that cannot be read say nothing.

    A reader of them decides: unedited headings find half as many questions as sentences of the owner's own.
    """
    by_level: dict[str, dict[str, None]] = {"#": {}, "##": {}, "###": {}}
    for path in islice(_texts(folder), _FILES):
        try:
            with path.open("rb") as file:
                text = file.read(_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        for marks, title in _HEADING.findall(text):
            words = " ".join(_MARKS.sub("", title).split())
            if words and words.isprintable() and len(words) <= TOPIC_CHARS:
                by_level[marks][words] = None
    found = dict.fromkeys(title for titles in by_level.values() for title in titles)
    return tuple(islice(found, TOPICS_LIMIT))


def _texts(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.is_symlink():
            yield path
