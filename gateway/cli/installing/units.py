"""The file by which a system starts a peer, and the commands that start it and end it (P).

A *service manager* starts programs without a person: systemd, macOS's launchd, Windows' Task Scheduler. Each service
here ends well on the manager's word, is started again when it failed and not when it ended, and belongs to one home.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePath
from subprocess import list2cmdline

Command = tuple[str, ...]
UNBOOT: Command = ("loginctl", "disable-linger")  # undoes `boot` of a service whose file begins with LINGERS

WAIT_S = 10  # s after a failure, such as a port that another program still has
END_S = 30  # s to end in: answers in progress get 5, an embedded engine 3
TASK_XML = "http://schemas.microsoft.com/windows/2004/02/mit/task"
LINGERS = (
    b"# A peer that starts at boot needs `loginctl enable-linger`, which was off before: `ppai uninstall` ends it.\n"
)


@dataclass(frozen=True, slots=True)
class Service:
    """One peer's, ready to be written: nothing here touches the machine."""

    kind: str  # in words
    file: Path
    content: bytes
    start: tuple[Command, ...]  # once the file is written, also over an older one
    stop: tuple[Command, ...]  # while the file is there
    restart: Command  # the peer that runs, by a new one
    forget: tuple[Command, ...] = ()  # once it is gone; none needs to succeed
    boot: Command = ()  # lets it start at boot, not only when its user logs in; may be forbidden


class UnfitProgram(Exception):
    """The service manager starts no program at such a path; the message names the remedy."""


def service_name(home: PurePath, usual_home: PurePath) -> str:
    """`ppai`; of a home that is not the usual one `ppai-` and eight hexadecimal digits: several peers may be there."""
    if home == usual_home:
        return "ppai"
    return f"ppai-{hashlib.sha256(str(home).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def systemd_user(name: str, command: Command, folder: Path, *, lingers: bool) -> Service:
    """A user's, in `folder`. `lingers`: whether this user's services start at boot already. Raises UnfitProgram."""
    control = ("systemctl", "--user")
    content, kind = _unit(command, target="default.target"), "a service of your user's systemd"
    if lingers:
        return _systemd(kind, name, content, folder, control, ())
    return _systemd(kind, name, LINGERS + content, folder, control, ("loginctl", "enable-linger"))


def systemd_system(name: str, command: Command, folder: Path) -> Service:
    """Root's, in `folder`. Raises UnfitProgram."""
    content = _unit(command, target="multi-user.target", after="network-online.target")
    return _systemd("a service of systemd", name, content, folder, ("systemctl",), ())


def _systemd(kind: str, name: str, content: bytes, folder: Path, control: Command, boot: Command) -> Service:
    unit = f"{name}.service"
    return Service(
        kind, folder / unit, content,
        start=((*control, "daemon-reload"), (*control, "enable", unit), (*control, "restart", unit)),
        stop=((*control, "disable", "--now", unit),),
        restart=(*control, "restart", unit),
        forget=((*control, "reset-failed", unit), (*control, "daemon-reload")),
        boot=boot,
    )  # fmt: skip


def _unit(command: Command, target: str, after: str = "") -> bytes:
    """Raises UnfitProgram."""
    if any(character in "\\\"'" or ord(character) < 0x20 for character in command[0]):
        raise UnfitProgram(f"systemd starts no program in a folder with quotes or backslashes: move {command[0]!r}")
    order = f"Wants={after}\nAfter={after}\n" if after else ""
    return (
        f"[Unit]\nDescription=PPAI peer\n{order}"
        f"\n[Service]\nType=exec\nExecStart=:{' '.join(map(_systemd_word, command))}\n"  # ":" leaves $ as it is
        f"Restart=on-failure\nRestartSec={WAIT_S}\nTimeoutStopSec={END_S}\n"
        f"\n[Install]\nWantedBy={target}\n"
    ).encode("utf-8", "surrogateescape")


def _systemd_word(text: str) -> str:
    """One word of a command line as systemd reads it (systemd.service(5), systemd.syntax(7))."""
    escapes = {"\\": "\\\\", '"': '\\"', "%": "%%", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return f'"{"".join(escapes.get(character, character) for character in text)}"'


def launch_agent(name: str, command: Command, folder: Path, uid: int) -> Service:
    """A user's of macOS, in `folder`."""
    import plistlib

    file, domain = folder / f"{name}.plist", f"gui/{uid}"
    content = {
        "Label": name,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": WAIT_S,
        "ExitTimeOut": END_S,
    }
    return Service(
        "an agent of launchd", file, plistlib.dumps(content),
        start=(("launchctl", "bootstrap", domain, str(file)),),
        stop=(("launchctl", "bootout", f"{domain}/{name}"),),
        restart=("launchctl", "kickstart", "-k", f"{domain}/{name}"),
    )  # fmt: skip


def windows_task(name: str, command: Command, file: Path, user: str) -> Service:
    """A task that Windows starts when `user` logs on; the file is what it was made from."""
    from xml.etree import ElementTree

    root = ElementTree.Element("Task", version="1.2", xmlns=TASK_XML)

    def add(path: str, *pairs: tuple[str, str]) -> None:
        part = root
        for tag in path.split("/"):
            part = ElementTree.SubElement(part, tag)
        for tag, text in pairs:
            ElementTree.SubElement(part, tag).text = text

    add("Triggers/LogonTrigger", ("UserId", user))
    add("Principals/Principal", ("UserId", user), ("LogonType", "InteractiveToken"), ("RunLevel", "LeastPrivilege"))
    add(
        "Settings",
        ("MultipleInstancesPolicy", "IgnoreNew"),
        ("DisallowStartIfOnBatteries", "false"),
        ("StopIfGoingOnBatteries", "false"),
        ("ExecutionTimeLimit", "PT0S"),  # none
    )
    restart = ElementTree.SubElement(root[-1], "RestartOnFailure")
    for tag, text in (("Interval", "PT1M"), ("Count", "999")):  # a minute is the least that Windows takes
        ElementTree.SubElement(restart, tag).text = text
    add("Actions/Exec", ("Command", command[0]), ("Arguments", list2cmdline(command[1:])))
    return Service(
        "a task of Windows", file, ElementTree.tostring(root, "utf-16", xml_declaration=True),
        start=(("schtasks", "/Create", "/F", "/TN", name, "/XML", str(file)), ("schtasks", "/Run", "/TN", name)),
        stop=(("schtasks", "/Delete", "/F", "/TN", name),),
        restart=("schtasks", "/Run", "/TN", name),
    )  # fmt: skip
