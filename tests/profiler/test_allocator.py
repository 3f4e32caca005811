"""What is free goes back to the system, where the C library can."""

import ctypes
import subprocess
import sys

import numpy as np
import psutil
import pytest

from profiler.allocator import LARGE_BYTES, give_back, return_large_blocks

BLOCK = LARGE_BYTES // 2  # bytes: it comes out of the heap
glibc = pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc")


@glibc
def test_what_lies_free_between_what_is_kept_is_returned() -> None:
    process = psutil.Process()
    blocks = [np.ones(BLOCK, np.uint8) for _ in range(1600)]
    del blocks[:-1]  # the last one keeps the heap from shrinking
    before = process.memory_info().rss

    give_back()

    assert process.memory_info().rss < before - 50 * (1 << 20)
    assert 1 == len(blocks)


@glibc
def test_a_large_block_that_is_freed_is_returned_however_many_were_before() -> None:
    """In a process of its own, since what it tells the C library holds for as long as the process lives."""
    held = "blocks = [(np.ones(LARGE_BYTES * 2, np.uint8), np.ones(999, np.uint8)) for _ in range(200)]"
    program = f"""
import numpy as np, psutil, sys
from profiler.allocator import LARGE_BYTES, return_large_blocks
if sys.argv[1] == "told": return_large_blocks()
for _ in range(2):
    {held}
    before = psutil.Process().memory_info().rss
    blocks = [small for large, small in blocks]
print(before - psutil.Process().memory_info().rss)
"""
    returned = {
        told: int(subprocess.run([sys.executable, "-c", program, told], check=True, capture_output=True).stdout)
        for told in ("told", "untold")
    }

    assert returned["told"] > 45 << 20
    assert returned["untold"] < returned["told"] / 2


def test_another_c_library_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: object) -> object:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", missing)

    give_back()
    return_large_blocks()
