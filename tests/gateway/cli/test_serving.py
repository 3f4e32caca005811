"""Flags of `ppai serve` are configuration keys: a bad one is named by its key, before anything is opened."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.serving import serve
from gateway.config import Config, ConfigError
from gateway.home.folder import Home
from gateway.runtime import running


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        ({"port": 99999}, "client.port"),
        ({"peer_port": -1}, "peer.port"),
        ({"admission": "nobody"}, "network.admission"),
    ],
)
def test_a_bad_flag_is_named_by_its_key(tmp_path: Path, flags: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"the command line: `{key}`"):
        serve(home=tmp_path / "home", **flags)

    assert not (tmp_path / "home").exists()


def test_a_mistake_in_the_file_is_found_before_the_peer_starts(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("peer: {prot: 1}")

    with pytest.raises(ConfigError, match=r"peer\.prot"):
        serve(home=tmp_path)


def test_a_password_on_the_command_line_is_warned_of_and_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError):
        serve(home=tmp_path / "home", engine="http://bob:hunter2@127.0.0.1:9", port=99999)

    said = capsys.readouterr().err
    assert ("config.yaml" in said, "hunter2" in said) == (True, False)


@pytest.mark.parametrize("kind", ["text", "json"])
def test_all_that_serve_says_is_in_the_form_of_the_log(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first line on, and on a terminal too: a program that collects logs reads nothing else."""
    (tmp_path / "config.yaml").write_text(f"log: {{format: {kind}}}")
    monkeypatch.setattr(running, "run_peer", lambda config, home, say: say("stopping"))

    serve(home=tmp_path, screen=True)

    lines = capsys.readouterr().err.splitlines()
    if kind == "json":
        lines = [json.loads(line)["message"] for line in lines]
    assert [f"starting a peer from {tmp_path}", "stopping"] == lines


def test_large_blocks_go_back_to_the_system_from_before_a_peer_reads_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    did = list[str]()

    def check(*_: object) -> None:
        did.append("read")
        raise ConfigError("it ends here")

    monkeypatch.setattr(running, "return_large_blocks", lambda: did.append("told the C library"))
    monkeypatch.setattr(running, "check", check)
    with pytest.raises(ConfigError):
        running.run_peer(Config(), Home(tmp_path), lambda said: None)

    assert ["told the C library", "read"] == did
