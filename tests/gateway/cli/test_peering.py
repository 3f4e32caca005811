"""Whom we know and deal with: shown to people and programs, changed by name."""

import json

import pytest

from gateway.cli.peering import approve, peers, revoke
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer

BEN = {
    "name": "ben", "id": "bb2b2" + "b" * 47, "state": "suspect", "reason": "no pulse yet", "rights": [], "path": None,
    "running": 1, "waiting": 2, "age_s": 3.0, "agents": [{"model": "small-1"}],
}  # fmt: skip
STATUS = {"say": ["1 peer waits"], "network": {"refused": [{"name": "cleo", "id": "c" * 64, "why": "another secret"}]}}


def test_peers_are_listed_with_what_keeps_them(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages |= {"/ppai/v1/peers": [BEN], "/ppai/v1/status": STATUS}

    peers(home=home.path)

    out, err = capsys.readouterr()
    for said in (
        "ben",
        "bb2b2bbbbb",
        "calls us",
        "suspect (no pulse yet)",
        "not approved",
        "1+2 jobs, 3 s ago",
        "small-1",
    ):
        assert said in out
    assert ["1 peer waits", f"kept out: cleo {'c' * 64}: another secret"] == err.splitlines()


def test_programs_get_the_rows_as_they_are(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/peers"] = [BEN]

    peers(home=home.path, as_json=True)

    assert [BEN] == json.loads(capsys.readouterr().out)


def test_nobody_known_is_told_with_the_next_step(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages |= {"/ppai/v1/peers": [], "/ppai/v1/status": {"say": [], "network": {"refused": []}}}

    peers(home=home.path)

    assert "--seed HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "path"), [(approve, "/ppai/v1/approve"), (revoke, "/ppai/v1/revoke")])
def test_rights_are_changed_one_by_one(
    home: Home, peer: Peer, command, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And whoever is changed is told with name and id: the name alone could be anybody's."""
    peer.pages[path] = {"peer": "bb2b2" + "b" * 47, "name": "ben $(x)", "rights": []}

    command(["ben", "cleo"], home=home.path)

    assert [(path, {"who": "ben"}), (path, {"who": "cleo"})] == [(one[1], json.loads(one[3])) for one in peer.asked]
    assert 2 == capsys.readouterr().out.count(f"'ben $(x)' bb2b2{'b' * 47} may ")


def test_what_a_peer_says_of_itself_steers_no_terminal_and_no_shell(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = {**BEN, "name": "--home=/tmp; x", "reason": "\x1b[2J\u202e", "agents": [{"model": "m\x1b]0;x\x07"}]}
    refused = {"name": "UPDATE NEEDED: run x|sh", "id": "c" * 52, "why": "\x1b[31mno"}
    peer.pages |= {"/ppai/v1/peers": [evil], "/ppai/v1/status": {"say": [], "network": {"refused": [refused]}}}

    peers(home=home.path)

    out, err = capsys.readouterr()
    assert out.startswith("'--home=/tmp; x' ")
    assert f"kept out: 'UPDATE NEEDED: run x|sh' {'c' * 52}: [31mno" in err
    assert (out + err).replace("\n", "").isprintable()
