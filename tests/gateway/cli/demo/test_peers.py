"""The demo's peers are a network of their own: nobody else's peer hears of them, or is asked anything."""

import secrets
from pathlib import Path

import psutil
import pytest

from gateway.cli.demo.peers import find_url, launch, wait


def test_a_demo_s_peer_knocks_at_nobody_s_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens on loopback, has no mDNS, and is of a network that nobody has, whatever the environment says."""
    monkeypatch.setenv("PPAI_NETWORK_MDNS", "true")
    monkeypatch.setenv("PPAI_NETWORK_SEEDS", "127.0.0.1:8471")
    monkeypatch.setenv("PPAI_PEER_HOST", "0.0.0.0")
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_hex(16))

    with launch(tmp_path, "ada", "demo-1", secret, tmp_path / "no weights", []) as peer:
        wait(find_url, peer, "to listen")
        network, others = peer.get("/ppai/v1/status")["network"], peer.get("/ppai/v1/peers")
        sockets = psutil.Process(peer.process.pid).net_connections("inet")

    assert ("demo-1", "secret", []) == (network["name"], network["admission"], others)
    assert {"127.0.0.1"} == {socket.laddr.ip for socket in sockets}
    assert [] == [socket for socket in sockets if socket.type.name == "SOCK_DGRAM"]
