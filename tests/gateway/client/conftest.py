"""The pages of one peer, for every test of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.privacy.rules import Rule
from tests.gateway.client.site import Site, opened


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(tmp_path) as site:
        yield site


@pytest.fixture
async def site_with_rules(tmp_path: Path) -> AsyncIterator[Site]:
    rules = (
        Rule("cards", "my machines", patterns=("card",)),
        Rule("team", "approved", headers=("x-team: red",)),
        Rule("key", keys=("phone",)),
        Rule("mail", patterns=("email",)),
    )
    async with opened(tmp_path, rules=rules) as site:
        yield site
