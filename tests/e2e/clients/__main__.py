"""Run every client against a peer in front of every engine and write docs/clients.md; exits 1 when one failed."""

import sys
import tempfile
from pathlib import Path

from tests.e2e.clients import environments
from tests.e2e.clients.conformance import ENGINES, PAGE, SUITE, page
from tests.e2e.vllm_env import is_prepared


def main() -> int:
    if not (is_prepared() and environments.is_prepared()):
        print("prepare first: python -m tests.e2e.vllm_env; python -m tests.e2e.clients.environments", file=sys.stderr)
        return 1
    seen = {}
    for engine, serving in ENGINES.items():
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as url:
            seen[engine] = {name: run(url) for name, run in SUITE.items()}
    PAGE.write_text(page(seen), encoding="utf-8")
    failed = [
        f"{engine}: {name}, {check}: {told}"
        for engine, clients in seen.items()
        for name, client in clients.items()
        for check, told in client.checks.items()
        if told.startswith("failed")
    ]
    print("\n".join(failed) or f"wrote {PAGE}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main())
