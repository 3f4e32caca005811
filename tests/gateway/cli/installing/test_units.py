"""What systems are given to start a peer by is valid in their own eyes, whatever paths are called."""

import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateway.cli.installing.units import (
    LINGERS,
    TASK_XML,
    Command,
    Service,
    UnfitProgram,
    launch_agent,
    service_name,
    systemd_system,
    systemd_user,
    windows_task,
)

FIT = ["plain", "with a space", "%h and %%", "$HOME ${HOME} $$", "工作站 é", "#; --flag"]
UNFIT = ['a "quoted" one', "it's", "back\\slash \\x41", "line\nfeed"]  # as programs' folders, by systemd's own rule
verified = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is systemd's")


def made(kind: str, command: Command, folder: Path) -> Service:
    if kind == "user":
        return systemd_user("ppai", command, folder, lingers=False)
    return systemd_system("ppai", command, folder)


@verified
@pytest.mark.parametrize("kind", ["user", "system"])
@pytest.mark.parametrize(("folder", "home"), [*zip(FIT, FIT, strict=True), *(("plain", home) for home in UNFIT)])
def test_systemd_takes_the_unit(kind: str, folder: str, home: str, tmp_path: Path) -> None:
    """It also looks for the program, so that its path was read as it is."""
    program = tmp_path / folder / "ppai"
    program.parent.mkdir()
    program.touch(0o755)

    done = verify(made(kind, (str(program), "serve", "--home", home), tmp_path / "units"), kind)

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("folder", UNFIT)
def test_a_program_that_systemd_does_not_start_is_told(folder: str, tmp_path: Path) -> None:
    with pytest.raises(UnfitProgram, match="move "):
        made("user", (f"/opt/{folder}/ppai",), tmp_path)


@verified
def test_the_check_of_units_can_fail(tmp_path: Path) -> None:
    done = verify(made("user", ("/nowhere/ppai",), tmp_path / "units"), "user")

    assert (True, True) == (done.returncode != 0, "/nowhere/ppai" in done.stderr)


def verify(service: Service, kind: str) -> subprocess.CompletedProcess[str]:
    service.file.parent.mkdir()
    service.file.write_bytes(service.content)
    words = ["systemd-analyze", f"--{kind}", "--man=no", "--recursive-errors=no", "verify", str(service.file)]
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning", "XDG_RUNTIME_DIR": str(service.file.parent)}
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=30)


@pytest.mark.parametrize("word", [*FIT, *UNFIT])
def test_launchd_s_list_has_the_words_as_they_are(word: str, tmp_path: Path) -> None:
    command = (f"/opt/{word}/ppai", "serve", "--home", word)

    service = launch_agent("ppai", command, tmp_path, 501)

    found = plistlib.loads(service.content)
    assert (list(command), "ppai", True) == (found["ProgramArguments"], found["Label"], found["RunAtLoad"])
    assert {"SuccessfulExit": False} == found["KeepAlive"]
    assert (("launchctl", "bootstrap", "gui/501", str(tmp_path / "ppai.plist")),) == service.start
    assert (("launchctl", "bootout", "gui/501/ppai"),) == service.stop


def test_windows_task_is_what_its_schema_asks_for(tmp_path: Path) -> None:
    """In the schema's order; Windows splits the arguments by its own rules."""
    command = (r"C:\Program Files\py\pythonw.exe", "-m", "gateway.cli", "serve", "--home", 'C:\\a "b" & <c>\\')

    service = windows_task("ppai-1", command, tmp_path / "service.xml", r"DESK\ada")

    root = ElementTree.fromstring(service.content)
    assert ["Triggers", "Principals", "Settings", "Actions"] == [
        part.tag.removeprefix(f"{{{TASK_XML}}}") for part in root
    ]
    texts = {part.tag.removeprefix(f"{{{TASK_XML}}}"): part.text for part in root.iter()}
    assert (r"C:\Program Files\py\pythonw.exe", r"DESK\ada", "PT0S") == (
        texts["Command"], texts["UserId"], texts["ExecutionTimeLimit"],
    )  # fmt: skip
    assert r'-m gateway.cli serve --home "C:\a \"b\" & <c>\\"' == texts["Arguments"]
    assert service.content.startswith((b"\xff\xfe", b"\xfe\xff"))  # schtasks takes no other encoding
    assert ["/Create", "/Run", "/Delete"] == [words[1] for words in (*service.start, *service.stop)]


def test_a_unit_starts_again_after_a_failure_and_not_after_an_end(tmp_path: Path) -> None:
    lines = made("user", ("/x",), tmp_path).content.decode().splitlines()

    assert {"Restart=on-failure", "WantedBy=default.target"} <= {*lines}
    assert "After=network-online.target" in made("system", ("/x",), tmp_path).content.decode()


def test_starting_at_boot_is_asked_for_where_it_is_not_so(tmp_path: Path) -> None:
    """And the unit remembers that it was not, for its removal."""
    asked = systemd_user("ppai", ("/x",), tmp_path, lingers=False)
    had = systemd_user("ppai", ("/x",), tmp_path, lingers=True)

    assert (True, ("loginctl", "enable-linger")) == (asked.content.startswith(LINGERS), asked.boot)
    assert (False, ()) == (had.content.startswith(LINGERS), had.boot)


def test_each_home_has_a_service_of_its_own() -> None:
    usual = Path("/home/ada/.ppai")
    names = [service_name(home, usual) for home in (usual, Path("/a"), Path("/b"), Path("/工\udcff"))]

    assert ("ppai", 4) == (names[0], len({*names}))
    assert all(name.removeprefix("ppai-").isalnum() for name in names)
