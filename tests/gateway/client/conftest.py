"""The pages of one peer, for every test of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.client.site import Site, opened


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(tmp_path) as site:
        yield site
