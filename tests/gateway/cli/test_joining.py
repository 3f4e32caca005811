"""ppai invite, invites, uninvite, join: what they ask the running peer, what people and programs read, exit codes."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest
import typer
import yaml

from gateway.cli import joining
from gateway.cli.joining import invite, invites, join, uninvite
from gateway.cli.own_peer import PeerRefused
from gateway.home.folder import Home
from tests.discovery.inviter import NET, inviter, listening
from tests.gateway.cli.answering import Peer

ROW = {
    "id": "28ef56d54ae89a97", "for": "ben", "by": "line", "state": "open", "expires": 1795707369,
    "rights": ["ask", "answer"], "gives_secret": False, "used_by": None, "tries_left": None, "refused": 0,
    "addresses": ["192.0.2.7:8471"],
}  # fmt: skip
ADA = {"peer": "aa2a2" + "a" * 47, "name": "ada", "rights": ["ask"], "say": ["wrote secret"]}
LINE = "PPAI1:ABC"


def asked(peer: Peer) -> dict[str, object]:
    return json.loads(peer.asked[-1][3])


def test_programs_get_the_line_and_nothing_else_on_stdout(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/invite"] = {"line": LINE, **ROW}

    invite(home=home.path, label="ben", expires="2h", rights="ask", as_json=True)

    out, err = capsys.readouterr()
    shown = {"line": LINE, "expires": 1795707369, "for": "ben", "rights": ["ask", "answer"]}
    assert (shown, "") == (json.loads(out), err)
    said = {"for": "ben", "expires_s": 7200.0, "rights": ["ask"]}
    assert {**said, "pin": False, "mine": False, "secret": False} == asked(peer)


def test_people_get_the_line_and_what_to_do_with_it(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/invite"] = {"line": LINE, **ROW}

    invite(home=home.path, rights="ask,answer")

    out, err = capsys.readouterr()
    assert (f"{LINE}\n", True, True) == (out, "ppai join" in err, "ppai uninvite ben" in err)
    assert 3600.0 == asked(peer)["expires_s"]


def test_a_line_that_no_other_machine_can_follow_is_told(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/invite"] = {"line": LINE, **ROW, "addresses": ["127.0.0.1:8471", "[::1]:8471"]}

    invite(home=home.path, rights="ask,answer")

    assert "network.advertise" in capsys.readouterr().err


def test_digits_are_shown_in_two_groups_and_are_open_for_ten_minutes(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/invite"] = {"pin": "123456", **ROW}

    invite(home=home.path, rights="ask,answer", pin=True)

    assert ("123 456\n", 600.0) == (capsys.readouterr().out, asked(peer)["expires_s"])


def test_a_qr_code_is_drawn_on_a_terminal_black_on_white(capsys: pytest.CaptureFixture[str]) -> None:
    """As wide as high: each character is two dots high; and it holds the line."""
    joining._draw("PPAI1:" + "A" * 180)

    rows = capsys.readouterr().err.splitlines()
    assert all(row.startswith("\x1b[30;47m") and row.endswith("\x1b[0m") for row in rows)
    width = len(rows[0]) - len("\x1b[30;47m\x1b[0m")
    assert (width + 1) // 2 == len(rows)
    assert width <= 53


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW, "open until"),
        ({**ROW, "state": "used", "used_by": {"peer": "bb", "name": "be n"}}, "used by 'be n' bb"),
        ({**ROW, "by": "pin", "tries_left": 2}, "2 tries left"),
        ({**ROW, "for": None, "state": "expired", "refused": 3}, "expired, 3 turned away"),
    ],
)
def test_invitations_are_listed_with_what_became_of_them(
    home: Home, peer: Peer, row: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/invites"] = [row]

    invites(home=home.path)
    assert words in capsys.readouterr().out
    invites(home=home.path, as_json=True)
    assert [row] == json.loads(capsys.readouterr().out)


def test_no_invitation_is_told_with_the_next_step(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages |= {"/ppai/v1/invites": [], "/ppai/v1/uninvite": []}

    invites(home=home.path)
    uninvite(everybody=True, home=home.path)

    assert {"who": None} == asked(peer)
    assert ["no invitations: make one with `ppai invite`", "no invitation was open"] == (
        capsys.readouterr().err.splitlines()
    )


def test_invitations_are_withdrawn_one_by_one(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/uninvite"] = [{**ROW, "state": "withdrawn"}]

    uninvite(["ben"], home=home.path)

    assert ({"who": "ben"}, True) == (asked(peer), "for ben no longer lets anybody in" in capsys.readouterr().out)
    for who, everybody in ((None, False), (["ben"], True)):
        with pytest.raises(typer.BadParameter):
            uninvite(who, everybody=everybody, home=home.path)


def test_a_running_peer_joins_itself(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that a terminal broke in two is one line."""
    peer.pages["/ppai/v1/join"] = ADA

    join(["PPAI1:AB", "CD"], rights="ask", home=home.path, as_json=True)

    out, err = capsys.readouterr()
    assert {"peer": ADA["peer"], "name": "ada", "rights": ["ask"]} == json.loads(out)
    assert "wrote secret\n" == err
    assert {"rights": ["ask"], "line": "PPAI1:AB CD", "mine": False, "secret": False} == asked(peer)


def test_line_and_digits_are_read_from_a_pipe(home: Home, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    peer.pages["/ppai/v1/join"] = ADA
    for typed, args in (("PPAI1:AB\n", {"line": ["-"]}), ("123 456\n", {"pin": True, "at": ["127.0.0.1:8471"]})):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        join(**args, rights="ask", home=home.path)  # type: ignore[arg-type]
        assert typed.strip() in asked(peer).values()


@pytest.mark.parametrize(("status", "code"), [(403, 4), (502, 5)])
def test_scripts_tell_a_refusal_from_an_inviter_that_is_away(
    home: Home, peer: Peer, status: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.status, peer.body = status, b'{"error": {"message": "this invitation was used before"}}'

    with pytest.raises(typer.Exit) as ended:
        join([LINE], rights="ask", home=home.path)

    assert (code, "error: this invitation was used before\n") == (ended.value.exit_code, capsys.readouterr().err)


def test_other_refusals_are_errors_as_everywhere(home: Home, peer: Peer) -> None:
    peer.status, peer.body = 400, b'{"error": {"message": "no line"}}'

    with pytest.raises(PeerRefused, match="no line"):
        join([LINE], rights="ask", home=home.path)


@pytest.mark.parametrize("config", [None, "network:\n  name: mine\n", "name: ben\n"])
async def test_a_new_home_takes_the_inviters_network_and_another_keeps_its_own(
    tmp_path: Path, config: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    ada, home = inviter(tmp_path / "ada"), Home(tmp_path / "ben")
    if config:
        home.prepare()
        home.write_private("config.yaml", config.encode())
    async with listening(ada):
        line, code = ada.inviting.invite("ben", ("ask",), 3600).text, 0
        try:
            await asyncio.to_thread(join, [line], rights="ask,answer", home=home.path)
        except typer.Exit as ended:
            code = ended.exit_code

    err = capsys.readouterr().err
    assert (0 if config is None else 4) == code
    assert (f"this machine's network is {NET}" if config is None else "set network.name to it") in err
    kept = yaml.safe_load(home.config_file.read_text())
    assert kept == ({"network": {"name": NET}} if config is None else yaml.safe_load(config))
    assert bool(ada.admission.approved()) == (config is None)


@pytest.mark.parametrize("args", [{}, {"line": [LINE], "pin": True}, {"line": [LINE], "at": ["127.0.0.1:8471"]}])
def test_line_and_digits_are_one_or_the_other(home: Home, args: dict[str, object]) -> None:
    with pytest.raises(typer.BadParameter):
        join(**args, rights="ask", home=home.path)  # type: ignore[arg-type]


@pytest.mark.parametrize("rights", ["", "all", "ask,rule"])
def test_unknown_rights_are_told(home: Home, rights: str) -> None:
    with pytest.raises(typer.BadParameter, match="ask,answer"):
        invite(home=home.path, rights=rights)


def test_without_mdns_the_inviter_must_be_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPAI_NETWORK_MDNS", "false")
    monkeypatch.setattr(sys, "stdin", io.StringIO("123456\n"))

    with pytest.raises(typer.BadParameter, match="say where"):
        join(pin=True, rights="ask", home=home.path)
