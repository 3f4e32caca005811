"""Who is weighed against nobody, and what of our own engine counts at once then."""

from msgspec import structs

from gateway.beliefs.belief import FRESH_S, Outcome
from tests.gateway.routing.ada import MATHS, Ada


def test_where_nothing_is_weighed_jobs_are_counted_at_once_and_the_rest_within_a_moment() -> None:
    """But what lets us down does at once, and where no slot is free everything does."""
    ada = Ada(alone=True)
    ada.node.observe_own_load(0, 4, 0.0)
    found = []
    for at, jobs in ((0.0, 0), (FRESH_S / 4, 1), (FRESH_S / 2, 2), (3 * FRESH_S / 4, 4), (2 * FRESH_S, 1)):
        ada.node.observe_own_load(jobs, 4, at)
        only = ada.node.only(MATHS, at)
        assert only is not None and only.target is not None
        found.append(only.target)
        job = ada.node.dispatch(only.target, at)
        ada.node.observe(job, Outcome(ada.node.me, "ok", 1.0, 9.0, 200), at)

    streams, turns_s = [one.expected.streams for one in found], [one.expected.turn_s for one in found]
    assert [1.0, 2.0, 3.0, 4.0, 2.0] == streams
    assert turns_s[0] == turns_s[1] == turns_s[2] < turns_s[3] < turns_s[4]
    assert 0.0 == found[2].wait_s < found[3].wait_s


def test_an_agent_with_a_rival_is_weighed() -> None:
    ada = Ada(alone=True)
    ada.meet(1)

    own, far = structs.replace(MATHS, models=frozenset({"own"})), structs.replace(MATHS, models=frozenset({"small"}))
    assert ada.node.only(MATHS, ada.now) is None
    assert ada.node.only(structs.replace(own, prompt_tokens=9000), ada.now) is None  # too long
    assert (
        ada.node.only(structs.replace(own, reach="my machines", rule="privacy:mine"), ada.now) is None
    )  # which it must name
    assert ada.node.only(own, ada.now) is not None
    assert ada.node.only(far, ada.now) is not None


def test_another_peer_whose_door_is_closed_or_that_refused_such_a_field_is_weighed() -> None:
    ada = Ada(alone=True)
    ben = ada.meet(1)
    far = structs.replace(MATHS, models=frozenset({"small"}))

    ada.node.refused_fields(ben, frozenset({"top_k"}))
    assert ada.node.only(structs.replace(far, guarded=frozenset({"top_k"})), ada.now) is None
    ada.node.observe_cold(ben, {"small"}, {"small"}, ada.now)
    assert ada.node.only(far, ada.now) is None
    ada.node.observe_cold(ben, ())
    assert ada.node.only(far, ada.now) is not None
    ada.node.observe_closed(ben, ada.now)
    assert ada.node.only(far, ada.now) is None
