"""A client over messages, and headers that stay on their line."""

from typing import Any

import pytest

from gateway.server.answering import AsgiClient
from gateway.server.fields import lines_of


class Recorded:
    """What went to the server."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def __call__(self, message: dict[str, Any], /) -> None:
        self.messages.append(message)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("llama-3", b"llama-3"),
        ("a\r\nset-cookie: x=1", b"aset-cookie: x=1"),
        ("a\nb\x00c\x7f\x85d", b"abcd"),
        ("a\u2028b", b"ab"),
        ("größe", b"gr%C3%B6%C3%9Fe"),
        ("模型", b"%E6%A8%A1%E5%9E%8B"),
        ("\ud800", b""),
        ("", b""),
    ],
)
async def test_a_name_that_others_chose_stays_on_its_line(value: str, line: bytes) -> None:
    recorded = Recorded()

    await AsgiClient(recorded, {"x-request-id": value}).start(200, "text/plain", {"x-ppai-peer": value})

    assert (line, line) == (recorded.headers[b"x-ppai-peer"], recorded.headers[b"x-request-id"])
    assert b"a: b\r\nx-ppai-peer: " + line + b"\r\n" == lines_of({"a": "b", "x-ppai-peer": value})


async def test_an_answer_in_one_piece_tells_its_length() -> None:
    recorded = Recorded()
    client = AsgiClient(recorded, {"x-request-id": "r"})

    await client.answer(418, "text/plain", b"tea", {"retry-after": "3"})

    assert client.has_started
    assert (418, b"tea", False) == (
        recorded.messages[0]["status"], recorded.messages[1]["body"], recorded.messages[1]["more_body"],
    )  # fmt: skip
    expected = {b"content-type": b"text/plain", b"content-length": b"3", b"x-request-id": b"r", b"retry-after": b"3"}
    assert expected.items() <= recorded.headers.items()


async def test_another_app_s_answer_gets_our_headers_too() -> None:
    recorded = Recorded()
    client = AsgiClient(recorded, {"x-request-id": "r"})

    await client.pass_on({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await client.pass_on({"type": "http.response.body", "body": b"x"})

    assert {b"a": b"b", b"x-request-id": b"r"} == recorded.headers
    assert client.has_started
