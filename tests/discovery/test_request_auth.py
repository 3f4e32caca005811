"""A signed request is accepted once, by its addressee, in its time; anything else is refused and changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.records import PeerId
from discovery.request_auth import (
    Audience,
    AuthConfig,
    Refused,
    RequestVerifier,
    Standing,
    hashed,
    read_refusal,
    refusal_body,
    sign_request,
)
from tests.cluster import fake_sign, fake_verify, id_of

ME, PEER, OTHER = id_of(0), id_of(1), id_of(2)
US = Audience(ME, 5, bytes(32))
NOW = 1_700_000_000.0
PATH, BODY = "/peer/1/delegate", b"body"


def request(
    *,
    by: PeerId = PEER,
    to: Audience = US,
    method: str = "POST",
    path: str = PATH,
    body: bytes = BODY,
    at: float = NOW,
    nonce: int = 0,
) -> tuple[str, str, dict[str, str], str]:
    """A request as it reaches us."""
    what = (to, method, path, hashed(body).sha256, int(at * 1000), nonce.to_bytes(16))
    return method, path, sign_request(by, lambda data: fake_sign(by, data), *what), hashed(body).sha256


def known(peer: str) -> Standing:
    return {PEER: "trusted", OTHER: "stranger"}.get(peer, "unknown")  # type: ignore[return-value, call-overload]


def check(verifier: RequestVerifier, made: tuple[str, str, dict[str, str], str], *, late_s: float = 0.0) -> str:
    """The peer, or the code of the refusal."""
    try:
        return verifier.check(US, known, made, NOW + late_s, late_s)
    except Refused as refused:
        return refused.code


@pytest.fixture
def verifier() -> RequestVerifier:
    return RequestVerifier(fake_verify)


def test_a_signed_request_says_who_made_it(verifier: RequestVerifier) -> None:
    assert PEER == check(verifier, request())
    assert OTHER == check(verifier, request(by=OTHER))


@pytest.mark.parametrize("late_s", [0, 1, 29, 31, 59, 61, 3600])
def test_a_replayed_request_is_refused_at_any_time(verifier: RequestVerifier, late_s: float) -> None:
    """Attack 17: inside the window by its nonce, outside by its time; between the two there is no gap."""
    made = request()
    assert PEER == check(verifier, made)

    assert check(verifier, made, late_s=late_s) in ("replayed", "clock_skew")


def test_a_request_from_the_edge_of_the_future_is_not_replayable(verifier: RequestVerifier) -> None:
    made = request(at=NOW + 30)
    assert PEER == check(verifier, made)

    assert {"replayed", "clock_skew"} == {check(verifier, made, late_s=late_s) for late_s in (0, 30, 59, 60, 61, 90)}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"method": "GET"}, "bad_signature"),
        ({"path": "/peer/1/sync"}, "bad_signature"),
        ({"path": PATH + "?"}, "bad_signature"),
        ({"body": b"Body"}, "bad_signature"),
        ({"to": Audience(OTHER, 5, bytes(32))}, "bad_signature"),
        ({"to": Audience(ME, 5, b"x" * 32)}, "bad_signature"),
        ({"to": Audience(ME, 4, bytes(32))}, "wrong_generation"),
        ({"by": id_of(9)}, "unknown_peer"),
        ({"at": NOW + 31}, "clock_skew"),
        ({"at": NOW - 31}, "clock_skew"),
        ({"at": NOW + 3600}, "clock_skew"),
    ],
)
def test_a_request_that_is_not_for_us_now_is_refused(
    verifier: RequestVerifier, changed: dict[str, object], code: str
) -> None:
    """Attacks 14, 18, 19. The signature of one request under the words of another."""
    method, path, _, body = request()
    headers = request(**changed)[2]  # type: ignore[arg-type]

    assert code == check(verifier, (method, path, headers, body))
    assert PEER == check(verifier, request())  # its nonce was not used up


@pytest.mark.parametrize("name", ["ppai-id", "ppai-gen", "ppai-ts", "ppai-nonce", "ppai-sig"])
@pytest.mark.parametrize("value", [None, "", "x", "-1", "1e3", "٣", "9" * 20, "0" * 63, "A" * 52, "00" * 40])
def test_a_missing_or_malformed_header_is_unsigned(verifier: RequestVerifier, name: str, value: str | None) -> None:
    method, path, headers, body = request()
    changed = {k: v for k, v in (headers | {name: value}).items() if v is not None}

    assert check(verifier, (method, path, changed, body)) in ("unsigned", "clock_skew", "wrong_generation")


@given(st.dictionaries(st.sampled_from(["ppai-id", "ppai-gen", "ppai-ts", "ppai-nonce", "ppai-sig"]), st.text()))
def test_any_headers_are_refused_not_fatal(changes: dict[str, str]) -> None:
    method, path, headers, body = request()
    made = (method, path, {k: changes.get(k, "?") for k in headers}, body)

    assert "unsigned" == check(RequestVerifier(fake_verify), made)


def test_one_peer_cannot_use_up_the_memory_of_all() -> None:
    config = AuthConfig(trusted_nonces=10, trusted_nonces_each=4, stranger_nonces=3, stranger_nonces_each=3)
    verifier = RequestVerifier(fake_verify, config)

    strangers = [check(verifier, request(by=OTHER, nonce=n)) for n in range(5)]
    trusted = [check(verifier, request(nonce=n)) for n in range(5)]

    assert [OTHER] * 3 + ["too_many_requests"] * 2 == strangers
    assert [PEER] * 4 + ["too_many_requests"] == trusted
    assert PEER == check(verifier, request(nonce=9, at=NOW + 61), late_s=61)


def test_many_strangers_leave_room_for_a_newcomer() -> None:
    """17 ids that use up what all strangers have: the next one still gets its fair share, and memory is bounded."""
    config = AuthConfig(stranger_nonces=160, stranger_nonces_each=10)
    verifier = RequestVerifier(fake_verify, config)

    def ask(number: int, nonce: int) -> str:
        by = id_of(number)
        made = request(by=by, nonce=nonce)
        try:
            return verifier.check(US, lambda _: "stranger", made, NOW, 0.0)
        except Refused as refused:
            return refused.code

    taken = [ask(number, nonce) for number in range(2, 19) for nonce in range(10)]
    newcomer = [ask(19, nonce) for nonce in range(10)]
    many = [ask(number, 0) for number in range(20, 1000)]

    assert 160 <= sum(code != "too_many_requests" for code in taken) < 170
    assert id_of(19) == newcomer[0]
    assert "too_many_requests" == newcomer[9]
    assert 2 * 160 >= sum(code != "too_many_requests" for code in (*taken, *newcomer, *many))


def test_whom_we_do_not_know_is_told_before_the_body_is_there(verifier: RequestVerifier) -> None:
    _, _, headers, _ = request(by=id_of(7))

    with pytest.raises(Refused, match="say hello first"):
        verifier.expect(US, known, headers, NOW, 0.0)
    with pytest.raises(Refused, match="unsigned"):
        verifier.expect(US, known, {}, NOW, 0.0)


def test_a_request_made_as_a_stranger_is_not_replayable_as_a_friend(verifier: RequestVerifier) -> None:
    made = request()
    verifier.check(US, lambda peer: "stranger", made, NOW, 0.0)

    assert "replayed" == check(verifier, made)


def test_a_refusal_survives_the_wire() -> None:
    details = read_refusal(refusal_body(Refused(401, "clock_skew", "set the time"), 123, 5))

    assert ("clock_skew", "set the time", 123, 5) == (details.code, details.message, details.time_ms, details.gen)


@given(st.binary())
def test_any_answer_can_be_read_as_a_refusal(body: bytes) -> None:
    read_refusal(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"error": 1}', b'{"error": {"gen": -1, "time_ms": 5}}', b'{"error": {"code": "a\\u001b"}}'],
)
def test_a_refusal_of_nonsense_says_nothing(body: bytes) -> None:
    details = read_refusal(body)

    assert (0, 0) == (details.time_ms, details.gen)
    assert details.code.isprintable()
