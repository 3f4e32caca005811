"""The real embedded engine, for tests of it and of what stands in front of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.engines.embedded import EmbeddedConfig, EmbeddedEngine
from gateway.home.folder import Home
from gateway.home.weights import locate


def smollm2() -> Path:
    """The GGUF that `make weights` pulled. Raises WeightsMissing, which says how."""
    return locate("smollm2", Home.default().weights)


@asynccontextmanager
async def running(model: Path, log: Path, config: EmbeddedConfig) -> AsyncIterator[EmbeddedEngine]:
    """Started and supervised; not yet ready."""
    engine = EmbeddedEngine(model, config, log)
    async with asyncio.TaskGroup() as tasks:
        await engine.start()
        tasks.create_task(engine.run())
        try:
            yield engine
        finally:
            await engine.stop()
