"""The owner ends his peer; it has ended when the command has."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.own_peer import PeerRefused
from gateway.cli.running import stopping
from gateway.cli.running.stopping import StillRunning, stop
from gateway.home.folder import Home, Running
from tests.gateway.cli.answering import Peer


@pytest.fixture
def ending(tmp_path: Path, peer: Peer) -> Iterator[tuple[Home, threading.Event]]:
    """A home that is held until the event is set, as by a peer that takes its time to end."""
    home, end, ready = Home(tmp_path), threading.Event(), threading.Event()

    def serve() -> None:
        with home.held():
            home.announce(Running(f"http://127.0.0.1:{peer.server_port}", os.getpid(), "tok"))
            ready.set()
            end.wait(30)
            home.retire()

    serving = threading.Thread(target=serve)
    serving.start()
    assert ready.wait(30)
    yield home, end
    end.set()
    serving.join()


def test_stop_returns_when_the_peer_has_ended(
    ending: tuple[Home, threading.Event], peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, end = ending
    looks = 0

    def look(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            end.set()

    monkeypatch.setattr(stopping.time, "sleep", look)
    stop(home=home.path)

    assert (False, True) == (home.is_taken(), looks >= 3)
    assert [("POST", "/ppai/v1/stop", "Bearer tok")] == [
        (one[0], one[1], one[2]["authorization"]) for one in peer.asked
    ]


def test_nothing_to_stop_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop(home=tmp_path)

    assert f"no peer is running from {tmp_path}\n" == capsys.readouterr().out


def test_a_peer_that_does_not_end_is_named_by_its_process(
    home: Home, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "ENDED_WITHIN_S", 0.0)

    with pytest.raises(StillRunning, match=f"kill -9 {os.getpid()}"):
        stop(home=home.path)


def test_a_peer_that_does_not_answer_is_named_by_its_process(home: Home) -> None:
    home.announce(Running("http://127.0.0.1:9", os.getpid(), "tok"))

    with pytest.raises(StillRunning, match=f"does not answer .*kill {os.getpid()}"):
        stop(home=home.path)


def test_a_peer_of_an_older_version_is_ended_by_hand_and_another_refusal_is_told(home: Home, peer: Peer) -> None:
    peer.status, peer.body = 404, b'{"error": {"message": "no such page"}}'
    with pytest.raises(StillRunning, match=f"kill {os.getpid()}"):
        stop(home=home.path)

    peer.status, peer.body = 401, b'{"error": {"message": "the owner only"}}'
    with pytest.raises(PeerRefused, match="the owner only"):
        stop(home=home.path)
