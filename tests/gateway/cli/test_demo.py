"""The demo's peers are a network of their own: nobody else's peer hears of them, or is asked anything."""

import secrets
import sys
from pathlib import Path

import psutil
import pytest

from gateway.cli.demo import _find_url, _wait, launch, next_steps


def test_a_demo_s_peer_knocks_at_nobody_s_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens on loopback, has no mDNS, and is of a network that nobody has, whatever the environment says."""
    monkeypatch.setenv("PPAI_NETWORK_MDNS", "true")
    monkeypatch.setenv("PPAI_NETWORK_SEEDS", "127.0.0.1:8471")
    monkeypatch.setenv("PPAI_PEER_HOST", "0.0.0.0")
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_hex(16))

    with launch(tmp_path, "ada", "demo-1", secret, tmp_path / "no weights", []) as peer:
        _wait(_find_url, peer, "to listen")
        network, others = peer.get("/ppai/v1/status")["network"], peer.get("/ppai/v1/peers")
        sockets = psutil.Process(peer.process.pid).net_connections("inet")

    assert ("demo-1", "secret", []) == (network["name"], network["admission"], others)
    assert {"127.0.0.1"} == {socket.laddr.ip for socket in sockets}
    assert [] == [socket for socket in sockets if socket.type.name == "SOCK_DGRAM"]


def test_the_demo_ends_with_what_to_type_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what puts `ppai` on the path, where it is not."""
    monkeypatch.setenv("PATH", str(tmp_path))
    away = [line.split()[0] for line in next_steps()[1:-1]]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    here = [line.strip() for line in next_steps()[1:-1]]

    assert [".", "ppai", "ppai", "ppai"] == away
    assert ["ppai init", "ppai serve", "ppai ask 'Why is the sky blue?'"] == here
