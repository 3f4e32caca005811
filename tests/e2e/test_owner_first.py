"""What the owner says holds at once, with real peers: others hear of a pause, a drained peer ends, a rule keeps."""

import asyncio
from typing import Any

import pytest

from tests.e2e.network import Cluster, start
from tests.e2e.peer import ppai

HEARD_S = 2.0  # within which others hear that a door has closed


async def test_others_hear_of_a_pause_and_a_drained_peer_finishes_what_it_has(cluster: Cluster) -> None:
    """Ben's own programs are answered all the while."""
    await start(cluster, "ada", "ben")
    ben = cluster.peers["ben"]

    said = await _ppai("pause", "1h", "--home", str(ben.home))
    heard_s = await cluster.until(lambda seen: _admission(seen) == "closed", timeout_s=HEARD_S)
    own = await cluster.ask("ben", {"x-ppai-route": "local"})
    status = await _ppai("status", "--home", str(ben.home))
    await _ppai("resume", "--home", str(ben.home))
    await cluster.until(lambda seen: _admission(seen) == "open", timeout_s=HEARD_S)

    assert "you paused it for 60 min more" in said and "get nothing now: you paused it" in status
    assert (heard_s < HEARD_S, 200) == (True, own[0])

    cluster.engines["ben"].delay_s = 2.0
    asking = asyncio.create_task(cluster.ask("ada", model="model-ben"))
    await cluster.engines["ben"].until(lambda engine: engine.active == 1)
    draining = await _ppai("drain", "--home", str(ben.home))
    answered = await asking
    await cluster.until(lambda seen: seen["ada"][0]["state"] == "left", timeout_s=10)

    assert "1 of their jobs go on to their end" in draining
    assert (200, "ben") == (answered[0], answered[1]["x-ppai-peer"])
    await asyncio.to_thread(ben.stop)
    assert "stopping" in ben.output


@pytest.mark.slow
async def test_a_rule_keeps_a_secret_from_a_peer_until_it_is_the_owner_s_own(cluster: Cluster) -> None:
    """By default, without any setting. Both have the secret of one network."""
    await start(cluster, "ada", "ben")
    card = {"model": "model-ben", "messages": [{"role": "user", "content": "my card is 4242 4242 4242 4242"}]}
    home = ("--home", str(cluster.peers["ada"].home))

    kept = await cluster.ask("ada", **card)
    shown = await _ppai("privacy", "test", "4242-4242-4242-4242", *home)
    asked = len(cluster.engines["ben"].asked)
    await _ppai("approve", "ben", "--mine", *home)
    mine = await cluster.ask("ada", **card)

    assert (422, "privacy_rule", 0) == (kept[0], kept[2]["error"]["code"], asked)
    assert "may go to  my machines: the rule secrets holds" in shown
    assert (200, "ben") == (mine[0], mine[1]["x-ppai-peer"])


def _admission(seen: dict[str, list[dict[str, Any]]]) -> str:
    """What ada heard of ben's door."""
    return str(seen["ada"][0]["admission"])


async def _ppai(*args: str) -> str:
    done = await asyncio.to_thread(ppai, *args)
    assert 0 == done.returncode, done.stderr
    return done.stdout
