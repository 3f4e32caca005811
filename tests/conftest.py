"""How long a slow test may take, which one begins first, and that an interrupt reaches whoever is interrupted."""

import signal

import pytest

SLOW_S = 600.0  # of a slow test that names no limit of its own; the limit of pyproject.toml is for those of `make test`


def pytest_configure() -> None:
    """A shell's `&` has SIGINT ignored, also by processes that a test starts: who interrupts one would wait in vain."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests go first, the longest limit before the rest: begun last, the half hours of gossip would end alone."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_S))
    items.sort(key=_limit_s, reverse=True)


def _limit_s(item: pytest.Item) -> float:
    """The slow test's own limit in seconds; 0 for all others, which keep their order."""
    limit = item.get_closest_marker("timeout")
    return float(limit.args[0]) if limit and item.get_closest_marker("slow") else 0.0
