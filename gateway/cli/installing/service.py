"""ppai install, uninstall: whether the system starts the peer of a home by itself."""

import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.installing import units
from gateway.cli.options import HomeOption, home_of, load, say, show

if TYPE_CHECKING:
    from gateway.home.folder import Home

BOOTED = Path("/run/systemd/system")  # there where systemd runs the machine: sd_booted(3)
LINGERING = Path("/var/lib/systemd/linger")
STARTS_WITHIN_S, LOOK_S = 60.0, 0.1
COMMAND_S = 60.0


class NotInstalled(Exception):
    """The service could not be made or removed; the message names the remedy."""


def install(
    home: HomeOption = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Show the file and the commands; change nothing.")
    ] = False,
) -> None:
    """Have the system start this home's peer: now, at boot, and again when it failed. Its settings are config.yaml's.

    Linux needs systemd; macOS gets an agent of launchd, Windows a task.

    Example: ppai install

    Example: ppai install --print
    """
    place = home_of(home)
    service = _service(place)
    if print_only:
        _print(service)
        return
    _require_valid(place)
    if place.is_taken():
        if not service.file.exists():
            raise NotInstalled(f"a peer is running from {place.path}: end it first (ppai stop), then run this again")
        _end_peer(place)
    place.prepare()
    if service.file.exists():
        for command in service.stop:  # launchd refuses to load what is loaded
            _try(command)
    service.file.parent.mkdir(parents=True, exist_ok=True)
    service.file.write_bytes(service.content)
    try:
        for command in service.start:
            _run(command)
    except NotInstalled:
        _remove(service, *service.stop)
        raise
    say(f"wrote {service.file}: {service.kind}")
    _say_when(service)
    _say_what_does_not_count(place)
    _await_peer(place)


def uninstall(home: HomeOption = None) -> None:
    """End what `ppai install` made, and the peer that it started. The home stays as it is.

    Example: ppai uninstall
    """
    place = home_of(home)
    service = _service(place)
    if not service.file.exists():
        show(f"the system starts no peer of {place.path}: there is no {service.file}")
        return
    lingers = _lingers_by_us(service)
    if place.running() is not None:
        _end_peer(place)
    for command in service.stop:
        _run(command)
    _remove(service)
    if lingers:
        _try(units.UNBOOT)
    show(f"removed {service.file}; the home {place.path} stays")


def restart_command(home: "Home") -> str:
    """What starts the installed service of this home anew; "" where there is none."""
    try:
        service = _service(home)
    except (NotInstalled, units.UnfitProgram):
        return ""
    return shlex.join(service.restart) if service.file.exists() else ""


def _service(home: "Home") -> units.Service:
    """The one of this home on this system. Raises NotInstalled where none can be."""
    users = Path.home()
    name = units.service_name(home.path, users / ".ppai")
    command = (*_program(), "serve", "--home", str(home.path))
    if sys.platform == "win32":
        return units.windows_task(name, command, home.path / "service.xml", os.environ["USERNAME"])
    if sys.platform == "darwin":
        return units.launch_agent(name, command, users / "Library" / "LaunchAgents", os.getuid())
    if not BOOTED.is_dir():
        raise NotInstalled(
            "systemd does not run this machine, and of Linux' other service managers `ppai` knows none:"
            f" have yours run {shlex.join(command)}"
        )
    if os.geteuid() == 0:
        return units.systemd_system(name, command, Path("/etc/systemd/system"))
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or users / ".config") / "systemd" / "user"
    service = units.systemd_user(name, command, folder, lingers=(LINGERING / _user()).exists())
    if _lingers_by_us(service):  # a second `ppai install` finds on what the first one turned on
        return units.systemd_user(name, command, folder, lingers=False)
    return service


def _lingers_by_us(service: units.Service) -> bool:
    """Whether `ppai install` made this user's services start at boot, as the file that is there says."""
    return service.file.exists() and service.file.read_bytes().startswith(units.LINGERS)


def _program() -> tuple[str, ...]:
    """What runs `ppai` from anywhere. On Windows without a window of its own."""
    python = Path(sys.executable)
    script = python.with_name("ppai")
    if sys.platform == "win32":
        return str(python.with_name("pythonw.exe")), "-P", "-m", "gateway.cli"
    return (str(script),) if script.exists() else (str(python), "-P", "-m", "gateway.cli")


def _user() -> str:
    import pwd  # POSIX only

    return pwd.getpwuid(os.getuid()).pw_name


def _require_valid(home: "Home") -> None:
    """Raises what `ppai serve` would raise of the settings: a service that cannot start is started again for ever."""
    from gateway.runtime.running import check

    check(load(home, None, {}), home)


def _end_peer(home: "Home") -> None:
    from gateway.cli.running.stopping import stop

    stop(home=home.path)


def _print(service: units.Service) -> None:
    encoding = "utf-16" if service.content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    show(f"# {service.file}\n{service.content.decode(encoding, 'replace')}")
    for command in (*service.start, service.boot):
        if command:
            show(f"# {shlex.join(command)}")


def _run(command: units.Command) -> None:
    """Run a command of the service manager. Raises NotInstalled with what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=COMMAND_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"cannot run `{shlex.join(command)}`: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        remedy = ""
        if "bus" in said and "--user" in command:  # a shell of `su` or `sudo -u` is in no session of the user's
            remedy = f"; log in as {_user()} (by ssh, or machinectl shell {_user()}@) and run it there"
        raise NotInstalled(f"`{shlex.join(command)}` failed: {said}{remedy}")


def _remove(service: units.Service, *before: units.Command) -> None:
    """Delete the file, and have the manager forget it, as far as it knows of it."""
    for command in before:
        _try(command)
    service.file.unlink(missing_ok=True)
    for command in service.forget:
        _try(command)


def _try(command: units.Command) -> None:
    with suppress(NotInstalled):
        _run(command)


def _say_when(service: units.Service) -> None:
    if service.boot:
        try:
            _run(service.boot)
        except NotInstalled:
            say(f"it starts when you log in; at boot after: sudo {shlex.join(service.boot)} {_user()}")
            return
    if sys.platform in ("win32", "darwin"):
        say("it starts when you log in; end that with: ppai uninstall")
    else:
        say("it starts at boot; end that with: ppai uninstall")


def _say_what_does_not_count(home: "Home") -> None:
    names = sorted(name for name in os.environ if name.startswith("PPAI_") and name != "PPAI_HOME")
    if names:
        say(f"set in this shell, and not for the service: {', '.join(names)}; write them into {home.config_file}")


def _await_peer(home: "Home") -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while (running := home.running()) is None:
        if time.monotonic() > until:
            raise NotInstalled(f"the peer does not serve after {STARTS_WITHIN_S:.0f} s: see `ppai logs`, `ppai doctor`")
        time.sleep(LOOK_S)
    show(f"the peer of {home.path} serves {running.url}/v1")
