"""What the endpoints beside chat ask for; what of it may leave is in a table, and nothing else does."""

import json
from typing import Any

import pytest

from gateway.privacy.fields import Unacceptable
from gateway.privacy.forms import read_form, write_form
from gateway.privacy.others import JSON, read_other
from gateway.wire.bodies import OTHERS
from gateway.wire.errors import InvalidRequest

KIND = "multipart/form-data; boundary=xx"
SENT = {
    "rerank": {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": False},
    "audio/speech": {"input": "hi", "voice": "alloy", "response_format": "wav", "speed": 1.5, "instructions": "slow"},
    "images/generations": {"prompt": "a cat", "n": 1, "size": "256x256", "response_format": "b64_json", "seed": 7},
    "tokenize": {"content": "hi", "add_special": True, "with_pieces": False},
}


def form(
    *fields: tuple[str, bytes], file: tuple[str, str, bytes] = ("talk with Ada.MP3", "audio/mpeg", b"\x00\r\n")
) -> bytes:
    return b"".join(write_form("xx", fields, (file[0], file[1], memoryview(file[2]))))


@pytest.mark.parametrize("endpoint", SENT)
def test_our_own_engine_gets_the_client_s_bytes(endpoint: str) -> None:
    """But for a model that has another name there."""
    body = json.dumps({"model": "m", **SENT[endpoint], "x": 1.50}, indent=1).encode()
    request = read_other(endpoint, JSON, body)

    same, other = (b"".join(request.asking(model)[1]) for model in ("m", "n"))

    assert body == same
    assert {**json.loads(body), "model": "n"} == json.loads(other)


@pytest.mark.parametrize("endpoint", SENT)
def test_what_travels_is_written_anew(endpoint: str) -> None:
    """Who asks is dropped, and so is what is null."""
    body = json.dumps({"model": "m", **SENT[endpoint], "user": "ada", "top_n" if endpoint == "rerank" else "x": None})

    kind, pieces = read_other(endpoint, JSON, body.encode()).travelling("theirs")

    expected = {**SENT[endpoint], "model": "theirs"}
    expected.pop("top_n", None)
    assert (JSON, expected) == (kind, json.loads(b"".join(pieces)))


@pytest.mark.parametrize(
    ("endpoint", "field", "value", "named"),
    [
        ("rerank", "query", 1, "query"),
        ("rerank", "secret_words", "x", "unknown"),
        ("audio/speech", "response_format", "exe", "response_format"),
        ("images/generations", "response_format", "url", "response_format"),
        ("images/generations", "n", 11, "n"),
        ("tokenize", "messages", [], "messages"),
    ],
)
def test_what_is_in_no_table_stays(endpoint: str, field: str, value: Any, named: str) -> None:
    request = read_other(endpoint, JSON, json.dumps({**SENT[endpoint], field: value}).encode())

    with pytest.raises(Unacceptable) as stays:
        request.travelling("m")
    assert named == str(stays.value)


def test_a_recording_travels_without_its_name() -> None:
    body = form(("model", b"whisper-1"), ("language", b"de"), ("user", b"ada"), ("timestamp_granularities[]", b"word"))
    request = read_other("audio/transcriptions", KIND, body)
    assert "whisper-1" == request.model

    kind, pieces = request.travelling("w")

    sent = b"".join(pieces)
    parts = {part.name: sent[part.begin : part.end] for part in read_form("xx", sent)}
    assert KIND == kind and b"Ada" not in sent and b'filename="file.mp3"' in sent
    assert {"model": b"w", "language": b"de", "timestamp_granularities[]": b"word", "file": b"\x00\r\n"} == parts


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (form(("x", b"1")), "unknown"),
        (form() + b"", ""),
        (b'--xx\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n\r\n' * 2 + b"--xx--", "file"),
        (form(file=("a.sh", "text/html; x", b"")), ""),
    ],
)
def test_a_form_with_more_stays(body: bytes, named: str) -> None:
    request = read_other("audio/transcriptions", KIND, body)
    if not named:
        sent = b"".join(request.travelling("m")[1])
        assert b"text/html" not in sent
        return
    with pytest.raises(Unacceptable) as stays:
        request.travelling("m")
    assert named == str(stays.value)


@pytest.mark.parametrize("has_model", [True, False])
def test_a_form_asks_our_engine_for_its_own_model(has_model: bool) -> None:
    body = form(*((("model", b"auto"),) if has_model else ()), ("prompt", b"auto"))

    kind, pieces = read_other("audio/transcriptions", KIND, body).asking("whisper")

    sent = b"".join(pieces)
    parts = {part.name: sent[part.begin : part.end] for part in read_form("xx", sent)}
    assert KIND == kind
    assert {"model": b"whisper", "prompt": b"auto", "file": b"\x00\r\n"} == parts


@pytest.mark.parametrize(
    ("endpoint", "kind", "body", "says"),
    [
        ("rerank", JSON, b"", "not valid JSON"),
        ("rerank", JSON, b"[]", "invalid request body"),
        ("rerank", JSON, b'{"model": 1}', "invalid request body"),
        ("audio/transcriptions", JSON, b"{}", "wants a form"),
        ("audio/transcriptions", KIND, b"--xx--\r\n", "no `file`"),
        ("audio/transcriptions", KIND, form(("model", b"\xff")), "UTF-8"),
        ("audio/transcriptions", KIND, form(("prompt", b"x" * 65_537)), "too long"),
    ],
)
def test_what_cannot_be_read_is_refused(endpoint: str, kind: str, body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        read_other(endpoint, kind, body)


def test_every_endpoint_has_a_table() -> None:
    assert {*SENT, "audio/transcriptions"} == set(OTHERS)
