"""The real encoder and the shipped gate: loaded once, missing weights fail with the remedy."""

import os
from pathlib import Path

import pytest

from profiler.encoder import Encoder, load_encoder
from profiler.qagate import QAGate, shipped_gate
from profiler.sandbox import problem


@pytest.fixture(scope="session")
def encoder_folder() -> Path:
    return Path(os.environ.get("PPAI_WEIGHTS", "~/.ppai/weights")).expanduser() / "encoder"


@pytest.fixture(scope="session")
def encoder(encoder_folder: Path) -> Encoder:
    return load_encoder(encoder_folder)


@pytest.fixture(scope="session")
def gate() -> QAGate:
    return QAGate.load(shipped_gate())


@pytest.fixture(scope="session")
def wall() -> None:
    """Skips where this system offers no wall for foreign code."""
    if why := problem():
        pytest.skip(f"no wall stands here: {why}")


@pytest.fixture(scope="session")
def programs_wall() -> None:
    """Skips where no wall holds a shell and what it starts."""
    if why := problem(programs=True):
        pytest.skip(f"no wall holds programs here: {why}")
