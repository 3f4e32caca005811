"""Fixtures of the end-to-end tests."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.network import Cluster, cluster_in
from tests.e2e.older import OLDER, ROOT, why_not_here


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_in(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout of the older code; it needs nothing that this one does not install."""
    if why := why_not_here():
        pytest.skip(why)
    archive = subprocess.run(["git", "-C", ROOT, "archive", OLDER], capture_output=True, check=True)
    folder = tmp_path_factory.mktemp("older")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    yield folder
