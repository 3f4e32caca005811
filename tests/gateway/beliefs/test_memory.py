"""What a peer remembers of others beyond their cards."""

from discovery.records import PeerId
from gateway.beliefs.memory import (
    FORMER_S,
    KEPT_S,
    PEERS_LIMIT,
    SETS_LIMIT,
    FormerModels,
    Loading,
    RefusedFields,
    Serving,
)

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


def test_who_served_a_model_is_known_for_a_while_after_it_serves_nothing() -> None:
    former, ben = FormerModels(), {BEN: Serving("ben", frozenset({"m", "m-agent"}))}
    former.seen(ben, 0.0)
    assert {} == former.served_by(0.0)

    former.seen({}, 10.0)
    assert {"m": "ben", "m-agent": "ben"} == former.served_by(10.0 + FORMER_S)
    assert {} == former.served_by(11.0 + FORMER_S)


def test_who_serves_again_has_dropped_what_it_does_not_serve() -> None:
    former = FormerModels()
    former.seen({BEN: Serving("ben", frozenset({"old"}))}, 0.0)
    former.seen({BEN: Serving("ben", frozenset({"new"}))}, 1.0)
    assert {} == former.served_by(1.0)

    former.seen({}, 2.0)
    former.seen({BEN: Serving("ben", frozenset({"next"}))}, 3.0)
    assert {} == former.served_by(3.0)


def test_of_the_many_that_left_the_last_are_known() -> None:
    former = FormerModels()
    for number in range(PEERS_LIMIT + 2):
        former.seen({PeerId(f"p{number}"): Serving(f"p{number}", frozenset({f"m{number}"}))}, 0.0)
    former.seen({}, 0.0)

    known = former.served_by(0.0)
    assert (PEERS_LIMIT, False, True) == (len(known), "m1" in known, f"m{PEERS_LIMIT + 1}" in known)


def test_a_word_that_a_model_is_not_loaded_for_us_counts_for_a_moment() -> None:
    """That it is not loaded counts on: it costs seconds, whoever may have it loaded."""
    loading, peers, agents = Loading(), (BEN, BEN, BEN, CLEO), ("cold", "kept", "warm", "kept")
    assert (None, None) == (loading.cold(peers, agents), loading.kept(peers, agents, 0.0))

    loading.tell(BEN, {"cold"}, {"kept"}, 5.0)

    kept = loading.kept(peers, agents, 5.0 + KEPT_S)
    cold = loading.cold(peers, agents)
    assert kept is not None and [False, True, False, False] == kept.tolist()
    assert cold is not None and [True, True, False, False] == cold.tolist()
    assert loading.kept(peers, agents, 5.1 + KEPT_S) is None
    loading.keep({CLEO})
    assert loading.cold(peers, agents) is None
