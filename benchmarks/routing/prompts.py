"""Prompts with the categories that are right for them, and reading them as a gateway does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.topics.judged import Judged, judged_of
from profiler.ladder import Ladder
from profiler.qagate import QAGate
from profiler.queries import lines_of
from profiler.question import QueryError, text_of


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt, and the categories that are right for it."""

    query: str
    accept: frozenset[str]
    source: str


def load_texts(folder: Path) -> list[Text]:
    """The texts of a folder's *.jsonl files. Raises QueryError; for a broken line its message starts with file:line."""
    texts = [_text(value, at) for value, at in lines_of(folder)]
    if not texts:
        raise QueryError(f"the files of {folder} hold no text")
    return texts


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads texts as a gateway does whose gate and encoders these are."""

    gate: QAGate
    ladder: Ladder

    def read(self, query: str) -> tuple[Judged, float]:
        """What the text is about, and how far from noise it is: unfamiliar below 0."""
        reading = self.ladder.read(query)
        return judged_of(self.gate, reading), reading.familiarity


def _text(value: dict[str, Any], at: str) -> Text:
    accept = value.get("accept")
    if not isinstance(accept, list) or not accept or not all(isinstance(name, str) for name in accept):
        raise QueryError(f'{at}: "accept" must be a list of one or more categories')
    return Text(text_of(value, "query", at), frozenset(accept), text_of(value, "source", at))
