"""Tabs between two real peers: counted from receipts, signed by both over the wire, written down, bounded."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from discovery.identity import verify
from discovery.records import Card
from discovery.request_auth import Refused
from gateway.capacity.allowance import Allowance, AllowanceConfig
from gateway.peering.remote import PeerUpstream
from gateway.peering.settling import TAB_PATH, Settling
from gateway.trust.tab import Sums
from gateway.trust.tabs import QUIET_S, Row
from gateway.upstream import UpstreamError
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import delegated
from tests.peers import PATIENCE, Pair, tabs_of, two_peers


class Scene:
    """Ada asks ben, and keeps tabs; her clock runs only as told."""

    def __init__(self, pair: Pair, engine: ScriptedEngine) -> None:
        self.engine, self.pair, self.now, self.written = engine, pair, time.time(), list[Row]()
        self.settling = self.anew()

    def anew(self, rows: Sequence[Row] = ()) -> Settling:
        return tabs_of(self.pair.ada, rows, self.written.extend, lambda: self.now)

    async def ask(self, body: bytes | None = None) -> None:
        upstream = PeerUpstream(
            self.pair.ben.id, "ben", self.pair.ada.transport.open_stream, lambda *_: None, got=self.settling.got
        )
        async with upstream.open(
            "chat/completions", (body or delegated(),), {}, stream=False, patience=PATIENCE
        ) as reply:
            await reply.read()

    async def settle(self) -> None:
        self.now += QUIET_S
        await self.settling.settle()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        yield Scene(pair, engine)


async def test_an_answer_counts_on_both_sides_and_both_sign_it(scene: Scene) -> None:
    await scene.ask()
    await scene.ask()

    await scene.settle()

    got, given = scene.settling.tabs[scene.pair.ben.id].got, scene.pair.ben.settling.tabs[scene.pair.ada.id].given
    assert 2 == got.sums.answers and got.sums.work > 0
    assert got.sums == given.sums
    assert got.signed is not None and got.signed == given.signed
    assert got.signed.holds(scene.pair.ada.id, scene.pair.ben.id, verify)
    await scene.settle()
    assert got.signed == scene.written[-1].signed


async def test_a_peer_without_the_feature_is_counted_and_never_asked(scene: Scene) -> None:
    card = scene.pair.ben.gossip.own_card()
    assert card is not None and isinstance(card.record, Card)
    scene.pair.ben.gossip.publish(replace(card.record, features=()), time.monotonic())
    await scene.pair.ada.transport.hello(scene.pair.ben.address)
    await scene.ask()

    await scene.settle()

    got = scene.settling.tabs[scene.pair.ben.id].got
    assert 1 == got.sums.answers and got.signed is None
    assert [1] == [row.sums.answers for row in scene.written]
    assert scene.pair.ben.settling.tabs[scene.pair.ada.id].given.signed is None


async def test_a_ledger_that_was_lost_comes_back_from_the_other(scene: Scene) -> None:
    await scene.ask()
    await scene.settle()
    scene.settling = scene.anew()
    await scene.ask()

    await scene.settle()
    await scene.settle()

    assert 1 == scene.settling.tabs[scene.pair.ben.id].got.signed.statement.sums.answers  # type: ignore[union-attr]


async def test_what_was_written_down_is_there_after_a_restart(scene: Scene) -> None:
    await scene.ask()
    await scene.settle()
    await scene.settle()
    newest = {(row.peer, row.side): row for row in scene.written}

    again = scene.anew([*newest.values()])

    before = scene.settling.tabs[scene.pair.ben.id].got
    after = again.tabs[scene.pair.ben.id].got
    assert (before.sums, before.signed) == (after.sums, after.signed)
    assert pytest.approx(before.faded(scene.now)) == after.faded(scene.now)


async def test_a_failure_is_tried_again_after_a_pause_that_doubles(scene: Scene) -> None:
    scene.pair.ben.admission.revoke(scene.pair.ada.id)
    scene.settling.got(scene.pair.ben.id, Sums(1, 1, 1))
    await scene.settle()
    scene.pair.ben.admission.approve(scene.pair.ada.id)
    await scene.settle()
    assert scene.settling.tabs[scene.pair.ben.id].got.signed is None

    scene.now += 10
    await scene.settle()

    assert scene.settling.tabs[scene.pair.ben.id].got.signed is not None


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 4000, b'{"stated": 1}', "é".encode("latin-1")])
async def test_garbage_is_refused_and_changes_nothing(scene: Scene, body: bytes) -> None:
    before = scene.pair.ben.settling.tabs.all()

    with pytest.raises(Refused, match="no statement"):
        scene.pair.ben.settling.answer(scene.pair.ada.id, body)
    with await scene.pair.ada.transport.open_stream(scene.pair.ben.id, TAB_PATH, body or b"x", answer_s=5) as response:
        assert 400 == response.status
    assert before == scene.pair.ben.settling.tabs.all()


async def test_statements_are_limited_and_a_long_one_is_not_read(scene: Scene) -> None:
    async def status(body: bytes) -> int:
        with await scene.pair.ada.transport.open_stream(scene.pair.ben.id, TAB_PATH, body, answer_s=5) as response:
            return response.status

    assert 413 == await status(b"x" * 5000)
    assert 429 in [await status(b"x") for _ in range(20)]


async def test_a_receipt_is_believed_as_far_as_the_answer_bears_it_out(scene: Scene) -> None:
    """Ben claims a fortune for one word; a liar's credit is bounded by the bytes that he sent, and by `max_tokens`."""
    upstream = PeerUpstream(scene.pair.ben.id, "ben", scene.pair.ada.transport.open_stream, lambda *_: None)
    body = delegated()
    async with upstream.open("chat/completions", (body,), {}, stream=False, patience=PATIENCE) as reply:
        answer = await reply.read()
    assert reply.receipt is not None
    lie = msgspec.structs.replace(reply.receipt, prompt_tokens=2**40, tokens=2**40)

    credit = reply.credit(lie)

    assert len(answer) >= credit.tokens and 5000 >= credit.prompt_tokens


async def test_a_quota_refuses_before_the_engine_is_asked(scene: Scene) -> None:
    scene.pair.ben.app._delegations._allowance = Allowance(AllowanceConfig(requests_per_s=0.1, burst_s=20.0))
    await scene.ask()
    await scene.ask()
    before = len(scene.engine.asked)

    with pytest.raises(UpstreamError) as caught:
        await scene.ask()

    assert "peer_too_many_requests" == caught.value.code
    assert before == len(scene.engine.asked)


async def test_who_had_too_much_more_than_he_gave_is_served_while_nobody_waits(scene: Scene) -> None:
    scene.pair.ben.app._delegations._exposure_tokens = 1000.0
    scene.pair.ben.settling.given(scene.pair.ada.id, Sums(1, 0, 2000))
    await scene.ask()  # the door is open

    door = scene.pair.ben.door
    inside = [await door.remote_turn(peer) for peer in ("x", "y", "z0", "z1", "z2", "z3", "z4")]
    assert "soft" == door.admission
    with pytest.raises(UpstreamError) as caught:
        await scene.ask()
    for turn in inside:
        door.leave(turn)

    assert "peer_too_many_requests" == caught.value.code
