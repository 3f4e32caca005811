"""What is remembered of the peers that we have asked."""

import pytest

from discovery.contacts import NOT_APPROVED, SYNC_PATH, Contacts
from discovery.records import Address, PeerId
from tests.cluster import id_of

BEN, ASK = id_of(1), "/peer/1/delegate"
HERE, THERE = Address("10.0.0.1", 8471), Address("10.0.0.2", 8471)


def contacts(told: list[str] | None = None, limit: int = 9) -> Contacts[object]:
    def tell(peer: PeerId, why: str) -> None:
        if told is not None:
            told.append(why)

    return Contacts(limit, tell)


def test_those_asked_last_are_remembered() -> None:
    known = contacts(limit=2)

    for number in (1, 2, 1, 3):
        known[id_of(number)].skew_ms = number

    assert [True, False, True] == [known.get(id_of(number)) is not None for number in (1, 2, 3)]
    assert 2 == len(known)


def test_an_address_that_failed_is_the_last_choice_until_one_answers() -> None:
    ben = contacts()[BEN]
    ben.note_success(HERE)

    ben.note_failure(HERE, [HERE], 5.0)
    ben.note_failure(THERE, [THERE], 6.0)
    assert (None, {THERE: 6.0}) == (ben.good, ben.failed)

    ben.note_success(THERE)
    assert (THERE, {}) == (ben.good, ben.failed)


@pytest.mark.parametrize(
    ("answers", "refuses"),
    [
        ([(ASK, 200)], False),
        ([(ASK, 403)], True),
        ([(ASK, 403), (ASK, 200)], False),
        ([(ASK, 403), (SYNC_PATH, 200)], True),  # gossip is for everybody: it does not say that we may ask
        ([(SYNC_PATH, 403)], False),  # of another network, say
        ([(ASK, 429), (ASK, 500)], False),  # busy is not unwilling
        ([(ASK, 403), (ASK, 503)], True),
    ],
)
def test_a_peer_that_revoked_us_shows_until_it_takes_a_request_again(
    answers: list[tuple[str, int]], refuses: bool
) -> None:
    known = contacts()
    known[BEN].good = HERE

    for path, status in answers:
        known.note_status(BEN, path, status)

    assert (NOT_APPROVED if refuses else "") == known[BEN].refuses


def test_a_peer_that_kept_us_out_lets_us_in_when_it_takes_our_gossip() -> None:
    known = contacts()
    known.note_refusal(BEN, "another secret", by_admission=True)

    known.note_status(BEN, SYNC_PATH, 200)

    assert "" == known[BEN].refuses


def test_a_refusal_is_told_once() -> None:
    told = list[str]()
    known = contacts(told)

    for why in ("a", "a", "b", "b"):
        known.note_refusal(BEN, why)

    assert ["a", "b"] == told


def test_where_a_peer_was_met_is_forgotten_once_it_fails_there() -> None:
    ben = contacts()[BEN]
    ben.good = ben.met = THERE

    ben.note_failure(HERE, [HERE], 5.0)
    assert THERE == ben.met
    ben.note_failure(THERE, [HERE], 6.0)
    assert (None, None) == (ben.good, ben.met)
