"""The engines of ada and ben, whom desk.py lets be asked."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes import ScriptedEngine


@pytest.fixture
async def mine() -> AsyncIterator[ScriptedEngine]:
    async with ScriptedEngine(model="mine").serving() as engine:
        yield engine


@pytest.fixture
async def theirs() -> AsyncIterator[ScriptedEngine]:
    async with ScriptedEngine().serving() as engine:
        yield engine
