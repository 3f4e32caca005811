"""tests/conftest.py: slow tests begin first and have minutes, all others neither; an interrupt is never ignored."""

import signal
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SETTINGS = """
[pytest]
markers = slow: minutes
asyncio_default_fixture_loop_scope = function
"""
TESTS = """
import pytest

@pytest.fixture
def limit_s(request):
    limit = request.node.get_closest_marker("timeout")
    return limit and limit.args[0]

def test_fast(limit_s):
    assert limit_s is None

@pytest.mark.timeout(9000)
def test_fast_with_a_limit(limit_s):
    assert 9000 == limit_s

@pytest.mark.slow
def test_slow(limit_s):
    assert 600 == limit_s

@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_half_an_hour(limit_s):
    assert 3600 == limit_s
"""


def test_slow_tests_have_minutes_and_the_longest_begin_first(pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTINGS)
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)

    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-v")

    done.assert_outcomes(passed=4)
    order = [line.partition("::")[2].split()[0] for line in done.outlines if " PASSED" in line]
    assert ["test_half_an_hour", "test_slow", "test_fast", "test_fast_with_a_limit"] == order


def test_an_interrupt_reaches_tests_where_whoever_began_them_has_it_ignored(pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTINGS)
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile("""
        import signal

        def test_it():
            assert signal.default_int_handler == signal.getsignal(signal.SIGINT)
    """)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for what a shell begins by `&`
    try:
        done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    finally:
        signal.signal(signal.SIGINT, before)

    done.assert_outcomes(passed=1)
