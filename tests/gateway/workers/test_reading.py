"""What a worker lets in and reads: what is plainly right, by the rules that its owner has."""

import gzip
import json
from itertools import count
from pathlib import Path

import pytest

from gateway.client.api_keys import ApiKeys
from gateway.client.entrance.callers import Callers, Entrance
from gateway.server.exchange import Exchange
from gateway.server.fields import Head
from gateway.wire.reading.elsewhere import to_tell
from gateway.wire.request import QUICK_CHAT_BYTES, read_request
from gateway.workers.reading import Found, let_in

CHAT, HOST = "/v1/chat/completions", ("host", "localhost")
BODY = b'{"messages":[{"role":"user","content":"hi"}],"model":"m"}'


def at_the_door(home: Path, *headers: tuple[str, str], body: bytes = BODY, path: str = CHAT) -> Found | None:
    """What is found of a request."""
    keys = ApiKeys(home / "api_keys.json", count().__next__)
    entrance = Entrance(Callers("127.0.0.1", (), (), is_open=False), keys, lambda token: False)
    fields = [(name.encode(), value.encode()) for name, value in headers]
    exchange = Exchange(None, Head("POST", path.encode(), "1.1", fields, True))  # type: ignore[arg-type]  # never written to
    return let_in(entrance, exchange, body)


async def test_what_is_right_is_let_in_and_read(tmp_path: Path) -> None:
    key = ApiKeys(tmp_path / "api_keys.json").add("phone")

    found = at_the_door(
        tmp_path, HOST, ("authorization", f"Bearer {key}"), ("x-session-id", "s"), ("x-request-id", "r1")
    )

    assert found is not None
    assert ("r1", "phone", to_tell(read_request("chat/completions", BODY, "s"))) == (
        found.request_id,
        found.key,
        found.let_in.read.asks,
    )


async def test_where_there_are_keys_the_owner_looks_at_who_shows_none(tmp_path: Path) -> None:
    """Or whose was withdrawn, or who shows the owner's own token, which no worker knows."""
    keys = ApiKeys(tmp_path / "api_keys.json")
    keys.add("phone")
    withdrawn = keys.add("editor")
    keys.remove("editor")

    for shown in ("", withdrawn, "the owner's token"):
        assert at_the_door(tmp_path, HOST, ("authorization", f"Bearer {shown}")) is None


@pytest.mark.parametrize(
    "headers, body, path",
    [
        ((("host", "rebound.example.org"),), BODY, CHAT),
        ((HOST, ("origin", "http://localhost:3000")), BODY, CHAT),
        ((HOST, ("x-ppai-lokal", "1")), BODY, CHAT),
        ((HOST, ("content-encoding", "gzip")), gzip.compress(BODY), CHAT),
        ((HOST,), BODY.decode().encode("utf-16"), CHAT),
        ((HOST,), b'{"messages":5}', CHAT),
        ((HOST,), b"[" * 100_000, CHAT),
        ((HOST,), b'{"messages":' + b"[" * 2000, CHAT),
        ((HOST,), BODY, "/v1/models"),
        ((HOST,), BODY, "/v1/audio/speech"),
        ((HOST,), json.dumps({"messages": [{"content": "x"}] * QUICK_CHAT_BYTES}).encode(), CHAT),
    ],
    ids=map(str, count()),
)
async def test_at_what_is_not_plainly_right_the_owner_looks(
    headers: tuple[tuple[str, str], ...], body: bytes, path: str, tmp_path: Path
) -> None:
    assert at_the_door(tmp_path, HOST) is not None
    assert at_the_door(tmp_path, *headers, body=body, path=path) is None


async def test_where_keys_cannot_be_read_the_owner_says_so(tmp_path: Path) -> None:
    (tmp_path / "api_keys.json").write_text("{")
    (tmp_path / "api_keys.json").chmod(0o600)

    assert at_the_door(tmp_path, HOST) is None
