"""Where conversations are warm, how long, and how much of them is still held."""

import pytest

from discovery.records import PeerId
from gateway.beliefs.jobs import Doing
from gateway.beliefs.sessions import Warm

WARM = Warm(PeerId("b"), "a", tokens=100, at=0.0, gen=1, tokens_done=5000)


@pytest.mark.parametrize(
    ("doing", "left"),
    [
        (Doing(gen=1, tokens=5000), 100),  # nothing else since
        (Doing(gen=1, tokens=5200), 100),  # its own last two turns, reported late
        (Doing(gen=1, tokens=5700), 50),  # 500 tokens of others, in room for 1,000
        (Doing(gen=1, tokens=9000), 0),  # more of others than there is room for
        (Doing(gen=2, tokens=5000), 0),  # restarted
        (Doing(), 0),  # it has not said
    ],
)
def test_other_conversations_displace_this_one_by_their_share_of_the_room(doing: Doing, left: float) -> None:
    assert left == pytest.approx(WARM.left(doing, room_tokens=1000.0))
