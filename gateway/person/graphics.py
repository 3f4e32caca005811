"""How busy this machine's graphics cards are: NVIDIA's by their library, those of AMD by the kernel's files."""

import ctypes
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_LIBRARY = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
_CARDS = Path("/sys/class/drm")


class _Utilisation(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


def busy_percent() -> int | None:
    """Of the busiest card, over the last second or less, whoever uses it; None where no card tells."""
    percents = [*_nvidia(), *_kernel(_CARDS)]
    return max(percents) if percents else None


@cache
def _nvml() -> Any:
    """NVIDIA's library, begun; None where there is none."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(_LIBRARY)
        if library.nvmlInit_v2() == 0:
            return library
    return None


def _nvidia() -> list[int]:
    library, count, percents = _nvml(), ctypes.c_uint(), list[int]()
    if library is None or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return percents
    for number in range(count.value):
        card, use = ctypes.c_void_p(), _Utilisation()
        found = library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(number), ctypes.byref(card)) == 0
        if found and library.nvmlDeviceGetUtilizationRates(card, ctypes.byref(use)) == 0:
            percents.append(use.gpu)
    return percents


def _kernel(cards: Path) -> list[int]:
    percents = list[int]()
    for file in cards.glob("card*/device/gpu_busy_percent"):
        with suppress(OSError, ValueError):
            percents.append(int(file.read_text(encoding="ascii")))
    return percents
