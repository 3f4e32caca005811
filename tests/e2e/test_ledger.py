"""The tab between two real peers: both count the same, both sign it, and it is there after a stop."""

import asyncio
import json
import sqlite3
from typing import Any

import pytest

from tests.e2e.network import Cluster, start
from tests.e2e.peer import ppai


@pytest.mark.slow
async def test_both_owners_read_the_same_tab_and_it_outlives_a_stop(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben")
    for _ in range(3):
        assert 200 == (await cluster.ask("ada", model="model-ben"))[0]

    got = await _signed(cluster, "ada", "got")
    given = await _signed(cluster, "ben", "given")

    assert got["signed"] == given["signed"]
    assert 3 == got["answers"] == given["answers"] == got["signed"]["answers"]
    assert got["tokens"] == given["tokens"] > 0
    await asyncio.to_thread(cluster.peers["ada"].stop)
    rows = sqlite3.connect(cluster.peers["ada"].home / "ledger.db").execute("SELECT max(answers) FROM rows").fetchall()
    assert [(3,)] == rows


async def _signed(cluster: Cluster, name: str, side: str) -> dict[str, Any]:
    """That side of a peer's only tab, as its owner reads it, once both have signed all of it."""
    async with asyncio.timeout(20):
        while True:
            ran = await asyncio.to_thread(ppai, "peers", "--ledger", "--json", "--home", str(cluster.peers[name].home))
            found: list[dict[str, dict[str, Any]]] = json.loads(ran.stdout)
            if found and (signed := found[0][side]["signed"]) and signed["answers"] == found[0][side]["answers"] == 3:
                return found[0][side]
            await asyncio.sleep(0.2)
