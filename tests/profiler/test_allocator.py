"""What is free goes back to the system, where the C library can."""

import ctypes
import sys

import numpy as np
import psutil
import pytest

from profiler.allocator import give_back

BLOCK = 1 << 16  # bytes; from twice as many on the C library returns a block at once


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc")
def test_what_lies_free_between_what_is_kept_is_returned() -> None:
    process = psutil.Process()
    blocks = [np.ones(BLOCK, np.uint8) for _ in range(1600)]
    del blocks[:-1]  # the last one keeps the heap from shrinking
    before = process.memory_info().rss

    give_back()

    assert process.memory_info().rss < before - 50 * (1 << 20)
    assert 1 == len(blocks)


def test_another_c_library_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: object) -> object:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", missing)

    give_back()
