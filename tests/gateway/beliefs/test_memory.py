"""What a peer remembers of others beyond their cards."""

from discovery.records import PeerId
from gateway.beliefs.memory import PEERS_LIMIT, SETS_LIMIT, RefusedFields

BEN, CLEO = PeerId("ben"), PeerId("cleo")


def fields(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_who_refused_fields_refuses_them_with_others_too() -> None:
    """Until it starts again, and it alone."""
    refused = RefusedFields()
    refused.note(BEN, 1, fields("n", "top_k"))

    asked = [fields("n", "top_k"), fields("min_p", "n", "top_k"), fields("top_k"), fields()]
    assert [True, True, False, False] == [refused.refuses(BEN, 1, each) for each in asked]
    assert not refused.refuses(BEN, 2, asked[0])
    assert not refused.refuses(CLEO, 1, asked[0])


def test_a_request_without_such_fields_teaches_nothing() -> None:
    """Else every request would be refused from then on."""
    refused = RefusedFields()
    refused.note(BEN, 1, fields())

    assert not refused
    assert not refused.refuses(BEN, 1, fields("top_k"))


def test_what_is_remembered_is_bounded() -> None:
    refused = RefusedFields()
    for number in range(2 * SETS_LIMIT):
        refused.note(BEN, 1, fields(f"f{number}"))
    assert SETS_LIMIT == sum(refused.refuses(BEN, 1, fields(f"f{number}")) for number in range(2 * SETS_LIMIT))

    for number in range(PEERS_LIMIT):
        refused.note(PeerId(f"p{number}"), 1, fields("top_k"))
    assert not refused.refuses(BEN, 1, fields(f"f{2 * SETS_LIMIT - 1}"))
    assert refused.refuses(PeerId("p0"), 1, fields("top_k"))
