"""A command's way to its peer: whatever goes wrong is a sentence with a remedy."""

import json
import os
from pathlib import Path

import pytest

from gateway.cli import own_peer
from gateway.cli.own_peer import NotRunning, OwnPeer, PeerRefused, serving
from gateway.home.folder import Home, Running
from tests.gateway.cli.answering import Peer
from tests.gateway.stranger import needs_root, strangers_engine


def test_no_peer_is_told_with_the_command_that_starts_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=f"ppai serve --home {tmp_path}"):
        OwnPeer(Home(tmp_path))


def test_calls_bear_the_owner_s_token(home: Home, peer: Peer) -> None:
    peer.body = b'{"answer":42}'

    assert [{"answer": 42}] * 2 == [OwnPeer(home).get("/a"), OwnPeer(home).post("/b", {"who": "ben"})]

    (get, post) = peer.asked
    assert [("GET", "/a"), ("POST", "/b")] == [get[:2], post[:2]]
    assert {"Bearer tok"} == {asked[2]["authorization"] for asked in (get, post)}
    assert {"who": "ben"} == json.loads(post[3])


def test_a_proxy_of_the_environment_is_not_used(home: Home, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert {} == OwnPeer(home).get("/")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"no such peer"}}', "no such peer"),
        (b"<html>oops", "<html>oops"),
        (b'{"error":"oops"}', '{"error":"oops"}'),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_refusal_is_the_peer_s_own_words(home: Home, peer: Peer, body: bytes, said: str) -> None:
    peer.status, peer.body = 404, body

    with pytest.raises(PeerRefused) as caught:
        OwnPeer(home).get("/")

    assert said == str(caught.value)


def test_a_peer_that_does_not_answer_is_told_with_the_remedy(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.held():
        home.announce(Running("http://127.0.0.1:9", os.getpid(), "tok"))

        with pytest.raises(NotRunning, match="ppai serve"):
            OwnPeer(home).get("/")


def test_what_listens_where_a_crashed_peer_did_is_told_nothing(tmp_path: Path, peer: Peer) -> None:
    """Neither the old token nor a question, whoever has the old process number now."""
    Home(tmp_path).announce(Running(f"http://127.0.0.1:{peer.server_port}", os.getpid(), "tok"))

    with pytest.raises(NotRunning, match="ppai serve"):
        OwnPeer(Home(tmp_path)).post("/v1/chat/completions", {})

    assert [] == peer.asked


@needs_root
def test_another_user_s_program_at_our_peer_s_address_is_told_nothing(tmp_path: Path) -> None:
    """The home's peer runs on another machine, or in a container, that shares the home's disk."""
    home = Home(tmp_path)
    with strangers_engine() as port, home.held():
        home.announce(Running(f"http://127.0.0.1:{port}", os.getpid(), "tok"))

        with pytest.raises(NotRunning, match=r"`nobody` listens at .*told nothing"):
            OwnPeer(home).post("/v1/chat/completions", {})


@pytest.mark.parametrize("length", [None, 4000], ids=["no JSON", "cut short"])
def test_an_answer_that_is_none_is_told_with_the_remedy(home: Home, peer: Peer, length: int | None) -> None:
    """It was killed while it answered, or something else listens there now."""
    peer.body, peer.length = b'{"answer":', length

    with pytest.raises(NotRunning, match="ppai serve"):
        OwnPeer(home).get("/")


def test_a_stream_is_headers_and_events(home: Home, peer: Peer) -> None:
    peer.body = b': ping\n\ndata: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n'

    headers, events = OwnPeer(home).stream("/v1/chat/completions", {}, {"x-ppai-route": "ben"})

    assert ("ben", [{"n": 1}, {"n": 2}]) == (headers["x-ppai-peer"], list(events))
    assert "ben" == peer.asked[0][2]["x-ppai-route"]


def test_an_error_in_a_stream_is_the_peer_s_own_words(home: Home, peer: Peer) -> None:
    peer.body = b'data: {"n":1}\n\ndata: {"error":{"message":"it broke off"}}\n\n'
    _, events = OwnPeer(home).stream("/", {}, {})

    assert {"n": 1} == next(events)
    with pytest.raises(PeerRefused, match="it broke off"):
        next(events)


@pytest.mark.parametrize(
    ("body", "length"),
    [(b'data: {"n":1}\n\n', None), (b'data: {"n":1}\n\n', 4000), (b'data: {"n":1}\n\ndata: {"n"\n\n', None)],
    ids=["no end", "cut short", "no JSON"],
)
def test_a_stream_that_breaks_off_is_told_with_the_remedy(
    home: Home, peer: Peer, body: bytes, length: int | None
) -> None:
    """It was killed while it answered: half an answer is not passed for one."""
    peer.body, peer.length = body, length
    _, events = OwnPeer(home).stream("/", {}, {})

    assert {"n": 1} == next(events)
    with pytest.raises(NotRunning, match="ppai serve"):
        next(events)


def test_the_command_that_starts_a_peer_can_be_typed_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPAI_HOME", str(tmp_path))

    assert ["ppai serve", f"ppai serve --home '{tmp_path}/my home'"] == [
        serving(Home(tmp_path)),
        serving(Home(tmp_path / "my home")),
    ]


def test_a_peer_that_is_starting_is_waited_for(tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds its home before it serves from it."""
    home = Home(tmp_path)

    def serves(seconds: float) -> None:
        home.announce(Running(f"http://127.0.0.1:{peer.server_port}", os.getpid(), "tok"))

    monkeypatch.setattr(own_peer.time, "sleep", serves)
    with home.held():
        assert {} == OwnPeer(home).get("/ppai/v1/status")


def test_a_peer_that_is_starting_for_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_peer, "STARTS_S", 0.0)
    home = Home(tmp_path)

    with home.held(), pytest.raises(NotRunning, match=r"a peer is starting from .* see ppai logs"):
        OwnPeer(home)
