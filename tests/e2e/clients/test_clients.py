"""Unmodified clients, each against a real peer in front of real llama.cpp; the page says what they saw."""

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.clients.conformance import PAGE, SUITE
from tests.e2e.clients.environments import has_node, is_prepared
from tests.e2e.peer import PeerProcess
from tests.e2e.vllm_env import OPENAI3

OURS = {"openai 2.x", "curl"}  # what `make test` can run
INSTALLED = [pytest.param(name, marks=[] if name in OURS else [pytest.mark.slow]) for name in SUITE]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PeerProcess(tmp_path_factory.mktemp("clients") / "home", "--engine", "embedded") as peer:
        yield peer.wait_ready().url


@pytest.mark.parametrize("client", INSTALLED)
def test_a_client_sees_what_it_expects_and_the_page_says_so(client: str, url: str) -> None:
    _skip_what_is_missing(client)

    seen = SUITE[client](url)

    assert {} == {check: told for check, told in seen.checks.items() if told.startswith("failed")}
    assert dict(seen.checks) == _said(client)


def _said(client: str) -> dict[str, str]:
    """The client's column of docs/clients.md, without the dashes; whichever version it was."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines() if "|" in line
    ]
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
