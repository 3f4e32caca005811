"""The tools that every agent may have: a calculator, the clock, and a search in its own documents."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gateway.agent.fencing import fenced
from gateway.agent.parts import Found, Knows, Result
from gateway.agent.tools.calculator import NotArithmetic, calculated
from gateway.agent.tools.descriptions import CALCULATOR, CLOCK, DOCUMENTS, QUERY_CHARS, TOOLS
from gateway.agent.tools.results import RESULT_BYTES, cut


class Builtin:
    """They are run here: nothing is started, and nothing of theirs changes anything."""

    def __init__(self, names: tuple[str, ...], knows: Knows | None, now: Callable[[], datetime]) -> None:
        """`now`: with its time zone. Without documents nobody is told that they could be searched."""
        self._knows, self._now = knows, now
        self.tools = tuple(TOOLS[name] for name in names if name != DOCUMENTS or knows is not None)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Result:
        """Run one of them. What is wrong with the arguments is said to the model."""
        if name == CALCULATOR:
            return _calculate(arguments.get("expression"))
        if name == CLOCK:
            return Result(f"{self._now():%A, %d %B %Y, %H:%M (UTC%z)}")
        query = arguments.get("query")
        if not isinstance(query, str) or not query.strip():
            return Result("`query` is missing: say what is looked for", is_error=True)
        assert self._knows is not None, "a search is offered where there are documents"
        return _as_result(await self._knows.find(query[:QUERY_CHARS]))


def _calculate(expression: Any) -> Result:
    if not isinstance(expression, str):
        return Result("`expression` is missing: write the arithmetic as text", is_error=True)
    try:
        return Result(f"{expression.strip()} = {calculated(expression)}")
    except NotArithmetic as error:
        return Result(f"cannot work that out: {error}", is_error=True)


def _as_result(found: Found) -> Result:
    if not found.passages:
        return Result("nothing in the documents is about that")
    share = RESULT_BYTES // len(found.passages)
    return Result(
        "\n\n".join(
            fenced(cut(passage.text, share), " > ".join(filter(None, (passage.document, passage.heading))))
            for passage in found.passages
        )
    )
