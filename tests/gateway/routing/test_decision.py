"""What can be read off a decision."""

import pytest
from msgspec import structs

from gateway.routing.query import Query
from tests.gateway.routing.world import QUERY, Peer, World, decide


@pytest.mark.parametrize(
    ("other", "query", "may"),
    [
        (Peer("b"), QUERY, True),
        (Peer("b", admission="closed"), QUERY, True),
        (Peer("b", dead=True), QUERY, False),
        (Peer("b", approved=False), QUERY, False),
        (Peer("b", model="other"), structs.replace(QUERY, models=frozenset({"m"})), False),
        (Peer("b"), structs.replace(QUERY, pinned_local="field:n"), False),
        (Peer("b"), structs.replace(QUERY, pin="local"), False),
    ],
)
def test_what_only_we_may_answer_goes_nowhere_else(other: Peer, query: Query, may: bool) -> None:
    """A closed door opens again; everything else stays as it is."""
    assert may == decide(World([Peer("us", jobs=5), other]), query).may_go_elsewhere
