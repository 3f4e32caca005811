"""What one peer knows and decides: Gossip, rights, beliefs and policy behind one object, in memory."""

from dataclasses import replace

import pytest
from msgspec import structs

from discovery.records import PeerId
from gateway.beliefs.belief import CLOSED_S, FRESH_S
from gateway.beliefs.columns import FEW
from gateway.beliefs.jobs import Doing, Outcome
from gateway.routing.candidates import KINDS_KEPT
from tests.cluster import card_of, id_of, signed
from tests.gateway.routing.ada import MATHS, Ada, agent


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
    assert None is ada.excluded()["peer-1"]

    ada.node.admission.revoke(ben)
    assert "not_approved" == ada.excluded()["peer-1"]


def test_the_right_to_ask_us_is_no_right_to_our_prompts() -> None:
    ada = Ada(mode="tofu")
    ben = ada.meet(1)
    ada.node.admission.approve(ben, rights=["ask"])

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


# --- load ---
def test_pulses_teach_load() -> None:
    ada = Ada()
    ben = ada.meet(1)
    idle = ada.decide().candidates[1].wait_s

    ada.now = 1.0
    ada.hear(ada.pulse(1, seq=2, t_ms=1000, running=2, waiting=6, admission="soft"))

    assert 8 == ada.node.beliefs[ben].doing.jobs
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
    assert 0 == ada.node.beliefs[ben].doing.jobs
    ada.node.observe_probe(ben, jobs=5, slots=2, admission="open", rtt_s=0.1, now=0.5)  # it came late

    assert (0, 0.95) == (ada.node.beliefs[ben].doing.jobs, ada.node.beliefs[ben].birth)


def test_a_probe_that_was_turned_away_closes_the_door_until_the_next_pulse() -> None:
    ada = Ada()
    ben = ada.meet(1)

    ada.node.observe_closed(ben, ada.now)
    assert "closed" == ada.excluded()["peer-1"]
    ada.now = 1.0
    ada.hear(ada.pulse(1, seq=2, t_ms=1000))

    assert None is ada.excluded()["peer-1"]


@pytest.mark.parametrize("found", ["turned away", "closed", "refused"])
def test_a_door_that_was_found_closed_is_looked_at_again_where_no_pulse_comes(found: str) -> None:
    """A far peer's next pulse may be minutes away; what a probe or a refusal said of its door is old by then."""
    ada = Ada(alone=True)
    ben = ada.meet(1)
    far = structs.replace(MATHS, models=frozenset({"small"}))
    ada.now = 100.0  # its pulse is old, too
    if found == "turned away":
        ada.node.observe_closed(ben, ada.now)
    elif found == "closed":
        ada.node.observe_probe(ben, jobs=9, slots=1, admission="closed", rtt_s=0.1, now=ada.now)
    else:
        decision = ada.decide(far)
        asked = ada.node.dispatch(decision.candidate(decision.order[0]), ada.now)
        ada.node.observe(asked, Outcome(ben, "refused", None, 0.0, 0), ada.now)

    def may_be_asked() -> set[bool]:
        is_candidate = ada.excluded()["peer-1"] is None
        return {is_candidate, ada.weighed_alone(far, ada.now) is not None, ada.node.has_room(ben, ada.now)}

    assert {False} == may_be_asked()
    ada.now += CLOSED_S - 1.0
    assert {False} == may_be_asked()
    ada.now += 1.0
    assert {True} == may_be_asked()
    ada.node.observe_closed(ben, ada.now)
    assert {False} == may_be_asked()


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


# --- what is believed of ours among others ---
def test_what_whoever_has_our_door_counts_holds_at_any_moment_and_for_each_engine() -> None:
    """Nothing is told before a choice. Far more agents are columns, which read it as well."""
    ada, first, second = Ada(), Doing(0, 4, 0), Doing(0, 2, 0)
    ada.node.serve([agent("own", engine=0), agent("own too", engine=1)])
    ada.node.count_own([first, second], 0.0)
    found = []
    for others in (1, FEW):
        ada.meet(others, *(agent(f"a{number}") for number in range(others)))
        for jobs in (1, 3, 9, 0):
            first.jobs, second.jobs = jobs, jobs + 1
            expected = ada.node.view(MATHS, ada.now).expected
            columns = expected.backlog, expected.slots, expected.age_s
            found.append([float(number) for column in columns for number in column[:2]])

    assert 2 * [[jobs, jobs + 1.0, 4.0, 2.0, 0.0, 0.0] for jobs in (1.0, 3.0, 9.0, 0.0)] == found


def test_our_own_pulse_changes_nothing_that_is_counted() -> None:
    ada, first, second = Ada(), Doing(1, 4, 0, 700), Doing(2, 2, 0, 900)
    ada.node.serve([agent("own", engine=0), agent("own too", engine=1)])
    assert 2 == len(ada.node.roster)
    ada.node.count_own([first, second], 0.0)

    for seconds in (1, 2):
        ada.node.observe_own_pulse(ada.pulse(0, t_ms=1000 * seconds, running=9, tokens_in=5, gen=3), float(seconds))

    assert [Doing(1, 4, 0, 700), Doing(2, 2, 0, 900)] == [first, second]
    assert [1.0, 2.0] == ada.node.view(MATHS, 2.0).expected.backlog


def test_a_query_that_waits_at_our_door_does_not_wait_for_itself() -> None:
    ada, doing = Ada(alone=True), Doing(5, 4, 0)
    ada.node.count_own([doing], 0.0)
    waits = structs.replace(MATHS, is_held=True, waits_at=ada.node.me)

    both = [ada.node.view(query, 0.0).expected.backlog[0] for query in (MATHS, waits, MATHS)]

    assert [5.0, 4.0, 5.0] == both
    assert (5, None) == (doing.jobs, ada.weighed_alone(waits, 0.0))


def test_what_answers_teach_counts_within_a_moment_and_a_failure_at_once() -> None:
    """Of another peer, too."""
    ada = Ada()
    _, failure_at = ada.meet(1, agent("other")), 3 * FRESH_S / 4
    found = []
    for at in (0.0, FRESH_S / 4, FRESH_S / 2, failure_at, 0.9 * FRESH_S, 2 * FRESH_S):
        ada.busy(len(found) % 4, 4)
        found.append(ada.node.view(MATHS, at).expected)
        for one in ada.decide().choice(2).order:
            status = "failed" if at == failure_at else "ok"
            ada.node.observe(ada.node.dispatch(one, at), Outcome(one.peer_id, status, 1.0, 9.0, 200), at)

    streams, turns_s, waits_s = ([getattr(one, name) for one in found] for name in ("streams", "turn_s", "wait_factor"))
    assert [1.0, 2.0, 3.0, 4.0] == [one[0] for one in streams[:4]]
    assert turns_s[0][0] == turns_s[1][0] == turns_s[2][0] == turns_s[3][0] < turns_s[5][0]
    assert waits_s[3][0] < waits_s[4][0] and waits_s[3][1] < waits_s[4][1]
    assert turns_s[0][1] == turns_s[1][1] == turns_s[2][1] == turns_s[3][1] < turns_s[5][1]


# --- kinds of queries ---
def test_kinds_of_queries_are_remembered_within_bounds_and_never_changed() -> None:
    ada = Ada()
    ada.meet(1)
    ada.decide(MATHS)
    (before,) = (kind.excluded.tolist() for kind in ada.node.roster.kinds.values())

    for number in range(3 * KINDS_KEPT):
        ada.decide(structs.replace(MATHS, endpoint=f"e{number}", prompt_tokens=9000))
    ada.decide(MATHS)

    assert KINDS_KEPT == len(ada.node.roster.kinds)
    assert before == list(ada.node.roster.kinds.values())[-1].excluded.tolist()
