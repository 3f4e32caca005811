"""Say what this machine lacks before `make test-all` works for an hour: `python -m tests.missing`.

A line a lack: which tests are left out for it, and the remedy. Exit 1 where the run would fail of it, later.
"""

import shutil
import sys
from collections.abc import Iterator

from profiler.sandbox import problem
from tests.e2e import older, test_namespaces, test_prometheus, vllm_env
from tests.e2e.clients import coding_agents, environments
from tests.e2e.page import browser

DISK_GB = 12  # 3.4 of vLLM, 2.3 of torch for training, 4.5 of clients and models; the rest is written while tests run

PACKAGES = {"nft": "nftables"}  # that are called otherwise than their program


def lacks() -> Iterator[str]:
    """What is left out, and the remedy."""
    for program, where in (("curl", "tests/e2e"), ("npm", "tests/e2e/clients"), ("nft", "tests/e2e, behind NATs")):
        if shutil.which(program) is None:
            yield f"{where}: {program} is not installed: install {PACKAGES.get(program, program)}"
    if why := older.why_not_here():
        yield f"tests/e2e/test_older_peers.py: {why}"
    if why := coding_agents.why_not_here():
        yield f"tests/e2e/clients, coding agents: {why}"
    if why := browser.why_not_here():
        yield f"tests/e2e/page: {why}"
    if why := test_namespaces.why_not_here():
        yield f"tests/e2e/test_namespaces.py: {why}; run as root, with iproute2"
    if why := test_prometheus.why_not_here():
        yield f"tests/e2e/test_prometheus.py: {why}"
    if why := problem():
        yield f"tests/profiler: no wall for foreign code stands here: {why}"


def too_little_disk(free_gb: float) -> str | None:
    """Why the environments will not fit, unless they are there already."""
    if free_gb >= DISK_GB or (vllm_env.is_prepared() and environments.is_prepared()):
        return None
    return f"{free_gb:.1f} GB are free in {vllm_env.ROOT}, and test-all installs and writes {DISK_GB}: make room first"


def main() -> int:
    for lack in lacks():
        print(f"left out: {lack}", file=sys.stderr)
    if too_little := too_little_disk(shutil.disk_usage(vllm_env.ROOT).free / 1e9):
        print(too_little, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
