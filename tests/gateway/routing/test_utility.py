"""What each candidate is worth: laws of score against cost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from discovery.records import PeerId, Pulse
from gateway.beliefs.columns import FEW
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.jobs import Outcome
from gateway.beliefs.speed import SpeedConfig
from gateway.beliefs.table import Beliefs
from gateway.routing.decision import Decision
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.routing.utility import assess
from tests.gateway.routing.world import CERTAIN, QUERY, US, Peer, World, decide, names, target


def test_congested_expert_loses_to_idle_generalist() -> None:
    """Utility weighs expertise against the believed wait."""
    world = World([Peer("us", score=0.2), Peer("expert", score=0.9, jobs=40), Peer("generalist", score=0.7)])

    assert "generalist" == target(decide(world))


def test_expert_wins_when_both_are_idle() -> None:
    world = World([Peer("us", score=0.2), Peer("expert", score=0.9), Peer("generalist", score=0.7)])

    assert "expert" == target(decide(world))


def test_equal_scores_leave_the_choice_to_the_wait() -> None:
    """An unprofiled network still shares work."""
    world = World([Peer("us", jobs=2, profiled=False), Peer("b", jobs=1, profiled=False), Peer("c", profiled=False)])

    decision = decide(world)

    assert ["c", "b", "us"] == names(world, decision.order)
    assert decision.target is not None and decision.target.unprofiled


def test_beta_of_the_request_wins() -> None:
    world = World([Peer("us", score=0.2), Peer("expert", score=0.9, jobs=40), Peer("generalist", score=0.7)])

    assert "expert" == target(decide(world, structs.replace(QUERY, beta_per_s=0.0)))


def scaled(factor: float) -> tuple[BeliefConfig, SchedulerConfig]:
    """Every time there is, prior ones included, times `factor`."""
    b, s = BeliefConfig(), SpeedConfig()
    return (
        replace(
            b,
            tau_s=b.tau_s * factor,
            failure_s=b.failure_s * factor,
            horizon_s=b.horizon_s * factor,
            prior_rtt_s=b.prior_rtt_s * factor,
            prior_bandwidth_bytes_per_s=b.prior_bandwidth_bytes_per_s / factor,
            speed=replace(s, prior_prefill_s=s.prior_prefill_s * factor, prior_step_s=s.prior_step_s * factor),
        ),
        CERTAIN,
    )


def learn(world: World, peer: Peer, k: int, factor: int) -> None:
    """Two pulses, an answer of ours and for some a failure, all their times multiplied by `factor`."""
    idle = Pulse(PeerId(peer.name), 1, 1, peer.jobs, 0, peer.slots, 0, 0, 0, 0, 0, 0, "open")
    world.beliefs.observe_pulse(idle, birth=-2.0 * factor)
    busy = replace(idle, seq=2, arrivals=7 + k, completions=6 + k, busy_ms=100 * k * factor, t_ms=2000 * factor)
    world.beliefs.observe_pulse(replace(busy, tokens_in=90 * k, tokens_out=70 * k), birth=0.0)
    job = assess(QUERY, world.view(), CERTAIN).candidate(k - 1).reservation(0.0)
    for status in ("ok", "failed") if k % 3 == 0 else ("ok",):
        outcome = Outcome(job.queue, status, 0.3 * k * factor, 0.9 * k * factor, 40)  # type: ignore[arg-type]
        world.beliefs.reserve(job)
        world.beliefs.observe_outcome(job, outcome, 1.0 * factor)


peer_lists = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50), st.integers(1, 16)), min_size=1, max_size=20).map(
    lambda rows: [Peer("us" if k == 0 else f"p{k}", *row) for k, row in enumerate(rows)]
)


@settings(deadline=None)
@given(peer_lists, st.sampled_from([2, 7, 1000]), st.integers(0, 2**32))
def test_multiplying_all_times_by_a_constant_changes_no_decision(peers: list[Peer], factor: int, seed: int) -> None:
    def decided(factor: int) -> Decision:
        beliefs, scheduler = scaled(factor)
        world = World(peers, Beliefs(beliefs))
        for k, peer in enumerate(peers):
            learn(world, peer, k + 1, factor)
        view = world.view(structs.replace(QUERY, body_bytes=10**6), now=5.0 * factor)
        return policy(scheduler).choose(QUERY, view, 0.0, np.random.default_rng(seed))

    once, stretched = decided(1), decided(factor)

    assert once.order == stretched.order
    assert [factor * cost_s for cost_s in once.costs.cost_s] == pytest.approx(list(stretched.costs.cost_s))
    assert list(once.utility) == pytest.approx(list(stretched.utility))


@settings(deadline=None)
@given(peer_lists, st.integers(0, 2**32))
def test_costs_are_never_negative_and_the_order_holds_candidates_once(peers: list[Peer], seed: int) -> None:
    decision = decide(World(peers), seed=seed)

    assert min(decision.costs.cost_s) >= 0 and np.isfinite(decision.utility).all()
    assert len(set(decision.order)) == len(decision.order) > 0
    assert not decision.excluded[list(decision.order)].any()


@pytest.mark.parametrize("status", ["failed", "refused"])
def test_an_error_answer_never_attracts_load(status: str) -> None:
    """However fast it was: after every error the peer is worth less than before, until another is chosen."""
    world = World([Peer("us", jobs=3), Peer("broken", score=0.82), Peer("sound", score=0.8)])
    chosen = []
    for _ in range(3):
        decision = decide(world)
        chosen.append(target(decision))
        job = decision.candidate(decision.order[0]).reservation(0.0)
        world.beliefs.reserve(job)
        world.beliefs.observe_outcome(job, Outcome(job.queue, status, None, 0.001, 0), 0.0)  # type: ignore[arg-type]
        if chosen[-1] != "broken":
            break

    assert ["broken", "sound"] == chosen


def test_a_conversation_stays_where_its_prefix_is_warm() -> None:
    """The prompt tokens a cache saves are the cost of switching; no pin is needed."""
    query = structs.replace(QUERY, prompt_tokens=3000)
    world = World([Peer("us", jobs=9), Peer("b"), Peer("c")])
    view = world.view(query)._replace(warm_tokens=[0.0, 0.0, 2900.0])

    decision = policy(CERTAIN).choose(query, view, 0.0, np.random.default_rng(0))

    assert "c" == target(decision)
    assert 2900 * 1e-3 == pytest.approx(decision.costs.service_s[1] - decision.costs.service_s[2])
    assert [3000, 100] == [decision.candidate(k).reservation(0.0).job.prompt_tokens for k in (1, 2)]


def test_bytes_take_time_to_the_others_and_none_to_us() -> None:
    query = structs.replace(QUERY, body_bytes=12_500_000)

    decision = decide(World([Peer("us"), Peer("b")]), query)

    assert [0.0, 1.005] == pytest.approx(decision.costs.transit_s)


def test_a_reservation_makes_the_next_query_go_elsewhere() -> None:
    """Eight at once through one endpoint, one slot each: waiting makes the others cheaper."""
    world = World([Peer("us"), Peer("b"), Peer("c")])
    chosen = []
    for seed in range(8):
        decision = decide(world, seed=seed)
        chosen.append(target(decision))
        world.beliefs.reserve(decision.candidate(decision.order[0]).reservation(0.0))
        world.beliefs.observe_load(US, chosen.count(US), 1, "open", 0.0)  # our own engine we read; others we predict

    assert all(chosen.count(name) in (2, 3) for name in ("us", "b", "c"))


peer_rows = st.lists(
    st.builds(
        Peer, name=st.just(""), score=st.floats(0, 1), jobs=st.integers(0, 50), slots=st.integers(1, 16),
        admission=st.sampled_from(["open", "open", "closed"]), context_tokens=st.sampled_from([0, 200, 32768]),
        last_resort=st.booleans(), embedded=st.booleans(),
    ),
    min_size=2, max_size=FEW,
).map(lambda rows: [replace(row, name="us" if k == 0 else f"p{k}") for k, row in enumerate(rows)])  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(peer_rows, st.sampled_from([None, frozenset({"m"})]))
def test_few_are_judged_as_they_are_among_many(peers: list[Peer], models: frozenset[str] | None) -> None:
    """Few are taken as floats, and many as arrays: dead peers beside them make them many, and change nothing."""
    dead = [Peer(f"dead{k}", dead=True) for k in range(FEW)]
    query = structs.replace(QUERY, models=models, body_bytes=10**6)
    few, many = World(peers), World([*peers, *dead])
    for k, peer in enumerate(peers):
        for world in (few, many):
            learn(world, peer, k + 1, 1)

    one, other = (assess(query, world.view(query, now=5.0), CERTAIN) for world in (few, many))

    assert isinstance(one.utility, list) and isinstance(other.utility, np.ndarray)
    assert (one.who.all, one.excluded.tolist()) == (other.who.all, other.excluded[: len(peers)].tolist())
    assert one.beta_per_s == pytest.approx(other.beta_per_s, rel=1e-12)
    for mine, its in zip((*one.costs, one.utility), (*other.costs, other.utility), strict=True):
        assert list(mine) == pytest.approx(its[: len(peers)].tolist(), rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(peer_rows, st.integers(0, 2**32))
def test_few_are_chosen_among_as_among_many(peers: list[Peer], seed: int) -> None:
    """The same are probed and tried, in the same order."""
    dead = [Peer(f"dead{k}", dead=True) for k in range(FEW)]
    orders = []
    for world in (World(peers), World([*peers, *dead])):
        rng, view = np.random.default_rng(seed), world.view(now=0.5)
        planned = policy(CERTAIN).plan(QUERY, view, 0.5, rng)
        decision = policy(CERTAIN).choose(QUERY, view, 0.5, rng, planned)
        orders.append((planned.reason, sorted(planned.probe), decision.order, decision.may_go_elsewhere))

    assert orders[0] == orders[1]
