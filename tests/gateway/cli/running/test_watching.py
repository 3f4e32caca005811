"""The screen is drawn on a terminal of ours, below what is said; a pipe gets lines."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from gateway.cli.options import say
from gateway.cli.own_peer import NotRunning, PeerRefused
from gateway.cli.running.following import Following
from gateway.cli.running.screen import STARTING
from gateway.cli.running.watching import _absent, below, watch
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer
from tests.gateway.cli.running.test_following import event
from tests.gateway.cli.running.test_screen import ENGINE, ME
from tests.gateway.cli.running.test_screen import peer as row

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
SAID = {"me": ME, "sharing": {}, "engine/auto": ENGINE, "peer/b": row("b\x1b[2Jen\u202e [red]")}


class Terminal:
    """A terminal of 24 rows; what was written to it so far."""

    def __init__(self) -> None:
        master, slave = os.openpty()
        self.stream: TextIO = os.fdopen(slave, "w")
        self._master, self._seen = master, b""
        self._news = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        while True:
            try:
                more = os.read(self._master, 65536)
            except OSError:  # the other end was closed
                return
            with self._news:
                self._seen += more
                self._news.notify_all()

    def wait_for(self, words: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: words.encode() in self._seen, 20), self._seen

    def all(self) -> str:
        self.stream.close()
        self._reading.join(20)
        os.close(self._master)
        return self._seen.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("gateway.cli.running.following.AGAIN_S", 0.1)  # these peers end at once
    yield Terminal()


def test_it_stays_below_what_is_said_and_leaves_the_terminal_as_it_was(
    home: Home, peer: Peer, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others call themselves steers neither the terminal nor the drawing."""
    peer.body = event("change", all=True, set=SAID, gone=[])
    monkeypatch.setattr(sys, "stderr", terminal.stream)

    with below(home):
        say("hello")
        terminal.wait_for("8 slots")
    monkeypatch.undo()

    shown = terminal.all()
    assert [True, True, True] == [words in shown for words in ("hello\r\n", "vLLM found on port 8000", "b[2Jen [red]")]
    assert ("\x1b[2J" not in shown, "\u202e" not in shown) == (True, True)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor is there again


@pytest.mark.parametrize("why", ["pipe", "dumb", "background"])
def test_where_nothing_may_be_drawn_lines_stay_lines(
    why: str, home: Home, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe, a terminal without a cursor, and a shell's job in the background: the shell has the terminal."""
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    if why == "background":
        monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp() + 1)
    if why == "pipe":
        monkeypatch.setattr(terminal.stream, "isatty", lambda: False, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal.stream)

    with below(home):
        say("hello")
    monkeypatch.undo()

    assert "hello\r\n" == terminal.all()


def test_a_pipe_gets_news_until_the_peer_ends(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.body = event("change", all=True, set=SAID, gone=[]) + event("change", all=False, set={}, gone=["peer/b"])

    with pytest.raises(NotRunning):
        watch(home)

    assert ["ada: ready", "b[2Jen [red]: alive", "b[2Jen [red]: gone"] == capsys.readouterr().out.splitlines()


def test_the_whole_screen_is_ours_until_the_person_ends_it(
    home: Home, peer: Peer, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the terminal then shows what it showed before."""
    peer.body = event("change", all=True, set=SAID, gone=[])
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    person = threading.Thread(target=lambda: (terminal.wait_for("8 slots"), os.kill(os.getpid(), signal.SIGINT)))
    person.start()

    with pytest.raises(KeyboardInterrupt):
        watch(home)
    monkeypatch.undo()

    shown = terminal.all()
    assert shown.index("\x1b[?1049h") < shown.index("8 slots") < shown.index("\x1b[?1049l")


@pytest.mark.parametrize(("is_whole", "expected"), [(True, "restart it"), (False, STARTING)])
def test_a_peer_that_went_is_no_peer_that_starts(home: Home, is_whole: bool, expected: str) -> None:
    """Whoever watches is told that it went; `ppai serve` itself is about to serve."""
    following = Following(home)
    following.problem = NotRunning("the peer does not answer; restart it: ppai serve")

    assert expected in _absent(following, is_whole)


def test_a_refusal_is_shown_in_both_screens(home: Home) -> None:
    following = Following(home)
    following.problem = PeerRefused("too many pages watch this peer already", 503)

    assert [True, True] == ["too many" in _absent(following, is_whole) for is_whole in (True, False)]
