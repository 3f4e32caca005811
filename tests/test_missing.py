"""`python -m tests.missing`: what a run would lack is told before it begins."""

import pytest

from tests import missing
from tests.e2e import vllm_env

ROOM = 13.0  # GB


def test_too_little_disk_ends_the_run_unless_all_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_env, "is_prepared", lambda: False)

    assert missing.too_little_disk(ROOM) is None
    assert "2.0 GB are free" in str(missing.too_little_disk(2.0))


def test_a_program_that_is_not_there_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    told = "\n".join(missing.lacks())

    assert all(f"install {program}" in told for program in ("curl", "npm", "git"))
