"""Whom we know and deal with: shown to people and programs, changed by name."""

import json

import pytest
import typer

from gateway.cli.pages import NOT_MEASURED, peer_lines
from gateway.cli.peering import approve, drain, pause, peers, resume, revoke
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer

BEN = {
    "name": "ben", "id": "bb2b2" + "b" * 47, "state": "suspect", "reason": "no pulse yet", "rights": [], "path": None,
    "running": 1, "waiting": 2, "slots": 4, "age_s": 3.0, "agents": [{"model": "small-1", "spaces": []}],
}  # fmt: skip
NETWORK = {"admission": "tofu", "addresses": ["127.0.0.1:8471"], "refused": []}
STATUS = {
    "name": "ada", "id": "aa2a2" + "a" * 47, "say": [], "network": NETWORK, "gate": {"space": "s1"},
    "engine": {"problem": None, "models": [{"id": "m"}], "running": 0, "waiting": 0, "slots": 2},
}  # fmt: skip


def test_peers_are_listed_with_what_keeps_them(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    refused = {"name": "cleo", "id": "cc2c2" + "c" * 47, "why": "another secret"}
    network = {**NETWORK, "refused": [refused]}
    peer.pages |= {
        "/ppai/v1/peers": [BEN],
        "/ppai/v1/status": {**STATUS, "network": network, "say": ["1 peer waits"]},
    }

    peers(home=home.path)

    out, err = capsys.readouterr()
    assert peer_lines([BEN], {**STATUS, "network": network}, None) == out.splitlines()
    assert [NOT_MEASURED, "1 peer waits"] == err.splitlines()


def test_programs_get_the_rows_as_they_are(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/peers"] = [BEN]

    peers(home=home.path, as_json=True)

    assert [BEN] == json.loads(capsys.readouterr().out)


def test_nobody_known_is_told_with_the_next_step(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages |= {"/ppai/v1/peers": [], "/ppai/v1/status": STATUS}

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


@pytest.mark.parametrize("mine", [True, False])
def test_an_approved_peer_is_told_to_be_the_owner_s_own(
    home: Home, peer: Peer, mine: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/approve"] = {"peer": "bb2b2" + "b" * 47, "name": "ben", "rights": [], "mine": mine}

    approve(["ben"], mine=mine, home=home.path)

    assert {"who": "ben", "mine": mine} == json.loads(peer.asked[0][3])
    assert mine == ("one of your own machines" in capsys.readouterr().out)


def test_what_a_peer_says_of_itself_steers_no_terminal_and_no_shell(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = {
        **BEN,
        "name": "--home=/tmp; x",
        "reason": "\x1b[2J\u202e",
        "agents": [{"model": "m\x1b]0;x\x07", "spaces": []}],
    }
    refused = {"name": "UPDATE NEEDED: run x|sh", "id": "c" * 52, "why": "\x1b[31mno"}
    peer.pages |= {
        "/ppai/v1/peers": [evil],
        "/ppai/v1/status": {**STATUS, "network": {**NETWORK, "refused": [refused]}},
    }

    peers(home=home.path)

    out, err = capsys.readouterr()
    assert "\n'--home=/tmp; x' " in out
    assert "'UPDATE NEEDED: run x|sh' " in out
    assert "[31mno" in out
    assert (out + err).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("command", "arguments", "asked", "answer", "said"),
    [
        (pause, {"duration": "30m"}, {"do": "pause", "seconds": 1800.0}, ("you paused it", 2), "2 of their jobs go on"),
        (pause, {}, {"do": "pause", "seconds": None}, ("you paused it", 0), "others get nothing: you paused it\n"),
        (resume, {}, {"do": "resume"}, (None, 0), "others may use this machine\n"),
        (resume, {}, {"do": "resume"}, ("it runs on its battery", 0), "others get nothing: it runs on its battery"),
        (drain, {}, {"do": "drain"}, ("it ends", 0), "others get nothing: it ends"),
    ],
)
def test_the_owner_says_whether_others_may(
    home: Home, peer: Peer, command, arguments, asked, answer, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/sharing"] = {"kept_shut": answer[0], "remote_running": answer[1]}

    command(home=home.path, **arguments)

    assert [("/ppai/v1/sharing", asked)] == [(one[1], json.loads(one[3])) for one in peer.asked]
    assert said in capsys.readouterr().out


def test_a_pause_of_no_duration_is_a_mistake(home: Home) -> None:
    with pytest.raises(typer.BadParameter, match="30m"):
        pause("soon", home=home.path)


def test_the_ledger_tells_what_each_gave_and_its_share(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    side = {"answers": 1, "prompt_tokens": 9, "tokens": 1234}
    tab = {
        "id": "bb2b2" + "b" * 47, "name": "ben", "mine": True, "newcomer": False, "weight": 0.553,
        "got": {**side, "signed": {**side, "tokens": 1200, "at": 1}}, "given": {**side, "tokens": 77, "signed": None},
    }  # fmt: skip
    stranger = {**tab, "name": None, "mine": False, "newcomer": True, "weight": 0}
    peer.pages["/ppai/v1/tabs"] = [tab, stranger]

    peers(ledger=True, home=home.path)

    lines = capsys.readouterr().out.splitlines()
    assert ["ben", "bb2b2bbbbb", "1234", "1200", "77", "-", "0.55", "yours"] == lines[1].split()
    assert "newcomer" == lines[2].split()[-1]
    peers(ledger=True, home=home.path, as_json=True)
    assert [tab, stranger] == json.loads(capsys.readouterr().out)


def test_an_empty_ledger_is_told(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/tabs"] = []

    peers(ledger=True, home=home.path)

    assert "no peer had an answer" in capsys.readouterr().err
