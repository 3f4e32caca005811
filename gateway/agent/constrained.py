"""Tools for models that cannot call any (P): one step in which the engine makes the model fill in a schema.

Small models write no sound call by themselves, and engines without a template for tools drop them silently; what a
schema demands an engine enforces. The model is asked once which tool fits the last message, and with which arguments.
What the calculator or the clock says is the answer itself; with another tool's result the model is asked once more.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.agent.fencing import fenced
from gateway.agent.material import Result, Tool
from gateway.agent.tools.calculator import NotArithmetic, calculated
from gateway.agent.tools.descriptions import CALCULATOR, CLOCK, DOCUMENTS
from gateway.wire.codec import UNREADABLE, Fields, raw, view_of

ANSWERING = frozenset({CALCULATOR, CLOCK})  # whose result is the answer, word by word
QUESTION_CHARS = 2000
CALL_TOKENS = 256
NO_TOOL = "none"
NUMBERS_LIMIT = 12  # of a question; longer tables are no sum that a small model writes down
_TERMS = 6
_NUMBER = re.compile(r"(?<![A-Za-z_\d.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\d_])")
_MEANT = {  # numbers that words stand for
    "100": r"percent|per cent|%",
    "2": r"hal(?:f|ves)|double|twice|squared?|two|pair",
    "3": r"three|triple|cubed?",
    "4": r"four|quarter",
    "5": r"five",
    "6": r"six",
    "7": r"seven|week",
    "8": r"eight",
    "9": r"nine",
    "10": r"ten",
    "12": r"twelve|dozen",
}
_COUNTS = re.compile(  # a question about numbers that no arithmetic answers: a date, a version
    r"[-+*/×÷^=%]|\b(?:how (?:many|much)|sum|total|plus|minus|times|multipl|divid|divide|subtract|add|product|percent|"
    r"half|double|twice|quarter|square|average|mean|difference|share|left|remain|cost|calculat|comput|equal|each|"
    r"per|area|altogether|spent|change|power|cube|root)",
    re.IGNORECASE,
)
_POWERS = re.compile(r"power|squar|cube|\^|\*\*|²|³", re.IGNORECASE)
_ROOTS = re.compile(r"root|sqrt|√", re.IGNORECASE)
_PERCENT = re.compile(r"percent|per cent|%", re.IGNORECASE)
_EXPRESSION = re.compile(r"[\d(][\d\s.()+*/×÷^−-]*[\d)]")
_SIGN = re.compile(r"[-+*/^]")
_AS_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-"})
_TELLS_TIME = re.compile(
    r"\b(?:time|date|day|today|now|clock|year|month|hour|weekday|tomorrow|yesterday)\b", re.IGNORECASE
)
_SHOTS = (
    ("What is 12 * 7?", "12*7"),
    ("A bag holds 30 apples. How many apples are in 8 bags?", "30*8"),
    ("Mia had 90 euros and spent 35. How much is left?", "90-35"),
    ("Four friends share 200 euros equally. How much does each get?", "200/4"),
    ("What is 20 percent of 150?", "150*20/100"),
    ("Take 40 away from 100.", "100-40"),
    ("What is the sum of 5, 6 and 7?", "5+6+7"),
)
_SHOTS_OF_POWERS = (
    ("What is the square of 9?", "9**2"),
    ("What is 3 to the power of 5?", "3**5"),
    ("What is the cube of 6?", "6**3"),
)
_SHOTS_OF_ROOTS = (("What is the square root of 81?", "sqrt(81)"), ("Take the root of 400 and add 5.", "sqrt(400)+5"))
_TASK = "Choose the tool that helps to answer the question, and fill in its arguments. Answer in JSON."


def fitting(tools: Sequence[Tool], question: str) -> tuple[Tool, ...]:
    """The tools that a question may need: calculator and clock only where its words ask for them.

    A small model takes whatever it is offered. A search is left out: the passages are there already.
    """
    return tuple(tool for tool in tools if tool.name != DOCUMENTS and _fits(tool, question))


def _fits(tool: Tool, question: str) -> bool:
    if tool.name == CALCULATOR:
        return 2 <= len(numbers_in(question)) <= NUMBERS_LIMIT and _COUNTS.search(question) is not None
    return tool.name != CLOCK or _TELLS_TIME.search(question) is not None


def numbers_in(question: str) -> list[str]:
    """The numbers that a question names, in digits or by such words as `half`, each as often as it stands there."""
    named = [number.replace(",", "") for number in _NUMBER.findall(question)]
    meant = [n for n, words in _MEANT.items() if n not in named and re.search(rf"\b(?:{words})", question, re.I)]
    return named + (["100"] if "%" in question and "100" not in [*named, *meant] else []) + meant


def question_in(messages: Sequence[Mapping[str, Any]]) -> str:
    """The last words of the user; empty where there are none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                content = "\n".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
            return str(content or "")[-QUESTION_CHARS:]
    return ""


def choosing(fields: Fields, tools: Sequence[Tool], question: str) -> dict[str, Any]:
    """What the engine is asked: which of the tools, with which arguments. `fields`: of the request, for its model."""
    has_calculator = any(tool.name == CALCULATOR for tool in tools)
    others = [tool for tool in tools if tool.name != CALCULATOR]
    task = _TASK
    if others:
        task += (
            "\n" + "\n".join(f"- {tool.name}: {tool.description}" for tool in tools) + f"\n- {NO_TOOL}: no tool helps"
        )
    messages = [{"role": "system", "content": task}]
    if has_calculator:
        for asked, expression in _shots(question):
            written = msgspec.json.encode({"tool": CALCULATOR, "arguments": {"expression": expression}}).decode()
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": written}]
    messages.append({"role": "user", "content": question})
    choices = [_call_schema(tool, question) for tool in tools]
    if others:
        choices.append(_object({"tool": {"const": NO_TOOL}}))
    schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {
        "model": fields.get("model", raw("")),
        "messages": raw(messages),
        "response_format": raw(
            {"type": "json_schema", "json_schema": {"name": "call", "strict": True, "schema": schema}}
        ),
        "temperature": raw(0),
        "max_tokens": raw(CALL_TOKENS),
    }


def chosen(text: str, tools: Sequence[Tool]) -> tuple[str, Mapping[str, Any]] | None:
    """The tool that the model chose, with its arguments; None for none, and for what is no such choice."""
    try:
        said = msgspec.json.decode(text.strip())
    except UNREADABLE:
        return None
    if not isinstance(said, dict) or all(said.get("tool") != tool.name for tool in tools):
        return None
    arguments = said.get("arguments")
    return said["tool"], arguments if isinstance(arguments, dict) else {}


def with_result(fields: Fields, name: str, result: Result) -> dict[str, Any]:
    """The request with a tool's result as data behind the last words of the user."""
    messages = msgspec.json.decode(view_of(fields["messages"]))
    text = fenced(result.text, f"result of {name}")
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            is_parts = isinstance(content, list)
            message["content"] = [*content, {"type": "text", "text": text}] if is_parts else f"{content}\n\n{text}"
            break
    return {**fields, "messages": raw(messages)}


def _call_schema(tool: Tool, question: str) -> dict[str, Any]:
    parameters: Mapping[str, Any] = tool.parameters
    if tool.name == CALCULATOR:
        parameters = _object({"expression": {"type": "string", "pattern": _pattern(question)}})
    return _object({"tool": {"const": tool.name}, "arguments": parameters})


def _shots(question: str) -> tuple[tuple[str, str], ...]:
    """Examples of sums like the one that is asked for."""
    if _ROOTS.search(question):
        return (*_SHOTS, *_SHOTS_OF_ROOTS)
    return (*_SHOTS, *_SHOTS_OF_POWERS) if _POWERS.search(question) else _SHOTS


def _pattern(question: str) -> str:
    """Expressions over the question's numbers alone, none more often than it stands there, or the one that it writes.

    A share in percent is a product over a hundred; powers and roots are there where the question speaks of them.
    """
    if written := _written(question):
        return f"^{re.escape(written)}$"
    numbers = numbers_in(question)
    number = _one_of(numbers)
    if _ROOTS.search(question):
        return f"^sqrt[(]{number}[)]([-+*/]{number}){{0,{_TERMS}}}$"
    if _PERCENT.search(question):
        named = [each.replace(",", "") for each in _NUMBER.findall(question)]
        return f"^{_pair(named, '[*]')}/100$" if len(named) == 2 else f"^{number}[*]{number}/100([-+*/]{number})?$"
    sign = "([-+*/]|[*][*])" if _POWERS.search(question) else "[-+*/]"
    if len(numbers) == 2:
        return f"^{_pair(numbers, sign)}$"
    pair = f"({number}|[(]{number}{sign}{number}[)])"
    return f"^{pair}({sign}{pair}){{1,{min(len(numbers) - 1, _TERMS)}}}$"


def _pair(numbers: Sequence[str], sign: str) -> str:
    """Both numbers, in either order."""
    one, other = (each.replace(".", "[.]") for each in numbers)
    return f"({one}{sign}{other}|{other}{sign}{one})"


def _one_of(numbers: Iterable[str]) -> str:
    return "(" + "|".join(dict.fromkeys(each.replace(".", "[.]") for each in numbers)) + ")"


def _written(question: str) -> str:
    """The arithmetic that stands in the question as such; empty where it has none with more than one sign."""
    for found in _EXPRESSION.findall(question):
        expression = re.sub(r"\s", "", found).translate(_AS_SIGNS)
        if len(_SIGN.findall(expression)) > 1 and _can_be_calculated(expression):
            return expression
    return ""


def _can_be_calculated(expression: str) -> bool:
    try:
        calculated(expression)
    except NotArithmetic:
        return False
    return True


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
