"""An agent's documents before a real peer that is killed while it reads them, and that follows what becomes of them."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.network import Cluster
from tests.e2e.test_personal_agents import HANDBOOK, LIBRARIAN, indexed, write
from tests.gateway.agent.knowledge.made import locked_pdf

HOLIDAYS = "How many days of holiday do I have a year?"


async def asked(cluster: Cluster) -> str:
    """What the engine is shown for the question."""
    status, _, _ = await cluster.ask("ada", model="librarian", messages=[{"role": "user", "content": HOLIDAYS}])
    assert 200 == status
    return str(cluster.engines["ada"].asked[-1]["messages"])


async def settled(cluster: Cluster, documents: int) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (row := await indexed(cluster, "ada", "librarian"))["documents"]["documents"] != documents:
            await asyncio.sleep(0.1)
    return row


@pytest.mark.slow
async def test_documents_outlive_a_kill_are_followed_and_leave_no_process(cluster: Cluster, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "handbook.md").write_text(HANDBOOK)
    (docs / "locked.pdf").write_bytes(locked_pdf())
    for n in range(100):
        (docs / f"{n}.md").write_text(f"# Ledger {n}\n\n" + f"Entry {n} of the ledger is of a sack of flour. " * 20)
    write(tmp_path / "ada", "librarian", LIBRARIAN.format(folder=docs))
    peer = await cluster.start("ada")
    started = psutil.Process(peer.pid).children(recursive=True)

    peer.stop(signal.SIGKILL)
    _, alive = await asyncio.to_thread(psutil.wait_procs, started, 10)
    assert [] == [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    await cluster.start("ada")
    row = await settled(cluster, 101)

    assert ["it is locked with a password: save it without one"] == [
        problem.partition("locked.pdf: ")[2] for problem in row["documents"]["problems"]
    ]
    assert "31 days of holiday" in await asked(cluster)
    (docs / "handbook.md").unlink()
    await settled(cluster, 100)
    assert "31 days of holiday" not in await asked(cluster)
