"""Whether this machine runs on its battery."""

from collections.abc import Callable
from typing import Any

import psutil  # type: ignore[import-untyped]  # it comes without types

_BATTERY = getattr(psutil, "sensors_battery", lambda: None)  # absent on systems that tell nothing of batteries


def is_on_battery(battery: Callable[[], Any] = _BATTERY) -> bool:
    """False on machines without one. Where the system does not tell whether a battery is charged, it counts as used."""
    found = battery()
    return found is not None and not found.power_plugged
