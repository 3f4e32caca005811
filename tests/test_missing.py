"""`python -m tests.missing`: what a run would lack is told before it begins."""

import re
import tomllib
from pathlib import Path

import pytest

from tests import missing
from tests.e2e import vllm_env

ROOT = Path(__file__).parent.parent
ROOM = 13.0  # GB


def test_too_little_disk_ends_the_run_unless_all_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_env, "is_prepared", lambda: False)

    assert missing.too_little_disk(ROOM) is None
    assert "2.0 GB are free" in str(missing.too_little_disk(2.0))


def test_a_program_that_is_not_there_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    told = "\n".join(missing.lacks())

    assert all(f"install {program}" in told for program in ("curl", "npm", "git", "nftables"))


def test_what_tests_skip_without_is_installed_before_all_tests_run() -> None:
    """An extra is installed for every run, or by `make test-all`, or lies in an environment of its own."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = "".join((ROOT / name).read_text() for name in ("constraints.txt", "constraints-dev.txt"))
    named = re.search(r"^test-all:.*\n.*-e '\.\[([a-z,]+)\]'", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named
    apart = {"vllm", "litellm"}  # tests/e2e/vllm_env.py, tests/e2e/clients/environments.py

    forgotten = [
        extra
        for extra in extras.keys() - apart - set(named[1].split(","))
        if not all(f"\n{re.match(r'[a-z0-9-]+', wanted)[0]}==" in pinned for wanted in extras[extra])  # type: ignore[index]
    ]

    assert [] == forgotten
