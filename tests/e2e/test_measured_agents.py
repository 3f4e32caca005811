"""A personal agent is measured as it answers other peers, and those who may use it hear what its owner found."""

import asyncio
import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from profiler.cli import main
from tests.e2e.network import Cluster
from tests.e2e.test_personal_agents import systems, write

PORTER = """
prompt: You are the porter.
use: approved
questions: rooms.tsv
"""


def porter(body: dict[str, Any]) -> str:
    """The model knows the code of a room where it is told that it is the porter."""
    room = body["messages"][-1]["content"].split()[-1].rstrip("?")
    return f"It is C{room}." if body["messages"][0]["role"] == "system" else "Who knows."


async def profiled(home: Path, *arguments: str) -> tuple[int, Any, str]:
    """(exit code, what it printed, what it said) of ppai-profile with this home."""
    out, err = StringIO(), StringIO()

    def command() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            return main([*arguments, "--home", str(home), "--json"])

    code = await asyncio.to_thread(command)
    return code, json.loads(out.getvalue() or "null"), err.getvalue()


@pytest.mark.slow
async def test_what_an_owner_found_reaches_who_may_use_the_agent(cluster: Cluster, tmp_path: Path) -> None:
    """And counts as another agent's once its prompt is another."""
    path = write(tmp_path / "ada", "porter", PORTER)
    questions = "\n".join(f"What is the code of room {n}?\tC{n}" for n in range(20))
    (tmp_path / "ada" / "agents" / "rooms.tsv").write_text(questions)
    await cluster.start("ada", answer=porter)
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()

    code, found, said = await profiled(tmp_path / "ada", "own", "porter", "--limit", "4")

    assert 0 == code, said
    assert [(1.0, 0.0)] * 4 == [(row["right"], row["right_without"]) for row in found["asked"]]
    assert ["You are the porter."] * 4 == systems(cluster.engines["ada"].asked)
    assert 8 == len(cluster.engines["ada"].asked)
    told = {"questions": 4, "right": 5 / 6, "right_without": 1 / 6, "recall": 0.0}
    await cluster.until(lambda seen: _domain(seen["ben"]) == told)

    code, report, said = await profiled(tmp_path / "ada", "--agent", "porter", "--limit", "3")
    assert 0 == code, said
    await cluster.until(lambda seen: sum(_agent(seen["ben"])["evidence"] or ()) == 3)
    assert report["model"] == "porter"

    path.write_text(PORTER.replace("the porter", "a poet"))
    code, _, said = await profiled(tmp_path / "ada", "own", "porter", "--limit", "4")

    assert 0 == code, said
    asked = cluster.engines["ada"].asked
    assert 4 == systems(asked).count("You are a poet."), "what it said as a porter is another agent's"
    alone = [body for body in asked if body["messages"][0]["content"].startswith("What is the code")]
    assert 4 == len(alone), "and its model alone is as it was"


def _agent(peers: list[dict[str, Any]]) -> dict[str, Any]:
    """The porter, as a peer knows it."""
    return next(agent for peer in peers for agent in peer["agents"] if agent["name"] == "porter")


def _domain(peers: list[dict[str, Any]]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = _agent(peers)["domain"]
    return found
