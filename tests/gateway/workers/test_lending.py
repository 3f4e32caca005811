"""Standing orders: what a worker answers by itself is as if its owner had decided it, and slots are never exceeded."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from gateway.client.app import ClientConfig
from gateway.wire.request import read_request
from gateway.workers.frames import Came
from gateway.workers.lending import KINDS_LIMIT
from tests.discovery.loopback import until
from tests.fakes import ScriptedEngine
from tests.gateway.workers.standing import CHAT, standing

SHOWN = ("x-ppai-peer", "x-ppai-model", "x-ppai-score", "x-ppai-reason", "x-ppai-attempts")


async def test_what_a_worker_takes_by_an_order_its_owner_hears_of_afterwards(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        answers = await asyncio.gather(*(worker.chat() for _ in range(3)))
        await worker.lines(4)

        assert [200] * 3 == [answer.status_code for answer in answers]
        assert {"Done"} == {*worker.heard}


@pytest.mark.parametrize("stream", [True, False])
async def test_the_client_and_the_log_are_told_the_same_as_of_one_that_is_decided(stream: bool, tmp_path: Path) -> None:
    """But for times, and what each is called; the conversations are others, so that nothing is warm."""
    said = [[{"role": "user", "content": text}] for text in ("good morning one", "good morning two")]
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        decided = await worker.chat(messages=said[0], stream=stream)
        await worker.stands()
        taken = await worker.chat(messages=said[1], stream=stream)
        first, second = await worker.lines(2)
        counted = worker.ada.telemetry.exposition().decode()

    assert {"Done"} == {*worker.heard}
    assert {*decided.headers} == {*taken.headers}
    assert [decided.headers[name] for name in SHOWN] == [taken.headers[name] for name in SHOWN]
    times = {"at", "request", "ttft_s", "latency_s", "considered", "wait_s", "cost_s", "tokens"}
    assert {*first} == {*second}
    assert {key: first[key] for key in {*first} - times} == {key: second[key] for key in {*second} - times}
    assert 2 == len(worker.ada.answered)
    assert 'ppai_requests_total{status="ok",target="local"} 2.0' in counted
    assert ("ok", "ok") == tuple(outcome.status for _, outcome in worker.ada.node.outcomes)


async def test_the_cost_that_a_client_is_told_is_that_which_the_owner_expects(tmp_path: Path) -> None:
    """As of when the order was given, or said anew."""
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        (lender,) = worker.lending._lenders
        (given,) = lender._given.values()
        messages = [{"role": "user", "content": "many words " * 200}]
        answer = await worker.chat(messages=messages, max_tokens=64)
        asked = read_request("chat/completions", json.dumps({**CHAT, "messages": messages, "max_tokens": 64}).encode())

        expected_s = given.standing.leave.forecast.cost_s(asked.prompt_tokens, 64)
        assert f"{expected_s:.4f}" == answer.headers["x-ppai-cost-s"]


@pytest.mark.parametrize(
    "headers, fields",
    [
        ({"x-ppai-route": "local"}, {}),
        ({"x-session-id": "s"}, {}),
        ({"x-stainless-retry-count": "1"}, {}),
        ({}, {"model": "auto"}),
        ({}, {"tools": [{"type": "function", "function": {"name": "f"}}]}),
    ],
)
async def test_whatever_wishes_something_or_is_of_another_kind_is_handed_over(
    headers: dict[str, str], fields: dict[str, object], tmp_path: Path
) -> None:
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        await worker.chat(headers, **fields)

        assert "Came" in worker.heard


async def test_no_order_is_given_for_a_request_that_wishes_something(tmp_path: Path) -> None:
    """Those of a program that names its conversation are all handed over: slots lent for them would lie idle."""
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.chat({"x-session-id": "s"})

        assert "Came" in worker.heard and 0 == worker.loaned


async def test_no_more_are_in_the_engine_than_it_has_slots_while_an_order_stands(tmp_path: Path) -> None:
    """Whoever asks: 8 come to a worker at once, and 4 slots are there, 2 of them lent."""
    async with ScriptedEngine(delay_s=0.1).serving() as engine, standing(tmp_path, engine, slots=4) as worker:
        await worker.given()
        assert 2 == worker.loaned
        most = list[int]()
        asking = asyncio.gather(*(worker.chat() for _ in range(8)))
        while not asking.done():
            most.append(engine.active)
            await asyncio.sleep(0.002)
        await worker.lines(9)

        assert 1 < max(most) <= 4
        assert [200] * 8 == [answer.status_code for answer in await asking]


async def test_a_request_that_waits_gets_the_slots_that_are_lent_and_free(tmp_path: Path) -> None:
    async with ScriptedEngine(delay_s=0.1).serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        turns = [worker.ada.door.come(0.0, may_look=False) for _ in range(5)]
        assert [True] * 4 + [False] == [turn.is_inside for turn in turns]

        await asyncio.wait_for(worker.ada.door.wait(turns[4], None), 5)

        assert turns[4].is_inside and 0 == worker.loaned
        for turn in turns:
            worker.ada.door.leave(turn)


async def test_what_is_under_way_keeps_its_slot_when_an_order_is_called_back(tmp_path: Path) -> None:
    async with ScriptedEngine(delay_s=0.8).serving() as engine, standing(tmp_path, engine, 4) as worker:
        await worker.given()
        asking = asyncio.create_task(worker.chat())
        await until(lambda: engine.active == 1)
        turns = [worker.ada.door.come(0.0, may_look=False) for _ in range(4)]
        await until(lambda: worker.heard and worker.loaned == 1)

        assert [True] * 3 + [False] == [turn.is_inside for turn in turns]
        assert 200 == (await asking).status_code
        await until(lambda: turns[3].is_inside)
        for turn in turns:
            worker.ada.door.leave(turn)


async def test_an_order_is_given_again_while_what_was_taken_by_the_last_one_goes_on(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        (lender,) = worker.lending._lenders
        engine.delay_s = 0.8
        going = asyncio.create_task(worker.chat())
        await until(lambda: engine.active == 1)
        lender._call_back(1)
        await until(lambda: worker.loaned == 1)
        lender._not_before.clear()
        await worker.chat()
        await until(lambda: bool(worker.carrying._taking._by_kind))

        assert 200 == (await going).status_code
        await until(lambda: [*lender._given] == [2])


async def test_a_request_that_a_bug_ends_has_its_slot_no_more(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        (held,) = worker.carrying._taking._by_kind.values()
        leave: Any = structs.replace(held.order.leave, engine_model=object())  # no name can be written into a body so
        held.order = structs.replace(held.order, leave=leave)
        with pytest.raises(httpx.HTTPError):
            (await worker.chat()).raise_for_status()

        assert "cancelled" == (await worker.lines(2))[-1]["status"]
        assert 0 == held.running == worker.ada.door.load.running


async def test_no_more_than_half_of_the_slots_is_lent_however_many_kinds_are_asked_for(tmp_path: Path) -> None:
    """Another kind gets them once the first has none."""
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        (lender,) = worker.lending._lenders
        await worker.chat(model="auto")
        assert 4 == worker.loaned

        lender._call_back(1)
        await until(lambda: not worker.loaned)
        lender._not_before.clear()
        await worker.chat(model="auto")

        assert 4 == worker.loaned and [2] == [*lender._given]


async def test_of_what_no_order_was_given_for_of_late_little_is_kept(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        (lender,) = worker.lending._lenders
        asks = next(iter(lender._given.values())).asks
        for number in range(KINDS_LIMIT):
            lender.came(structs.replace(asks, model=f"nobody-has-{number}"))
        lender._call_back(1)
        for number in range(4):
            lender.came(structs.replace(asks, model=f"nobody-has-this-{number}"))

        assert KINDS_LIMIT == len(lender._not_before)


async def test_where_others_serve_an_order_ends(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        worker.ada.node.gossip.watch(worker.lending.look_again)
        await worker.given()
        await worker.ada.meet()
        await until(lambda: not worker.carrying._taking._by_kind and not worker.loaned)
        await worker.chat()

        assert "Came" in worker.heard


async def test_an_order_ends_with_what_it_rests_on_also_while_only_long_answers_go_on_by_it(tmp_path: Path) -> None:
    talks = ScriptedEngine(token_s=0.02, answer=lambda body: "word")
    async with talks.serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        engine.answer = lambda body: "word " * 500
        going = asyncio.create_task(worker.chat(stream=True))
        await until(lambda: worker.ada.door.lent.running == 1)
        (lender,) = worker.lending._lenders
        lender._look()
        worker.ada.node.serve(())
        lender._look()
        await until(lambda: not worker.carrying._taking._by_kind)

        assert 1 == worker.loaned
        going.cancel()


async def test_an_order_by_which_nothing_is_done_ends(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        (lender,) = worker.lending._lenders
        lender._timer = None
        await worker.given()
        assert lender._timer is not None, "it looks by itself from then on"
        for _ in range(3):
            lender._look()
        await until(lambda: not worker.loaned)

        assert worker.ada.door.quiet_s > 0


async def test_what_a_dead_worker_held_is_free(tmp_path: Path) -> None:
    async with ScriptedEngine(delay_s=0.8).serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        asking = asyncio.create_task(worker.chat())
        await until(lambda: engine.active == 1 and worker.ada.door.lent.running == 1)
        worker.answering.lose()

        assert (0, 0) == (worker.loaned, worker.ada.door.load.running)
        assert not worker.lending._lenders and 0 == worker.ada.door.engine.in_flight
        assert "cancelled" == (await worker.lines(2))[-1]["status"]
        asking.cancel()
        worker.answering._lender = None
        worker.answering.link._heard = lambda frame: None


async def test_that_a_worker_dies_says_nothing_of_the_engine(tmp_path: Path) -> None:
    """A stream that was a hundred seconds old may have had its first word long ago: only the worker knew."""
    async with ScriptedEngine(delay_s=0.8).serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        asking = asyncio.create_task(worker.chat(stream=True))
        await until(lambda: worker.ada.door.lent.running == 1)
        (given,) = worker.answering._lender._given.values()  # type: ignore[union-attr]
        (one,) = given.begun.values()
        one.came = structs.replace(one.came, began=one.came.began - 100.0)
        worker.answering.lose()
        line = (await worker.lines(2))[-1]

        assert 0 == worker.ada.node.beliefs[worker.ada.node.me].failures
        assert "cancelled" == line["status"] and line["latency_s"] > 100.0
        asking.cancel()
        worker.answering._lender = None
        worker.answering.link._heard = lambda frame: None


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_what_an_engine_refuses_by_an_order_is_judged_by_the_owner_and_asked_once(
    status: int, tmp_path: Path
) -> None:
    """It is one decision, of one request that was read."""
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine) as worker:
        await worker.given()
        engine.status = status
        before = len(engine.asked)
        answer = await worker.chat()
        lines = await worker.lines(2)
        counted = worker.ada.telemetry.exposition().decode()

        assert (
            1 == len(engine.asked) - before
            and ["Came", "Held"] == [kind for kind in worker.heard if kind != "Done"][:2]
        )
        assert answer.status_code in (status, 503)
        assert (1, 2) == (lines[-1]["attempts"], len(worker.ada.route_log.recent.all))
        for counter in (
            'decisions_total{reason="only_candidate"}',
            'stage_seconds_count{stage="read"}',
            'wait_seconds_count{kind="actual"}',
        ):
            assert f"ppai_{counter} 2.0" in counted


async def test_a_stream_that_breaks_off_by_an_order_ends_as_one_that_was_decided(tmp_path: Path) -> None:
    async with ScriptedEngine(cut_after=2).serving() as engine, standing(tmp_path, engine) as worker:
        decided = await worker.chat(stream=True)
        await worker.stands()
        taken = await worker.chat(stream=True)

        assert ["Came", "Heard", "Passed"] == [kind for kind in worker.heard if kind != "Done"][:3]
        assert "stream_cut_short" in taken.text and decided.text == taken.text
        assert ["failed", "failed"] == [line["status"] for line in await worker.lines(2)]


async def test_who_hangs_up_frees_the_slot_and_is_told_as_cancelled(tmp_path: Path) -> None:
    talks = ScriptedEngine(token_s=0.02, answer=lambda body: "word " * 500)
    async with talks.serving() as engine, standing(tmp_path, engine) as worker:
        engine.answer = lambda body: "word"
        await worker.given()
        engine.answer = lambda body: "word " * 500
        body = {"model": "scripted-1", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        async with worker.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.aiter_lines()
            for _ in range(20):
                await anext(lines)
        line = (await worker.lines(2))[-1]

        assert ("cancelled", True) == (line["status"], line["tokens"] > 0)
        assert 0 == worker.ada.door.load.running and 1 == engine.hung_up


async def test_a_body_that_is_longer_than_may_be_is_not_taken(tmp_path: Path) -> None:
    config = ClientConfig(body_limit_bytes=1024)
    async with ScriptedEngine().serving() as engine, standing(tmp_path, engine, config=config) as worker:
        await worker.given()
        answer = await worker.chat(messages=[{"role": "user", "content": "x" * 2000}])

        assert 413 == answer.status_code


def test_an_owner_tells_a_request_apart_that_was_tried() -> None:
    assert not Came(1, 1, None, None, None, None).has_tried
