"""Whom a person means by a name or an id, and what strangers' names can do about it: nothing."""

import hashlib
import re

import pytest

from discovery.names import (
    AmbiguousPeer,
    PeerNameError,
    UnknownPeer,
    _proquint,
    find,
    id_shown,
    is_id,
    looks_like_id,
    meant,
    quoted,
    shown_names,
    spoken,
    with_id,
)
from discovery.records import PeerId, peer_id
from tests.cluster import id_of

A, B, STRANGER = id_of(1), id_of(2), peer_id(hashlib.sha256(b"a stranger").digest())
NAMES = {A: "laptop", B: "server"}


@pytest.mark.parametrize("who", ["laptop", " laptop ", A, A.upper(), A[:6], A[:6].upper(), with_id("laptop", A)])
def test_a_peer_is_named_by_name_id_start_of_id_or_as_it_is_shown(who: str) -> None:
    assert A == find(who, NAMES)


@pytest.mark.parametrize("who", ["", "nobody", A[:3], "lap", "LAPTOP"])
def test_an_unknown_name_lists_the_known(who: str) -> None:
    with pytest.raises(UnknownPeer, match="laptop, server"):
        find(who, NAMES)


def test_two_peers_of_one_name_are_told_by_their_full_ids() -> None:
    with pytest.raises(AmbiguousPeer, match=f"{min(A, B)}, {max(A, B)}"):
        find("twin", {A: "twin", B: "twin"})


def test_of_many_of_one_name_a_few_are_listed() -> None:
    with pytest.raises(AmbiguousPeer, match="and 42 more") as caught:
        find("twin", {id_of(number): "twin" for number in range(50)})

    assert 50 == len(caught.value.ids)


@pytest.mark.parametrize(
    "known", [{}, {STRANGER: A}, {STRANGER: A, A: "laptop"}], ids=["met nobody", "before", "beside"]
)
def test_a_full_id_means_that_id_whoever_is_called_so(known: dict[PeerId, str]) -> None:
    assert A == find(A, known)


@pytest.mark.parametrize("length", [*range(4, 52)])
def test_a_stranger_called_like_the_start_of_an_id_gets_nothing_meant_for_it(length: int) -> None:
    """Met or not, the other one is never taken for it: the answer is the right peer or an error."""
    start = STRANGER[:length]
    impostor = {B: start}

    assert {STRANGER} >= set(meant(start, {**impostor, STRANGER: "carol"})) - {B}
    if len(start) >= len(id_shown(STRANGER)):
        assert STRANGER == find(start, {**impostor, STRANGER: "carol"})
        with pytest.raises(UnknownPeer, match="looks like an id"):
            find(start, impostor)
    elif start in impostor.values():
        with pytest.raises(AmbiguousPeer):
            find(start, {**impostor, STRANGER: "carol"})


@pytest.mark.parametrize("who", ["local", "auto", "Local", "ada", "ADA"])
def test_what_means_something_here_is_nobody_else_s_name(who: str) -> None:
    """Not by a name, and not by an id that was made to begin so."""
    with pytest.raises(UnknownPeer, match="this peer itself or for nobody"):
        find(who, {A: who}, own_name="ada")

    assert () == meant("auto", {PeerId("auto" + A[4:]): "x"})


def test_who_is_preferred_is_meant_before_others_of_its_name() -> None:
    """A revocation cannot be stopped by strangers who take the name."""
    known = {A: "evil", B: "evil", STRANGER: "evil"}

    assert A == find("evil", known, preferred={A})
    with pytest.raises(PeerNameError):
        find("evil", known, preferred={A, B})


@pytest.mark.parametrize("number", range(50))
def test_what_is_shown_of_an_id_looks_like_one(number: int) -> None:
    """However long it takes to the second digit: no name is taken for it, and it for no name."""
    peer = id_of(number)

    assert peer.startswith(id_shown(peer))
    assert len(id_shown(peer)) >= 10
    assert looks_like_id(id_shown(peer)) or id_shown(peer) == peer


@pytest.mark.parametrize("name", ["raspberrypi", "raspberrypi4", "workstation", "macbookpro", "bob", "gpu-box-2024"])
def test_names_of_machines_look_like_no_ids(name: str) -> None:
    assert (A, False) == (find(name, {A: name}), is_id(name))


@pytest.mark.parametrize(
    "name",
    [
        "local",
        "AUTO",
        "ada",
        "Ada",
        STRANGER,
        id_shown(STRANGER),
        "bob (approved)",
        "\u0430lice",
        "ali\u3164ce",
        "-x",
        "a;b",
    ],
)
def test_a_name_that_may_be_taken_for_another_is_shown_quoted_with_the_id(name: str) -> None:
    assert {A: f"{quoted(name)} ({id_shown(A)})"} == shown_names({A: name}, {A}, "ada")


@pytest.mark.parametrize("name", ["bob", "Ann's laptop", "gpu-box.lan", "raspberrypi4"])
def test_any_other_name_is_shown_as_it_is(name: str) -> None:
    assert {A: name} == shown_names({A: name}, {A}, "ada")


def test_peers_of_one_name_are_shown_with_their_ids() -> None:
    known = {A: "twin", B: "Twin"}

    assert {A: with_id("twin", A), B: with_id("Twin", B)} == shown_names(known, {A, B}, "ada")
    assert {A: with_id("twin", A), B: with_id("Twin", B)} == shown_names(known, (), "ada")


def test_a_stranger_costs_an_approved_peer_not_even_its_bare_name() -> None:
    assert {A: "bob", B: with_id("bob", B)} == shown_names({A: "bob", B: "bob"}, {A}, "ada")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bob", "bob"),
        ("bob;touch x", "'bob;touch x'"),
        ("$(touch x)", "'$(touch x)'"),
        ("--home=/tmp/x", "'--home=/tmp/x'"),
        ("it's", "'it'\"'\"'s'"),
        ("a\x1b[31m\u202eb\nc", "'a[31mbc'"),
        ("", "''"),
    ],
)
def test_a_foreign_text_is_one_printable_word(text: str, said: str) -> None:
    assert said == quoted(text)


def test_an_id_is_spoken_as_five_words_that_no_near_id_has() -> None:
    """Proquints of 127.0.0.1 and 63.84.220.193, as their author gives them."""
    words = {spoken(f"{'a' * 51}{letter}") for letter in "abcdefgh"}

    assert 8 == len(words)
    assert all(
        re.fullmatch(r"([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz]", word) for it in words for word in it.split()
    )
    assert {5} == {len(it.split()) for it in words}
    assert ["lusab", "babad", "gutih", "tugad"] == [_proquint(bits) for bits in (0x7F00, 0x0001, 0x3F54, 0xDCC1)]
