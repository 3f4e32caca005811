"""Unmodified clients, each against a real peer in front of real engines; the page says what they saw."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.e2e import vllm_env
from tests.e2e.clients.conformance import ENGINES, PAGE, SUITE
from tests.e2e.clients.environments import has_node, is_prepared
from tests.e2e.vllm_env import OPENAI3

EMBEDDED, VLLM = ENGINES
OURS = {"openai 2.x", "curl"}  # what `make test` can run
SLOW = {EMBEDDED: [pytest.mark.slow], VLLM: [pytest.mark.slow, pytest.mark.alone]}  # one vLLM takes all cores
RUNS = [
    pytest.param(engine, client, marks=[] if engine == EMBEDDED and client in OURS else SLOW[engine])
    for engine in ENGINES
    for client in SUITE
]
pytestmark = pytest.mark.timeout(300)  # vLLM comes up in 40 to 80 s


@pytest.fixture(scope="module")
def url_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A peer before the engine of this name, started when it is first asked for."""
    with ExitStack() as stack:
        yield cache(lambda engine: stack.enter_context(ENGINES[engine](tmp_path_factory.mktemp("clients"))))


@pytest.mark.parametrize(("engine", "client"), RUNS)
def test_a_client_sees_what_it_expects_and_the_page_says_so(
    engine: str, client: str, url_of: Callable[[str], str]
) -> None:
    if engine == VLLM and not vllm_env.is_prepared():
        pytest.skip("vLLM is not prepared: python -m tests.e2e.vllm_env")
    _skip_what_is_missing(client)
    url = url_of(engine)

    seen = SUITE[client](url)

    assert {} == {check: told for check, told in seen.checks.items() if told.startswith("failed")}
    assert dict(seen.checks) == _said(engine, client)


def _said(engine: str, client: str) -> dict[str, str]:
    """The client's column in the engine's table of docs/clients.md, without the dashes; whichever version it was."""
    table = PAGE.read_text().partition(f"## {engine.partition('(')[0]}")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]
    column = next(i for i, name in enumerate(rows[0]) if name.startswith(f"{client} ("))
    return {row[0]: row[column] for row in rows[2:] if row[column] != "-"}


def _skip_what_is_missing(client: str) -> None:
    if client == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    if client == "openai for Node" and not (has_node() and shutil.which("node")):
        pytest.skip("the openai package for Node is not installed: python -m tests.e2e.clients.environments")
    if client == "openai 3.x" and not OPENAI3.is_dir():
        pytest.skip("openai 3.x is not prepared: python -m tests.e2e.vllm_env")
    if client not in {*OURS, "openai 3.x", "openai for Node"} and not is_prepared():
        pytest.skip("not prepared: python -m tests.e2e.clients.environments")
