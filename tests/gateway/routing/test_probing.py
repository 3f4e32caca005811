"""Whether a look is worth its time."""

from discovery.records import PeerId
from tests.gateway.routing.world import Peer, World, plan


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
