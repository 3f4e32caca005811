"""A real peer in a real terminal: its lines scroll above what it is and does, and ^C leaves the terminal as it was."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.peer import PeerProcess, ppai
from tests.fakes import ScriptedEngine

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="pexpect's terminals are Unix's")]
SERVE = ("serve", "--port", "0", "--peer-port", "0", "--peer-host", "127.0.0.1", "--no-mdns", "--name", "ada")


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    engine = ScriptedEngine()
    with engine.serving_beside():
        yield engine


def terminal(home: Path, *words: str):
    """A command at a terminal of 24 lines; pexpect has no types."""
    import pexpect

    environment = {**os.environ, "TERM": "xterm-256color", "PPAI_PROFILE_AUTO": "off"}
    child = pexpect.spawn(
        sys.executable, ["-m", "gateway.cli", *words, "--home", str(home)], timeout=30, encoding="utf-8",
        dimensions=(24, 120), env=environment,
    )  # fmt: skip
    return child


def test_serve_and_watch_show_requests_and_who_answered_them(engine: ScriptedEngine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    serving = terminal(home, *SERVE, "--engine", engine.url)
    serving.expect_exact("starting a peer from")
    serving.expect("serves (http://[0-9.:]+)/v1")
    serving.expect("ada: ready, ")
    watching = terminal(home, "status", "--watch")
    watching.expect("no request yet")

    asked = ppai("ask", "--home", str(home), "--max-tokens", "5", "Hello")
    for shown in (serving, watching):
        shown.expect("ok in [0-9.]+ s")
    watching.sendintr()
    watching.expect("\x1b\\[\\?1049l")  # the screen that was there before
    serving.sendintr()
    serving.expect_exact("stopping: answers in progress may end")
    serving.expect("\x1b\\[\\?25h")  # the cursor
    for child in (watching, serving):
        child.wait()

    assert (0, 130, 0) == (asked.returncode, watching.exitstatus, serving.exitstatus)


def test_a_peer_in_a_pipe_writes_no_character_that_steers_a_terminal(engine: ScriptedEngine, tmp_path: Path) -> None:
    with PeerProcess(tmp_path / "home", "--engine", engine.url) as peer:
        peer.wait_ready()
        ppai("ask", "--home", str(peer.home), "--max-tokens", "5", "Hello")

    assert ("\x1b" in peer.output, "no request yet" in peer.output) == (False, False)
