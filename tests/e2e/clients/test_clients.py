"""Unmodified clients, each against a real peer in front of real engines; the page says what they saw."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import aiohttp
import pytest

from tests.e2e import vllm_env
from tests.e2e.clients import coding_agents
from tests.e2e.clients.conformance import CODERS, HEAD, LLAMACPP, OF_NODE, PAGE, TABLES, VLLM, said
from tests.e2e.clients.environments import CLIENTS, NODE, has, is_prepared
from tests.e2e.clients.tool_engine import WORDS, ToolEngine
from tests.e2e.network import CHAT, HELLO
from tests.e2e.vllm_env import OPENAI3

OURS = {"openai 2.x", "curl"}  # what `make test` can run
IN_NODE = {"openai for Node", "anthropic for Node", "ai-sdk, Responses", "ai-sdk, Messages", *OF_NODE}
PREPARED = {"openai": CLIENTS, "anthropic": CLIENTS}  # of one environment alone


def marks_of(engine: str, client: str) -> list[pytest.MarkDecorator]:
    if engine == LLAMACPP and client in OURS:
        return []
    # Those judge time, a vLLM takes all cores, and a coding agent does ten tasks.
    if engine in (CODERS, VLLM):
        return [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]
    return [pytest.mark.slow]


RUNS = [
    pytest.param(engine, client, marks=marks_of(engine, client))
    for engine, (_, suite) in TABLES.items()
    for client in suite
]
pytestmark = pytest.mark.timeout(300)  # the engines that most of them need come up in a minute or two


@pytest.fixture(scope="module")
def url_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A peer before the engine of this name, started when it is first asked for."""
    with ExitStack() as stack:
        yield cache(lambda engine: stack.enter_context(TABLES[engine][0](tmp_path_factory.mktemp("clients"))))


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "client"), RUNS)
def test_a_client_sees_what_it_expects_and_the_page_says_so(
    engine: str, client: str, url_of: Callable[[str], str]
) -> None:
    if engine == VLLM and not vllm_env.is_prepared():
        pytest.skip("vLLM is not prepared: python -m tests.e2e.vllm_env")
    if engine == CODERS:
        if why := coding_agents.why_not_here():
            pytest.skip(why)
    else:
        _skip_what_is_missing(client)
    url = url_of(engine)

    seen = TABLES[engine][1][client](url)

    assert {} == {check: told for check, told in seen.checks.items() if told.startswith("failed")}
    assert dict(seen.checks) == _said(engine, client)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tools", [[], [{"type": "function", "function": {"name": "look", "parameters": {}}}]])
async def test_the_engine_that_calls_tools_answers(tools: list[Any], stream: bool) -> None:
    """Here and now: those before it are tried by `make test-all` alone."""
    body = {**HELLO, "tools": tools, "stream": stream, "stream_options": {"include_usage": True}}
    async with (
        ToolEngine().serving() as engine,
        aiohttp.ClientSession() as http,
        http.post(f"{engine.url}{CHAT}", json=body) as response,
    ):
        said = await response.text()

    assert 200 == response.status and '"usage"' in said
    assert ('"look"' if tools else WORDS.split()[0]) in said


def test_the_page_holds_nothing_that_the_next_run_would_lose() -> None:
    """A section that was written by hand belongs into HEAD."""
    said_now = PAGE.read_text(encoding="utf-8")

    assert said_now.startswith(HEAD)
    titles = [title.partition("(")[0] for title in re.findall(r"^## (.*)$", said_now.removeprefix(HEAD), re.MULTILINE)]
    assert [title.partition("(")[0] for title in TABLES] == titles


def _said(engine: str, client: str) -> dict[str, str]:
    """The client's column in the engine's table of docs/clients.md, without the dashes; whichever version it was."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in said(engine).splitlines()]
    column = next(i for i, name in enumerate(rows[0]) if name.startswith(f"{client} ("))
    return {row[0]: row[column] for row in rows[2:] if row[column] != "-"}


def _skip_what_is_missing(client: str) -> None:
    if client == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    if client in IN_NODE and not (has(NODE) and shutil.which("node")):
        pytest.skip("the packages for Node are not installed: python -m tests.e2e.clients.environments")
    if client == "openai 3.x" and not OPENAI3.is_dir():
        pytest.skip("openai 3.x is not prepared: python -m tests.e2e.vllm_env")
    is_here = has(PREPARED[client]) if client in PREPARED else is_prepared()
    if client not in {*OURS, *IN_NODE, "openai 3.x", "Open Responses"} and not is_here:
        pytest.skip("not prepared: python -m tests.e2e.clients.environments")
