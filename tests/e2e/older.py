"""The code of 0.1.0 as it was first written, from this clone."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDER = "2ca7ff9"  # the first commit whose protocol docs/protocol.md describes


def why_not_here() -> str | None:
    """Why the older code is not at hand, and what brings it; None where it is."""
    if shutil.which("git") is None:
        return "git is not installed: install git"
    if subprocess.run(["git", "-C", ROOT, "cat-file", "-e", OLDER], capture_output=True).returncode:
        return f"commit {OLDER} is not in this clone: `git fetch --unshallow` brings it"
    return None
