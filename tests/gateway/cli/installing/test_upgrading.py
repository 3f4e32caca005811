"""How to upgrade follows from how this PPAI came here; nothing is fetched, and a peer of another version is told."""

import json
from pathlib import Path, PurePath
from typing import Any

import pytest

from gateway.cli.installing import upgrading as module
from gateway.cli.installing.upgrading import IMAGE, Installed, commands, upgrade
from gateway.home.folder import Home
from profiler import bugs
from tests.gateway.cli.answering import Peer

VENV = PurePath("/home/ada/ppai/.venv")
PYTHON = f"{VENV}/bin/python"
CLONE = "/home/ada/my ppai"
LOCKED = f"{PYTHON} -m pip install --require-hashes -r constraints.txt -r constraints-build.txt"


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (Installed(PYTHON, VENV, CLONE, is_editable=True), ["make install"]),
        (Installed(PYTHON, VENV, CLONE), [LOCKED, f"{PYTHON} -m pip install --no-deps --no-build-isolation ."]),
        (Installed(PYTHON, PurePath("/home/ada/.local/pipx/venvs/ppai"), CLONE), ["pipx install --force ."]),
        (Installed(PYTHON, PurePath("/home/ada/.local/share/uv/tools/ppai"), CLONE), ["uv tool install --force ."]),
    ],
)
def test_a_clone_is_pulled_and_installed_as_before(installed: Installed, expected: list[str]) -> None:
    assert [f"cd '{CLONE}'", "git pull", *expected] == commands(installed)


def test_what_came_without_a_clone_comes_from_the_same_place() -> None:
    """And what does not tell where it came from names no package index: there anybody may call something `ppai`."""
    fetched = Installed(PYTHON, VENV, repository="https://git.example/ppai")

    assert [f"{PYTHON} -m pip install --upgrade 'ppai @ git+https://git.example/ppai'"] == commands(fetched)
    assert [] == commands(Installed(PYTHON, VENV))
    assert "docker compose build --pull" in commands(Installed(PYTHON, IMAGE))


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"url": "file:///home/ada/my%20ppai", "dir_info": {"editable": True}}, (CLONE, True, "")),
        ({"url": "file:///home/ada/my%20ppai", "dir_info": {}}, (CLONE, False, "")),
        ({"url": "https://git.example/ppai", "vcs_info": {"vcs": "git"}}, ("", False, "https://git.example/ppai")),
        ({"url": "file:///tmp/ppai-0.1.0-py3-none-any.whl", "archive_info": {}}, ("", False, "")),
        ([], ("", False, "")),
        (None, ("", False, "")),
    ],
)
def test_what_pip_noted_down_is_read(
    noted: object, expected: tuple[str, bool, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            return None if noted is None else json.dumps(noted)

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Distribution())
    found = module._installed()

    assert expected == (found.folder, found.is_editable, found.repository)


def test_the_commands_are_on_stdout_with_the_restart_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upgrade(home=tmp_path)

    out, err = capsys.readouterr()
    assert [f"ppai stop --home {tmp_path}", f"ppai serve --home {tmp_path}"] == out.splitlines()[-2:]
    assert (True, True) == (bugs.installed() in err, str(tmp_path) in err)


def test_a_service_is_restarted_by_its_manager(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.installing.service.restart_command", lambda home: "systemctl restart ppai.service")

    upgrade(home=tmp_path)

    assert "systemctl restart ppai.service" == capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(("status", "told"), [({"version": "0.0.9"}, "0.0.9"), ({}, "an older one")])
def test_a_peer_of_another_version_is_told(
    home: Home, peer: Peer, status: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/status"] = status
    upgrade(home=home.path)
    other = capsys.readouterr().err

    peer.pages["/ppai/v1/status"] = {"version": bugs.installed()}
    upgrade(home=home.path)

    assert (True, False) == (f"is of version {told}" in other, "is of version" in capsys.readouterr().err)
