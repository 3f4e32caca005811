"""Audits as they go over the network: like any request, by the owner's rules, at nobody's cost but ours."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from discovery.records import Agent
from gateway.capacity.rules import EngineLoad
from gateway.measuring.auditing import Auditing, KeptTrust
from gateway.privacy.rules import Rule
from gateway.trust.audits import TrustConfig
from gateway.trust.budget import Due
from gateway.trust.honesty import LONGEST_S, Honesty
from gateway.trust.observed import Observations
from tests.cluster import id_of
from tests.fakes import ScriptedEngine
from tests.gateway.routing.ada import Ada, agent
from tests.gateway.serving.desk import Desk, desk

ASKED = [{"role": "user", "content": "What is the sum of all whole numbers from 1 to 40?"}]
IDLE = EngineLoad(4, 0, 0, 0, 0)


@dataclass
class Reader:
    """Takes every text for mathematics."""

    knows: bool = True

    async def judge(self, text: str, budget_s: float) -> SimpleNamespace | None:
        return SimpleNamespace(relevance=np.array([1.0, 0.0]), category="maths") if self.knows else None


async def keep() -> None:
    return None


def model(name: str, of: str) -> Agent:
    return replace(agent(name), model=of)


def auditing(
    node: object, dispatcher: object = None, load: EngineLoad = IDLE, reader: Reader | None = None
) -> Auditing:
    doors = SimpleNamespace(load=load)
    return Auditing(
        TrustConfig(), node, doors, dispatcher, reader or Reader(), lambda: 0.0, lambda text: None, keep,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
async def theirs() -> AsyncIterator[ScriptedEngine]:
    async with ScriptedEngine(answer=lambda body: "It is 820").serving() as engine:
        yield engine


async def ask(ada: Desk) -> str | None:
    return await auditing(ada.node, ada.dispatcher).ask(ada.ben.id, "scripted-1", ASKED, "r1")


async def test_an_audit_is_a_request_like_any_other(tmp_path: Path, theirs: ScriptedEngine) -> None:
    """Its answer is read whole; it is in the route log; and nothing in it says what it is."""
    async with desk(tmp_path, None, theirs) as ada:
        text = await ask(ada)
        lines = list(ada.route_log.tail)

    assert ("It is 820", ["ok"]) == (text.replace("  ", " ").strip() if text else text, [li["status"] for li in lines])
    (body,) = theirs.asked
    assert ASKED == body["messages"]
    assert "audit" not in json.dumps([body, theirs.request_headers]).casefold()


@pytest.mark.parametrize("fault", [{"status": 500}, {"cut_after": 1}, {"page": b"<html>"}], ids=str)
async def test_a_failure_or_a_cut_is_no_answer(
    tmp_path: Path, theirs: ScriptedEngine, fault: dict[str, object]
) -> None:
    for name, value in fault.items():
        setattr(theirs, name, value)
    async with desk(tmp_path, None, theirs) as ada:
        assert None is await ask(ada)


async def test_an_answer_that_trickles_is_none_after_a_while(
    tmp_path: Path, theirs: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And others are audited again; its engine hears that nobody waits any more."""
    monkeypatch.setattr("gateway.measuring.auditing.ANSWER_S", 0.3)
    theirs.token_s = 60.0
    async with desk(tmp_path, None, theirs) as ada:
        async with asyncio.timeout(5):
            assert None is await ask(ada)
        await theirs.until(lambda engine: engine.active == 0)


async def test_what_the_owner_s_rules_keep_here_is_not_asked_elsewhere(tmp_path: Path, theirs: ScriptedEngine) -> None:
    rule = Rule(name="sums", to="this machine", words=("whole numbers",))
    async with desk(tmp_path, None, theirs, rules=(rule,)) as ada:
        assert None is await ask(ada)

    assert not theirs.asked


async def test_a_peer_that_has_left_is_not_asked(tmp_path: Path, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, None, theirs) as ada:
        assert None is await auditing(ada.node, ada.dispatcher).ask(id_of(9), "scripted-1", ASKED, "r1")


# --- when ---


def test_who_is_there_with_both_rights_and_room_may_be_audited() -> None:
    ada = Ada()
    assert auditing(ada.node).may(ada.meet(1))
    assert not auditing(ada.node).may(id_of(2))


@pytest.mark.parametrize("right", ["ask", "answer"])
def test_who_has_one_right_alone_is_not(right: str) -> None:
    ada = Ada(mode="tofu")
    ben = ada.meet(1)
    ada.node.admission.approve(ben, rights=(right,))  # type: ignore[arg-type]

    assert not auditing(ada.node).may(ben)


@pytest.mark.parametrize(
    "pulse", [{"waiting": 1}, {"running": 2}, {"admission": "soft"}, {"admission": "closed"}], ids=str
)
def test_a_busy_peer_is_left_alone(pulse: dict[str, object]) -> None:
    ada = Ada()

    assert not auditing(ada.node).may(ada.meet(1, **pulse))


@pytest.mark.parametrize("load", [IDLE._replace(ours=1), IDLE._replace(waiting=1)])
def test_nobody_is_audited_while_we_have_work_ourselves(load: EngineLoad) -> None:
    ada = Ada()

    assert not auditing(ada.node, load=load).may(ada.meet(1))


# --- twins ---


def test_twins_claim_one_model_whatever_it_is_called_there_and_may_be_audited_now() -> None:
    ada = Ada()
    ben = ada.meet(1, model("a", "Qwen/Qwen2.5-7B-Instruct"))
    cleo = ada.meet(2, model("b", "qwen2.5:7b-instruct-q4_K_M"), model("c", "qwen2.5:14b-instruct"))
    ada.meet(3, model("d", "qwen2.5:7b-instruct"), waiting=1)
    ada.node.serve([replace(model("mine", "qwen2.5:7b-instruct"), place="here")])

    found = auditing(ada.node).twins(Due(ben, "a", "maths"))

    assert {(ada.node.me, "mine", True), (cleo, "b", False)} == set(found)
    assert [] == auditing(ada.node).twins(Due(cleo, "c", "maths"))
    assert [] == auditing(ada.node).twins(Due(ben, "gone", "maths"))


async def test_our_own_engine_answers_as_a_twin(tmp_path: Path, theirs: ScriptedEngine) -> None:
    async with ScriptedEngine(answer=lambda body: "820").serving() as mine, desk(tmp_path, mine, theirs) as ada:
        text = await auditing(ada.node, ada.dispatcher).ask(ada.me.id, "scripted-1", ASKED, "r1")

    assert ("820", 1, 0) == (text and text.strip(), len(mine.asked), len(theirs.asked))


# --- what follows ---


async def test_what_an_audit_found_counts_for_its_agent_and_for_its_peer_s_honesty() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(240, 240)))
    one = auditing(ada.node)
    for _ in range(6):
        await one.found(Due(ben, "small", "maths"), "sum", 0.0)

    assert 6 == ada.node.observations.count_of(ben, "small")
    assert "worse than it claims (0 of 6)" == ada.node.honesty.standing(ben, 0.0).words
    assert not one.may(ben)


async def test_a_question_that_nobody_can_judge_teaches_nothing() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(240, 240)))
    await auditing(ada.node, reader=Reader(knows=False)).found(Due(ben, "small", "maths"), "sum", 0.0)

    assert not ada.node.observations


# --- what outlives a restart ---


def kept_in(
    home: Path, honesty: Honesty, seen: Observations | None = None, now: float = 0.0, wall: float = 1e9
) -> KeptTrust:
    observations = Observations() if seen is None else seen
    return KeptTrust(home, honesty, observations, lambda: now, lambda: wall)


async def test_a_restart_acquits_nobody(tmp_path: Path) -> None:
    """Its clock begins anew: what is left of the time that somebody is set aside is told by the wall's."""
    ben, before, after = id_of(1), Honesty(), Honesty()
    kept = kept_in(tmp_path, before, now=5000.0)
    for _ in range(4):
        before.audited(ben, 0.9, 0.0, 5000.0)
    await kept.keep()

    kept = kept_in(tmp_path, after, now=7.0, wall=1e9 + 40.0)

    assert [] == kept.warnings
    assert before.standing(ben, 5040.0) == after.standing(ben, 7.0)
    assert 20.0 == after.standing(ben, 7.0).set_aside_s
    assert after.is_suspicious(id_of(2))
    assert 0o600 == (tmp_path / "audits.json").stat().st_mode & 0o777


async def test_a_restart_forgets_no_grade(tmp_path: Path) -> None:
    """What is learnt is written once a minute, and what was learnt since when the peer stops."""
    ben, before, after = id_of(1), Observations(), Observations()
    kept, pauses = kept_in(tmp_path, Honesty(), before), asyncio.Queue[float]()

    async def pause(seconds: float) -> None:
        await pauses.get()

    running = asyncio.create_task(kept.run(pause))
    before.observe(ben, "small", "food", 1.0, 1.0, 0.0)
    pauses.put_nowait(0.0)
    while not (tmp_path / "seen.json").exists():
        await asyncio.sleep(0.001)
    before.observe(ben, "small", "food", 0.0, 1.0, 0.0)
    running.cancel()
    await asyncio.wait({running})

    kept_in(tmp_path, Honesty(), after)

    assert ([1.0], [2.0]) == tuple(of.tolist() for of in after.seen(ben, "small", ["food"], 0.0))
    assert 0o600 == (tmp_path / "seen.json").stat().st_mode & 0o777


async def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    kept = kept_in(tmp_path, Honesty())

    await kept.keep()

    assert not any((tmp_path / name).exists() for name in ("audits.json", "seen.json"))


@pytest.mark.parametrize(
    ("name", "damaged", "remedy"),
    [
        ("audits.json", '{"peers": {"ben": {"odds": "much"}}}', "audited anew"),
        ("seen.json", '[{"peer": "ben"}]', "learnt anew"),
    ],
)
async def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path, name: str, damaged: str, remedy: str) -> None:
    path = tmp_path / name
    path.write_text(damaged)
    path.chmod(0o600)

    (warning,) = kept_in(tmp_path, Honesty()).warnings

    assert remedy in warning
    assert (tmp_path / f"{name}.damaged").exists()


async def test_without_room_for_it_what_was_found_goes_on_and_is_written_later(tmp_path: Path) -> None:
    home, honesty = tmp_path / "none", Honesty()
    kept = kept_in(home, honesty)
    for _ in range(4):
        honesty.audited(id_of(1), 0.9, 0.0, 0.0)

    await kept.keep()

    assert honesty.set_aside(0.0)
    home.mkdir(mode=0o700)
    await kept.keep()
    assert (home / "audits.json").exists()


def test_a_clock_that_was_set_back_sets_nobody_aside_for_longer_than_ever() -> None:
    before, after = Honesty(), Honesty()
    for _ in range(4):
        before.audited(id_of(1), 0.9, 0.0, 0.0)

    after.restore(before.kept(0.0, 1e9), 0.0, 0.0)

    assert LONGEST_S >= after.standing(id_of(1), 0.0).set_aside_s
