"""What an agent's model is told of documents and tools (P): passages, tools, and what a tool said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST = 0.42  # nearness: below it a passage does not answer, in any documents (docs/results/agents.md#documents)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, as it was found for a question."""

    document: str  # its name, without the path of the disk
    heading: str  # under which it stands; may be empty
    text: str
    nearness: float  # cosine of the question and its nearest sentence; 0 where it was found by words alone
    # the sentences nearest to the question with their cosines, best first; none where it was compared as a whole
    sentences: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Passages for a question, best first. `is_enough`: the best is near enough to answer from."""

    passages: tuple[Passage, ...] = ()
    is_enough: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as a model is told of it."""

    name: str  # `calculator`, or NAME__tool of a server
    description: str
    parameters: Mapping[str, Any]  # JSON schema


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool said, cut to what a model can read."""

    text: str
    is_error: bool = False
