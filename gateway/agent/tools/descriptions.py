"""The tools that every agent may have, as a model is told of them (P)."""

from collections.abc import Mapping

from gateway.agent.material import Tool
from gateway.agent.tools.calculator import EXPRESSION_CHARS

CALCULATOR, CLOCK, DOCUMENTS = "calculator", "clock", "documents"
QUERY_CHARS = 1000

TOOLS: Mapping[str, Tool] = {
    CALCULATOR: Tool(
        CALCULATOR,
        "Works out arithmetic exactly: + - * / ** and brackets, sqrt, round, min, max. Example: (12.5 + 3) * 4",
        {
            "type": "object",
            "properties": {"expression": {"type": "string", "maxLength": EXPRESSION_CHARS}},
            "required": ["expression"],
            "additionalProperties": False,
        },
    ),
    CLOCK: Tool(
        CLOCK,
        "Tells the date, the weekday and the time of day where this agent runs.",
        {"type": "object", "properties": {}, "additionalProperties": False},
    ),
    DOCUMENTS: Tool(
        DOCUMENTS,
        "Searches this agent's own documents and gives the passages that are nearest to the query.",
        {
            "type": "object",
            "properties": {"query": {"type": "string", "maxLength": QUERY_CHARS}},
            "required": ["query"],
            "additionalProperties": False,
        },
    ),
}
