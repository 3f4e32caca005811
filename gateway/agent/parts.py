"""What a personal agent asks of its knowledge and of its tools: the seams between agent.py, knowledge/ and tools/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, as it was found for a question."""

    document: str  # its name, without the path of the disk
    heading: str  # under which it stands; may be empty
    text: str
    nearness: float  # cosine of the question and its nearest sentence; 0 where it was found by words alone


@dataclass(frozen=True, slots=True)
class Found:
    """Passages for a question, best first. `is_enough`: the best is near enough to answer from."""

    passages: tuple[Passage, ...] = ()
    is_enough: bool = False


class Knows(Protocol):
    """The documents of an agent."""

    async def find(self, question: str, limit: int = 3) -> Found:
        """The nearest passages. Never raises: documents that cannot be read are said elsewhere, and are not there."""
        ...


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


class Acts(Protocol):
    """The tools of an agent."""

    def offered(self, *, is_own: bool) -> Sequence[Tool]:
        """Those that work now. Tools that change things are for the owner's own requests only (`is_own`)."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any], *, is_own: bool) -> Result:
        """Run one, within the time of a call. Never raises: what goes wrong is a Result that says so to the model."""
        ...
