"""The ways out that the self-test tries. That the wall closes them is in test_sandbox.py."""

import pytest

from profiler.breakout import called, is_open


def test_a_way_is_open_unless_it_is_refused() -> None:
    def refused() -> None:
        raise PermissionError

    def full() -> None:
        raise MemoryError

    assert [True, False, False] == [is_open(go) for go in (int, refused, full)]


def test_a_refused_call_of_the_c_library_is_an_error() -> None:
    with pytest.raises(OSError, match="chdir"):
        called("chdir", b"/nowhere/at/all")
