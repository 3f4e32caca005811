"""The system is told to start a peer, in the right order, or nothing is left behind.

Stand-ins for the managers say what they were told; tests/e2e/test_service.py has a real systemd run a real peer.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli.installing import service as module
from gateway.cli.installing.service import NotInstalled, install, uninstall
from gateway.config import ConfigError
from gateway.home.folder import Home, Running

Told = Callable[[], list[str]]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A machine with systemd, of a user without a service; what its manager was told."""
    record, programs = tmp_path / "told", tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "loginctl", "launchctl", "schtasks"):
        program = programs / name
        program.write_text(
            f'#!/bin/sh\necho {name} "$@" >> "{record}"\n'
            f'case "{name} $*" in $FAILS) echo "Failed to connect to bus: No medium found" >&2; exit 1;; esac\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("FAILS", "nothing")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in [name for name in os.environ if name.startswith("PPAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(module, "BOOTED", tmp_path)
    monkeypatch.setattr(module, "LINGERING", tmp_path / "linger")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return lambda: record.read_text().splitlines() if record.exists() else []


@pytest.fixture
def serves(tmp_path: Path) -> Iterator[Home]:
    """A home from which a peer serves once a service was written: what the manager would start."""
    home = Home(tmp_path / "home")
    home.prepare()
    home.announce(Running("http://127.0.0.1:8470", os.getpid(), "tok"))
    yield home


@pytest.fixture
def started(serves: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(Home, "running", lambda self: Running("http://127.0.0.1:8470", 1, "tok"))
    return serves


def unit(tmp_path: Path, home: Home) -> Path:
    (found,) = (tmp_path / "user/.config/systemd/user").glob("*.service")
    return found


def test_a_service_is_written_enabled_and_started(
    told: Told, started: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(home=started.path)

    file = unit(tmp_path, started)
    control = "systemctl --user"
    assert [
        f"{control} daemon-reload", f"{control} enable {file.name}", f"{control} restart {file.name}",
        "loginctl enable-linger",
    ] == told()  # fmt: skip
    out, err = capsys.readouterr()
    assert f"the peer of {started.path} serves http://127.0.0.1:8470/v1\n" == out
    assert [f"wrote {file}: a service of your user's systemd", "it starts at boot; end that with: ppai uninstall"] == (
        err.splitlines()
    )
    assert f'"serve" "--home" "{started.path}"' in file.read_text()


def test_removing_it_leaves_nothing_but_the_home(
    told: Told, started: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(home=started.path)
    before, file = len(told()), unit(tmp_path, started)
    monkeypatch.setattr(Home, "running", lambda self: None)

    uninstall(home=started.path)

    control = "systemctl --user"
    assert [
        f"{control} disable --now {file.name}", f"{control} reset-failed {file.name}", f"{control} daemon-reload",
        "loginctl disable-linger",
    ] == told()[before:]  # fmt: skip
    assert [] == [path for path in (tmp_path / "user").rglob("*") if path.is_file()]
    assert started.path.is_dir()


def test_what_started_at_boot_before_does_so_afterwards(
    told: Told, started: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another service of the user's needs it."""
    monkeypatch.setattr(module, "_user", lambda: "ada")
    (tmp_path / "linger").mkdir()
    (tmp_path / "linger" / "ada").touch()

    install(home=started.path)
    monkeypatch.setattr(Home, "running", lambda self: None)
    uninstall(home=started.path)

    assert [] == [line for line in told() if "linger" in line]


def test_what_the_first_installation_turned_on_is_turned_off_after_a_second_one(
    told: Told, started: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_user", lambda: "ada")
    monkeypatch.setattr(Home, "is_taken", lambda self: False)
    install(home=started.path)
    (tmp_path / "linger").mkdir()  # as `loginctl enable-linger` does
    (tmp_path / "linger" / "ada").touch()

    install(home=started.path)
    monkeypatch.setattr(Home, "running", lambda self: None)
    uninstall(home=started.path)

    assert "loginctl disable-linger" == told()[-1]


@pytest.mark.parametrize("fails", ["systemctl*daemon-reload", "systemctl*enable*", "systemctl*restart*"])
def test_a_manager_that_refuses_is_told_and_nothing_is_left(
    fails: str, told: Told, started: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", fails)
    monkeypatch.setattr(module, "_user", lambda: "ada")

    with pytest.raises(NotInstalled, match="No medium found; log in as ada"):
        install(home=started.path)

    assert [] == [path for path in (tmp_path / "user").rglob("*") if path.is_file()]


def test_where_starting_at_boot_is_forbidden_the_command_for_it_is_told(
    told: Told, started: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "loginctl*")
    monkeypatch.setattr(module, "_user", lambda: "ada")

    install(home=started.path)

    assert "it starts when you log in; at boot after: sudo loginctl enable-linger ada\n" in capsys.readouterr().err


def test_settings_of_the_shell_do_not_count_for_it(
    told: Told, started: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named without their values: one may be the secret."""
    monkeypatch.setenv("PPAI_SECRET", "hunter2hunter2hunter2")

    install(home=started.path)

    said = capsys.readouterr().err
    assert (True, False) == (f"PPAI_SECRET; write them into {started.config_file}" in said, "hunter2" in said)


def test_nothing_is_written_for_settings_that_no_peer_starts_with(told: Told, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("peer: {prot: 1}")

    with pytest.raises(ConfigError, match=r"peer\.prot"):
        install(home=tmp_path)

    assert ([], False) == (told(), (tmp_path / "user").exists())


def test_a_peer_that_somebody_started_is_not_ended(told: Told, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()

    with home.held(), pytest.raises(NotInstalled, match="ppai stop"):
        install(home=home.path)

    assert [] == told()


def test_printing_changes_nothing(told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(home=tmp_path / "home", print_only=True)

    out = capsys.readouterr().out
    assert ([], True, True) == (told(), "[Service]\n" in out, "# systemctl --user daemon-reload\n" in out)
    assert (False, False) == ((tmp_path / "home").exists(), (tmp_path / "user").exists())


def test_nothing_installed_is_no_failure(told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uninstall(home=tmp_path)

    assert ([], True) == (told(), f"the system starts no peer of {tmp_path}" in capsys.readouterr().out)


def test_a_machine_without_a_manager_is_told_what_to_run(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container, or a Linux with OpenRC."""
    monkeypatch.setattr(module, "BOOTED", tmp_path / "none")

    with pytest.raises(NotInstalled, match=f"ppai serve --home {tmp_path}"):
        install(home=tmp_path)


def test_a_peer_that_does_not_come_up_is_told_where_to_look(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STARTS_WITHIN_S", 0.0)

    with pytest.raises(NotInstalled, match="ppai logs"):
        install(home=tmp_path / "home")


@pytest.mark.parametrize(("system", "program"), [("darwin", "launchctl"), ("win32", "schtasks")])
def test_other_systems_are_told_by_their_own_commands(
    system: str, program: str, told: Told, started: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as that can be seen from here: neither system ran it."""
    monkeypatch.setattr(module.sys, "platform", system)
    monkeypatch.setenv("USERNAME", "ada")

    install(home=started.path)
    monkeypatch.setattr(Home, "running", lambda self: None)
    uninstall(home=started.path)

    assert {program} == {line.split()[0] for line in told()}
    assert ([], False) == (
        [path for path in (tmp_path / "user").rglob("*") if path.is_file()], (started.path / "service.xml").exists(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("system", "ends", "starts"),
    [
        ("linux", "systemctl --user disable --now", "systemctl --user restart"),
        ("darwin", "launchctl bootout", "launchctl bootstrap"),
        ("win32", "schtasks /Delete", "schtasks /Run"),
    ],
)
@pytest.mark.parametrize("fails", ["nothing", "*disable*--now*", "*bootout*", "*/Delete*"])
def test_a_second_time_the_service_that_is_there_ends_before_the_new_one_starts(
    system: str, ends: str, starts: str, fails: str, told: Told, started: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """launchd refuses to load what is loaded; and one that does not run any more cannot be ended."""
    monkeypatch.setattr(module.sys, "platform", system)
    monkeypatch.setenv("USERNAME", "ada")
    install(home=started.path)
    before = len(told())
    monkeypatch.setenv("FAILS", fails)

    install(home=started.path)

    again = told()[before:]
    assert again[0].startswith(ends)
    assert any(line.startswith(starts) for line in again[1:])
    assert [] == [line for line in again[1:] if line.startswith(ends)], "the new one is there"


def test_root_s_peer_is_a_service_of_the_machine(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    install(home=tmp_path / "home", print_only=True)

    assert "# systemctl daemon-reload" in capsys.readouterr().out
