"""Run clients against a peer in front of engines and write docs/clients.md; exits 1 when a check failed.

`python -m tests.e2e.clients [WORD]`: only the tables in whose title WORD stands; the others stay as they are.
"""

import sys
import tempfile
from pathlib import Path

from tests.e2e.clients import coding_agents, environments
from tests.e2e.clients.conformance import APIS, CODERS, PAGE, TABLES, VLLM, page, said, table
from tests.e2e.vllm_env import is_prepared


def main(word: str = "") -> int:
    wanted = [title for title in TABLES if word.lower() in title.lower()]
    others = [title for title in wanted if title not in (CODERS, APIS)]
    if CODERS in wanted and (why := coding_agents.why_not_here()):
        print(why, file=sys.stderr)
        return 1
    are_sdks_there = all(map(environments.has, (environments.CLIENTS, environments.NODE)))
    is_here = (not others or environments.is_prepared()) and (APIS not in wanted or are_sdks_there)
    if not is_here or (VLLM in wanted and not is_prepared()):
        print("prepare first: python -m tests.e2e.vllm_env; python -m tests.e2e.clients.environments", file=sys.stderr)
        return 1
    tables, failed = {title: said(title) for title in TABLES}, []
    for title in wanted:
        serving, suite = TABLES[title]
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as url:
            seen = {name: run(url) for name, run in suite.items()}
        tables[title] = table(seen)
        failed += [
            f"{title}: {name}, {check}: {told}"
            for name, client in seen.items()
            for check, told in client.checks.items()
            if told.startswith("failed")
        ]
    PAGE.write_text(page(tables), encoding="utf-8")
    print("\n".join(failed) or f"wrote {PAGE}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:2]))
