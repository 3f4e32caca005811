"""Which kinds a worker may answer by itself; tests/gateway/workers/test_lending.py has what is made of each request."""

from pathlib import Path

import pytest
from msgspec import structs

from gateway.serving.standing.orders import Entered
from gateway.wire.reading.elsewhere import to_tell
from gateway.wire.request import read_request
from tests.fakes import ScriptedEngine
from tests.gateway.serving.desk import desk

ASKS = to_tell(read_request("chat/completions", b'{"model":"scripted-1","messages":[{"role":"user","content":"hi"}]}'))
NOBODY = ScriptedEngine(url="http://127.0.0.1:9")


async def test_a_kind_may_stand_that_one_engine_of_ours_alone_can_answer(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, desk(tmp_path, engine, NOBODY, alone=True, only=True) as ada:
        standing = ada.dispatcher.by_order.may_stand(ASKS)

    assert standing is not None and standing.door is ada.door
    leave, manner = standing.leave, standing.manner
    assert ("scripted-1", "scripted-1", "ada") == (leave.model, leave.engine_model, leave.shown["x-ppai-peer"])
    assert (engine.url, True) == (manner.way.url, manner.lines.startswith(b"POST /v1/chat/completions"))


async def test_no_kind_may_stand_that_nobody_here_can_answer(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, desk(tmp_path, engine, NOBODY, alone=True, only=True) as ada:
        assert ada.dispatcher.by_order.may_stand(structs.replace(ASKS, model="nobody-has")) is None


async def test_none_may_stand_where_another_peer_may_answer(tmp_path: Path) -> None:
    async with (
        ScriptedEngine().serving() as engine,
        ScriptedEngine().serving() as other,
        desk(tmp_path, engine, other, only=True) as ada,
    ):
        assert ada.dispatcher.by_order.may_stand(ASKS) is None


async def test_none_may_stand_at_an_engine_that_does_not_know_a_field(tmp_path: Path) -> None:
    """What it is asked is to be another body than came."""
    async with ScriptedEngine().serving() as engine, desk(tmp_path, engine, NOBODY, alone=True, only=True) as ada:
        standing = ada.dispatcher.by_order.may_stand(ASKS)
        assert standing is not None
        standing.direct.refused["chat/completions"] = frozenset({"user"})  # type: ignore[attr-defined]

        assert ada.dispatcher.by_order.may_stand(ASKS) is None


async def test_a_conversation_that_was_left_is_remembered_by_its_own_name(tmp_path: Path) -> None:
    """Not by that of the request for which the order was given."""
    asks = structs.replace(ASKS, session="first")
    async with ScriptedEngine().serving() as engine, desk(tmp_path, engine, NOBODY, alone=True, only=True) as ada:
        by_order = ada.dispatcher.by_order
        standing = by_order.may_stand(asks)
        assert standing is not None
        (one,) = by_order.entered(standing, [Entered(1, "r1", 5, None, "second", False, 90, 0.0, 0.0, by_order.now)])
        by_order.went(one, "cancelled", None, by_order.now, (5, 0))

        assert ["second"] == [*ada.dispatcher.decider.queries._failed]


async def test_what_a_kind_is_told_to_cost_is_what_each_of_it_would(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, desk(tmp_path, engine, NOBODY, alone=True, only=True) as ada:
        by_order, now = ada.dispatcher.by_order, 1e6
        by_order._around = structs.replace(by_order._around, clock=lambda: now)
        standing = by_order.may_stand(ASKS)
        assert standing is not None
        for prompt_tokens, max_tokens in ((1, None), (700, 3), (2000, 1000), (5, 0)):
            query = structs.replace(
                standing.routed.query, prompt_tokens=prompt_tokens, max_tokens=max_tokens, session=None
            )
            choice = ada.node.alone(query, now, 1)[0]
            assert choice is not None

            expected_s = choice.order[0].cost_s
            assert standing.leave.forecast.cost_s(prompt_tokens, max_tokens) == pytest.approx(expected_s, rel=1e-9)
