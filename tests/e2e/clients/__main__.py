"""Run every client against a peer of its own and write docs/clients.md; exits 1 when one failed."""

import sys
import tempfile
from pathlib import Path

from tests.e2e.clients.conformance import PAGE, SUITE, page
from tests.e2e.peer import PeerProcess


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        PeerProcess(Path(folder) / "home", "--engine", "embedded") as peer,
    ):
        peer.wait_ready()
        seen = {name: run(peer.url) for name, run in SUITE.items()}
    PAGE.write_text(page(seen), encoding="utf-8")
    failed = [f"{name}, {check}: {told}" for name, client in seen.items() for check, told in client.checks.items()
              if told.startswith("failed")]  # fmt: skip
    print("\n".join(failed) or f"wrote {PAGE}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main())
