"""Whatever a message or a page tells the reader to type exists: commands, flags, keys and variables.

A page's commands in backticks and blocks are read by tests/test_docs.py; here are the flags that stand alone in pages,
and all that messages, docstrings and help texts of the code name.
"""

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, leaf_paths
from tests.test_docs import COMMANDS, PAGES, ROOT, page_name, quoted, text_of, unknown_flags

ROOMS = ("discovery", "profiler", "gateway")
FOREIGN = {
    "--no-deps": "pip",
    "--require-hashes": "pip",
    "--no-build-isolation": "pip",
    "--upgrade": "pip",
    "--pull": "docker compose build",
    "--detach": "docker compose up",
    "--profile": "docker compose up",
    "--gpu-memory-utilization": "vllm serve",
    "--build-arg": "docker build",
    "--max-model-len": "vllm serve",
    "--metrics": "llama-server",
    "--enable-metrics": "sglang.launch_server",
    "--add-port": "firewall-cmd",
    "--add-service": "firewall-cmd",
    "--permanent": "firewall-cmd",
    "--reload": "firewall-cmd",
}
# words after `ppai` that are no command: "run ppai as root"
PROSE = {"again", "and", "as", "command", "in", "is", "on", "peer", "reads", "that", "with", "would", "wrote"}

_FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
_COMMAND = re.compile(r"\b(ppai(?:-profile)?) ([a-z][\w-]*)(?: (?!--)[\w./\\:-]+)*(?: --[\w-]+)*")
_VARIABLE = re.compile(r"\bPPAI_[A-Z_]*[A-Z]\b")
_GROUPS = {path.partition(".")[0] for path in leaf_paths(Config) if "." in path}
_KEY = re.compile(rf"(?<![\w./])(?:{'|'.join(sorted(_GROUPS))})\.[a-z_]+(?![\w(./])")


def flags_of(command: Any) -> set[str]:
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return own.union({"--help"}, *map(flags_of, getattr(command, "commands", {}).values()))


FLAGS = set().union(*map(flags_of, COMMANDS.values()))


@cache
def sayings(source: Path) -> tuple[str, ...]:
    """The strings of a source in which something is said; a flag alone is an argument for another program.

    What an f-string fills in is `X`.
    """
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    found = []
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            found.append(node.value)
    return tuple(text for text in found if " " in text)


def unknown_in(text: str) -> set[str]:
    """Flags and commands in a text that nothing knows."""
    lost = set(_FLAG.findall(text)) - FLAGS - FOREIGN.keys()
    for found in _COMMAND.finditer(text):
        known = COMMANDS[found[1]].commands
        if found[2] in known:
            lost |= {f"{found[0]} ({flag})" for flag in unknown_flags(shlex.split(found[0])) - FOREIGN.keys()}
        elif found[2] not in PROSE:
            lost.add(f"{found[1]} {found[2]}")
    return lost


@pytest.mark.parametrize("room", ROOMS)
def test_messages_name_commands_and_flags_that_exist(room: str) -> None:
    found = {str(path.relative_to(ROOT)): unknown_in("\n".join(sayings(path))) for path in sources(room)}

    assert {} == {path: lost for path, lost in found.items() if lost}


@pytest.mark.parametrize("room", ROOMS)
def test_messages_name_keys_and_variables_that_exist(room: str) -> None:
    keys, lost = set(leaf_paths(Config)), set()
    variables = {f"PPAI_{key.replace('.', '_').upper()}" for key in keys} | read_variables()
    for path in sources(room):
        text = "\n".join(sayings(path))
        named = {key for key in _KEY.findall(text) if not key.endswith((".py", ".log", ".key", ".crt"))}
        lost |= {f"{path.name}: {name}" for name in (named - keys) | (set(_VARIABLE.findall(text)) - variables)}

    assert set() == lost


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_flags_that_stand_alone_in_a_page_exist(page: Path) -> None:
    named = {flag for text in quoted(text_of(page)) if text.startswith("--") for flag in _FLAG.findall(text)}

    assert set() == named - FLAGS - FOREIGN.keys() - benchmark_flags()


def test_the_checks_can_fail() -> None:
    assert {"--net"} == unknown_in("another network: set --net")
    assert {"ppai fly"} == unknown_in("start it with: ppai fly --home X")
    assert {"ppai key add X --wings (--wings)", "--wings"} == unknown_in("make one: ppai key add X --wings")
    assert set() == unknown_in("run ppai as root, then ppai serve --home X --no-mdns, or ppai-profile --engine X")


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@cache
def read_variables() -> set[str]:
    """Variables that the code looks up by name."""
    text = "\n".join(path.read_text(encoding="utf-8") for room in ROOMS for path in sources(room))
    return set(re.findall(r"""["'](PPAI_[A-Z_]+)["']""", text))


@cache
def benchmark_flags() -> set[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources("benchmarks"))
    return set(re.findall(r"""["'](--[a-z][\w-]*)["']""", text))
