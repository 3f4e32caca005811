"""What one peer makes of conversations and models that are warm somewhere, or cold."""

from dataclasses import replace

import pytest
from msgspec import structs

from discovery.records import PeerId, Pulse
from gateway.beliefs.jobs import Outcome
from gateway.beliefs.memory import KEPT_S
from gateway.routing.query import Query
from tests.cluster import card_of, id_of
from tests.gateway.routing.ada import MATHS, Ada, agent

# --- where a conversation is warm ---
TURN = Query(prompt_tokens=2000, max_tokens=50, session="talk")


def conversation(ada: Ada, peer: PeerId, tokens: int = 100) -> None:
    """A first turn of TURN's conversation that `peer` has answered, a little slower than peers are believed to be."""
    decision = ada.decide(structs.replace(TURN, prompt_tokens=1800, pin=peer))
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
    others = {ada.decide(structs.replace(TURN, session="else")).target.peer_id for _ in range(30)}

    assert ({ben}, {cleo}) == (turns, others)
    assert 1900 == max(ada.node.view(TURN, ada.now).warm_tokens)


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
        left.append(max(warm))

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
    decision = ada.decide(structs.replace(TURN, pin=ben, models=frozenset({"b"})))
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
    ada.busy(0, 1)

    assert (id_of(0), ben) == (
        ada.decide(structs.replace(TURN, session="else")).target.peer_id,
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

    assert (100, 2000) == (reservation.job.prompt_tokens, reservation.job.conversation_tokens)


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

    decision = ada.decide(structs.replace(MATHS, max_tokens=200))

    assert ben == decision.target.peer_id
    assert 10.0 <= decision.target.wait_s < 11.0


def test_what_a_model_takes_to_load_is_expected_and_no_slander() -> None:
    """A first token after eleven seconds is what a cold model was expected to take: h stays where it is."""
    ada = Ada()
    ben = ada.meet(1)
    ada.node.observe_cold(ben, ["small"])
    decision = ada.decide(structs.replace(MATHS, pin=ben))
    reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)

    ada.node.observe(reservation, Outcome(ben, "ok", 10.5, 14.0, 100), ada.now + 14.0)

    factor = ada.node.beliefs.expect(ada.node.beliefs.rows([ben]), ada.now + 14.0).wait_factor[0]
    assert 0.8 < factor < 1.25


def test_a_model_that_is_not_loaded_because_we_ask_is_no_candidate_until_that_is_old_news() -> None:
    """Its owner may load it any moment. Who names the peer asks it anyway: it refuses itself."""
    ada, cleo, ben = two_equals()
    ada.node.observe_cold(cleo, [], ["small"], ada.now)
    told = {ada.decide().target.peer_id for _ in range(30)}
    fresh = ada.decide(structs.replace(MATHS, models=frozenset({"small"})))
    pinned = ada.decide(structs.replace(MATHS, pin=cleo)).target.peer_id
    ada.now += KEPT_S + 0.1
    old = ada.decide(structs.replace(MATHS, models=frozenset({"small"})))

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

    kept = [max(ada.node.view(TURN, ada.now).warm_tokens)]
    for seq in range(2, 6):
        ada.hear(ada.pulse(2, seq=seq, t_ms=1000 * seq))  # idle
        decision = ada.decide(structs.replace(TURN, pin=ben))
        reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)
        prefill_s = 2000 * float(ada.node.beliefs[ben].speed.rates().prefill_s)
        ada.node.observe(reservation, Outcome(ben, "ok", prefill_s, prefill_s + 2.5, 100), ada.now + 4.0)
        ada.now += 5.0
        kept.append(max(ada.node.view(TURN, ada.now).warm_tokens))

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
        decision = ada.decide(structs.replace(TURN, pin=ben))
        reservation = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)
        started_s = reservation.job.prompt_tokens * float(ada.node.beliefs[ben].speed.rates().prefill_s)
        ada.node.observe(reservation, Outcome(ben, "ok", started_s + 0.03, started_s + 2.5, 100), ada.now + 3.0)
        ada.now += 4.0

    assert max(ada.node.view(TURN, ada.now).warm_tokens) > 0.95 * 2000
