"""The framing of an answer between two peers: what is put in comes out, whatever the bytes."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.peering.frames import (
    QUEUED,
    TOLD,
    Receipt,
    Refusal,
    WholeReply,
    encode_receipt,
    encode_refusal,
    encode_reply,
    loaded_in,
    name_of,
    queued,
    receipt_bytes,
    refusal_of,
    whole_answer,
)
from gateway.wire.events import EVENT_LIMIT_BYTES, Event, EventSplitter, encode_event, parse_event

RECEIPT = Receipt("aa", "bb", "m", prompt_tokens=7, tokens=4, queued_ms=0, served_ms=12)


def only_event(frame: bytes) -> Event:
    events = EventSplitter().feed(frame)
    assert 1 == len(events)
    assert frame == events[0].raw
    return events[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from([200, 400, 422]), json_values)
def test_a_whole_answer_arrives_as_it_was(status: int, answer: object) -> None:
    event = only_event(encode_reply(status, json.dumps(answer, indent=2).encode()))

    whole = msgspec.json.decode(event.data, type=WholeReply)

    assert ("reply", status, answer) == (name_of(event), whole.status, json.loads(bytes(whole.body)))


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_make_one_event(body: bytes) -> None:
    """An engine's reply may be no JSON at all: it never breaks the framing."""
    event = only_event(encode_reply(502, body))

    assert 502 == msgspec.json.decode(event.data, type=WholeReply).status


@pytest.mark.parametrize("body", [b'{"b" :1, "a":2}', b'{"a":1}', b"[]", b'{"a":"\xc3\xa9"}'])
def test_an_answer_of_one_line_travels_as_it_came(body: bytes) -> None:
    assert body == bytes(msgspec.json.decode(only_event(encode_reply(200, body)).data, type=WholeReply).body)


@pytest.mark.parametrize("body", [b'{"a":1},"status":404', b'{"a":1}}', b"{}{}", b'{"a":', b""])
def test_what_is_no_json_reaches_nothing_beside_the_body(body: bytes) -> None:
    """It is a string there: an engine's bytes cannot say another status."""
    said = msgspec.json.decode(only_event(encode_reply(200, body)).data, type=dict)

    assert {"status": 200, "body": body.decode()} == said


def test_a_reply_nested_without_end_is_one_event() -> None:
    assert "reply" == name_of(only_event(encode_reply(200, b"[" * 100_000)))


@settings(deadline=None)
@given(st.sampled_from(["refused", "broke"]), st.text(), st.none() | st.floats(0, 86400))
def test_a_refusal_arrives_as_it_was(name: str, message: str, retry_after_s: float | None) -> None:
    refusal = Refusal(429, "busy", message.encode("utf-8", "replace").decode(), retry_after_s)

    event = only_event(encode_refusal(refusal, name))  # type: ignore[arg-type]

    assert (name, refusal) == (name_of(event), msgspec.json.decode(event.data, type=Refusal))


def test_a_receipt_is_signed_over_all_but_its_signature() -> None:
    event = only_event(encode_receipt(RECEIPT, lambda data: b"\x01" + data[-2:]))

    receipt = msgspec.json.decode(event.data, type=Receipt)

    assert "receipt" == name_of(event)
    assert (b"\x01" + receipt_bytes(RECEIPT)[-2:]).hex() == receipt.signature
    assert receipt_bytes(RECEIPT) == receipt_bytes(receipt)


def test_what_is_signed_differs_with_every_field() -> None:
    other = [("request_sha256", "ab"), ("reply_sha256", "bc"), ("model", "n"), ("prompt_tokens", 8), ("tokens", 5)]
    other += [("queued_ms", 1), ("served_ms", 13)]

    signed = {receipt_bytes(msgspec.structs.replace(RECEIPT, **{name: value})) for name, value in other}

    assert len(other) == len(signed - {receipt_bytes(RECEIPT)})


@pytest.mark.parametrize(
    ("signs", "loaded"),
    [
        (queued(0.4299), 0.42),
        (queued(1.0), 1.0),
        (QUEUED, None),
        (queued(0.1) + queued(0.2), 0.2),
        (queued(0.1) + QUEUED, None),
        (b": queued loaded=900%\n\n", 1.0),
        (b": queued loaded=12345%\n\n", None),
        (b": queued loaded=-5%\n\n", None),
        (b"", None),
    ],
)
def test_a_sign_of_life_may_say_how_much_is_loaded(signs: bytes, loaded: float | None) -> None:
    assert loaded == loaded_in(signs)


def test_queued_is_no_event() -> None:
    """It keeps the connection alive and nothing else."""
    assert [] == EventSplitter().feed(QUEUED)


def test_the_answers_own_events_have_no_name() -> None:
    event = parse_event(b'data: {"choices":[]}')

    assert event
    assert "" == name_of(event)


def test_an_error_that_has_no_words_for_other_peers_is_told_as_a_failure_of_the_engine() -> None:
    told = refusal_of(502, "connection to 10.0.0.7 refused", 3.0)

    assert Refusal(502, "engine_failed", TOLD["engine_failed"], 3.0) == told


def test_what_former_peers_do_not_know_of_a_receipt_leaves_the_rest_as_they_expect_it() -> None:
    """They decode the fields that they know, encode those anew, and hold the signature against that."""
    fields = {name: kind for name, kind in Receipt.__annotations__.items() if name != "from_documents"}
    Former = msgspec.defstruct(
        "Former", [(name, str if name == "signature" else kind) for name, kind in fields.items()]
    )
    signed: list[bytes] = []

    def sign(content: bytes) -> bytes:
        signed.append(content)
        return b"\x01" * 64

    for said in (None, True, False):
        event = only_event(encode_receipt(RECEIPT, sign, said))
        assert (msgspec.UNSET if said is None else said) is msgspec.json.decode(event.data, type=Receipt).from_documents
        former = msgspec.json.decode(event.data, type=Former)
        expected = b"ppai/1/receipt\0" + msgspec.json.encode(msgspec.structs.replace(former, signature=""))
        assert signed[-1] == expected == receipt_bytes(msgspec.json.decode(event.data, type=Receipt))


REPLY, SEALED = encode_reply(200, b'{"choices":[]}'), encode_event(b'{"tokens":2}', "receipt")
TOGETHER = [
    pytest.param(REPLY + SEALED, True, id="as they mostly come"),
    pytest.param(encode_reply(400, b'{"error":{}}') + SEALED, True, id="a refusal of the engine's"),
    pytest.param(encode_event(b"[", "reply") + encode_event(b"]", "receipt"), True, id="whatever they say"),
    pytest.param(REPLY + SEALED[:-1], False, id="not ended"),
    pytest.param(REPLY, False, id="the receipt is still to come"),
    pytest.param(QUEUED + REPLY + SEALED, False, id="a sign of life before"),
    pytest.param(REPLY + QUEUED + SEALED, False, id="one between"),
    pytest.param(REPLY + SEALED + QUEUED, False, id="one behind"),
    pytest.param(REPLY[:-1] + b"data: {}\n\n" + SEALED, False, id="of two lines"),
    pytest.param((REPLY + SEALED).replace(b"\n", b"\r\n"), False, id="other line ends"),
    pytest.param(REPLY.replace(b"[]", b"\r") + SEALED, False, id="another line end within"),
    pytest.param(SEALED + REPLY, False, id="the other way round"),
    pytest.param(encode_reply(200, b'"%b"' % (b"x" * EVENT_LIMIT_BYTES)) + SEALED, False, id="oversized"),
    pytest.param(b"", False, id="nothing"),
]


@pytest.mark.parametrize(("came", "is_found"), TOGETHER)
def test_a_whole_answer_is_read_in_one_look_as_it_is_read_event_by_event(came: bytes, is_found: bool) -> None:
    found = whole_answer(came)

    assert is_found == (found is not None)
    assert found is None or [*found] == EventSplitter().feed(came)
