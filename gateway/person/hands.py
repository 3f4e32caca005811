"""How long nobody has touched keyboard and mouse: GNOME and X11 on Linux, macOS, Windows."""

import ctypes
import os
import re
import sys
from collections.abc import Callable, Mapping

from gateway.person.commands import said

_MUTTER = "org.gnome.Mutter.IdleMonitor"
_GNOME = ("gdbus", "call", "--session", "--dest", _MUTTER, "--object-path", "/org/gnome/Mutter/IdleMonitor/Core",
          "--method", f"{_MUTTER}.GetIdletime")  # fmt: skip
# The command, what its answer looks like, and its unit in seconds. `xprintidle` is a package of its own.
_LINUX = ((_GNOME, re.compile(r"uint64 (\d+)"), 1e-3), (("xprintidle",), re.compile(r"(\d+)"), 1e-3))
_MACOS = ((("ioreg", "-c", "IOHIDSystem", "-d", "4"), re.compile(r'"HIDIdleTime" = (\d+)'), 1e-9),)


def untouched_s(
    system: str = sys.platform, environ: Mapping[str, str] = os.environ, say: Callable[..., str | None] = said
) -> float | None:
    """Seconds since somebody touched them; None where the system does not tell. Blocks for two seconds at most."""
    if system == "win32":
        return _windows_s()
    if system != "darwin" and not ({"DISPLAY", "WAYLAND_DISPLAY"} & environ.keys()):
        return None  # nobody sits before it, or this peer was not started from where he does
    for command, shape, unit_s in _MACOS if system == "darwin" else _LINUX:
        if (found := shape.search(say(*command) or "")) is not None:
            return int(found[1]) * unit_s
    return None


class _LastInput(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint), ("at_ms", ctypes.c_uint))


def _windows_s() -> float | None:
    windll = getattr(ctypes, "windll", None)
    last = _LastInput(ctypes.sizeof(_LastInput), 0)
    if windll is None or not windll.user32.GetLastInputInfo(ctypes.byref(last)):
        return None
    return float((windll.kernel32.GetTickCount() - last.at_ms) % (1 << 32)) / 1000  # which begins anew after 49 days
