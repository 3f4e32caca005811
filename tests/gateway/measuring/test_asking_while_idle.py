"""When our agents are asked: while nobody uses their engines, and no more than a tenth of an hour."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.measuring.asking import LOOK_S
from gateway.measuring.idle import FAILURES, QUIET_S, SHARE, SPAN_S, ProfileConfig
from gateway.measuring.targets import Target
from tests.gateway.measuring.bench import (
    HAND,
    SUMS,
    bench,
    running,
    until,
)
from tests.peers import ready_engine


async def test_nothing_is_asked_in_the_first_five_minutes_after_anything(tmp_path: Path) -> None:
    async with bench(tmp_path, metrics="vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n") as at:
        at.clock.now = 100.0
        turn = await at.door.own_turn(100.0)
        at.clock.now = 200.0
        at.door.leave(turn)
        async with running(at.measuring()):
            await until(lambda: len(at.asked_at) > 3)

    assert 200.0 + QUIET_S <= at.asked_at[0] < 200.0 + QUIET_S + 2 * LOOK_S


async def test_at_most_a_tenth_of_any_hour_goes_into_it(tmp_path: Path) -> None:
    """30 s each: 12 in an hour, whatever hour one looks at."""
    async with bench(tmp_path, seconds=30.0) as at, running(at.measuring()):
        await until(lambda: len(at.asked_at) > 40)

    for first in at.asked_at:
        assert SHARE * SPAN_S >= 30.0 * sum(first <= moment < first + SPAN_S for moment in at.asked_at)


async def test_who_comes_does_not_wait_for_a_question(tmp_path: Path) -> None:
    """It is hung up on at once, and asked again later: an answer was never lost, and nothing counts as failed."""
    async with bench(tmp_path, delay_s=60.0) as at, running(at.measuring(SUMS[:1])) as measuring:
        await at.engine.until(lambda engine: engine.active == 1)

        async with asyncio.timeout(2):
            turn = await at.door.own_turn(at.clock())
            await at.engine.until(lambda engine: engine.hung_up == 1)
        at.door.leave(turn)
        at.engine.delay_s = 0.0

        await until(lambda: "whether it is busy" in measuring.progress()["agents"][0]["why_not"])
        assert [] == at.answers()
        assert 1 == len(at.engine.asked)


async def test_a_question_ends_when_the_plug_is_pulled(tmp_path: Path) -> None:
    async with bench(tmp_path, delay_s=60.0) as at, running(at.measuring()) as measuring:
        await at.engine.until(lambda engine: engine.active == 1)

        at.on_battery = True

        await at.engine.until(lambda engine: engine.hung_up == 1)
        await until(lambda: "battery" in measuring.progress()["agents"][0]["why_not"])


async def test_another_process_takes_the_answers_over(tmp_path: Path) -> None:
    """`ppai-profile` by hand: the peer gives its question up, and asks again when the other is done."""
    async with bench(tmp_path) as at, running(at.measuring()) as measuring:
        await until(lambda: len(at.answers()) >= 3)
        at.engine.delay_s = 60.0
        await at.engine.until(lambda engine: engine.active == 1)

        command = [sys.executable, "-c", HAND, str(at.folder)]
        hand = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert hand.stdout and hand.stdin
            first = await hand.stdout.readline()
            kept = at.answers()
            await until(lambda: "another ppai-profile" in measuring.progress()["agents"][0]["why_not"])
            asked, at.engine.delay_s = len(at.engine.asked), 0.0

            assert len(kept) == int(first)
            assert 1 == at.engine.hung_up
            assert asked == len(at.engine.asked)
        finally:
            hand.stdin.close()
            await hand.wait()

        await until(lambda: len(at.answers()) > len(kept))


async def test_an_engine_that_fails_is_left_alone_for_an_hour(tmp_path: Path) -> None:
    async with bench(tmp_path, status=500) as at, running(at.measuring()) as measuring:
        await until(lambda: "tried again in an hour" in measuring.progress()["agents"][0]["why_not"])
        assert FAILURES == len(at.engine.asked)
        at.engine.status = 200

        await until(lambda: len(at.answers()) > 0)

        failed, tried_again = at.asked_at[FAILURES - 1 : FAILURES + 1]
        assert SPAN_S <= tried_again - failed < SPAN_S + 2 * LOOK_S


async def test_off_is_off(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        measuring = at.measuring(config=ProfileConfig(auto="off"))
        await measuring.run()

        assert "profile.auto is off" == measuring.progress()["agents"][0]["why_not"]


async def test_another_programs_job_starts_the_five_minutes_anew(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.clock.now = QUIET_S
        engine = at.door.engine
        engine._engine.state = replace(engine.state, others=1, load_source="metrics")  # type: ignore[attr-defined]
        measuring = at.measuring()
        measuring.seen()
        engine._engine.state = replace(engine.state, others=0)  # type: ignore[attr-defined]
        async with running(measuring):
            await until(lambda: len(at.asked_at) > 0)

    assert at.asked_at[0] >= 2 * QUIET_S


async def test_a_long_answer_is_given_up_where_the_tenth_of_the_hour_ends(tmp_path: Path) -> None:
    """It is no fault of the engine, and the question is asked again when there is time."""
    async with bench(tmp_path, delay_s=60.0) as at, running(at.measuring(SUMS[:1])) as measuring:
        await at.engine.until(lambda engine: engine.active == 1)

        at.clock.now += SHARE * SPAN_S

        await at.engine.until(lambda engine: engine.hung_up == 1)
        await until(lambda: "of the last hour" in measuring.progress()["agents"][0]["why_not"])
        at.engine.delay_s = 0.0
        await until(lambda: len(at.answers()) == 1)


async def test_a_question_is_not_laid_aside_because_the_engine_was_gone(tmp_path: Path) -> None:
    """One that the engine refuses is, until the next start."""
    async with bench(tmp_path, status=400) as at, running(at.measuring(SUMS[:4])) as measuring:
        await until(lambda: "every question" in measuring.progress()["agents"][0]["why_not"])
        assert 4 == len(at.engine.asked)

    def hangs_up(body: dict[str, Any]) -> str:
        for transport in engine.transports:
            transport.abort()
        return "1"

    async with bench(tmp_path, answer=hangs_up) as at:
        engine = at.engine
        async with running(at.measuring(SUMS[:1])) as measuring:
            await until(lambda: "does not answer" in measuring.progress()["agents"][0]["why_not"])
            at.engine.answer = lambda body: "1"
            await at.door.engine._engine.refresh()  # type: ignore[attr-defined]

            await until(lambda: len(at.answers()) == 1)


async def test_an_engine_is_left_alone_while_another_of_this_machine_is_used(tmp_path: Path) -> None:
    """They may share a graphics card. Of the other's own model nothing is asked: it runs elsewhere."""
    async with bench(tmp_path, delay_s=60.0) as at, ready_engine(at.engine) as other:
        beside = Door(other, AdmissionConfig(), at.clock, lambda: 1.0)
        elsewhere = replace(other.state, place="cloud")
        other._engine.state = elsewhere  # type: ignore[union-attr]
        at.others.append(Target("other", elsewhere.models[0], beside))
        async with running(at.measuring(SUMS[:1])) as measuring:
            await at.engine.until(lambda engine: engine.active == 1)

            turn = await beside.own_turn(at.clock())

            await at.engine.until(lambda engine: engine.hung_up == 1)
            await until(lambda: "is used" in measuring.progress()["agents"][0]["why_not"])
            at.engine.delay_s, left = 0.0, at.clock.now
            beside.leave(turn)
            await until(lambda: len(at.answers()) == 1)

        assert at.asked_at[-1] >= left + QUIET_S
