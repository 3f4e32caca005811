"""Who is weighed against nobody, and what of our own engine counts at once then."""

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from msgspec import structs

from gateway.beliefs.belief import FRESH_S
from gateway.beliefs.jobs import Outcome
from gateway.routing.choice import Choice
from gateway.routing.query import Query
from gateway.routing.worth import REFRESH_S
from tests.cluster import id_of
from tests.gateway.routing.ada import MATHS, Ada, agent


def test_where_nothing_is_weighed_jobs_are_counted_at_once_and_the_rest_within_a_moment() -> None:
    """But what lets us down does at once, and where no slot is free everything does."""
    ada = Ada(alone=True)
    ada.busy(0, 4)
    found = []
    for at, jobs in ((0.0, 0), (FRESH_S / 4, 1), (FRESH_S / 2, 2), (3 * FRESH_S / 4, 4), (2 * FRESH_S, 1)):
        ada.busy(jobs, 4)
        only = ada.weighed_alone(MATHS, at)
        assert only is not None and only.target is not None
        found.append(only.target)
        job = ada.node.dispatch(only.target, at)
        ada.node.observe(job, Outcome(ada.node.me, "ok", 1.0, 9.0, 200), at)

    streams, turns_s = [one.streams for one in found], [one.turn_s for one in found]
    assert [1.0, 2.0, 3.0, 4.0, 2.0] == streams
    assert turns_s[0] == turns_s[1] == turns_s[2] < turns_s[3] < turns_s[4]
    assert 0.0 == found[2].wait_s < found[3].wait_s


def test_an_agent_with_a_rival_is_weighed() -> None:
    ada = Ada(alone=True)
    ada.meet(1)

    own, far = structs.replace(MATHS, models=frozenset({"own"})), structs.replace(MATHS, models=frozenset({"small"}))
    assert ada.weighed_alone(MATHS) is None
    assert ada.weighed_alone(structs.replace(own, prompt_tokens=9000)) is None  # too long
    assert (
        ada.weighed_alone(structs.replace(own, reach="my machines", rule="privacy:mine")) is None
    )  # which it must name
    assert ada.weighed_alone(own) is not None
    assert ada.weighed_alone(far) is not None


def test_queries_of_one_kind_that_stay_here_are_chosen_together_as_one_by_one() -> None:
    ada = Ada(alone=True)
    ada.meet(1)
    own, far = structs.replace(MATHS, models=frozenset({"own"})), structs.replace(MATHS, models=frozenset({"small"}))
    several = [structs.replace(own, prompt_tokens=tokens, max_tokens=most) for tokens, most in ((5, None), (700, 9))]

    together = ada.node.alone_each(several, ada.now)

    assert together is not None
    assert [ada.weighed_alone(one).target for one in several] == [choice.target for choice in together]  # type: ignore[union-attr]
    assert ada.node.alone_each([far], ada.now) is None
    assert ada.node.alone_each([MATHS], ada.now) is None


def test_another_peer_whose_door_is_closed_or_that_refused_such_a_field_is_weighed() -> None:
    ada = Ada(alone=True)
    ben = ada.meet(1)
    far = structs.replace(MATHS, models=frozenset({"small"}))

    ada.node.refused_fields(ben, frozenset({"top_k"}))
    assert ada.weighed_alone(structs.replace(far, guarded=frozenset({"top_k"}))) is None
    ada.node.observe_cold(ben, {"small"}, {"small"}, ada.now)
    assert ada.weighed_alone(far) is None
    ada.node.observe_cold(ben, ())
    assert ada.weighed_alone(far) is not None
    ada.node.observe_closed(ben, ada.now)
    assert ada.weighed_alone(far) is None


QUERIES = [
    structs.replace(MATHS, models=frozenset({name}) if name else None, relevance=np.array(about), body_bytes=300)
    for name in ("own", "other", "")
    for about in ([1.0, 0.0], [0.2, 0.8])
]
NAMES = ("own", "other", "third")
NUMBERS = range(1, 4)  # of other peers


def change(ada: Ada, lots: random.Random, *, is_graded: bool) -> None:
    """Something happens to the peers or the beliefs, by lot, or else to what answers were graded.

    Grades are counted in at once, and fade within REFRESH_S of when they should: no such moment is met.
    """
    ada.now += lots.choice([0.0, 2 * REFRESH_S] if is_graded else [0.0, FRESH_S / 8, FRESH_S, 3.0])
    node, number, share, jobs = ada.node, lots.choice(NUMBERS), lots.random(), lots.randrange(3)
    peer, known, door = (
        id_of(number),
        id_of(number) in ada.node.beliefs,
        lots.choice(["open", "open", "soft", "closed"]),
    )
    agents = [agent(name, capability=(lots.randrange(256), lots.randrange(256))) for name in lots.sample(NAMES, 2)]
    changes: list[Callable[[], object]] = [
        lambda: ada.meet(number, *agents, waiting=jobs),
        lambda: node.serve(agents[: lots.randrange(1, 3)]),
        lambda: node.serve([agent("own", capability=(128, 128))]),
        lambda: ada.busy(jobs, 2),
        *[lambda: ada.busy(0, 2)] * 2,
        lambda: known and node.hear_details(peer, agents),
        lambda: known and node.observe_probe(peer, jobs, 2, door, share, ada.now),  # type: ignore[arg-type]
        lambda: known and node.observe_closed(peer, ada.now),
        lambda: node.observe_cold(peer, NAMES[:jobs], (), ada.now),
        *[lambda: [node.observe_cold(id_of(each), (), (), ada.now) for each in NUMBERS]] * 3,
        lambda: node.admission.revoke(peer) if share < 0.1 else node.admission.approve(peer),
        lambda: answered(ada, share),
    ]
    grades: list[Callable[[], object]] = [
        lambda: node.observations.observe(node.me, "own", lots.choice(["maths", "law"]), share, 1.0, ada.now),
        lambda: node.observations.observe(peer, "other", "maths", share, 1.0, ada.now),
        lambda: known and node.observe_audit(peer, "other", "maths", np.array([1.0, 0.0]), share, ada.now),
    ]
    lots.choice(changes + 4 * grades if is_graded else changes)()


def answered(ada: Ada, took_s: float) -> None:
    """Whoever answers best does."""
    for one in ada.decide().choice(1).order:
        outcome = Outcome(one.peer_id, "failed" if took_s < 0.1 else "ok", took_s / 9, took_s, 40)
        ada.node.observe(ada.node.dispatch(one, ada.now), outcome, ada.now)


def decided(ada: Ada, query: Query) -> tuple[Choice | None, Choice]:
    """The choice of one alone, and the one with everybody weighed."""
    alone = ada.weighed_alone(query)
    return alone, ada.node.decide(query, ada.node.plan(query, ada.now), ada.now).choice(11)


def told(choice: Choice) -> object:
    """What was decided; who is equal to 1e-9 comes in any order."""
    each = map(structs.astuple, choice.order)
    figures = [[value if not isinstance(value, float) else f"{value:.9g}" for value in values] for values in each]
    return choice.reason, f"{choice.beta_per_s:.9g}", choice.may_go_elsewhere, choice.among, figures


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_graded", [False, True])
def test_what_is_kept_of_a_roster_and_of_beliefs_is_what_would_be_worked_out_anew(seed: int, is_graded: bool) -> None:
    """Whatever changes, and in whatever order: another peer that keeps nothing decides the same, and weighs it so."""
    kept, anew, lots = Ada(alone=True), Ada(alone=True), random.Random(seed)
    found = Counter[str]()
    for _ in range(400):
        state = lots.getstate()
        for ada in (kept, anew):
            lots.setstate(state)
            change(ada, lots, is_graded=is_graded)
        anew.node.roster_changed()
        query = structs.replace(lots.choice(QUERIES), prompt_tokens=lots.randrange(400), session="s")

        alone, weighed = decided(kept, query)
        alone_anew, _ = decided(anew, query)

        assert (alone is None) == (alone_anew is None)
        if alone is not None and alone_anew is not None:
            assert told(alone) == told(alone_anew) == told(weighed)
            found[alone.reason] += 1
    assert min(found["local_idle"], found["only_candidate"]) > 10
