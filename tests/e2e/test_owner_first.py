"""What the owner says holds at once, with real peers: others hear of a pause, a drained peer ends, a rule keeps."""

import asyncio
import os
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.network import SECRET, Cluster, start
from tests.e2e.peer import ppai

HEARD_S = 2.0  # within which others hear that a door has closed


@pytest.mark.slow
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


@pytest.mark.slow
async def test_a_game_closes_the_door_within_two_seconds_and_its_end_opens_it(cluster: Cluster, tmp_path: Path) -> None:
    """Who is inside is finished, who waits is turned away, and ben's own programs are answered all the while."""
    game = await _start_with_a_game(cluster, tmp_path, slots=1)
    ben = cluster.engines["ben"]
    ben.delay_s = 3.0
    asking = [asyncio.create_task(cluster.ask("ada", {"x-ppai-route": "ben"})) for _ in range(2)]
    await ben.until(lambda engine: engine.active == 1)

    game.touch()
    heard_s = await cluster.until(lambda seen: _admission(seen) == "closed", timeout_s=HEARD_S)
    status = await _ppai("status", "--home", str(cluster.peers["ben"].home))
    inside = [await asking[0], len(ben.asked)]
    own = await cluster.ask("ben", {"x-ppai-route": "local"})
    game.unlink()
    opened_s = await cluster.until(lambda seen: _admission(seen) != "closed", timeout_s=HEARD_S)
    waited = await asking[1]

    assert "get nothing now: a program has the whole screen" in status
    assert (200, 1, 200, 200) == (inside[0][0], inside[1], own[0], waited[0])
    assert heard_s < HEARD_S and opened_s < HEARD_S, f"closed after {heard_s:.2f} s, open after {opened_s:.2f} s"
    print(f"closed after {heard_s:.2f} s, open after {opened_s:.2f} s")


@pytest.mark.alone
@pytest.mark.slow
async def test_in_a_game_the_owner_is_served_as_fast_as_alone(cluster: Cluster, tmp_path: Path) -> None:
    """While others go on asking for all that ben has: without the game they have half of his slots."""
    game = await _start_with_a_game(cluster, tmp_path, slots=4)
    ben = cluster.engines["ben"]
    ben.delay_s = 0.1
    others = [asyncio.create_task(_ask_on(cluster)) for _ in range(8)]
    await ben.until(lambda engine: engine.active >= 2)

    game.touch()
    await cluster.until(lambda seen: _admission(seen) == "closed", timeout_s=HEARD_S)
    await ben.until(lambda engine: engine.active == 0)
    before = len(ben.asked)
    with_others = [await _own_s(cluster) for _ in range(40)]
    theirs = len(ben.asked) - before - 40
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    alone = [await _own_s(cluster) for _ in range(40)]

    ratio = statistics.median(with_others) / statistics.median(alone)
    assert (0, True) == (theirs, ratio < 1.2), f"{ratio:.2f} of the time that it takes alone"
    print(f"p50 in a game, while others ask: {ratio:.2f} of that alone")


async def _start_with_a_game(cluster: Cluster, tmp_path: Path, slots: int) -> Path:
    """Ada, and ben before an engine of so many slots. While the file that is returned exists, ben plays a game."""
    game = tmp_path / "game"
    xprop = tmp_path / "bin" / "xprop"  # as X11's command answers, with and without a game in front
    xprop.parent.mkdir()
    xprop.write_text(f'#!/bin/sh\necho "window id # 0x7"\n[ -e "{game}" ] && echo _NET_WM_STATE_FULLSCREEN || true\n')
    xprop.chmod(0o755)
    await start(cluster, "ada")
    env = {**SECRET, "DISPLAY": ":7", "PATH": f"{xprop.parent}:{os.environ['PATH']}", "PPAI_ENGINE_SLOTS": str(slots)}
    await cluster.start("ben", "--seed", cluster.seed(), env=env)
    await cluster.until_ready()
    return game


async def _ask_on(cluster: Cluster) -> None:
    """Ada's programs ask ben again and again, whatever they hear."""
    while True:
        await cluster.ask("ada", {"x-ppai-route": "ben"})
        await asyncio.sleep(0.02)


async def _own_s(cluster: Cluster) -> float:
    """Seconds until ben's own program has its answer."""
    began = time.monotonic()
    status, *_ = await cluster.ask("ben", {"x-ppai-route": "local"})
    assert 200 == status
    return time.monotonic() - began


def _admission(seen: dict[str, list[dict[str, Any]]]) -> str:
    """What ada heard of ben's door."""
    return str(seen["ada"][0]["admission"])


async def _ppai(*args: str) -> str:
    done = await asyncio.to_thread(ppai, *args)
    assert 0 == done.returncode, done.stderr
    return done.stdout
