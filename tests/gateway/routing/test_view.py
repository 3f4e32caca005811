"""What a policy may look at."""

from dataclasses import replace

import numpy as np

from tests.gateway.routing.world import Peer, World


def test_warm_are_those_who_hold_some_of_the_conversation() -> None:
    view = World([Peer("us"), Peer("b"), Peer("c")]).view()

    assert () == view.warm
    assert (0, 2) == replace(view, warm_tokens=np.array([1.0, 0.0, 2000.0])).warm
