"""What one peer knows and decides: Gossip, rights, beliefs and policy behind one object, in memory."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.admission import Admission
from discovery.gossip import Gossip
from discovery.records import Agent, Card, Domain, PeerId, Profile, Pulse
from gateway.beliefs.belief import BeliefConfig, Outcome
from gateway.beliefs.memory import KEPT_S
from gateway.beliefs.table import Beliefs
from gateway.models.priors import Priors
from gateway.routing.candidates import KINDS_KEPT
from gateway.routing.choice import Candidate
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query
from gateway.routing.roster import EQUAL_SCORE
from gateway.routing.worth import Space
from gateway.trust.observed import TOPICAL
from tests.cluster import card_of, id_of, pulse_of, signed

SPACE = Space("s1", ("maths", "law"))
MATHS = Query(relevance=np.array([1.0, 0.0]))
NAMED = 0.341  # mathematics of a chat model of unknown size and family, less half a standard deviation


def agent(name: str = "small", space: str = "s1", capability: Sequence[int] | None = None, **more: object) -> Agent:
    profiles = {} if capability is None else {space: Profile(bytes(capability), (9,) * len(capability))}
    return Agent(name, name, 4096, profiles=profiles, **more)  # type: ignore[arg-type]


@dataclass
class Ada:
    """A node with what it hears from; `now` stands still unless moved."""

    mode: str = "open"
    now: float = 0.0
    exploration: float = 0.0
    strangers: bool = False  # nobody vouches for whom the mode lets in
    priors: Priors | None = None
    alone: bool = False  # what nobody competes with is not weighed
    node: Node = field(init=False)

    def __post_init__(self) -> None:
        gossip = Gossip(id_of(0), 1, lambda record: signed(record), random.Random(7), vouched=lambda _: True)
        gossip.publish(card_of(id_of(0), name="ada"), self.now)
        beliefs = Beliefs(BeliefConfig())
        decide = policy(SchedulerConfig(exploration=self.exploration))
        admission = Admission(self.mode, "test")  # type: ignore[arg-type]
        self.node = Node(
            "ada", gossip, admission, decide, beliefs, np.random.default_rng(7), SPACE, self.priors,
            SchedulerConfig() if self.alone else None,
        )  # fmt: skip
        self.node.serve([agent("own", capability=(128, 128))])

    def hear(self, *records: Card | Pulse) -> None:
        step = self.node.gossip.learn([signed(record) for record in records], self.now)
        self.node.receive(step.events, self.now)

    def meet(self, number: int, *agents: Agent, name: str = "", **pulse: object) -> PeerId:
        """Peer `number` joins and pulses; where everybody is let in, somebody vouches for it."""
        if self.mode == "open" and not self.strangers:
            self.node.admission.approve(id_of(number))
        card = card_of(id_of(number), name=name or f"peer-{number}")
        self.hear(replace(card, slots=2, agents=agents or (agent(),)), self.pulse(number, **pulse))
        return id_of(number)

    def pulse(self, number: int, **more: object) -> Pulse:
        return replace(pulse_of(id_of(number)), slots=2, **more)  # type: ignore[arg-type]

    def decide(self, query: Query = MATHS):
        return self.node.decide(query, self.node.plan(query, self.now), self.now)

    def excluded(self, query: Query = MATHS) -> dict[str, str | None]:
        return {c.peer_name: c.excluded for c in self.decide(query).candidates}


def approximately(candidate: Candidate) -> tuple[object, ...]:
    """Its values, numbers to 1e-12."""
    values = (*candidate, *candidate.expected)
    return tuple(pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for value in values)


# --- who there is ---


def test_our_own_agents_come_first() -> None:
    ada = Ada()
    ada.meet(1)
    ada.node.serve([agent("own"), agent("own too")])

    roster = ada.node.roster

    assert ("own", "own too", "small") == roster.agents
    assert [True, True, False] == roster.local.tolist()
    assert ("ada", "ada", "peer-1") == roster.peer_names


def test_a_peer_is_a_candidate_with_each_of_its_agents() -> None:
    ada = Ada()
    ada.meet(1, agent("a"), agent("b"))

    assert [("peer-1", "a"), ("peer-1", "b")] == [(c.peer_name, c.agent) for c in ada.decide().candidates[1:]]


def test_a_peer_without_agents_is_nobody_to_ask() -> None:
    ada = Ada()
    ada.hear(replace(card_of(id_of(1)), agents=()))

    assert ("own",) == ada.node.roster.agents


def test_the_roster_is_rebuilt_only_when_something_changed() -> None:
    ada = Ada()
    ada.meet(1)
    before = ada.node.roster

    ada.hear(ada.pulse(1, seq=2, t_ms=1000, running=2))
    assert before is ada.node.roster  # a pulse is news of load, not of who there is

    ada.hear(replace(card_of(id_of(1), seq=2), agents=(agent("new"),)))
    assert ("own", "new") == ada.node.roster.agents


def test_rights_decide_whom_we_send_prompts() -> None:
    ada = Ada(mode="tofu")
    ben = ada.meet(1)
    assert "not_approved" == ada.excluded()["peer-1"]

    ada.node.admission.approve(ben)
    ada.node.rights_changed()
    assert None is ada.excluded()["peer-1"]

    ada.node.admission.revoke(ben)
    ada.node.rights_changed()
    assert "not_approved" == ada.excluded()["peer-1"]


def test_the_right_to_ask_us_is_no_right_to_our_prompts() -> None:
    ada = Ada(mode="tofu")
    ben = ada.meet(1)
    ada.node.admission.approve(ben, rights=["ask"])
    ada.node.rights_changed()

    assert "not_approved" == ada.excluded()["peer-1"]


def test_a_suspect_peer_is_no_candidate_until_it_answers() -> None:
    ada = Ada()
    ben = ada.meet(1)

    ada.node.receive(ada.node.gossip.suspect(ben, ada.now).events, ada.now)
    assert "suspect" == ada.excluded()["peer-1"]

    ada.node.receive(ada.node.gossip.answered(ben, ada.now).events, ada.now)
    assert None is ada.excluded()["peer-1"]


def test_a_dead_peer_is_shown_as_dead() -> None:
    """It may come back: its agents stay in the roster, with the reason."""
    ada = Ada()
    ben = ada.meet(1)
    for _ in range(400):
        ada.now += 0.1
        ada.node.receive(ada.node.gossip.tick(ada.now).events, ada.now)

    assert "dead" == ada.node.gossip.member(ben).state
    assert "dead" == ada.excluded()["peer-1"]


def test_who_said_goodbye_is_gone_and_forgotten() -> None:
    ada = Ada()
    ben = ada.meet(1)
    assert ben in ada.node.beliefs

    ada.hear(card_of(ben, seq=2, flag="delete"))

    assert ("own",) == ada.node.roster.agents
    assert ben not in ada.node.beliefs


# --- vectors ---


@pytest.mark.parametrize(
    ("theirs", "profiled", "score"),
    [
        (agent(capability=(255, 0)), True, 1.0),
        (agent(capability=(0, 255)), True, 0.0),
        (agent(), False, NAMED),
        (agent(space="s2", capability=(255, 0)), False, NAMED),  # of another gate
        (agent(capability=(255, 0, 0)), False, NAMED),  # of another length
    ],
    ids=["profiled", "elsewhere", "none", "another space", "another length"],
)
def test_a_vector_counts_in_our_space_and_length_only(theirs: Agent, profiled: bool, score: float) -> None:
    """Else the agent is worth what its name lets expect: `small` is of unknown size."""
    ada = Ada()
    ada.meet(1, theirs)

    candidate = ada.decide().candidates[1]

    assert (not profiled, score) == (candidate.unprofiled, pytest.approx(candidate.score, abs=0.005))


def test_without_a_gate_or_words_all_are_equal() -> None:
    ada = Ada()
    ada.meet(1, agent(capability=(255, 0)))
    assert {EQUAL_SCORE} == {c.score for c in ada.decide(Query()).candidates}

    ada.node.use_space(None)

    assert {EQUAL_SCORE} == {c.score for c in ada.decide().candidates}


def test_a_new_gate_s_space_counts_from_now_on() -> None:
    ada = Ada()
    ada.meet(1, agent(space="s2", capability=(255, 0)))

    ada.node.use_space(Space("s2", ("maths", "law")))

    assert [True, False] == [c.unprofiled for c in ada.decide().candidates]
    assert [NAMED, 1.0] == pytest.approx([c.score for c in ada.decide().candidates], abs=0.005)


def test_the_better_one_answers() -> None:
    ada = Ada()
    ada.meet(1, agent(capability=(255, 0)))
    ada.meet(2, agent(capability=(0, 255)))

    assert ("peer-1", "best") == (ada.decide().target.peer_name, ada.decide().reason)
    assert "peer-2" == ada.decide(Query(relevance=np.array([0.0, 1.0]))).target.peer_name


def test_nobody_at_all_is_an_empty_decision() -> None:
    ada = Ada()
    ada.node.serve([])

    decision = ada.decide()

    assert ((), None, "none") == (decision.order, decision.target, decision.reason)


# --- load ---


def test_pulses_teach_load() -> None:
    ada = Ada()
    ben = ada.meet(1)
    idle = ada.decide().candidates[1].wait_s

    ada.now = 1.0
    ada.hear(ada.pulse(1, seq=2, t_ms=1000, running=2, waiting=6, admission="soft"))

    assert 8 == ada.node.beliefs[ben].jobs
    assert ada.decide().candidates[1].wait_s > idle


def test_pulses_of_who_may_not_answer_leave_nothing_behind() -> None:
    """Made-up ids cost nothing; one that is approved is known by its next pulse."""
    ada = Ada(mode="tofu")
    for number in range(1, 300):
        ada.meet(number)
    step = ada.node.gossip.learn([signed(ada.pulse(8, seq=2, t_ms=2000))], ada.now)
    before = ada.node.receive(step.events, ada.now), known_to(ada)

    ada.node.admission.approve(id_of(7))
    step = ada.node.gossip.learn([signed(ada.pulse(7, seq=2, t_ms=2000))], ada.now)
    after = ada.node.receive(step.events, ada.now), known_to(ada)

    assert ([], [id_of(0)]) == before
    assert (list(step.events), [id_of(0), id_of(7)]) == after


def known_to(ada: Ada) -> list[PeerId]:
    """Of whose load she believes something."""
    return [id_of(number) for number in range(300) if id_of(number) in ada.node.beliefs]


def test_a_closed_door_is_no_candidate() -> None:
    ada = Ada()
    ada.meet(1, admission="closed")

    assert "closed" == ada.excluded()["peer-1"]


def test_a_probe_outranks_the_pulse_before_it() -> None:
    ada = Ada()
    ben = ada.meet(1, running=2, waiting=9)

    ada.now = 1.0
    ada.node.observe_probe(ben, jobs=0, slots=2, admission="open", rtt_s=0.1, now=ada.now)
    assert 0 == ada.node.beliefs[ben].jobs
    ada.node.observe_probe(ben, jobs=5, slots=2, admission="open", rtt_s=0.1, now=0.5)  # it came late

    assert (0, 0.95) == (ada.node.beliefs[ben].jobs, ada.node.beliefs[ben].birth)


def test_a_probe_that_was_turned_away_closes_the_door_until_the_next_pulse() -> None:
    ada = Ada()
    ben = ada.meet(1)

    ada.node.observe_closed(ben, ada.now)
    assert "closed" == ada.excluded()["peer-1"]
    ada.now = 1.0
    ada.hear(ada.pulse(1, seq=2, t_ms=1000))

    assert None is ada.excluded()["peer-1"]


def test_news_of_who_has_left_meanwhile_is_ignored() -> None:
    """A probe may be on its way when its peer says goodbye."""
    ada = Ada()
    ben = ada.meet(1)
    ada.hear(card_of(ben, seq=2, flag="delete"))

    ada.node.observe_probe(ben, jobs=1, slots=1, admission="open", rtt_s=0.1, now=0.0)
    ada.node.observe_closed(ben, 0.0)

    assert ben not in ada.node.beliefs


def test_a_dispatched_query_counts_until_its_outcome() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(255, 0)))
    decision = ada.decide()

    reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)
    busy = float(ada.node.view(MATHS, ada.now).expected.backlog[1])
    ada.node.observe(reservation, Outcome(ben, "cancelled", None, 0.0, 0), ada.now)

    assert busy == pytest.approx(1.0 + float(ada.node.view(MATHS, ada.now).expected.backlog[1]))


def test_a_refusal_closes_the_door() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(255, 0)))
    decision = ada.decide()

    ada.node.observe(ada.node.dispatch(decision.candidate(1), 0.0), Outcome(ben, "refused", None, 0.01, 0), 0.0)

    assert "closed" == ada.excluded()["peer-1"]


def test_our_own_service_time_is_known_before_anything_was_served() -> None:
    assert 0 < Ada().node.own_mean_service_s() < 60


# --- silence ---


def test_who_keeps_silent_is_not_chosen() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(255, 0)))
    ada.now += 5.0
    plan = ada.node.plan(MATHS, ada.now)
    assert 1 in plan.probe

    decision = ada.node.decide(MATHS, plan, ada.now, silent={ben})

    assert "ada" == decision.target.peer_name
    assert "silent" == decision.candidates[1].excluded


def test_who_keeps_silent_is_not_chosen_either_where_the_roster_changed_meanwhile() -> None:
    """One probe failed outright, so that its peer is suspect; another stays unanswered."""
    ada = Ada()
    ben, cleo = ada.meet(1, agent(capability=(255, 0))), ada.meet(2, agent(capability=(200, 0)))
    plan = ada.node.plan(MATHS, ada.now)

    ada.node.receive(ada.node.gossip.suspect(cleo, ada.now).events, ada.now)
    decision = ada.node.decide(MATHS, plan, ada.now, silent={ben, cleo})

    assert {"ada": None, "peer-1": "silent", "peer-2": "suspect"} == {
        c.peer_name: c.excluded for c in decision.candidates
    }
    assert "ada" == decision.target.peer_name


def test_a_plan_of_another_roster_is_made_anew() -> None:
    """Somebody left while the probes were out: the plan's numbers now mean others."""
    ada = Ada()
    ben = ada.meet(1, agent(capability=(200, 0)))
    ada.meet(2, agent(capability=(255, 0)))
    plan = ada.node.plan(MATHS, ada.now)

    ada.hear(card_of(ben, seq=2, flag="delete"))
    decision = ada.node.decide(MATHS, plan, ada.now)

    assert ["peer-2", "ada"] == [decision.candidate(index).peer_name for index in decision.order]


# --- where a conversation is warm ---

TURN = Query(prompt_tokens=2000, max_tokens=50, session="talk")


def conversation(ada: Ada, peer: PeerId, tokens: int = 100) -> None:
    """A first turn of TURN's conversation that `peer` has answered, a little slower than peers are believed to be."""
    decision = ada.decide(replace(TURN, prompt_tokens=1800, pin=peer))
    assert peer == decision.target.peer_id
    reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)
    ada.node.observe(reservation, Outcome(peer, "ok", 2.0, 5.0, tokens), ada.now + 5.0)
    ada.now += 6.0


def two_equals() -> tuple[Ada, PeerId, PeerId]:
    """Ada without an engine, and two peers that are as good and as fast as each other."""
    ada = Ada()
    ada.node.serve([])
    return ada, ada.meet(1), ada.meet(2)


def test_a_second_turn_stays_where_it_is_warm() -> None:
    """With the one that holds the prefix, though another is a little faster: any other conversation goes there."""
    ada, cleo, ben = two_equals()
    conversation(ada, ben)

    turns = {ada.decide(TURN).target.peer_id for _ in range(30)}
    others = {ada.decide(replace(TURN, session="else")).target.peer_id for _ in range(30)}

    assert ({ben}, {cleo}) == (turns, others)
    assert 1900 == ada.node.view(TURN, ada.now).warm_tokens.max()


def test_it_leaves_a_warm_peer_that_is_congested() -> None:
    """No pin: reading 1,900 tokens anew is quicker than waiting for six others."""
    ada, cleo, ben = two_equals()
    conversation(ada, ben)

    ada.hear(ada.pulse(2, seq=2, t_ms=4000, running=2, waiting=6))

    assert {cleo} == {ada.decide(TURN).target.peer_id for _ in range(30)}


def test_a_restarted_peer_is_cold() -> None:
    ada, _, ben = two_equals()
    conversation(ada, ben)

    ada.hear(replace(card_of(id_of(2), gen=2), slots=2, agents=(agent(),)), ada.pulse(2, gen=2))

    assert () == ada.node.view(TURN, ada.now).warm


def test_other_work_displaces_a_conversation_little_by_little() -> None:
    """Room for two slots of 4,096 tokens. Its own last two turns count for nobody: figures are seconds old."""
    ada, _, ben = two_equals()
    conversation(ada, ben)

    left = []
    for seq, tokens in enumerate((0, 3800, 3800 + 4096, 3800 + 2 * 4096, 50_000), start=2):
        ada.hear(ada.pulse(2, seq=seq, t_ms=1000 * seq, tokens_in=tokens))
        warm = ada.node.view(TURN, ada.now).warm_tokens
        left.append(warm.max())

    assert [1900, 1900, 950, 0, 0] == left


def test_it_is_forgotten_when_it_is_old_and_when_a_turn_failed() -> None:
    ada, _, ben = two_equals()
    conversation(ada, ben)
    ada.now += 301
    assert () == ada.node.view(TURN, ada.now).warm
    conversation(ada, ben)
    assert 1 == len(ada.node.view(TURN, ada.now).warm)

    decision = ada.decide(TURN)
    ada.node.observe(
        ada.node.dispatch(decision.candidate(decision.order[0]), ada.now), Outcome(ben, "failed", None, 1.0, 0), ada.now
    )

    assert () == ada.node.view(TURN, ada.now).warm


def test_only_the_agent_that_answered_is_warm() -> None:
    """Another model of the same peer has read nothing of it."""
    ada = Ada()
    ben = ada.meet(1, agent("a"), agent("b"))
    decision = ada.decide(replace(TURN, pin=ben, models=frozenset({"b"})))
    ada.node.observe(
        ada.node.dispatch(decision.candidate(decision.order[0]), ada.now), Outcome(ben, "ok", 0.5, 3.0, 9), ada.now
    )

    view = ada.node.view(TURN, ada.now)

    assert ["b"] == [view.roster.agents[index] for index in view.warm]


def test_an_idle_engine_of_our_own_does_not_take_a_long_warm_conversation() -> None:
    """It would, if nobody had read the 2,000 tokens yet."""
    ada = Ada()
    ben = ada.meet(1, agent(capability=(128, 128)))
    conversation(ada, ben)
    ada.node.observe_own_load(0, 1, ada.now)

    assert (id_of(0), ben) == (
        ada.decide(replace(TURN, session="else")).target.peer_id,
        ada.decide(TURN).target.peer_id,
    )


def test_our_own_completions_reach_our_own_belief() -> None:
    """As another's pulse does: ten jobs in two slot-seconds each teach an E[S] near 2 s, and doubt shrinks."""
    ada = Ada()
    before = ada.node.own_mean_service_s()
    for number in range(11):
        done = Pulse(
            id_of(0), 0, 0, running=0, waiting=0, slots=1, arrivals=number, completions=number,
            busy_ms=2000 * number, t_ms=2500 * number, tokens_in=0, tokens_out=0, admission="open",
        )  # fmt: skip
        ada.node.observe_own_pulse(done, ada.now)

    assert before > 4.0
    assert 2.0 < ada.node.own_mean_service_s() < 3.0
    assert 10 == round(ada.node.beliefs[id_of(0)].completions)


def test_a_warm_conversation_is_not_experimented_with() -> None:
    """And of many peers the warm one is always looked at."""
    ada = Ada(exploration=1.0)
    ben = ada.meet(1)
    for number in range(2, 40):
        ada.meet(number)
    conversation(ada, ben)

    plans = [ada.node.plan(TURN, ada.now) for _ in range(20)]

    assert {"best"} == {plan.reason for plan in plans}
    index = ada.node.roster.peer_ids.index(ben)
    assert all(index in plan.probe and len(plan.probe) <= 5 for plan in plans)


def test_what_is_warm_need_not_be_read_and_teaches_no_speed() -> None:
    """The reservation counts the tokens to be read, so that a quick first token is no proof of a quick engine."""
    ada, _, ben = two_equals()
    conversation(ada, ben)

    decision = ada.decide(TURN)
    reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)

    assert (100, 2000) == (reservation.prompt_tokens, reservation.conversation_tokens)


# --- whose model is loaded ---


def test_a_cold_model_loses_to_an_equal_one_that_is_loaded_and_wins_once_it_is_too() -> None:
    ada, cleo, ben = two_equals()
    ada.node.observe_cold(cleo, ["small"])
    cold = {ada.decide().target.peer_id for _ in range(30)}
    ada.node.observe_cold(cleo, [])
    loaded = {ada.decide().target.peer_id for _ in range(30)}

    assert ({ben}, {ben, cleo}) == (cold, loaded)


def test_a_cold_expert_is_worth_waiting_for() -> None:
    """Ten seconds of loading are some five answers: twenty points of score; he is right twice as often."""
    ada = Ada()
    ben = ada.meet(1, agent(capability=(255, 255)))
    ada.node.observe_cold(ben, ["small"])

    decision = ada.decide(replace(MATHS, max_tokens=200))

    assert ben == decision.target.peer_id
    assert 10.0 <= decision.target.wait_s < 11.0


def test_what_a_model_takes_to_load_is_expected_and_no_slander() -> None:
    """A first token after eleven seconds is what a cold model was expected to take: h stays where it is."""
    ada = Ada()
    ben = ada.meet(1)
    ada.node.observe_cold(ben, ["small"])
    decision = ada.decide(replace(MATHS, pin=ben))
    reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)

    ada.node.observe(reservation, Outcome(ben, "ok", 10.5, 14.0, 100), ada.now + 14.0)

    factor = ada.node.beliefs.expect(ada.node.beliefs.rows([ben]), ada.now + 14.0).wait_factor[0]
    assert 0.8 < factor < 1.25


def test_a_model_that_is_not_loaded_because_we_ask_is_no_candidate_until_that_is_old_news() -> None:
    """Its owner may load it any moment. Who names the peer asks it anyway: it refuses itself."""
    ada, cleo, ben = two_equals()
    ada.node.observe_cold(cleo, [], ["small"], ada.now)
    told = {ada.decide().target.peer_id for _ in range(30)}
    fresh = ada.decide(replace(MATHS, models=frozenset({"small"})))
    pinned = ada.decide(replace(MATHS, pin=cleo)).target.peer_id
    ada.now += KEPT_S + 0.1
    old = ada.decide(replace(MATHS, models=frozenset({"small"})))

    assert ({ben}, cleo) == (told, pinned)
    assert "cold" in {fresh.excluded_because(index) for index in range(len(fresh.excluded))}
    assert "cold" not in {old.excluded_because(index) for index in range(len(old.excluded))}


def test_our_own_cold_model_counts_too_and_only_that_one() -> None:
    ada = Ada()
    ada.node.serve([agent("a"), agent("b")])
    ada.meet(1)

    ada.node.observe_cold(ada.node.me, ["b", "gone"])

    assert [False, True, False] == ada.node.view(MATHS, 0.0).cold.tolist()
    ada.node.observe_cold(ada.node.me, [])
    assert ada.node.view(MATHS, 0.0).cold is None


def test_an_engine_that_keeps_nothing_is_not_believed_to() -> None:
    """Its first token comes as late as if it read everything: after a few turns nothing is expected to be warm there,
    and that it was late is neither waiting nor a slow engine."""
    ada, _, ben = two_equals()
    conversation(ada, ben)
    before = ada.node.beliefs.expect(ada.node.beliefs.rows([ben]), ada.now)

    kept = [ada.node.view(TURN, ada.now).warm_tokens.max()]
    for seq in range(2, 6):
        ada.hear(ada.pulse(2, seq=seq, t_ms=1000 * seq))  # idle
        decision = ada.decide(replace(TURN, pin=ben))
        reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)
        prefill_s = 2000 * float(ada.node.beliefs[ben].speed.rates().prefill_s)
        ada.node.observe(reservation, Outcome(ben, "ok", prefill_s, prefill_s + 2.5, 100), ada.now + 4.0)
        ada.now += 5.0
        kept.append(ada.node.view(TURN, ada.now).warm_tokens.max())

    after = ada.node.beliefs.expect(ada.node.beliefs.rows([ben]), ada.now)
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] < 0.25 * kept[0]
    assert after.wait_factor[0] == pytest.approx(before.wait_factor[0], rel=0.1)
    assert after.prefill_s[0] == pytest.approx(before.prefill_s[0], rel=0.1)


def test_an_engine_that_keeps_what_it_should_stays_believed() -> None:
    ada, _, ben = two_equals()
    conversation(ada, ben)

    for seq in range(2, 6):
        ada.hear(ada.pulse(2, seq=seq, t_ms=1000 * seq))
        decision = ada.decide(replace(TURN, pin=ben))
        reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)
        started_s = reservation.prompt_tokens * float(ada.node.beliefs[ben].speed.rates().prefill_s)
        ada.node.observe(reservation, Outcome(ben, "ok", started_s + 0.03, started_s + 2.5, 100), ada.now + 3.0)
        ada.now += 4.0

    assert ada.node.view(TURN, ada.now).warm_tokens.max() > 0.95 * 2000


# --- what a card does not say ---


def test_details_add_what_may_be_tried_and_agents_that_the_card_had_no_room_for() -> None:
    ada = Ada()
    ben = ada.meet(1, agent("small"))

    ada.node.hear_details(ben, [agent("small", capability=(9, 9), untold=("image",), is_embedded=True), agent("more")])

    roster = ada.node.roster
    assert ("own", "small", "more") == roster.agents
    assert [False, True, False] == roster.embedded.tolist()
    assert frozenset({"text", "image"}) == roster.modalities[1]
    assert [True, True, False] == ada.node.view(MATHS, 0.0).profiled.tolist()  # the older space counts, too
    assert frozenset({"image"}) == ada.node.untold(ben, "small")


def test_what_an_engine_refused_is_not_tried_there_again_until_it_tells_of_itself_anew() -> None:
    ada, image = Ada(), frozenset({"image"})
    ben = ada.meet(1, agent("small"))
    ada.node.hear_details(ben, [agent("small", untold=("image",))])

    ada.node.refused(ben, "small", image | {"text"})

    assert [frozenset({"text"})] * 2 == list(ada.node.roster.modalities)
    ada.node.hear_details(ben, [agent("small", untold=("image",))])
    assert image == ada.node.untold(ben, "small")


def test_details_of_a_peer_whose_engine_has_gone_make_no_candidates() -> None:
    ada = Ada()
    ben = ada.meet(1, agent("small"))
    ada.node.hear_details(ben, [agent("small"), agent("more")])

    ada.hear(replace(card_of(id_of(1)), seq=2, flag="update", agents=()))

    assert ("own",) == ada.node.roster.agents


# --- what an agent is worth ---


def graded(ada: Ada, peer: PeerId, score: float, times: int = 1, category: str = "maths") -> None:
    for _ in range(times):
        ada.node.observations.observe(peer, "small", category, score, 1.0, ada.now)


def test_a_grade_moves_its_agent_s_score_in_its_category_from_the_next_decision_on() -> None:
    ada = Ada()
    ben, _ = ada.meet(1), ada.meet(2)
    law = Query(relevance=np.array([0.0, 1.0]))
    before = [[c.score for c in ada.decide(query).candidates] for query in (MATHS, law)]

    graded(ada, ben, 1.0)

    maths, laws = ([c.score for c in ada.decide(query).candidates] for query in (MATHS, law))
    assert (before[0][1] < maths[1], before[0][0], before[0][2]) == (True, maths[0], maths[2])
    assert before[1] == laws


def test_what_was_seen_fades_while_nobody_comes_or_goes() -> None:
    ada = Ada()
    ben = ada.meet(1)
    unseen = ada.decide().candidates[1].score
    graded(ada, ben, 1.0, times=5)
    seen = ada.decide().candidates[1].score

    ada.now += 86400.0 * 3
    later = ada.node.view(MATHS, ada.now).score[1]

    assert unseen < later < seen


def test_what_was_seen_survives_a_new_card_and_a_departure() -> None:
    """Else a peer would leave and come back to be believed anew."""
    ada = Ada()
    ben = ada.meet(1)
    graded(ada, ben, 0.0, times=5)
    bad = ada.decide().candidates[1].score

    ada.hear(card_of(ben, seq=2, flag="delete"))
    ada.hear(replace(card_of(ben, name="peer-1", gen=2), slots=2, agents=(agent(),)))

    assert bad == pytest.approx(ada.decide().candidates[1].score, abs=0.001)


def test_failures_cuts_and_slowness_are_no_score() -> None:
    ada = Ada()
    ben = ada.meet(1)
    before = ada.node.view(MATHS, ada.now).score.tolist()
    for status in ("failed", "refused", "cancelled", "ok"):
        reservation = ada.node.dispatch(ada.decide().candidates[1], ada.now)
        ada.node.observe(reservation, Outcome(ben, status, 900.0, 1000.0, 3), ada.now)

    assert before == ada.node.view(MATHS, ada.now).score.tolist()


def strangers(count: int, **more: object) -> Ada:
    ada = Ada(strangers=True, **more)
    for number in range(1, 1 + count):
        ada.meet(number, agent(capability=(255, 255)))
    return ada


def share_of(ada: Ada, query: Query = MATHS, requests: int = 200) -> float:
    """Which share of so many requests others answer."""
    away = 0
    for _ in range(requests):
        target = ada.decide(query).target
        away += not target.local
        ada.node.observe(ada.node.dispatch(target, ada.now), Outcome(target.peer_id, "ok", 0.1, 1.0, 50), ada.now)
        ada.now += 10.0
    return away / requests


def test_strangers_get_a_tenth_of_what_anybody_may_answer_however_many_they_are() -> None:
    assert 0.05 < share_of(strangers(1)) <= 0.1
    assert 0.05 < share_of(strangers(5)) <= 0.1
    assert share_of(Ada()) == 0.0


def test_what_a_stranger_claims_of_its_model_counts_less_and_our_own_in_full() -> None:
    large = Agent("qwen3:32b", "qwen3:32b", 4096)
    scores = []
    for are_strangers in (True, False):
        ada = Ada(strangers=are_strangers)
        ada.meet(1, large)
        ada.node.serve([large])
        scores.append([c.score for c in ada.decide().candidates])

    (own, stranger), (_, vouched) = scores
    assert stranger < vouched == own


def test_a_stranger_is_no_longer_on_trial_after_twenty_graded_answers_or_an_approval() -> None:
    graded_one, approved_one = strangers(1), strangers(1)
    graded(graded_one, id_of(1), 1.0, times=20)
    approved_one.node.admission.approve(id_of(1))
    approved_one.node.rights_changed()

    assert share_of(graded_one) > 0.9
    assert share_of(approved_one) > 0.9


def test_a_stranger_that_is_named_is_asked() -> None:
    ada = strangers(1)

    assert id_of(1) == ada.decide(replace(MATHS, pin=id_of(1))).target.peer_id
    assert id_of(1) == ada.decide(replace(MATHS, models=frozenset({"small"}))).target.peer_id


def test_a_stranger_is_asked_where_nobody_else_can_answer_but_the_embedded_model() -> None:
    alone, embedded = strangers(1), strangers(1)
    alone.node.serve([])
    embedded.node.serve([replace(agent("own"), is_embedded=True)])

    assert "trial" == strangers(1).excluded()["peer-1"]
    assert None is alone.excluded()["peer-1"]
    assert id_of(1) == embedded.decide().target.peer_id


def test_a_candidate_says_what_its_score_rests_on() -> None:
    ada = Ada()
    ada.meet(1, Agent("qwen3:32b", "qwen3:32b", 4096))

    own, ben = ada.decide(replace(MATHS, category="maths")).candidates

    assert ("measured on 9 questions of maths", "prior from the name: 32B qwen3") == (own.basis, ben.basis)


# --- whom to believe ---


def audited(ada: Ada, peer: PeerId, *scores: float) -> None:
    for score in scores:
        ada.node.observe_audit(peer, "small", "maths", np.array([1.0, 0.0]), score, ada.now)


def test_a_claim_of_a_convicted_peer_counts_less_where_nothing_was_seen_too() -> None:
    """And its next agent's, under another name; others' claims count as before."""
    ada = Ada()
    boasting = agent(capability=(230, 230))
    ben, _ = ada.meet(1, boasting, replace(boasting, name="next", model="next")), ada.meet(2, boasting)
    law = Query(relevance=np.array([0.0, 1.0]))
    before = [c.score for c in ada.decide(law).candidates]

    audited(ada, ben, *[1.0, 1.0, 0.0] * 14)

    after = [c.score for c in ada.decide(law).candidates]
    assert "worse than it claims (28 of 42)" == ada.node.honesty.standing(ben, ada.now).words
    assert [after[0], after[3]] == [before[0], before[3]]
    assert max(after[1], after[2]) < 0.85 * before[1]


def test_a_claim_counts_again_once_its_verdict_has_faded() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(230, 230)))
    law = Query(relevance=np.array([0.0, 1.0]))
    before = [c.score for c in ada.decide(law).candidates]
    audited(ada, ben, *[1.0, 1.0, 0.0] * 14)
    convicted = [c.score for c in ada.decide(law).candidates]

    ada.now = ada.node.honesty.fades_at

    assert convicted[1] < 0.85 * before[1]
    assert before[1] == pytest.approx([c.score for c in ada.decide(law).candidates][1], abs=0.02)


def test_who_claims_nine_tenths_and_is_right_in_six_is_ranked_behind_an_honest_eight_after_forty_audits() -> None:
    """In 95 of 100 runs, by the score that the decision is made from, in every category."""
    rng, behind, runs = np.random.default_rng(5), 0, 100
    for _ in range(runs):
        ada = Ada()
        ben, _ = ada.meet(1, agent(capability=(230, 230))), ada.meet(2, agent(capability=(204, 204)))
        audited(ada, ben, *(rng.random(40) < 0.6).astype(float))
        queries = (MATHS, Query(relevance=np.array([0.0, 1.0])))
        scores = [[c.score for c in ada.decide(query).candidates] for query in queries]
        behind += all(liar < honest for _, liar, honest in scores)

    assert behind >= 95


def test_who_answers_nonsense_stands_back_for_a_while_and_answers_where_nobody_else_can() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(255, 255)))
    audited(ada, ben, *[0.0] * 5)

    assert "distrusted" == ada.excluded()["peer-1"]
    assert None is ada.excluded(replace(MATHS, pin=ben))["peer-1"]
    assert None is ada.excluded(replace(MATHS, models=frozenset({"small"})))["peer-1"]
    ada.now += 61.0
    assert None is ada.excluded()["peer-1"]


def test_a_new_name_gains_nothing_once_somebody_was_convicted() -> None:
    """Who knows the network's secret is believed; who comes after a conviction is a stranger until approved."""
    ada, large = Ada(strangers=True), Agent("qwen3:32b", "qwen3:32b", 4096)
    ada.node.admission.vouches = lambda peer: True  # type: ignore[method-assign]
    ben, _ = ada.meet(1, agent(capability=(255, 255))), ada.meet(2, large)
    audited(ada, ben, *[0.0] * 5)
    ada.meet(3, large)
    ada.meet(4, large)
    ada.node.admission.approve(id_of(4))
    ada.node.rights_changed()

    _, _, before, after, approved = (c.score for c in ada.decide().candidates)
    assert after < before == approved


# --- agents with topics ---

KEELS = ("Torque of keel bolts", "Holiday and sick notes")
MEASURED = agent("librarian", capability=(80, 80))
LIBRARIAN = replace(MEASURED, kind="agent", base="small", topics=KEELS, domain=Domain(30, 0.9, 0.2, 1.0))
DRAWN = {"certain": 0.0005, "doubtful": 0.03, "not": 0.8}


def drawn(tail: float, topics: tuple[str, ...] = KEELS) -> Query:
    return replace(MATHS, drawn={topics: (tail, topics[-1])}, is_familiar=False)


def scores(ada: Ada, query: Query = MATHS) -> dict[str, float]:
    return {candidate.agent: candidate.score for candidate in ada.decide(query).candidates}


def beside_a_librarian(**how: object) -> Ada:
    ada = Ada(**how)  # type: ignore[arg-type]
    ada.meet(1, agent("plain"))
    ada.meet(2, LIBRARIAN)
    ada.node.hear_details(id_of(2), [LIBRARIAN])
    return ada


def test_a_query_of_its_topics_goes_to_the_librarian_and_says_why() -> None:
    decision = beside_a_librarian().decide(drawn(DRAWN["certain"]))

    assert decision.target is not None
    assert (decision.target.agent, decision.reason) == ("librarian", "topic")
    assert decision.target.basis.startswith("topic: Holiday and sick notes, P .9")
    assert decision.target.likely > 0.9


def test_a_claim_lowers_nobody_s_score_and_is_expected_accuracy_itself() -> None:
    ada = beside_a_librarian()
    before, found = scores(ada), scores(ada, drawn(DRAWN["certain"]))

    assert {name: found[name] for name in ("own", "plain")} == {name: before[name] for name in ("own", "plain")}
    likely = ada.decide(drawn(DRAWN["certain"])).candidates[2].likely
    assert found["librarian"] == pytest.approx(likely * 0.9 + (1 - likely) * before["librarian"])


def test_by_a_guess_no_query_leaves_home() -> None:
    ada = beside_a_librarian()
    for how in ("doubtful", "not"):
        decision = ada.decide(drawn(DRAWN[how]))
        assert decision.target is not None and decision.target.agent == "own" and decision.reason != "topic"
        assert scores(ada, drawn(DRAWN[how])) == scores(ada)

    ada.node.serve([])  # whoever has nothing at home asks somebody anyway: the likelier one
    found = ada.decide(drawn(DRAWN["doubtful"])).target
    assert found is not None and found.agent == "librarian"


def test_topics_of_our_own_agents_count_as_those_of_others() -> None:
    ada = Ada()
    ada.node.serve([agent("own", capability=(128, 128)), LIBRARIAN])
    decision = ada.decide(drawn(DRAWN["certain"]))
    assert decision.target is not None and decision.target.agent == "librarian"


def test_several_with_topics_are_scored_each_by_its_own() -> None:
    ada = beside_a_librarian()
    others = ("Shelf marks of the archive",)
    archivist = replace(LIBRARIAN, name="archivist", model="archivist", topics=others)
    ada.meet(3, archivist)
    ada.node.hear_details(id_of(3), [archivist])

    both = replace(drawn(0.4), drawn={KEELS: (0.4, KEELS[0]), others: (0.0005, others[0])})
    assert ada.decide(both).target is not None
    assert ada.decide(both).target.agent == "archivist"  # type: ignore[union-attr]
    assert ada.node.roster.topics == {KEELS, others}


@pytest.mark.parametrize("mode", ["tofu", "open"])
def test_topics_of_those_for_whom_nobody_vouches_are_not_read(mode: str) -> None:
    ada = beside_a_librarian(mode=mode, strangers=True)

    assert ada.node.roster.topics == frozenset()
    assert scores(ada, drawn(DRAWN["certain"])) == scores(ada)


def test_answers_that_were_not_in_its_documents_keep_such_queries_at_home() -> None:
    ada = beside_a_librarian()
    query = drawn(0.003)
    for _ in range(20):
        if (target := ada.decide(query).target) is not None and target.agent == "librarian":
            ada.node.observe_documents(target, False, ada.now)

    assert ada.decide(query).target.agent == "own"  # type: ignore[union-attr]
    ada.now += 30 * 86400.0
    assert ada.node.view(query, ada.now).likely[2].probability > 0.5


def test_without_topics_anywhere_nothing_is_compared() -> None:
    ada = Ada()
    ada.meet(1)
    assert ada.node.roster.topics == frozenset() == ada.node.roster.topics
    assert ada.node.view(MATHS, ada.now).likely == {}


def test_what_is_claimed_of_its_topics_is_held_against_the_answers_graded_here() -> None:
    """Wrong answers to such questions lower what is expected of them, and nothing else of the agent's."""
    ada = beside_a_librarian()
    query = drawn(DRAWN["certain"])
    claimed, plain = ada.node.view(query, ada.now).likely[2].right, scores(ada)
    for _ in range(16):
        ada.node.observations.observe(id_of(2), "librarian", TOPICAL, 0.0, 1.0, ada.now)

    assert claimed == 0.9 and ada.node.view(query, ada.now).likely[2].right == pytest.approx(0.9 * 8 / 24)
    assert scores(ada) == plain
    assert ada.decide(query).target.agent == "own"  # type: ignore[union-attr]


# --- one that nobody competes with ---


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(1, 4),
    st.sampled_from([None, 1, 4000]),
    st.sampled_from([MATHS, Query(), Query(pin="local"), Query(pinned_local="field:n", beta_per_s=0.1)]),
    st.integers(0, 2),
    st.floats(0.0, 100.0),
    st.booleans(),
)
def test_what_nobody_competes_with_is_chosen_as_it_would_be_among_others(
    jobs: int, slots: int, max_tokens: int | None, asked: Query, others: int, now: float, is_far: bool
) -> None:
    ada = Ada(alone=True)
    for number in range(1, others + 1):
        ada.meet(number, agent("other"))
    wanted = {"own"}
    if is_far:
        ben, asked, others, wanted = ada.meet(9, agent("far"), waiting=jobs), Query(body_bytes=900), others + 1, {"far"}
        ada.node.observe_cold(ben, {"far"} if jobs % 2 else ())
    query = replace(asked, models=frozenset(wanted), prompt_tokens=90, max_tokens=max_tokens, session="s")
    ada.now = now
    ada.node.observe_own_load(jobs, slots, now, 500)
    (one,) = ada.decide(query).choice(11).order
    ada.node.observe(ada.node.dispatch(one, now), Outcome(one.peer_id, "ok", 0.1, 0.5, 40), now)

    only = ada.node.only(query, now)

    among = ada.decide(query).choice(11)
    assert only is not None
    assert (among.reason, among.may_go_elsewhere, among.rest) == (only.reason, only.may_go_elsewhere, only.rest)
    assert among.among == only.among == 1 + others
    assert among.explained and only.explained
    assert [each.excluded for each in among.explained().rest] == [each.excluded for each in only.explained().rest]
    (found,), (expected,) = only.order, among.order
    assert approximately(expected) == approximately(found)
    assert among.beta_per_s == pytest.approx(only.beta_per_s, rel=1e-12)


def test_an_agent_with_a_rival_is_weighed() -> None:
    ada = Ada(alone=True)
    ada.meet(1)

    own, far = replace(MATHS, models=frozenset({"own"})), replace(MATHS, models=frozenset({"small"}))
    assert ada.node.only(MATHS, ada.now) is None
    assert ada.node.only(replace(own, prompt_tokens=9000), ada.now) is None  # too long
    assert ada.node.only(replace(own, reach="my machines", rule="privacy:mine"), ada.now) is None  # which it must name
    assert ada.node.only(own, ada.now) is not None
    assert ada.node.only(far, ada.now) is not None


def test_another_peer_whose_door_is_closed_or_that_refused_such_a_field_is_weighed() -> None:
    ada = Ada(alone=True)
    ben = ada.meet(1)
    far = replace(MATHS, models=frozenset({"small"}))

    ada.node.refused_fields(ben, frozenset({"top_k"}))
    assert ada.node.only(replace(far, guarded=frozenset({"top_k"})), ada.now) is None
    ada.node.observe_cold(ben, {"small"}, {"small"}, ada.now)
    assert ada.node.only(far, ada.now) is None
    ada.node.observe_cold(ben, ())
    assert ada.node.only(far, ada.now) is not None
    ada.node.observe_closed(ben, ada.now)
    assert ada.node.only(far, ada.now) is None


def test_kinds_of_queries_are_remembered_within_bounds_and_never_changed() -> None:
    ada = Ada()
    ada.meet(1)
    ada.decide(MATHS)
    (before,) = (kind.excluded.tolist() for kind in ada.node.roster.kinds.values())

    for number in range(3 * KINDS_KEPT):
        ada.decide(replace(MATHS, endpoint=f"e{number}", prompt_tokens=9000))
    ada.decide(MATHS)

    assert KINDS_KEPT == len(ada.node.roster.kinds)
    assert before == list(ada.node.roster.kinds.values())[-1].excluded.tolist()
