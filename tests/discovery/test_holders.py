"""Who knows the network's secret: each is listed and revoked alone, and a revoked one does not return as another."""

from dataclasses import replace

import pytest

from discovery.admission import Admission
from discovery.holders import HOLDERS_LIMIT, Holders, KnownHolders
from discovery.records import Address, Card, InvalidRecord, PeerId
from tests.cluster import id_of

SECRET, OTHER = b"9f1c6b0e4d7a23588e5bd0c1f76a2943", b"00112233445566778899aabbccddeeff"
BOTH = {"ask", "answer"}


def network(secret: bytes = SECRET) -> Admission:
    return Admission("secret", "test", secret)


def card(number: int, secret: bytes = SECRET) -> Card:
    peer, cert = id_of(number), bytes(32)
    proof = Holders("test", secret).proof(peer, cert)
    return Card(peer, "x", 1, 1, "join", 0, (Address("10.0.0.1", 8471),), cert, 1, 60, (), proof)


def shown(admission: Admission, *numbers: int) -> Admission:
    for number in numbers:
        assert admission.admits(card(number)) is None
    return admission


def again(admission: Admission, secret: bytes = SECRET) -> Admission:
    """After a restart."""
    started = network(secret)
    started.restore(*admission.state(), admission.holders.state())
    return started


def test_holders_are_listed_one_by_one() -> None:
    admission = shown(network(), 1, 2)

    assert sorted([id_of(1), id_of(2)]) == list(admission.holders.all())
    assert [BOTH, BOTH, set()] == [set(admission.rights(id_of(n))) for n in (1, 2, 3)]


def test_after_a_revocation_new_ids_wait_and_holders_stay() -> None:
    """The revoked machine knows the secret still: under a new id it gets nothing by it."""
    admission = shown(network(), 1, 2)
    admission.revoke(id_of(2))

    assert admission.admits(card(3)) is None
    assert admission.admits(card(2)) is not None
    assert (id_of(3),) == admission.waiting([id_of(1), id_of(2), id_of(3)])
    assert not admission.vouches(id_of(3))
    assert BOTH == shown(admission, 1).rights(id_of(1))
    admission.approve(id_of(3))
    assert BOTH == shown(admission, 3).rights(id_of(3))


def test_new_ids_wait_over_a_restart_and_whoever_was_a_holder_is_one_still() -> None:
    admission = shown(network(), 1, 2)
    admission.revoke(id_of(2))

    started = shown(again(admission), 1, 3)

    assert [BOTH, set()] == [set(started.rights(id_of(n))) for n in (1, 3)]


def test_a_new_secret_ends_the_waiting_and_what_was_known_of_the_old_one() -> None:
    admission = shown(network(), 1, 2)
    admission.revoke(id_of(2))

    started = again(admission, OTHER)

    assert ((), False) == (started.holders.all(), started.holders.is_closed)
    refusal = started.admits(card(1))
    assert refusal is not None and "secret_wrong" == refusal.code
    assert started.admits(card(3, OTHER)) is None
    assert BOTH == started.rights(id_of(3))
    assert started.admits(card(2, OTHER)) is not None  # it stays revoked


def test_revoking_one_who_was_let_in_by_name_alone_makes_nobody_wait() -> None:
    """It does not know the secret: each invitation is taken back alone."""
    admission = network()
    admission.add_rights(id_of(1), ["ask"])
    assert admission.admits(replace(card(1), proof=b"")) is None
    admission.revoke(id_of(1))

    assert BOTH == shown(admission, 2).rights(id_of(2))


@pytest.mark.parametrize("how", ["shown", "told"])
def test_who_was_let_in_by_name_and_knows_the_secret_is_a_holder(how: str) -> None:
    """By its card, or because we gave it the secret; its rights are those that were granted."""
    admission = network()
    admission.add_rights(id_of(1), ["ask"])
    if how == "shown":
        shown(admission, 1)
    else:
        admission.holders.learn(id_of(1))
    assert ((id_of(1),), {"ask"}) == (admission.holders.all(), set(admission.rights(id_of(1))))
    admission.revoke(id_of(1))

    assert frozenset() == shown(admission, 2).rights(id_of(2))


def test_one_whom_we_never_met_may_know_the_secret() -> None:
    admission = network()
    admission.revoke(id_of(1))

    assert frozenset() == shown(admission, 2).rights(id_of(2))


def test_a_wrong_proof_makes_no_holder() -> None:
    admission = network()
    admission.add_rights(id_of(1), ["ask"])
    for proof in (b"", bytes(32), card(2).proof):
        admission.admits(replace(card(1), proof=proof))
        admission.admits(replace(card(3), proof=proof))

    assert () == admission.holders.all()


def test_without_a_secret_nobody_holds_one() -> None:
    admission = Admission("tofu", "test")
    shown(admission, 1)
    admission.revoke(id_of(1))

    assert ((), KnownHolders()) == (admission.holders.all(), admission.holders.state())


def test_holders_are_bounded_and_their_ids_checked() -> None:
    holders = Holders("test", SECRET)
    for number in range(HOLDERS_LIMIT + 5):
        holders.learn(PeerId(f"{number}"))
    assert HOLDERS_LIMIT == len(holders.all())
    with pytest.raises(InvalidRecord):
        Holders("test", SECRET).restore(holders.state())


def test_the_mark_of_a_secret_is_not_the_secret() -> None:
    marks = {Holders("test", secret).state().mark for secret in (SECRET, OTHER)}

    assert 2 == len(marks)
    assert not any(mark.encode() in SECRET + OTHER for mark in marks)
