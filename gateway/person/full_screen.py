"""Whether a program has the whole screen, such as a game or a film: X11 on Linux, Windows."""

import ctypes
import os
import re
import sys
from collections.abc import Callable, Mapping

from gateway.person.commands import said

_WINDOW = re.compile(r"window id # (0x[0-9a-f]+)")
_HAS_SCREEN = frozenset({2, 3, 4})  # QUNS_BUSY, QUNS_RUNNING_D3D_FULL_SCREEN, QUNS_PRESENTATION_MODE


def is_full_screen(
    system: str = sys.platform, environ: Mapping[str, str] = os.environ, say: Callable[..., str | None] = said
) -> bool | None:
    """None where the system does not tell. Blocks for two seconds at most."""
    if system == "win32":
        return _windows()
    if system == "darwin" or "DISPLAY" not in environ:
        return None
    active = _WINDOW.search(say("xprop", "-root", "_NET_ACTIVE_WINDOW") or "")
    if active is None:
        return None
    state = say("xprop", "-id", active[1], "_NET_WM_STATE")
    return None if state is None else "_NET_WM_STATE_FULLSCREEN" in state


def _windows() -> bool | None:
    windll, state = getattr(ctypes, "windll", None), ctypes.c_int()
    if windll is None or windll.shell32.SHQueryUserNotificationState(ctypes.byref(state)) != 0:
        return None
    return state.value in _HAS_SCREEN
