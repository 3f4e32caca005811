"""Whether a program has the whole screen, by what X11's command answers."""

import pytest

from gateway.person.full_screen import is_full_screen

ROOT = "_NET_ACTIVE_WINDOW(WINDOW): window id # 0x3a00007\n"


@pytest.mark.parametrize(
    ("environ", "root", "window", "expected"),
    [
        ({"DISPLAY": ":0"}, ROOT, "_NET_WM_STATE(ATOM) = _NET_WM_STATE_FULLSCREEN, _NET_WM_STATE_FOCUSED\n", True),
        ({"DISPLAY": ":0"}, ROOT, "_NET_WM_STATE(ATOM) = _NET_WM_STATE_FOCUSED\n", False),
        ({"DISPLAY": ":0"}, ROOT, None, None),
        ({"DISPLAY": ":0"}, "_NET_ACTIVE_WINDOW:  not found.\n", "FULLSCREEN", None),
        ({}, ROOT, "_NET_WM_STATE_FULLSCREEN", None),
    ],
)
def test_the_window_in_front_is_looked_at(
    environ: dict[str, str], root: str, window: str | None, expected: bool | None
) -> None:
    def say(*command: str) -> str | None:
        return root if "-root" in command else window if "0x3a00007" in command else None

    assert expected == is_full_screen("linux", environ, say)


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_where_nobody_tells_it_is_not_told(system: str) -> None:
    assert is_full_screen(system, {"DISPLAY": ":0"}, lambda *command: ROOT) is None
