"""Who may join, who may ask, who may answer."""

from dataclasses import replace

import pytest

from discovery.admission import Admission, AdmissionError, Mode
from discovery.records import Card
from tests.cluster import card_of, id_of

A, B, C = id_of(1), id_of(2), id_of(3)
SECRET, OTHER = b"s" * 16, b"t" * 16


def card_by(admission: Admission, peer: str = A, cert: bytes = bytes(32)) -> Card:
    """The card of a peer that has `admission`'s secret."""
    return replace(card_of(A), cert=cert, proof=admission.proof(A, cert))


@pytest.mark.parametrize(("mode", "rights"), [("tofu", set()), ("allowlist", set()), ("open", {"ask", "answer"})])
def test_a_stranger_gets_what_the_mode_gives(mode: Mode, rights: set[str]) -> None:
    assert rights == Admission(mode, "net").rights(A)


def test_tofu_shows_everybody_and_trusts_whom_the_user_approved() -> None:
    admission = Admission("tofu", "net")
    assert admission.admits(card_of(A)) is None
    assert (A, B) == admission.waiting((A, B))

    admission.approve(A)

    assert (True, True) == (admission.may(A, "ask"), admission.may(A, "answer"))
    assert (B,) == admission.waiting((A, B))


def test_one_right_may_be_granted_alone() -> None:
    admission = Admission("tofu", "net")

    admission.approve(A, rights=["answer"])

    assert (False, True) == (admission.may(A, "ask"), admission.may(A, "answer"))


def test_an_allow_list_admits_the_listed_only() -> None:
    admission = Admission("allowlist", "net", allowed=[A])

    assert admission.admits(card_of(A)) is None
    assert "not_allowed" == admission.admits(card_of(B)).code
    assert (True, False) == (admission.may(A, "ask"), admission.may(B, "ask"))


def test_who_knows_the_secret_has_both_rights() -> None:
    mine, theirs = Admission("secret", "net", SECRET), Admission("secret", "net", SECRET)

    assert mine.admits(card_by(theirs)) is None
    assert {"ask", "answer"} == mine.rights(A)


@pytest.mark.parametrize(
    ("secret", "net", "code"), [(OTHER, "net", "secret_wrong"), (SECRET, "elsewhere", "secret_wrong")]
)
def test_another_secret_is_told_as_such(secret: bytes, net: str, code: str) -> None:
    refusal = Admission("secret", "net", SECRET).admits(card_by(Admission("secret", net, secret)))

    assert code == refusal.code


def test_no_secret_is_told_as_such() -> None:
    admission = Admission("secret", "net", SECRET)

    assert "secret_missing" == admission.admits(card_of(A)).code
    assert set() == admission.rights(A)


def test_a_proof_is_worthless_to_another_peer_or_certificate() -> None:
    """Copied from a card that everybody can see."""
    admission = Admission("secret", "net", SECRET)
    proof = card_by(Admission("secret", "net", SECRET)).proof

    assert "secret_wrong" == admission.admits(replace(card_of(B), proof=proof)).code
    assert "secret_wrong" == admission.admits(replace(card_of(A), cert=b"x" * 32, proof=proof)).code
    assert set() == admission.rights(A) | admission.rights(B)


def test_without_a_secret_nothing_is_proven() -> None:
    assert b"" == Admission("tofu", "net", SECRET).proof(A, bytes(32))


@pytest.mark.parametrize("secret", [None, b"", b"short"])
def test_a_missing_or_guessable_secret_names_the_remedy(secret: bytes | None) -> None:
    with pytest.raises(AdmissionError, match="ppai init"):
        Admission("secret", "net", secret)


@pytest.mark.parametrize("mode", ["tofu", "secret", "allowlist", "open"])
def test_the_user_has_the_last_word(mode: Mode) -> None:
    admission = Admission(mode, "net", SECRET, allowed=[A])
    admission.admits(card_by(Admission("secret", "net", SECRET)))

    admission.revoke(A)
    assert set() == admission.rights(A)
    assert () == admission.waiting([A])
    assert (mode in ("tofu", "open")) == (admission.admits(card_of(A)) is None)

    admission.approve(A)
    assert {"ask", "answer"} == admission.rights(A)
    assert admission.admits(card_of(A)) is None


def test_a_peer_that_nobody_has_met_may_be_approved() -> None:
    admission = Admission("allowlist", "net")

    admission.approve(A)

    assert admission.may(A, "ask")


def test_decisions_survive_a_restart() -> None:
    before, after = Admission("tofu", "net"), Admission("tofu", "net")
    before.approve(A, rights=["ask"])
    before.approve(B, mine=True)
    before.revoke(B)
    before.approve(C, mine=True)

    after.restore(*before.state())

    assert ({"ask"}, set()) == (after.rights(A), after.rights(B))
    assert [False, False, True] == [after.is_mine(peer) for peer in (A, B, C)]
    assert before.state() == after.state()


def test_nobody_is_the_user_s_own_whom_the_user_did_not_say_to_be() -> None:
    """Neither a mode nor a tag without a right, as an edited peers.json may hold it."""
    admission = Admission("open", "net", allowed=[A])
    admission.restore({}, [], [str(B)])
    admission.approve(C)

    assert [False] * 3 == [admission.is_mine(peer) for peer in (A, B, C)]


@pytest.mark.parametrize(("granted", "revoked"), [({"me": []}, []), ({}, ["me"]), ({A: ["root"]}, [])])
def test_a_state_of_nonsense_changes_nothing(granted: dict[str, list[str]], revoked: list[str]) -> None:
    admission = Admission("tofu", "net")
    admission.approve(A)

    with pytest.raises(AdmissionError):
        admission.restore(granted, revoked)

    assert {"ask", "answer"} == admission.rights(A)


def test_an_invitation_adds_rights_and_takes_none() -> None:
    admission = Admission("tofu", "test")
    admission.approve(id_of(1), rights=["answer"])
    admission.add_rights(id_of(1), ["ask"])
    admission.revoke(id_of(2))
    admission.add_rights(id_of(2), ["ask"])

    assert [{"ask", "answer"}, {"ask"}] == [admission.rights(id_of(n)) for n in (1, 2)]


def test_who_may_be_reached_through_us_was_named_or_is_the_user_s_own() -> None:
    """No mode, list or right says so; a revocation takes it, and it outlives a restart."""
    admission = Admission("open", "net")
    admission.approve(A)
    assert not admission.may_relay(A)
    admission.approve(A, relay=True)
    admission.approve(B, mine=True)
    assert admission.may_relay(A) and admission.may_relay(B)

    again = Admission("tofu", "net")
    again.restore(*admission.state(), relayed=admission.relayed())
    assert again.may_relay(A) and again.may_relay(B)
    again.approve(B, mine=False)
    again.revoke(A)
    assert not again.may_relay(A) and not again.may_relay(B)
