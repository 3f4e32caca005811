"""What a personal agent asks of its knowledge and of its tools: the seams between agent.py, knowledge/ and tools/."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway.agent.material import Found as Found
from gateway.agent.material import Passage as Passage
from gateway.agent.material import Result as Result
from gateway.agent.material import Tool as Tool


class Knows(Protocol):
    """The documents of an agent."""

    async def find(self, question: str, limit: int = 3) -> Found:
        """The nearest passages. Never raises: documents that cannot be read are said elsewhere, and are not there."""
        ...


class Acts(Protocol):
    """The tools of an agent."""

    def offered(self, *, is_own: bool) -> Sequence[Tool]:
        """Those that work now. Tools that change things are for the owner's own requests only (`is_own`)."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any], *, is_own: bool) -> Result:
        """Run one, within the time of a call. Never raises: what goes wrong is a Result that says so to the model."""
        ...
