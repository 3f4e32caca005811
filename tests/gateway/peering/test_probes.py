"""Probes: what a peer says of its load, and how those who ask take it."""

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest

from discovery.contacts import Way
from discovery.records import JOBS_LIMIT, SLOTS_LIMIT, AdmissionState, PeerId
from gateway.capacity.limits import Limit, Limits
from gateway.capacity.rules import EngineLoad
from gateway.peering.allowance import WIDEST
from gateway.peering.frames import FIRST_SIGN_S
from gateway.peering.given import Given
from gateway.peering.probes import FRESH_S, PROBE_LIMIT_BYTES, Peers, ProbeAnswer, decode_load, encode_load
from gateway.wire.codec import LARGE_BYTES
from tests.cluster import id_of
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import delegated
from tests.peers import PATIENCE, two_peers


async def test_a_probe_tells_load_in_powers_of_two(tmp_path: Path) -> None:
    """From idle to the last slot that remote work may have."""
    async with (
        ScriptedEngine().serving() as engine,
        two_peers(tmp_path, engine, slots=8) as pair,
        AsyncExitStack() as turns,
    ):
        answers = []
        for _ in range(8):
            with await pair.ada.transport.open_stream(pair.ben.id, "/peer/1/probe", b"") as response:
                answers.append(msgspec.json.decode(await response.read(1 << 24, 5), type=ProbeAnswer))
            if len(answers) < 8:
                turns.enter_context(await pair.ben.door.remote_turn())

    assert [ProbeAnswer(running, 0, 8, "open") for running in (0, 1, 2, 2, 4, 4, 4)] == answers[:-1]
    assert ProbeAnswer(4, 0, 8, "soft") == answers[-1]


async def test_a_probe_tells_which_models_are_not_loaded_and_which_are_not_because_one_asks(tmp_path: Path) -> None:
    """The owner says which, by the engine or by a limit. And a peer of an older version has none."""
    answers = list[ProbeAnswer]()
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        watched = pair.ben.door.engine._engine
        assert watched is not None
        watched.state = replace(watched.state, models=(replace(watched.state.models[0], is_loaded=False),))
        for limits, by_engine in ((Limits(), True), (Limits(), False), (Limits([Limit("anyone", cold=True)]), False)):
            pair.ben.app._answers._given = partial(Given, limits=limits)
            pair.ben.door.loads_for_others = by_engine
            with await pair.ada.transport.open_stream(pair.ben.id, "/peer/1/probe", b"") as response:
                answers.append(msgspec.json.decode(await response.read(1 << 24, 5), type=ProbeAnswer))

    one = ("scripted-1",)
    assert [(one, ()), ((), one), (one, ())] == [(answer.cold, answer.kept) for answer in answers]
    older = msgspec.json.decode(b'{"running":0,"waiting":0,"slots":8,"admission":"open"}', type=ProbeAnswer)
    assert () == older.cold


HUGE = b"1" + b"0" * 400


@pytest.mark.parametrize(
    ("running", "waiting", "slots", "jobs", "taken"),
    [
        (b"2", b"1", b"8", 3, 8),
        (HUGE, b"0", b"8", JOBS_LIMIT, 8),
        (HUGE, b"-" + HUGE, HUGE, JOBS_LIMIT, SLOTS_LIMIT - 1),
        (b"-5", b"5", b"0", 5, 1),
        (b"0", b"-1", b"-" + HUGE, 0, 1),
    ],
)
def test_what_a_probe_says_is_clipped_to_what_can_be(
    running: bytes, waiting: bytes, slots: bytes, jobs: int, taken: int
) -> None:
    """An integer of 400 digits fits into no array: every decision after it would fail."""
    body = b'{"running":%s,"waiting":%s,"slots":%s,"admission":"open"}' % (running, waiting, slots)

    assert ((jobs, taken), []) == decode_load(body)[:2]


def test_an_answer_to_a_probe_is_never_longer_than_a_peer_reads() -> None:
    """With many models that are not loaded, some stay unnamed; cut in two, the answer would count as silence."""
    told = encode_load(EngineLoad(8, 3, 0, 1, 0), "open", tuple(f"a model of quite a long name {n}" for n in range(99)))

    assert len(told) <= PROBE_LIMIT_BYTES
    assert 24 == len(decode_load(told)[2].cold)


class Heard:
    """An Observer that writes down what it is told."""

    def __init__(self) -> None:
        self.loads: list[tuple[PeerId, int, int, AdmissionState]] = []
        self.cold: list[tuple[str, ...]] = []
        self.closed: list[PeerId] = []
        self.ways = list[Way]()
        self.sent, self.took_s = list[tuple[PeerId, int, Way]](), list[float]()

    def observe_probe(
        self,
        peer: PeerId,
        jobs: int,
        slots: int,
        admission: AdmissionState,
        rtt_s: float,
        now: float,
        engines: Sequence[tuple[int, int]] = (),
        way: Way = "direct",
    ) -> None:
        self.loads.append((peer, jobs, slots, admission))
        self.ways.append(way)

    def observe_sent(self, peer: PeerId, size_bytes: int, took_s: float, way: Way) -> None:
        self.sent.append((peer, size_bytes, way))
        self.took_s.append(took_s)

    def observe_cold(self, peer: PeerId, agents: Collection[str], kept: Collection[str] = (), now: float = 0.0) -> None:
        self.cold.append((*agents, *kept))

    def observe_closed(self, peer: PeerId, now: float) -> None:
        self.closed.append(peer)


async def test_what_a_probe_found_is_told_to_routing(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine, slots=8) as pair:
        heard = Heard()
        peers = Peers(heard, pair.ada.transport, time.monotonic, 5.0)

        answered = await peers.probe([pair.ben.id])

    assert {pair.ben.id} == answered
    assert ([(pair.ben.id, 0, 8, "open")], [()], []) == (heard.loads, heard.cold, heard.closed)


async def test_how_long_a_large_body_took_is_told_to_routing_and_by_which_way(tmp_path: Path) -> None:
    """Since it was given to its connection, and without the time until the first sign of life. A small one is not."""
    large, heard = "é" * LARGE_BYTES, Heard()
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        peers, client = Peers(heard, pair.ada.transport, time.monotonic, 5.0), pair.ada.transport.client
        for words, way in (("small", "direct"), (large, "direct"), (large, "relay"), (large, "punched")):
            client.way_to = lambda peer, way=way: way  # type: ignore[method-assign, misc]
            asked = (delegated(messages=[{"role": "user", "content": words}]),)
            began = time.monotonic()
            upstream = peers.upstream(pair.ben.id, "ben", WIDEST)
            async with upstream.open("chat/completions", asked, {}, stream=False, patience=PATIENCE) as reply:
                await reply.read()
            limit_s = time.monotonic() - began

    size = sum(map(len, asked))
    assert [(pair.ben.id, size, way) for way in ("direct", "relay", "punched")] == heard.sent
    assert -FIRST_SIGN_S <= min(heard.took_s) and heard.took_s[-1] <= limit_s - FIRST_SIGN_S


async def test_requests_of_one_moment_share_a_probe(tmp_path: Path) -> None:
    """And news that young needs no other; later a peer is asked again."""
    now = [0.0]
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        heard = Heard()
        peers = Peers(heard, pair.ada.transport, lambda: now[0], 5.0)

        found = await asyncio.gather(*(peers.probe([pair.ben.id]) for _ in range(20)))
        await peers.probe([pair.ben.id])
        first = len(heard.loads)
        now[0] += 2 * FRESH_S
        await peers.probe([pair.ben.id])

    assert ([{pair.ben.id}] * 20, 1, 2) == (found, first, len(heard.loads))


async def test_of_the_peers_probed_only_those_of_this_moment_are_remembered(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        peers = Peers(Heard(), pair.ada.transport, lambda: 0.0, 1.0)

        for number in range(1000):
            peers._note_answer(id_of(number), 2 * number * FRESH_S)

        assert [id_of(999)] == list(peers._answered_at)


async def test_a_peer_that_turns_us_away_has_answered_and_is_closed(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.admission.revoke(pair.ada.id)
        heard = Heard()

        answered = await Peers(heard, pair.ada.transport, time.monotonic, 5.0).probe([pair.ben.id])

    assert ({pair.ben.id}, [], [pair.ben.id]) == (answered, heard.loads, heard.closed)


async def test_a_peer_that_cannot_be_reached_has_not_answered(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        heard = Heard()

        answered = await Peers(heard, pair.ada.transport, time.monotonic, 5.0).probe([id_of(9)])

    assert (set(), [], []) == (answered, heard.loads, heard.closed)
