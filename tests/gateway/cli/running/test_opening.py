"""ppai open: a link, and a browser only where one can be seen."""

import webbrowser

import pytest

from gateway.cli.running.opening import has_screen, open_page, tunnel
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer

LINK = "http://127.0.0.1:8470/#ticket"


@pytest.fixture
def opened(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Links that a browser was started with."""
    peer.pages["/ppai/v1/page/ticket"] = {"url": LINK}
    links: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: links.append(url) or True)
    monkeypatch.setattr("sys.platform", "linux")
    return links


def test_the_link_is_printed_and_opened(
    home: Home, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")

    open_page(home=home.path)

    assert ([LINK], LINK) == (opened, capsys.readouterr().out.strip())


def test_where_no_window_can_be_seen_the_way_from_another_machine_is_told(
    home: Home, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    open_page(home=home.path)

    assert ([], False) == (opened, has_screen())
    assert tunnel(LINK) in capsys.readouterr().err


def test_print_starts_no_browser(
    home: Home, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")

    open_page(only_print=True, home=home.path)

    assert ([], (f"{LINK}\n", "")) == (opened, tuple(capsys.readouterr()))


def test_the_tunnel_leads_to_the_same_port() -> None:
    assert "ssh -L 8470:127.0.0.1:8470 THIS-MACHINE" == tunnel(LINK)
