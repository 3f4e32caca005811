"""A session proves who makes a request as a signature does: to this peer, in these lives, once, and for an hour."""

import random

import msgspec
import pytest
from msgspec import structs

from discovery.gossip import Gossip
from discovery.records import Card, PeerId
from discovery.request_auth import Audience, Refused, Standing, hashed
from discovery.sessions import SESSION_S, InvalidSession, Session, Sessions, _session, offer, opened
from tests.cluster import card_of, fake_sign, fake_verify, id_of, signed

NET, PATH, BODY = "test", "/peer/1/delegate", hashed(b"body").sha256
ADA, BEN = id_of(1), id_of(0)
ASKER, ANSWERER = Audience(ADA, 7, b"a" * 32), Audience(BEN, 5, b"b" * 32)


class Answering:
    """Ben's side, and all that its sessions depend on."""

    def __init__(self) -> None:
        self.now, self.may_ask, self.stands = 0.0, True, "trusted"
        self.gossip = Gossip(BEN, 5, signed, random.Random(1))
        self.learn(7)
        self.sessions = Sessions(
            NET, self.gossip, self.sign, self.standing, lambda peer: self.may_ask, lambda: self.now
        )

    def sign(self, data: bytes) -> bytes:
        return fake_sign(BEN, data)

    def standing(self, peer: PeerId) -> Standing:
        return self.stands  # type: ignore[return-value]

    def learn(self, gen: int, seq: int = 1) -> None:
        """A card of ada's comes."""
        self.gossip.learn([signed(card_of(ADA, gen=gen, seq=seq))], self.now)


def between(ben: Answering, *, heard: Audience = ASKER) -> tuple[Session, Session]:
    """The session as ada has it, and as ben has it."""
    ours, said = offer(heard)
    answer, theirs = ben.sessions.open(ADA, said, ANSWERER)
    return opened(NET, heard, ANSWERER, ours, answer, fake_verify, SESSION_S), theirs


def refused(ben: Answering, session: Session | None, headers: dict[str, str], path: str = PATH) -> str:
    """The code of the refusal; empty where it is taken."""
    try:
        ben.sessions.check(session, path, headers)
    except Refused as error:
        assert 401 == error.status
        return error.code
    return ""


def in_session(session: Session, path: str, body_sha256: str) -> dict[str, str]:
    """The headers of its next request, as they are read."""
    lines = session.lines(path, body_sha256).decode().splitlines()
    return dict(tuple(line.split(": ")) for line in lines)  # type: ignore[misc]


@pytest.fixture
def ben() -> Answering:
    return Answering()


def test_who_opened_a_session_makes_the_requests_in_it(ben: Answering) -> None:
    ada, held = between(ben)

    for _ in range(3):
        assert held is ben.sessions.check(held, PATH, in_session(ada, PATH, BODY))

    assert ADA == held.asker.id


def test_a_request_in_a_session_counts_once(ben: Answering) -> None:
    """Neither at once nor after later ones."""
    ada, held = between(ben)
    first, second = in_session(ada, PATH, BODY), in_session(ada, PATH, BODY)

    assert ["", "replayed", "", "replayed", "replayed"] == [
        refused(ben, held, headers) for headers in (first, first, second, second, first)
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"ppai-sha256": hashed(b"Body").sha256},
        {"ppai-session": "2"},
        {"ppai-mac": "00" * 32},
        {"ppai-mac": ""},
        {"ppai-mac": "00" * 31},
    ],
)
def test_another_body_number_or_mac_is_refused(ben: Answering, change: dict[str, str]) -> None:
    ada, held = between(ben)

    assert "bad_signature" == refused(ben, held, {**in_session(ada, PATH, BODY), **change})


def test_another_path_is_refused(ben: Answering) -> None:
    ada, held = between(ben)

    assert "bad_signature" == refused(ben, held, in_session(ada, PATH, BODY), "/peer/1/probe")


@pytest.mark.parametrize(
    "change",
    [{"ppai-session": value} for value in ("", "-1", "x", "٣", "9" * 17, "1.0")]
    + [{"ppai-mac": "zz"}, {"ppai-sha256": ""}],
)
def test_malformed_headers_are_refused(ben: Answering, change: dict[str, str]) -> None:
    ada, held = between(ben)

    assert "unsigned" == refused(ben, held, {**in_session(ada, PATH, BODY), **change})


def test_a_request_of_one_session_is_none_of_another(ben: Answering) -> None:
    """Each connection has its own, with keys of its own."""
    ada, _ = between(ben)
    _, other = between(ben)

    assert "bad_signature" == refused(ben, other, in_session(ada, PATH, BODY))


def test_without_a_session_a_request_is_to_be_signed(ben: Answering) -> None:
    ada, _ = between(ben)

    assert "no_session" == refused(ben, None, in_session(ada, PATH, BODY))


def test_a_session_ends_after_an_hour(ben: Answering) -> None:
    ada, held = between(ben)

    ben.now = SESSION_S - 1
    assert "" == refused(ben, held, in_session(ada, PATH, BODY))
    ben.now = SESSION_S
    assert "no_session" == refused(ben, held, in_session(ada, PATH, BODY))


def test_a_session_ends_with_our_generation(ben: Answering) -> None:
    """Also of a process that goes on: it has found its identity in use, and begun another generation."""
    ada, held = between(ben)

    ben.gossip._own.gen += 1

    assert "no_session" == refused(ben, held, in_session(ada, PATH, BODY))


def test_a_session_ends_with_the_generation_of_who_asks(ben: Answering) -> None:
    ada, held = between(ben)
    assert "" == refused(ben, held, in_session(ada, PATH, BODY))

    ben.learn(7, seq=2)
    assert "" == refused(ben, held, in_session(ada, PATH, BODY))
    ben.learn(8)
    assert "no_session" == refused(ben, held, in_session(ada, PATH, BODY))


@pytest.mark.parametrize("stands", ["stranger", "trusted"])
def test_a_session_ends_with_the_right_of_who_asks(ben: Answering, stands: str) -> None:
    """At the next request, whatever was known before; also where it may still answer."""
    ada, held = between(ben)
    assert "" == refused(ben, held, in_session(ada, PATH, BODY))

    ben.may_ask, ben.stands = False, stands

    assert "no_session" == refused(ben, held, in_session(ada, PATH, BODY))


def test_a_card_that_admission_keeps_out_ends_a_session(ben: Answering) -> None:
    """A newer card is looked at as the card of a signed request is."""
    ada, held = between(ben)
    assert "" == refused(ben, held, in_session(ada, PATH, BODY))

    ben.stands = "unknown"
    assert "" == refused(ben, held, in_session(ada, PATH, BODY))  # of the card that was looked at
    ben.learn(7, seq=2)
    assert "no_session" == refused(ben, held, in_session(ada, PATH, BODY))


def test_an_offer_of_an_earlier_generation_is_refused(ben: Answering) -> None:
    with pytest.raises(Refused, match="old_generation"):
        between(ben, heard=structs.replace(ASKER, gen=6))


@pytest.mark.parametrize("body", [b"", b"x", b"\x93", msgspec.msgpack.encode([7, b"c" * 32, bytes(32)])])
def test_what_offers_no_session_is_refused(ben: Answering, body: bytes) -> None:
    """The last one is a point of small order, with which everybody would know the key."""
    with pytest.raises(Refused, match="malformed"):
        ben.sessions.open(ADA, body, ANSWERER)


@pytest.mark.parametrize(
    ("net", "asker", "answerer"),
    [
        ("other", ASKER, ANSWERER),
        (NET, structs.replace(ASKER, id=id_of(2)), ANSWERER),
        (NET, structs.replace(ASKER, gen=8), ANSWERER),
        (NET, structs.replace(ASKER, cert=b"c" * 32), ANSWERER),
        (NET, ASKER, structs.replace(ANSWERER, id=id_of(2))),
        (NET, ASKER, structs.replace(ANSWERER, gen=6)),
        (NET, ASKER, structs.replace(ANSWERER, cert=b"c" * 32)),
    ],
)
def test_an_answer_counts_for_these_two_in_these_lives(
    ben: Answering, net: str, asker: Audience, answerer: Audience
) -> None:
    ours, said = offer(ASKER)
    answer, _ = ben.sessions.open(ADA, said, ANSWERER)

    with pytest.raises(InvalidSession):
        opened(net, asker, answerer, ours, answer, fake_verify, SESSION_S)


def test_an_answer_counts_for_one_offer(ben: Answering) -> None:
    """A replayed answer, or one with another point, opens nothing."""
    ours, said = offer(ASKER)
    answer, _ = ben.sessions.open(ADA, said, ANSWERER)
    other, _ = offer(ASKER)
    point, signature = msgspec.msgpack.decode(answer)

    for keys, came in ((other, answer), (ours, msgspec.msgpack.encode([point[::-1], signature])), (ours, b"\x92")):
        with pytest.raises(InvalidSession):
            opened(NET, ASKER, ANSWERER, keys, came, fake_verify, SESSION_S)


def test_a_receipt_is_sealed_for_one_request(ben: Answering) -> None:
    """The same words under another number, or in another session, are another seal; who asks finds it alike."""
    ada, held = between(ben)
    other, _ = between(ben)
    ben.sessions.check(held, PATH, in_session(ada, PATH, BODY))
    sealed = held.sealer()(b"receipt")

    assert sealed == ada.sealer()(b"receipt")
    in_session(ada, PATH, BODY)
    assert sealed != ada.sealer()(b"receipt")
    other.lines(PATH, BODY)
    assert sealed != other.sealer()(b"receipt")


def test_keys_belong_to_what_both_sides_saw() -> None:
    """Where one of them was shown something else, what was agreed on makes other keys."""
    agreed, until = bytes(range(32)), 1.0
    first, second = (_session(ASKER, ANSWERER, agreed, transcript * 32, until) for transcript in (b"1", b"2"))

    assert first._request_key != second._request_key
    assert first._receipt_key != second._receipt_key


def test_both_sides_have_one_session_and_nobody_else_its_keys(ben: Answering) -> None:
    ada, held = between(ben)

    assert (ada._request_key, ada._receipt_key) == (held._request_key, held._receipt_key)
    assert ada._request_key != ada._receipt_key
    assert isinstance(ben.gossip.member(ADA).card, Card)
