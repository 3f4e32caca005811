"""Candidate set, utility and the four policies: laws of one decision. test_herding.py plays many at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.records import PeerId, Pulse
from gateway.beliefs.belief import BeliefConfig, Outcome
from gateway.beliefs.speed import SpeedConfig
from gateway.beliefs.table import Beliefs
from gateway.routing.candidates import candidate_set
from gateway.routing.cost import CostConfig
from gateway.routing.decision import Decision
from gateway.routing.policies import policy
from gateway.routing.policy import Mode, Plan, SchedulerConfig
from gateway.routing.query import Query
from gateway.routing.roster import Roster
from gateway.routing.utility import assess
from gateway.routing.view import View

US = PeerId("us")
QUERY = Query(prompt_tokens=100, max_tokens=200)
CERTAIN = SchedulerConfig(exploration=0.0)


@dataclass(frozen=True)
class Peer:
    """A peer as a test needs it: one agent, its score, its load now."""

    name: str
    score: float = 0.8
    jobs: int = 0
    slots: int = 1
    admission: str = "open"
    model: str = "m"
    context_tokens: int = 0
    modalities: frozenset[str] = frozenset({"text"})
    dead: bool = False
    suspect: bool = False
    approved: bool = True
    profiled: bool = True


@dataclass
class World:
    """Peers (the one called "us" is ours) and the beliefs about them, all told at time 0."""

    peers: Sequence[Peer]
    beliefs: Beliefs = field(default_factory=lambda: Beliefs(BeliefConfig()))

    def __post_init__(self) -> None:
        for peer in self.peers:
            self.beliefs.add(PeerId(peer.name), peer.slots, rtt_s=0.0 if peer.name == US else None)
            self.beliefs.observe_load(PeerId(peer.name), peer.jobs, peer.slots, peer.admission, 0.0)  # type: ignore[arg-type]

    def view(self, query: Query = QUERY, now: float = 0.0) -> View:
        ids = tuple(PeerId(peer.name) for peer in self.peers)
        roster = Roster(
            peer_ids=ids,
            peer_names=tuple(f"{peer.name}'s machine" for peer in self.peers),
            agents=tuple(f"{peer.name}/{peer.model}" for peer in self.peers),
            models=tuple(peer.model for peer in self.peers),
            modalities=tuple(peer.modalities for peer in self.peers),
            context_tokens=np.array([peer.context_tokens for peer in self.peers], dtype=np.int64),
            local=np.array([peer.name == US for peer in self.peers], dtype=bool),
            dead=np.array([peer.dead for peer in self.peers], dtype=bool),
            suspect=np.array([peer.suspect for peer in self.peers], dtype=bool),
            approved=np.array([peer.approved for peer in self.peers], dtype=bool),
            rows=self.beliefs.rows(ids),
        )
        return View(
            roster=roster,
            expected=self.beliefs.expect(roster.rows, now),
            score=np.array([peer.score for peer in self.peers], dtype=float),
            profiled=np.array([peer.profiled for peer in self.peers], dtype=bool),
            output_tokens=self.beliefs.output_tokens(query.category, query.max_tokens),
        )


def decide(world: World, query: Query = QUERY, config: SchedulerConfig = CERTAIN, seed: int = 0) -> Decision:
    return policy(config).choose(query, world.view(query), 0.0, np.random.default_rng(seed))


def plan(
    world: World, query: Query = QUERY, config: SchedulerConfig = CERTAIN, seed: int = 0, now: float = 0.0
) -> Plan:
    return policy(config).plan(query, world.view(query, now), now, np.random.default_rng(seed))


def names(world: World, indices: Sequence[int]) -> list[str]:
    return [world.peers[index].name for index in indices]


def target(decision: Decision) -> str:
    assert decision.target is not None, decision.reason
    return decision.target.peer_id


# --- candidate set, Eq. (11)


@pytest.mark.parametrize(
    ("peer", "query", "reason"),
    [
        (Peer("b"), QUERY, None),
        (Peer("b", dead=True, suspect=True, approved=False), QUERY, "dead"),
        (Peer("b", suspect=True, approved=False), QUERY, "suspect"),
        (Peer("b", approved=False, model="other"), replace(QUERY, model="m"), "not_approved"),
        (Peer("b", model="other"), replace(QUERY, model="m"), "model"),
        (Peer("b", model="other"), replace(QUERY, model="b/other"), None),
        (Peer("b"), replace(QUERY, needs=frozenset({"image"})), "modality"),
        (Peer("b", modalities=frozenset({"text", "image"})), replace(QUERY, needs=frozenset({"image"})), None),
        (Peer("b", context_tokens=299), QUERY, "context"),
        (Peer("b", context_tokens=300), QUERY, None),
        (Peer("b"), replace(QUERY, pinned_local="field:n"), "field:n"),
        (Peer("b"), replace(QUERY, pinned_local="privacy:email"), "privacy:email"),
        (Peer("b"), replace(QUERY, pin="local"), "pinned"),
        (Peer("b"), replace(QUERY, pin="c"), "pinned"),
        (Peer("b"), replace(QUERY, pin="b"), None),
        (Peer("b"), replace(QUERY, pin="b's machine"), None),
        (Peer("b", admission="soft"), QUERY, None),
        (Peer("b", admission="closed"), QUERY, "closed"),
        (Peer("b", admission="closed"), replace(QUERY, pin="b"), None),  # it says itself whether it still is
        (Peer("b", score=0.49), QUERY, "score"),
        (Peer("b", score=0.5), QUERY, None),
        (Peer("b", profiled=False), QUERY, None),
    ],
)
def test_each_exclusion_has_its_reason(peer: Peer, query: Query, reason: str | None) -> None:
    world = World([Peer("us"), peer])

    decision = assess(query, world.view(query), replace(CERTAIN, theta_s=0.5))

    assert reason == decision.excluded_because(1)


def test_what_concerns_travelling_never_excludes_our_own() -> None:
    query = replace(QUERY, pinned_local="field:n", pin="local")

    excluded = candidate_set(query, World([Peer("us", admission="closed"), Peer("b")]).view(query))

    assert 0 == excluded[0]


# --- utility, Eq. (9), and the choice


def test_congested_expert_loses_to_idle_generalist() -> None:
    """Utility weighs expertise against the believed wait."""
    world = World([Peer("us", score=0.2), Peer("expert", score=0.9, jobs=40), Peer("generalist", score=0.7)])

    assert "generalist" == target(decide(world))


def test_expert_wins_when_both_are_idle() -> None:
    world = World([Peer("us", score=0.2), Peer("expert", score=0.9), Peer("generalist", score=0.7)])

    assert "expert" == target(decide(world))


def test_a_query_unlike_all_that_is_known_says_so() -> None:
    """Where a topic would have been the reason; a pin, or an idle engine of our own, is one without it."""
    world = World([Peer("us", score=0.2, jobs=1), Peer("expert", score=0.9)])
    strange = replace(QUERY, is_familiar=False)

    assert ("expert", "unfamiliar") == (target(found := decide(world, strange)), found.reason)
    assert "best" == decide(world).reason
    assert "pinned" == decide(world, replace(strange, pin="local")).reason


def test_equal_scores_leave_the_choice_to_the_wait() -> None:
    """An unprofiled network still shares work."""
    world = World([Peer("us", jobs=2, profiled=False), Peer("b", jobs=1, profiled=False), Peer("c", profiled=False)])

    decision = decide(world)

    assert ["c", "b", "us"] == names(world, decision.order)
    assert decision.target is not None and decision.target.unprofiled


def test_ties_are_broken_by_lot() -> None:
    world = World([Peer("us", jobs=9), Peer("b"), Peer("c"), Peer("d")])

    assert {"b", "c", "d"} == {target(decide(world, seed=seed)) for seed in range(40)}


def test_beta_of_the_request_wins() -> None:
    world = World([Peer("us", score=0.2), Peer("expert", score=0.9, jobs=40), Peer("generalist", score=0.7)])

    assert "expert" == target(decide(world, replace(QUERY, beta_per_s=0.0)))


def scaled(factor: float) -> tuple[BeliefConfig, SchedulerConfig]:
    """Every time there is, prior ones included, times `factor`."""
    b, s, c = BeliefConfig(), SpeedConfig(), CostConfig()
    return (
        replace(
            b,
            tau_s=b.tau_s * factor,
            failure_s=b.failure_s * factor,
            horizon_s=b.horizon_s * factor,
            prior_rtt_s=b.prior_rtt_s * factor,
            speed=replace(s, prior_prefill_s=s.prior_prefill_s * factor, prior_step_s=s.prior_step_s * factor),
        ),
        replace(CERTAIN, cost=replace(c, bandwidth_bytes_per_s=c.bandwidth_bytes_per_s / factor)),
    )


def learn(world: World, peer: Peer, k: int, factor: int) -> None:
    """Two pulses, an answer of ours and for some a failure, all their times multiplied by `factor`."""
    idle = Pulse(PeerId(peer.name), 1, 1, peer.jobs, 0, peer.slots, 0, 0, 0, 0, 0, 0, "open")
    world.beliefs.observe_pulse(idle, birth=-2.0 * factor)
    busy = replace(idle, seq=2, arrivals=7 + k, completions=6 + k, busy_ms=100 * k * factor, t_ms=2000 * factor)
    world.beliefs.observe_pulse(replace(busy, tokens_in=90 * k, tokens_out=70 * k), birth=0.0)
    job = assess(QUERY, world.view(), CERTAIN).reservation(k - 1, 0.0)
    for status in ("ok", "failed") if k % 3 == 0 else ("ok",):
        outcome = Outcome(job.peer_id, status, 0.3 * k * factor, 0.9 * k * factor, 40)  # type: ignore[arg-type]
        world.beliefs.reserve(job)
        world.beliefs.observe_outcome(job, outcome, 1.0 * factor)


peer_lists = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50), st.integers(1, 16)), min_size=1, max_size=20).map(
    lambda rows: [Peer("us" if k == 0 else f"p{k}", *row) for k, row in enumerate(rows)]
)


@given(peer_lists, st.sampled_from([2, 7, 1000]), st.integers(0, 2**32))
def test_multiplying_all_times_by_a_constant_changes_no_decision(peers: list[Peer], factor: int, seed: int) -> None:
    def decided(factor: int) -> Decision:
        beliefs, scheduler = scaled(factor)
        world = World(peers, Beliefs(beliefs))
        for k, peer in enumerate(peers):
            learn(world, peer, k + 1, factor)
        view = world.view(replace(QUERY, body_bytes=10**6), now=5.0 * factor)
        return policy(scheduler).choose(QUERY, view, 0.0, np.random.default_rng(seed))

    once, stretched = decided(1), decided(factor)

    assert once.order == stretched.order
    assert once.cost_s * factor == pytest.approx(stretched.cost_s)
    assert once.utility == pytest.approx(stretched.utility)


@given(peer_lists, st.integers(0, 2**32))
def test_costs_are_never_negative_and_the_order_holds_candidates_once(peers: list[Peer], seed: int) -> None:
    decision = decide(World(peers), seed=seed)

    assert (decision.cost_s >= 0).all() and np.isfinite(decision.utility).all()
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
        job = decision.reservation(decision.order[0], 0.0)
        world.beliefs.reserve(job)
        world.beliefs.observe_outcome(job, Outcome(job.peer_id, status, None, 0.001, 0), 0.0)  # type: ignore[arg-type]
        if chosen[-1] != "broken":
            break

    assert ["broken", "sound"] == chosen


def test_a_conversation_stays_where_its_prefix_is_warm() -> None:
    """The prompt tokens a cache saves are the cost of switching; no pin is needed."""
    query = replace(QUERY, prompt_tokens=3000)
    world = World([Peer("us", jobs=9), Peer("b"), Peer("c")])
    view = replace(world.view(query), warm_tokens=np.array([0.0, 0.0, 2900.0]))

    decision = policy(CERTAIN).choose(query, view, 0.0, np.random.default_rng(0))

    assert "c" == target(decision)
    assert 2900 * 1e-3 == pytest.approx(decision.service_s[1] - decision.service_s[2])
    assert [3000, 100] == [decision.reservation(k, 0.0).prompt_tokens for k in (1, 2)]


def test_bytes_take_time_to_the_others_and_none_to_us() -> None:
    query = replace(QUERY, body_bytes=12_500_000)

    decision = decide(World([Peer("us"), Peer("b")]), query)

    assert [0.0, 1.005] == pytest.approx(decision.transit_s.tolist())


# --- failover order


def test_our_own_comes_last_after_the_first() -> None:
    world = World([Peer("us", score=0.85, jobs=1), Peer("b", score=0.99), Peer("c", score=0.8)])

    assert ["b", "c", "us"] == names(world, decide(world).order)


def test_our_own_comes_first_when_it_is_the_best() -> None:
    world = World([Peer("us", score=0.99, jobs=1), Peer("b", score=0.8, jobs=3), Peer("c", score=0.9, jobs=3)])

    assert ["us", "c", "b"] == names(world, decide(world).order)


def test_our_own_takes_what_nobody_else_may() -> None:
    """Too long for the estimate, or below θ_s: our own engine answers, or says itself why it cannot."""
    world = World([Peer("us", context_tokens=150), Peer("b", context_tokens=150)])

    decision = decide(world)

    assert (["us"], "fallback") == (names(world, decision.order), decision.reason)


def test_nobody_is_left() -> None:
    world = World([Peer("us", model="a"), Peer("b", model="b", dead=True)])

    decision = decide(world, replace(QUERY, model="b"))

    assert (None, (), "none") == (decision.target, decision.order, decision.reason)
    assert ["model", "dead"] == [candidate.excluded for candidate in decision.candidates]


def test_a_peer_without_an_engine_tries_all_others() -> None:
    world = World([Peer(f"p{k}", jobs=k) for k in range(12)])

    assert set(range(12)) == set(decide(world).order)


def test_a_pin_is_kept_or_fails() -> None:
    world = World([Peer("us"), Peer("b", score=0.1, jobs=30), Peer("c", dead=True)])

    pinned = decide(world, replace(QUERY, pin="b"))

    assert (["b"], "pinned") == (names(world, pinned.order), pinned.reason)
    assert ["us"] == names(world, decide(world, replace(QUERY, pin="local")).order)
    assert () == decide(world, replace(QUERY, pin="c")).order


def test_a_body_that_may_not_travel_stays_and_says_why() -> None:
    world = World([Peer("us", score=0.1, jobs=30), Peer("b", score=0.9)])

    decision = decide(world, replace(QUERY, pinned_local="field:n"))

    assert (["us"], "field:n") == (names(world, decision.order), decision.reason)


# --- whom to probe


def test_few_remote_candidates_are_all_probed() -> None:
    world = World([Peer("us", jobs=1), *(Peer(f"p{k}") for k in range(6))])

    assert tuple(range(1, 7)) == plan(world, now=5.0).probe


def test_what_was_just_told_is_not_asked_again() -> None:
    """News of this moment is as good as a probe's, and takes no round trip."""
    world = World([Peer("us", jobs=1), *(Peer(f"p{k}") for k in range(6))])

    assert () == plan(world, now=0.0).probe


def test_nobody_is_probed_where_the_best_is_clear() -> None:
    """An expert believed idle, and rivals so much worse that no queue of theirs or its own could change the choice."""
    near, far = (World([Peer("us", jobs=1, score=s), Peer("expert", 0.95, slots=8)]) for s in (0.94, 0.15))

    assert ((1,), ()) == (plan(near, now=2.0).probe, plan(far, now=2.0).probe)


def test_older_news_are_looked_at_sooner() -> None:
    """The longer ago, the more may have come or gone, and the likelier the peer has stopped: whoever is asked once its
    news are old enough is asked for ever after."""
    world = World([Peer("us", jobs=1, score=0.5), Peer("expert", 0.7), Peer("other", 0.6)])
    ages_s = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 10_000.0)

    asked = [bool(plan(world, now=age_s).probe) for age_s in ages_s]

    assert asked == sorted(asked)
    assert (False, True) == (asked[0], asked[-1])


def test_a_look_that_takes_longer_than_it_may_gain_is_not_taken() -> None:
    here, far = World([Peer("us", jobs=1), Peer("b")]), World([Peer("us", jobs=1), Peer("b")])
    for _ in range(100):
        far.beliefs.observe_rtt(PeerId("b"), 30.0)

    assert ((1,), ()) == (plan(here, now=5.0).probe, plan(far, now=5.0).probe)


def test_of_many_four_drawn_are_probed() -> None:
    """A clear expert is nearly always among them; of equals, each is as likely."""
    world = World([Peer("us", jobs=5), Peer("expert", score=0.95), *(Peer(f"p{k}") for k in range(50))])

    probes = [plan(world, seed=seed).probe for seed in range(50)]

    assert {4} == {len(set(probe)) for probe in probes}
    assert sum(1 in probe for probe in probes) > 45
    assert len({index for probe in probes for index in probe}) > 25


def test_draws_prefer_the_useful() -> None:
    """T = β·S̃: ten service times of waiting make a draw e^10 times rarer."""
    world = World([Peer("us", jobs=5), *(Peer(f"p{k}", jobs=0 if k < 10 else 10) for k in range(20))])

    drawn = [index for seed in range(100) for index in plan(world, seed=seed).probe]

    assert sum(index <= 10 for index in drawn) > 0.99 * len(drawn)


def test_the_best_by_belief_is_not_everybodys_probe() -> None:
    """All hold the same news: who is believed a little better than fifty equals must not be asked by all."""
    world = World([Peer("us", jobs=5), Peer("lucky", score=0.905), *(Peer(f"p{k}", score=0.9) for k in range(50))])

    asked = sum(1 in plan(world, seed=seed).probe for seed in range(100))

    assert asked < 30


def test_one_candidate_needs_no_probe() -> None:
    world = World([Peer("us", model="other"), Peer("b")])

    only = plan(world, replace(QUERY, model="m"))

    assert ((), "only_candidate") == (only.probe, only.reason)


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        (Peer("us", score=0.89), "local_idle"),
        (Peer("us", score=0.87), "best"),  # another is better by more than .02
        (Peer("us", score=0.89, jobs=1), "best"),  # not idle
        (Peer("us", score=0.89, jobs=3, slots=4), "local_idle"),  # a slot is free
        (Peer("us", score=0.89, jobs=2, slots=2), "best"),  # none is, though the wait is short
    ],
)
def test_an_idle_engine_of_our_own_answers_without_asking_around(ours: Peer, reason: str) -> None:
    decision = decide(World([ours, Peer("b", score=0.9), Peer("c", score=0.8)]))

    assert reason == decision.reason
    assert (reason == "local_idle") == (target(decision) == US)


def test_an_idle_but_slow_engine_of_our_own_asks_around() -> None:
    """Equal scores, a laptop beside an idle GPU ten times faster: the GPU answers."""
    world = World([Peer("us"), Peer("gpu")])
    world.beliefs[PeerId("gpu")].speed.observe_claim(1.0, 0, 10_000, 20.0)
    world.beliefs.observe_rtt(PeerId("gpu"), 0.005)

    assert "gpu" == target(decide(world))


def test_two_percent_explore_and_say_so() -> None:
    world = World([Peer("us"), *(Peer(f"p{k}", score=0.3) for k in range(9))])

    decisions = [decide(world, config=SchedulerConfig(), seed=seed) for seed in range(2000)]
    explored = [decision for decision in decisions if decision.reason == "explored"]

    assert 0.01 < len(explored) / len(decisions) < 0.03
    assert all(target(decision) != US and names(world, decision.order)[-1] == US for decision in explored)
    assert 9 == len({target(decision) for decision in explored})


def test_what_waits_at_our_door_does_not_explore() -> None:
    """It is decided many times over: two in a hundred looks would be most requests."""
    world = World([Peer("us"), *(Peer(f"p{k}", score=0.3) for k in range(9))])
    always = SchedulerConfig(exploration=1.0)

    assert ("explored", "local_idle") == tuple(
        decide(world, replace(QUERY, is_held=is_held), always).reason for is_held in (False, True)
    )


@pytest.mark.parametrize(
    ("other", "query", "may"),
    [
        (Peer("b"), QUERY, True),
        (Peer("b", admission="closed"), QUERY, True),
        (Peer("b", dead=True), QUERY, False),
        (Peer("b", approved=False), QUERY, False),
        (Peer("b", model="other"), replace(QUERY, model="m"), False),
        (Peer("b"), replace(QUERY, pinned_local="field:n"), False),
        (Peer("b"), replace(QUERY, pin="local"), False),
    ],
)
def test_what_only_we_may_answer_goes_nowhere_else(other: Peer, query: Query, may: bool) -> None:
    """A closed door opens again; everything else stays as it is."""
    assert may == decide(World([Peer("us", jobs=5), other]), query).may_go_elsewhere


def test_exploration_yields_to_a_door_that_its_probe_found_closed() -> None:
    world = World([Peer("us"), Peer("b"), Peer("c")])
    always = policy(SchedulerConfig(exploration=1.0))
    rng = np.random.default_rng(0)
    planned = always.plan(QUERY, view := world.view(), 0.0, rng)
    (probed,) = planned.probe
    world.beliefs.observe_load(view.roster.peer_ids[probed], 9, 1, "closed", 1.0)

    decision = always.choose(
        QUERY, replace(view, expected=world.beliefs.expect(view.roster.rows, 1.0)), 1.0, rng, planned
    )

    assert (US, "best") == (target(decision), decision.reason)


@pytest.mark.parametrize(
    ("ours", "order"),
    [
        (Peer("us", jobs=8), ["c", "us"]),
        (Peer("us", jobs=8, context_tokens=10), ["c", "us"]),
        (Peer("us", model="other"), ["c", "b"]),
    ],
)
def test_a_peer_that_kept_silent_is_not_chosen(ours: Peer, order: list[str]) -> None:
    """It may be stopped, and waiting for it costs seconds: only without an engine of our own is it tried, last."""
    query, world = replace(QUERY, model="m"), World([ours, Peer("b"), Peer("c", jobs=5)])
    chooser, rng = policy(CERTAIN), np.random.default_rng(0)
    planned = chooser.plan(query, view := world.view(query), 0.0, rng)

    decision = chooser.choose(query, replace(view, silent=np.array([False, True, False])), 0.0, rng, planned)

    assert (order, "silent") == (names(world, decision.order), decision.excluded_because(1))


def test_when_all_keep_silent_and_we_have_no_engine_they_are_tried() -> None:
    world = World([Peer("b"), Peer("c")])
    chooser, rng = policy(CERTAIN), np.random.default_rng(0)
    planned = chooser.plan(QUERY, view := world.view(), 0.0, rng)

    decision = chooser.choose(QUERY, replace(view, silent=np.ones(2, dtype=bool)), 0.0, rng, planned)

    assert ({0, 1}, "fallback") == (set(decision.order), decision.reason)


def test_an_empty_network_decides_nothing() -> None:
    decision = decide(World([]))

    assert ((), "none") == (decision.order, decision.reason)


def test_fresh_news_overrules_belief() -> None:
    """The peer believed idle turned out busy between plan and choice."""
    world = World([Peer("us", jobs=8), Peer("b"), Peer("c", jobs=2)])
    chooser, rng = policy(CERTAIN), np.random.default_rng(0)
    planned = chooser.plan(QUERY, view := world.view(), 0.0, rng)
    world.beliefs.observe_load(PeerId("b"), 16, 1, "open", 1.0)
    world.beliefs.observe_load(PeerId("c"), 1, 1, "open", 1.0)

    decision = chooser.choose(
        QUERY, replace(view, expected=world.beliefs.expect(view.roster.rows, 1.0)), 1.0, rng, planned
    )

    assert "c" == target(decision)


def test_a_reservation_makes_the_next_query_go_elsewhere() -> None:
    """Eight at once through one endpoint, one slot each: waiting makes the others cheaper."""
    world = World([Peer("us"), Peer("b"), Peer("c")])
    chosen = []
    for seed in range(8):
        decision = decide(world, seed=seed)
        chosen.append(target(decision))
        world.beliefs.reserve(decision.reservation(decision.order[0], 0.0))
        world.beliefs.observe_load(US, chosen.count(US), 1, "open", 0.0)  # our own engine we read; others we predict

    assert all(chosen.count(name) in (2, 3) for name in ("us", "b", "c"))


# --- modes


def test_local_mode_never_delegates() -> None:
    world = World([Peer("us", score=0.1, jobs=30), Peer("b", score=0.9)])

    decision = decide(world, config=replace(CERTAIN, mode="local"))

    assert (["us"], "mode:local") == (names(world, decision.order), decision.reason)


def test_random_mode_is_uniform_over_candidates() -> None:
    world = World([Peer("us"), Peer("b", jobs=20), Peer("c", dead=True), Peer("d", score=0.1)])

    chosen = [target(decide(world, config=replace(CERTAIN, mode="random"), seed=seed)) for seed in range(3000)]

    assert all(900 < chosen.count(name) < 1100 for name in ("us", "b", "d"))


def test_paper_mode_computes_the_printed_equations() -> None:
    """Eq. (7): the cap makes 2 waiting jobs and 200 cost the same; Eq. (10): ties go to the smallest index."""
    world = World([Peer("us", score=0.1), Peer("b", jobs=200), Peer("c", jobs=2)])
    config = replace(CERTAIN, mode="paper", paper_beta_per_s=0.01)

    decision = decide(world, config=config)
    e = decision.view.expected
    rho = np.minimum(1, e.arrival_rate / e.service_rate + (e.arrival_rate - e.service_rate))
    cost_s = rho + decision.service_s + decision.transit_s

    assert decision.utility == pytest.approx(decision.view.score - 0.01 * cost_s)
    assert decision.utility[1] == decision.utility[2] and "b" == target(decision)


@pytest.mark.parametrize("mode", ["default", "paper", "local", "random"])
def test_the_same_seed_decides_the_same(mode: Mode) -> None:
    world = World([Peer("us"), *(Peer(f"p{k}", score=0.5 + k / 40, jobs=k % 3) for k in range(20))])
    config = SchedulerConfig(mode=mode)

    assert decide(world, config=config, seed=7).order == decide(world, config=config, seed=7).order


def test_who_failed_the_conversation_is_avoided_while_somebody_else_can_answer() -> None:
    world = World([Peer("us"), Peer("b"), Peer("c")])
    failed = world.view(QUERY).roster.peer_ids[1]
    query = replace(QUERY, avoid=failed)

    assert [None, "retried", None] == [assess(query, world.view(query), CERTAIN).excluded_because(i) for i in range(3)]
    alone = World([Peer("us", model="other"), Peer("b")])
    query = replace(query, model="m")
    assert 0 == candidate_set(query, alone.view(query))[1]
