"""What a decision is made from."""

from gateway.routing.candidates import candidate_set
from gateway.routing.query import Query
from tests.gateway.routing.world import Peer, World


def test_without_wishes_nobody_who_may_be_asked_is_excluded() -> None:
    """Each default is the wish that rules nobody out."""
    world = World([Peer("us"), Peer("b", model="other", context_tokens=10), Peer("c", score=0.0, jobs=99)])

    assert [0, 0, 0] == candidate_set(Query(), world.view(Query())).excluded.tolist()


def test_warm_are_those_who_hold_some_of_the_conversation() -> None:
    view = World([Peer("us"), Peer("b"), Peer("c")]).view()

    assert () == view.warm
    assert (0, 2) == view._replace(warm_tokens=[1.0, 0.0, 2000.0]).warm
