"""A scripted engine for coding agents: it has a bug fixed by the tools that the agent offers, on all three APIs.

It has the file read, one line of it changed and the check run, and then says what the check said; where no tools are
offered, the change is words for aider.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from tests import agents
from tests.agents import Call, Said

WRONG, RIGHT = "return width + height", "return width * height"
PROGRAM = f"def area(width, height):\n    {WRONG}\n"
CHECK = "from area import area\n\nassert area(3, 4) == 12, area(3, 4)\nprint('twelve', 'it', 'is')\n"
CHECKED = "twelve it is"  # what the check says, and no file
TASK = "Fix the bug in {folder}/area.py, and run check.py."
WORDS = tuple(f"word{number} " for number in range(100))
SPEAK = "Say many words."

Answer = Callable[[dict[str, Any]], Said]


def answer(api: str, body: dict[str, Any]) -> Said:
    """What is said to this: the next step of the task, or words; of words that were begun, the rest."""
    said = _in_one(body)
    begun = agents.begun(body, "input" if "input" in body else "messages")
    if isinstance(said, Call) or not begun:
        return said
    return re.findall(r"\S+\s*|\s+", "".join(said).removeprefix(begun))


def _in_one(body: dict[str, Any]) -> Said:
    prompt = _prompt(body)
    if SPEAK in prompt:
        return WORDS
    found = re.search(r"Fix the bug in (\S+)/area\.py", prompt)
    if found is None:
        return ("Good", " morning.")
    tools, results = _tools(body), _results(body)
    if not tools:
        return _in_words(prompt)
    steps = list(_steps(tools, found[1]))
    return steps[len(results)] if len(results) < len(steps) else ("The check says: ", results[-1][-2000:])


APIS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "responses": lambda body: agents.responses(body, answer("responses", body)),
    "messages": lambda body: agents.messages(body, answer("messages", body)),
    "messages/count_tokens": agents.count_tokens,
    "chat/completions": lambda body: agents.chat(body, answer("chat", body)),
}


REFUSED = ("context_management", "output_config", "thinking", "include", "reasoning", "parallel_tool_calls")


def strict(api: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """The same, by an engine that refuses what came into the APIs of late, one field at a time."""

    def asked(body: dict[str, Any]) -> Any:
        if refused := next((name for name in REFUSED if name in body), None):
            error = json.dumps({"error": {"message": f"Unknown parameter: {refused}", "param": refused}})
            return web.HTTPBadRequest(text=error, content_type="application/json")
        return api(body)

    return asked


def _steps(tools: frozenset[str], folder: str) -> Iterator[Call]:
    """The calls that solve the task, by what is offered."""
    program = f"{folder}/area.py"
    check = f"cd {folder} && python3 check.py"
    for number, (name, arguments) in enumerate(_calls(tools, program, check), 1):
        yield Call(
            name,
            arguments if isinstance(arguments, str) else json.dumps(arguments),
            number,
            is_custom=isinstance(arguments, str),
        )


def _calls(tools: frozenset[str], program: str, check: str) -> list[tuple[str, Any]]:
    if "exec_command" in tools:  # Codex
        patch = f"*** Begin Patch\n*** Update File: {program}\n@@\n-    {WRONG}\n+    {RIGHT}\n*** End Patch\n"
        change = (
            ("apply_patch", patch)
            if "apply_patch" in tools
            else ("exec_command", {"cmd": f"sed -i 's/width + height/width * height/' {program}"})
        )
        return [("exec_command", {"cmd": f"cat {program}"}), change, ("exec_command", {"cmd": check})]
    if "Bash" in tools:  # Claude Code
        change = {"file_path": program, "old_string": WRONG, "new_string": RIGHT}
        return [("Read", {"file_path": program}), ("Edit", change), ("Bash", {"command": check})]
    change = {"filePath": program, "oldString": WRONG, "newString": RIGHT}  # opencode
    return [
        ("read", {"filePath": program}),
        ("edit", change),
        ("bash", {"command": check, "description": "Runs the check"}),
    ]


def _prompt(body: dict[str, Any]) -> str:
    return json.dumps(body.get("messages") or body.get("input"))


def _tools(body: dict[str, Any]) -> frozenset[str]:
    return frozenset(tool.get("name") or tool["function"]["name"] for tool in body.get("tools") or ())


def _results(body: dict[str, Any]) -> list[str]:
    turns = body.get("messages") or body.get("input") or ()
    found: list[Any] = []
    for turn in turns if isinstance(turns, list) else ():
        if "output" in turn:
            found.append(turn["output"])
        elif turn.get("role") == "tool":
            found.append(turn["content"])
        elif isinstance(turn.get("content"), list):
            found += [part["content"] for part in turn["content"] if part.get("type") == "tool_result"]
    return [each if isinstance(each, str) else json.dumps(each) for each in found]


def _in_words(prompt: str) -> Said:
    return ("area.py\n", "<<<<<<< SEARCH\n", f"    {WRONG}\n", "=======\n", f"    {RIGHT}\n", ">>>>>>> REPLACE\n")
