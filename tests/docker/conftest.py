"""One engine for all tests here, with the image of this checkout in it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.engine import ROOT, Engine, why_not_here

IS_ASKED = bool(os.environ.get("PPAI_TEST_DOCKER"))  # by `make test-docker`; other runs leave these tests out
collect_ignore_glob = [] if IS_ASKED else ["test_*.py"]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    if why := why_not_here():
        pytest.fail(why)
    kept = tempfile.TemporaryDirectory(prefix="ppai-docker-")
    with kept as folder, Engine(Path(folder)) as running:
        running.build("ppai", ROOT)
        yield running
